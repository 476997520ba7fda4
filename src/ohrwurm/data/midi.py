"""Scores from MIDI collections: POP909, Freedoom, OpenMSX, ASAP."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.annotations.asap import read_signatures
from ohrwurm.data.score import DURATION, ONSET, PITCH, Notes, Part, Score, Span, end_of, make_notes
from ohrwurm.errors import DataError

_PEDAL = 64


def _load(path: Path) -> Any:
    try:
        import pretty_midi
    except ImportError as error:
        raise DataError(f"{path}: reading MIDI needs pretty_midi; pip install 'ohrwurm[synth]'") from error
    try:
        return pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # the parser raises whatever a malformed byte leads it to
        raise DataError(f"{path}: not a readable MIDI file ({error})") from error


def _notes(instrument: Any) -> Notes:
    """The notes of a pretty_midi instrument, lengthened by the sustain pedal until it is lifted or struck again."""
    notes = make_notes((n.start, n.end - n.start, n.pitch, n.velocity) for n in instrument.notes)
    pedal = sorted((c.time, c.value >= 64) for c in instrument.control_changes if c.number == _PEDAL)
    if instrument.is_drum or not pedal or not len(notes):
        return notes
    times = np.array([t for t, _ in pedal])
    down = np.array([d for _, d in pedal])
    lifts = times[~down]
    end = notes[:, ONSET] + notes[:, DURATION]
    at = np.searchsorted(times, end, side="right") - 1
    held = (at >= 0) & down[np.maximum(at, 0)]
    lift = np.append(lifts, np.inf)[np.searchsorted(lifts, end, side="right")]
    end = np.where(held, np.minimum(lift, end + 6.0), end)  # a lift that never comes: six seconds at most
    for pitch in np.unique(notes[:, PITCH]):
        rows = np.flatnonzero(notes[:, PITCH] == pitch)
        end[rows[:-1]] = np.minimum(end[rows[:-1]], notes[rows[1:], ONSET])
    notes[:, DURATION] = np.maximum(end - notes[:, ONSET], 0.01)
    return notes


def _tempo(beats: NDArray[np.float64]) -> float:
    gaps = np.diff(beats)
    return float(60.0 / np.median(gaps)) if len(gaps) else 120.0


def _spans(path: Path) -> tuple[Span, ...]:
    """`start end label` lines of a POP909 annotation; C# is written Db, as everywhere here."""
    from ohrwurm.data.harmony import transpose_label

    rows = (line.split() for line in path.read_text().splitlines() if line.strip())
    return tuple(Span(float(a), float(b), transpose_label(label, 0)) for a, b, label in rows)


def pop909_song(folder: Path, versions: bool = True) -> Iterator[Score]:
    """The scores of one POP909 folder: the arrangement, then its alternatives (`versions/`) as `001-v1`, ...

    Beats, chords and keys are those of the song. Key changes are annotated in the time of the original
    recording, which the MIDI follows only nearly: keys are exact for songs in one key.
    """
    song = folder.name
    table = np.loadtxt(folder / "beat_midi.txt", ndmin=2)
    beats = table[:, 0]
    # Column 3 marks bars of four beats, or of six where column 2 has three: those are two bars of three.
    column = 2
    gaps = np.diff(np.flatnonzero(table[:, column] > 0.5))
    bar = int(np.median(gaps)) if len(gaps) else 4
    if bar == 6:
        bar, column = 3, 1
    downbeats = beats[table[:, column] > 0.5]
    chords = _spans(folder / "chord_midi.txt")
    keys = _spans(folder / "key_audio.txt")
    paths = [folder / f"{song}.mid"]
    if versions:
        paths += sorted((folder / "versions").glob("*.mid"))
    for path in paths:
        loaded = [(i.name.strip().lower(), _notes(i)) for i in _load(path).instruments if i.notes]
        if not loaded:
            raise DataError(f"{path}: no notes")
        melody = next((notes for name, notes in loaded if name == "melody"), loaded[0][1])
        parts = tuple(
            Part(0, False, notes, role="melody" if notes is melody else "accompaniment") for _, notes in loaded
        )
        end = end_of(*(p.notes for p in parts))
        yield Score(
            score_id=f"pop909/{path.stem}",
            work_id=f"pop909/{song}",
            title=f"POP909 {path.stem}",
            source="pop909",
            melody=melody,
            chords=chords,
            beats=beats,
            downbeats=downbeats,
            keys=(Span(0.0, end, keys[0].label),) if len({k.label for k in keys}) == 1 else keys,
            metre=(bar, 4),
            tempo=_tempo(beats),
            tags=("pop",),
            parts=parts,
            seconds=end,
        )


