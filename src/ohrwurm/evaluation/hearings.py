"""What a model with heads heard in recordings, kept on disk: one pass over the audio serves every task and decoder.

    recording ─`analysis.hearing`─▶ probabilities of all heads (kept) ─a task's `Listening`─▶ beats, chords, a key ...

They are kept under the model's provenance and the content of the file, so that `evaluate beats`, `chords` and `key` on
the same files listen once, and another decoder or smoothing listens to nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ohrwurm.analysis.feature_windows import device_of
from ohrwurm.analysis.hearing import Ear, Heard, hear_file
from ohrwurm.analysis.sound import Sound
from ohrwurm.atomic import replacing
from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.checksums import content_hash
from ohrwurm.data.annotations import Kind
from ohrwurm.data.recordings import array_rate
from ohrwurm.data.tracks import Track
from ohrwurm.errors import AudioError, OhrwurmError
from ohrwurm.evaluation.systems import SHORTEST, Events, System
from ohrwurm.evaluation.vectors import folder_of
from ohrwurm.models.headed import HeadedEncoder

VERSION = 1  # raise it when a hearing becomes another one though the model stays
ABOUT = "about"


@dataclass(frozen=True)
class Piece:
    """What was heard in a recording, or in a clip of it that was heard alone, from `start` seconds on."""

    start: float
    heard: Heard


Pieces = tuple[Piece, ...]


@dataclass(frozen=True)
class Listening:
    """How a task listens with a model.

    Attributes:
        decide: what was heard → what is in the recording, or None where that is nothing.
        clip: seconds of the clips that are heard each alone; 0: the recording as a whole.
        name: tells apart several in one job.
    """

    decide: Callable[[Pieces], Events | None]
    clip: float = 0.0
    name: str = ""


class Hearings:
    """Listens to recordings, or reads what was heard.

    Args:
        model: with heads.
        folder: in which hearings are kept.
        clip: as in `Listening`.
    """

    def __init__(self, model: HeadedEncoder, folder: Path, clip: float = 0.0) -> None:
        self._model, self._clip = model, clip
        self._folder = folder_of(folder, "hearings", model) / str(VERSION)
        self._states = "sections" not in model.specs  # sections are then told by them
        self._lock = threading.Lock() if device_of(model).type != "cpu" else None

    def of(self, track: Track, decoder: Decoder) -> Pieces:
        """What is heard in a track.

        Raises:
            AudioError: the file cannot be used.
            ModelError: the model gives not a number.
        """
        try:
            content = content_hash(track.path)
        except OSError as error:
            raise AudioError(track.path, "missing", str(error)) from error
        name = f"{content}-{array_rate(track) or ''}-{self._clip:g}"
        file = self._folder / content[:2] / f"{name}.npz"
        pieces = self._kept(file, track)
        if pieces is None:
            pieces = self._clips(track, decoder) if self._clip else (Piece(0.0, self._whole(track, decoder)),)
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as temporary, open(temporary, "wb") as out:
                np.savez(out, **_arrays(pieces))  # type: ignore[arg-type]
        if sum(piece.heard.duration for piece in pieces) < SHORTEST:
            raise AudioError(track.path, "too-short", f"{pieces[0].heard.duration:.2f} s, {SHORTEST} s are needed")
        return pieces

    def all(self, tracks: Sequence[Track], workers: int = 1) -> Iterator[Pieces | OhrwurmError]:
        """What is heard in each track, in order; where something went wrong, the error."""

        def one(decoder: Decoder, track: Track) -> Pieces | OhrwurmError:
            try:
                return self.of(track, decoder)
            except OhrwurmError as error:
                return error

        return decoding(tracks, one, workers)

    def _whole(self, track: Track, decoder: Decoder) -> Heard:
        return hear_file(
            decoder, track.path, self._model, states=self._states, native=array_rate(track), lock=self._lock
        )

    def _clips(self, track: Track, decoder: Decoder) -> Pieces:
        rate = self._model.card.sample_rate
        size = round(self._clip * rate)
        pieces: list[Piece] = []
        held, ear = 0, self._ear()
        with closing(decoder.stream(track.path, [rate], native=array_rate(track))) as blocks:
            for block in blocks:
                samples = block[rate]
                while len(samples):
                    part, samples = samples[: size - held], samples[size - held :]
                    ear.feed(part)
                    held += len(part)
                    if held == size:
                        pieces.append(Piece(len(pieces) * size / rate, ear.finish(track.path)))
                        held, ear = 0, self._ear()
        if held or not pieces:
            pieces.append(Piece(len(pieces) * size / rate, ear.finish(track.path)))
        return tuple(pieces)

    def _ear(self) -> Ear:
        return Ear(self._model, states=self._states, lock=self._lock)

    def _kept(self, file: Path, track: Track) -> Pieces | None:
        """What was kept in a file; None where there is none, or it is damaged."""
        try:
            with np.load(file, allow_pickle=False) as arrays:
                about = json.loads(arrays[ABOUT].tobytes())
                return tuple(
                    Piece(row["start"], self._restored(number, row, arrays, track)) for number, row in enumerate(about)
                )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def _restored(self, number: int, row: dict[str, Any], arrays: Any, track: Track) -> Heard:
        states = f"{number}/states"
        return Heard(
            file=track.path,
            card=self._model.card,
            duration=row["duration"],
            probabilities={
                task: {output: arrays[f"{number}/{task}/{output}"] for output in outputs}
                for task, outputs in row["outputs"].items()
            },
            specs=dict(self._model.specs),
            sound=Sound(arrays[f"{number}/peaks"], row["relief"]),
            states=arrays.get(states),
            flags=tuple(row["flags"]),
        )


def listening_system(model: HeadedEncoder, kind: Kind, how: Listening, folder: Path) -> System:
    """A model with heads as a system that finds one kind of event.

    Args:
        folder: in which what it hears is kept.
    """
    hearings = Hearings(model, folder, how.clip)
    return System(model.card, kind, lambda track, decoder: how.decide(hearings.of(track, decoder)))


def _arrays(pieces: Pieces) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    about = []
    for number, piece in enumerate(pieces):
        heard = piece.heard
        for task, outputs in heard.probabilities.items():
            found |= {f"{number}/{task}/{output}": x for output, x in outputs.items()}
        found[f"{number}/peaks"] = heard.sound.peaks
        if heard.states is not None:
            found[f"{number}/states"] = heard.states
        about.append(
            {
                "start": piece.start,
                "duration": heard.duration,
                "outputs": {task: list(outputs) for task, outputs in heard.probabilities.items()},
                "relief": heard.sound.relief,
                "flags": list(heard.flags),
            }
        )
    found[ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return found
