"""An analysis → what a collection keeps of it: plain values to search by, and the whole of it as JSON."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ohrwurm.analysis.formats.json import plain
from ohrwurm.analysis.harte import NO_CHORD, UNKNOWN
from ohrwurm.analysis.keys import NO_KEY
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import NEAR, tempo_curve
from ohrwurm.events import Beats, Spans

LIKELY = 0.5  # a tag is said of a recording from this probability on


def facts(analysis: Analysis) -> dict[str, Any]:
    """What `Collection.add_analysis` takes: the fields of `ohrwurm.collection.Facts`, and the whole as ``document``.

    What was not asked for, or not found ("N", no tempo), is None.

    >>> import numpy as np
    >>> from ohrwurm.events import Key
    >>> chords = Spans(np.array([[0.0, 2], [2, 3], [3, 6], [6, 7]]), ("D:min", "G:maj", "A:maj", "N"))
    >>> found = facts(Analysis("a.mp3", 7.0, "none", key=Key("D minor", 0.8), chords=chords))
    >>> found["tonic"], found["mode"], found["chords"], found["bpm"], found["tasks"]
    ('D', 'minor', 'A:maj D:min G:maj', None, 'chords key')
    """
    beats, tempo, key = analysis.beats, analysis.tempo, analysis.key
    tonic, mode = key.label.split() if key is not None and key.label != NO_KEY else (None, None)
    has_tempo = beats is not None and tempo is not None and tempo.bpm > 0
    return {
        "model": analysis.model,
        "tasks": " ".join(
            name for name in ("beats", "chords", "key", "sections", "tags") if getattr(analysis, name) is not None
        ),
        "key": f"{tonic} {mode}" if tonic else None,
        "tonic": tonic,
        "mode": mode,
        "key_confidence": key.confidence if key is not None and tonic else None,
        "bpm": tempo.bpm if tempo is not None and has_tempo else None,
        "bpm_confidence": tempo.confidence if tempo is not None and has_tempo else None,
        "tempo_stability": stability(beats, tempo.bpm) if beats is not None and tempo is not None else None,
        "metre": analysis.metre,
        "beats": None if beats is None else len(beats),
        "downbeats": None if beats is None else len(beats.downbeats),
        "chords": None if analysis.chords is None else " ".join(different(analysis.chords)),
        "sections": None if analysis.sections is None else len(analysis.sections),
        "form": None if analysis.sections is None else " ".join(analysis.sections.labels),
        "tags": None if analysis.tags is None else ", ".join(tag for tag, share in analysis.tags if share >= LIKELY),
        "remarks": " ".join(remark.partition(":")[0] for remark in analysis.remarks),
        "document": plain(analysis),
    }


def different(chords: Spans) -> list[str]:
    """The different chords, those that sound longest first.

    >>> different(Spans(np.array([[0.0, 1], [1, 4], [4, 5.5]]), ("C:maj", "F:maj", "C:maj")))
    ['F:maj', 'C:maj']
    """
    seconds: dict[str, float] = defaultdict(float)
    for (start, end), label in zip(chords.intervals.tolist(), chords.labels, strict=True):
        if label not in (NO_CHORD, UNKNOWN):
            seconds[label] += end - start
    return sorted(seconds, key=lambda label: (-seconds[label], label))


def stability(beats: Beats, bpm: float) -> float | None:
    """Share of the time from the first beat to the last in which the tempo is within `NEAR` of `bpm`.

    >>> times = np.concatenate([np.arange(0, 30, 0.5), np.arange(30, 40, 0.4)])
    >>> round(stability(Beats(times, np.zeros(len(times), np.int64)), 120.0), 2)
    0.76
    """
    if bpm <= 0 or len(beats) < 2:
        return None
    _, curve = tempo_curve(beats)
    near = np.abs(np.log(curve / bpm)) <= NEAR
    return float(np.average(near, weights=np.diff(beats.times)))