def band_file(path: Path, source: str, tags: tuple[str, ...] = ()) -> Score:
    """A multi-instrument MIDI file as it is: parts, tempo and beats; no melody, chords or key are claimed."""
    loaded = _load(path)
    parts = tuple(Part(int(i.program), bool(i.is_drum), _notes(i)) for i in loaded.instruments if i.notes)
    if not any(not p.is_drum for p in parts):
        raise DataError(f"{path}: no pitched notes")
    beats = np.asarray(loaded.get_beats(), dtype=np.float64)
    metre = loaded.time_signature_changes[0] if loaded.time_signature_changes else None
    return Score(
        score_id=f"{source}/{path.stem}",
        work_id=f"{source}/{path.stem}",
        title=path.stem.replace("_", " "),
        source=source,
        melody=make_notes(),
        beats=beats,
        downbeats=np.asarray(loaded.get_downbeats(), dtype=np.float64),
        metre=(metre.numerator, metre.denominator) if metre else (4, 4),
        tempo=_tempo(beats),
        tags=tags,
        parts=parts,
        seconds=end_of(*(p.notes for p in parts)),
    )


def asap_performance(path: Path, composer: str = "", title: str = "", work: str = "") -> Score:
    """A human piano performance of ASAP with its annotated beats (`NAME_annotations.txt` beside `NAME.mid`)."""
    parts = tuple(Part(int(i.program), False, _notes(i)) for i in _load(path).instruments if i.notes and not i.is_drum)
    annotations = path.with_name(f"{path.stem}_annotations.txt")
    rows = [line.split("\t") for line in annotations.read_text().splitlines() if line.strip()]
    beats = np.array([float(r[0]) for r in rows if r[2].split(",")[0] in ("b", "db")])
    downbeats = np.array([float(r[0]) for r in rows if r[2].split(",")[0] == "db"])
    fields = [(float(r[0]), r[2].split(",")) for r in rows]
    metres = [f[1] for _, f in fields if len(f) > 1 and "/" in f[1]]
    numerator, denominator = (int(n) for n in metres[0].split("/")[:2]) if metres else (4, 4)
    end = end_of(*(p.notes for p in parts))
    signed = read_signatures(annotations).value
    return Score(
        score_id=f"asap/{work}/{path.stem}",
        work_id=f"asap/{work}",
        title=title or work,
        source="asap",
        melody=make_notes(),
        beats=beats,
        downbeats=downbeats,
        signatures=tuple(
            Span(float(a), float(b), name) for (a, b), name in zip(signed.intervals, signed.labels, strict=True)
        ),
        metre=(numerator, denominator),
        tempo=_tempo(beats),
        tags=tuple(t for t in ("classical", "piano", composer) if t),
        parts=parts,
        seconds=end,
    )


@functools.cache
def asap_titles(root: Path) -> dict[str, tuple[str, str]]:
    """`folder → (composer, title)` from ASAP's metadata.csv; empty where it is missing."""
    table = root / "metadata.csv"
    if not table.is_file():
        return {}
    with open(table, newline="", encoding="utf-8") as lines:
        return {row["folder"]: (row["composer"], row["title"]) for row in csv.DictReader(lines)}
