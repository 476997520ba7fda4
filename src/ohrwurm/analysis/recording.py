"""`ohrwurm.analyze`: what is in a recording, from a file, from many, or from a waveform in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from ohrwurm.analysis.tempo import Tempo
from ohrwurm.errors import AudioError
from ohrwurm.events import Beats, Key, Spans

if TYPE_CHECKING:
    from ohrwurm.audio.isolation import Decoder
    from ohrwurm.models.base import AudioEncoder

TASKS = ("beats", "chords", "key", "sections", "tags")
MODEL = "ohrwurm-frames"
BeatDecoding = Literal["bars", "peaks"]


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


def analyze(
    source: str | Path | NDArray[Any],
    *,
    tasks: Sequence[str] | None = None,
    model: str | Path | AudioEncoder = MODEL,
    sample_rate: int | None = None,
    beats: BeatDecoding = "bars",
) -> Analysis:
    """Understand one recording.

    Args:
        source: an audio file, or a waveform `(samples,)` or `(channels, samples)` in [-1, 1] with its `sample_rate`.
        tasks: some of `TASKS`; by default all that the model has heads for, and sections.
        model: a name or folder that `ohrwurm.load` knows, or a loaded model with heads.
        beats: "bars" follows tempo and bars (`bar_pointer`), "peaks" takes each peak for itself.

    Raises:
        AudioError: the file cannot be used.
        ModelError: an unknown model, one without heads, or without the head for a task.
    """
    raise NotImplementedError


def analyze_many(
    files: Sequence[str | Path],
    *,
    tasks: Sequence[str] | None = None,
    model: str | Path | AudioEncoder = MODEL,
    beats: BeatDecoding = "bars",
    workers: int | None = None,
) -> Iterator[Analysis | AudioError]:
    """Understand many recordings, one after the other in their order; a bad file gives its error, not an end."""
    raise NotImplementedError


def analyze_with(
    decoder: Decoder,
    file: str | Path,
    model: AudioEncoder,
    *,
    tasks: Sequence[str] | None = None,
    beats: BeatDecoding = "bars",
    native: int | None = None,
) -> Analysis:
    """`analyze` with a decoder and a loaded model of the caller's: for evaluation and collections.

    Args:
        native: the rate in Hz of a `.npy` file, which does not say it.
    """
    raise NotImplementedError
