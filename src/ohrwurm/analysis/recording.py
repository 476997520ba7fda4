"""`ohrwurm.analyze`: what is in a recording, from a file, from many, or from a waveform in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis import decisions, doubts
from ohrwurm.analysis.decisions import SETTINGS, BeatDecoding, Settings
from ohrwurm.analysis.hearing import Heard, hear_file, heard_in, with_heads
from ohrwurm.analysis.tempo import Tempo
from ohrwurm.audio.isolation import Decoder
from ohrwurm.embedding import workers as pool
from ohrwurm.embedding.files import of_one_file, shared_lock
from ohrwurm.errors import AudioError, ModelError
from ohrwurm.events import Beats, Key, Spans
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.frame_heads import Target
from ohrwurm.models.headed import HeadedEncoder

TASKS = ("beats", "chords", "key", "sections", "tags")
HEADS: dict[str, tuple[Target, ...]] = {  # task → heads that serve it, the first that there is
    "beats": ("beats",),
    "chords": ("chords", "chord-parts"),
    "key": ("key",),
    "sections": ("sections",),
    "tags": ("tags",),
}
MODEL = "ohrwurm-frames"


@dataclass(frozen=True)
class Analysis:
    """What is in one recording; None where it was not asked for.

    Attributes:
        file: as it was given; "" for a waveform in memory.
        duration: seconds of audio decoded.
        model: provenance of the model that listened.
        beats: with their places in the bar.
        tempo: beats a minute, and the next likely figure.
        metre: beats of most bars; None also where no bar is known.
        chords: from 0 s to the end, in the syntax of Harte.
        key: of the whole recording; "N" where there is none.
        keys: keys over time.
        sections: under names of functions where the model has a head for them, else under letters.
        tags: with their probabilities, the likeliest first.
        remarks: what is uncertain and why, each `word: explanation`; the words are those of `ohrwurm.analysis.doubts`.
    """

    file: str
    duration: float
    model: str
    beats: Beats | None = None
    tempo: Tempo | None = None
    metre: int | None = None
    chords: Spans | None = None
    key: Key | None = None
    keys: Spans | None = None
    sections: Spans | None = None
    tags: tuple[tuple[str, float], ...] | None = None
    remarks: tuple[str, ...] = ()


@overload
def analyze(  # type: ignore[overload-overlap]  # a str is a sequence of str as well
    source: str | Path | NDArray[Any],
    *,
    tasks: Sequence[str] | None = ...,
    model: str | Path | AudioEncoder = ...,
    sample_rate: int | None = ...,
    beats: BeatDecoding = ...,
    settings: Settings = ...,
    batch_size: int = ...,
) -> Analysis: ...


@overload
def analyze(
    source: Sequence[str | Path],
    *,
    tasks: Sequence[str] | None = ...,
    model: str | Path | AudioEncoder = ...,
    sample_rate: int | None = ...,
    beats: BeatDecoding = ...,
    settings: Settings = ...,
    batch_size: int = ...,
) -> list[Analysis | AudioError]: ...


def analyze(
    source: str | Path | NDArray[Any] | Sequence[str | Path],
    *,
    tasks: Sequence[str] | None = None,
    model: str | Path | AudioEncoder = MODEL,
    sample_rate: int | None = None,
    beats: BeatDecoding = "bars",
    settings: Settings = SETTINGS,
    batch_size: int = 8,
) -> Analysis | list[Analysis | AudioError]:
    """Understand a recording, or several: beats, tempo, chords, key, sections, tags.

    Args:
        source: an audio file; a waveform `(samples,)` or `(channels, samples)` in [-1, 1]; or several files.
        tasks: some of `TASKS`; by default all that the model has heads for, and sections, which need none.
        model: a name or folder that `ohrwurm.load` knows, or a loaded model with heads.
        sample_rate: of a waveform, or of `.npy` files, in Hz.
        beats: "bars" follows tempo and bars (`bar_pointer`), "peaks" takes each peak for itself.
        settings: of all decoders.
        batch_size: windows per call of the model on an accelerator; on a CPU it is always one.

    Returns:
        What was found; for several files a list in their order, in which one that cannot be used is represented by its
        `AudioError`. It depends on the recording, the model and the settings alone.

    Raises:
        AudioError: a single file, or the waveform, cannot be used.
        ModelError: an unknown model, one without heads, or without the head for a task.

        found = ohrwurm.analyze("song.mp3")
        found.tempo.bpm, found.key.label, found.chords.labels[:4], found.remarks
    """
    encoder = with_heads(model)
    if isinstance(source, np.ndarray):
        heads, states = listening(encoder, tasks)
        heard = heard_in(source, sample_rate, encoder, heads, states=states, batch_size=batch_size)
        return decided(heard, tasks, beats=beats, settings=settings)
    if isinstance(source, (str, Path)):
        with Decoder() as decoder:
            return analyze_with(
                decoder, source, encoder, tasks=tasks, beats=beats, settings=settings, native=sample_rate,
                batch_size=batch_size,
            )  # fmt: skip
    many = analyze_many(
        source, tasks=tasks, model=encoder, sample_rate=sample_rate, beats=beats, settings=settings,
        batch_size=batch_size,
    )  # fmt: skip
    return list(many)


def analyze_many(
    files: Sequence[str | Path],
    *,
    tasks: Sequence[str] | None = None,
    model: str | Path | AudioEncoder = MODEL,
    sample_rate: int | None = None,
    beats: BeatDecoding = "bars",
    settings: Settings = SETTINGS,
    batch_size: int = 8,
    workers: int | None = None,
) -> Iterator[Analysis | AudioError]:
    """`analyze` of many files, one result after the other in their order; a bad file gives its error and no end.

    Args:
        workers: files at a time, by default one a core; each then computes in one thread.

    Raises:
        ModelError: as `analyze`; before the first file.
    """
    encoder = with_heads(model)
    listening(encoder, tasks)
    lock = shared_lock(encoder)

    def one(item: tuple[int, str | Path], decoder: Decoder) -> tuple[int, Analysis | AudioError]:
        number, file = item
        try:
            return number, analyze_with(
                decoder, file, encoder, tasks=tasks, beats=beats, settings=settings, native=sample_rate,
                batch_size=batch_size, lock=lock,
            )  # fmt: skip
        except Exception as error:
            return number, of_one_file(file, error)

    return pool.in_order(pool.run(list(enumerate(files)), one, workers=workers))


def analyze_with(
    decoder: Decoder,
    file: str | Path,
    model: HeadedEncoder,
    *,
    tasks: Sequence[str] | None = None,
    beats: BeatDecoding = "bars",
    settings: Settings = SETTINGS,
    native: int | None = None,
    batch_size: int = 8,
    lock: threading.Lock | None = None,
) -> Analysis:
    """`analyze` of a file with a decoder and a loaded model of the caller's: for evaluation and collections.

    Args:
        native: the rate in Hz of a `.npy` file, which does not say it.
        lock: held around every call of the model, where threads share one on an accelerator.
    """
    heads, states = listening(model, tasks)
    heard = hear_file(decoder, file, model, heads, states=states, native=native, batch_size=batch_size, lock=lock)
    return decided(heard, tasks, beats=beats, settings=settings)


def listening(model: HeadedEncoder, tasks: Sequence[str] | None = None) -> tuple[tuple[Target, ...], bool]:
    """The heads that it takes for the tasks (default: all that can be done), and whether hidden states are needed.

    Raises:
        ModelError: no such task, or the model has no head for it.
    """
    specs = model.specs
    heads: dict[Target, None] = {}
    states = False
    for task in TASKS if tasks is None else tasks:
        if task not in TASKS:
            raise ModelError(f"{task!r} is nothing to look for in a recording; there are {', '.join(TASKS)}")
        found = next((head for head in HEADS[task] if head in specs), None)
        if found is not None:
            heads[found] = None
        elif task == "sections":
            states = True
            heads |= {head: None for head in HEADS["chords"] if head in specs}
        elif tasks is not None:
            known = ", ".join(name for name in TASKS if name == "sections" or specs.keys() & set(HEADS[name]))
            raise ModelError(f"{model.card.name} has no head for {task}; it finds {known}")
    return tuple(heads), states


def decided(
    heard: Heard, tasks: Sequence[str] | None = None, *, beats: BeatDecoding = "bars", settings: Settings = SETTINGS
) -> Analysis:
    """The analysis of what was heard, with remarks on what is uncertain.

    Args:
        tasks: what to decide; by default all that was listened for.
    """
    found: dict[str, Any] = {}
    remarks = list(doubts.of_sound(heard, settings.silence, settings.doubts))
    asked = [task for task in TASKS if tasks is None or task in tasks]
    if "beats" in asked and "beats" in heard.specs:
        taken, tempo = decisions.beats_of(heard, beats, settings)
        metre, share = decisions.metre_of(taken)
        found |= {"beats": taken, "tempo": tempo, "metre": metre}
        remarks += doubts.of_beats(taken, tempo, metre, share, settings.doubts)
    if "chords" in asked and heard.specs.keys() & set(HEADS["chords"]):
        found["chords"] = decisions.chords_of(heard, settings)
        remarks += doubts.of_chords(found["chords"], settings.doubts)
    if "key" in asked and "key" in heard.specs:
        found["key"], found["keys"] = decisions.keys_of(heard, settings)
        remarks += doubts.of_key(found["key"], found["keys"], settings.doubts)
    if "sections" in asked and ("sections" in heard.specs or heard.states is not None):
        found["sections"] = decisions.sections_of(heard, settings)
        remarks += [] if "sections" in heard.specs else [doubts.BY_SOUND]
    if "tags" in asked and "tags" in heard.specs:
        found["tags"] = decisions.tags_of(heard, settings)
    return Analysis(heard.file, heard.duration, heard.card.provenance, **found, remarks=tuple(remarks))
