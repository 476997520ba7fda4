"""What finds beats, chords, sections or a key in a recording, so that it can be measured.

A `System` is a card and a function (track, decoder) → `Beats`, `Spans` or `Key`. It may listen (`heard`), or read what
any other program has written (`files_in`). Baselines listen (`evaluation.baselines`), and so do models with heads
(`evaluation.hearings`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohrwurm import __version__
from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.data.annotations import SUFFIXES, Kind, read
from ohrwurm.data.recordings import array_rate
from ohrwurm.data.tracks import Track
from ohrwurm.errors import AudioError, DataError, ModelError, OhrwurmError
from ohrwurm.events import Beats, Key, Spans
from ohrwurm.models.base import ModelCard

Events = Beats | Spans | Key
SHORTEST = 0.5  # seconds; nothing is looked for in less


@dataclass(frozen=True)
class System:
    """One way to find one kind of event.

    Attributes:
        card: who it is, as the report names it.
        kind: of the events.
        events: (track, decoder) → what is in it, or None where it has nothing to say of this track. Raises AudioError
            for audio that cannot be used, other errors of ours where it fails itself. Is called by several threads.
        listens: whether it needs the audio.
        remarks: called with a track, what had to be put right in its estimate.
    """

    card: ModelCard
    kind: Kind
    events: Callable[[Track, Decoder], Events | None]
    listens: bool = True
    remarks: Callable[[Track], Sequence[str]] = lambda track: ()

    def all_events(self, tracks: Sequence[Track], workers: int = 1) -> Iterator[Events | OhrwurmError | None]:
        """What is in each track, in order; where something went wrong, the error."""

        def one(decoder: Decoder, track: Track) -> Events | OhrwurmError | None:
            try:
                return self.events(track, decoder)
            except OhrwurmError as error:
                return error

        return decoding(tracks, one, workers)


def card_of(name: str, kind: str, description: str, sample_rate: int = 0, parameters: Mapping[str, Any] | None = None,
            paper: str = "") -> ModelCard:  # fmt: skip
    """The card of a system that is no encoder: it has no vectors and no windows.

    >>> card_of("librosa-beats", "beats", "librosa's beat tracker").name
    'librosa-beats'
    """
    return ModelCard(
        name=name, architecture=f"{kind}-system", sample_rate=sample_rate, window=0.0, hop=0.0, dim=0, good_for=(),
        description=description, version=__version__, parameters=dict(parameters or {}), paper=paper,
    )  # fmt: skip


def heard(card: ModelCard, kind: Kind, hear: Callable[[NDArray[np.float32], int], Events]) -> System:
    """A system that listens to whole recordings: (waveform `(samples,)`, rate of the card) → events."""

    def events(track: Track, decoder: Decoder) -> Events:
        rate = card.sample_rate
        with closing(decoder.stream(track.path, [rate], native=array_rate(track))) as blocks:
            pieces = [block[rate] for block in blocks]
        waveform = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        if len(waveform) < SHORTEST * rate:
            raise AudioError(track.path, "too-short", f"{len(waveform) / rate:.2f} s, {SHORTEST} s are needed")
        return hear(waveform, rate)

    return System(card, kind, events)


def files_in(folder: Path, kind: Kind, tracks: Sequence[Track]) -> System:
    """What another program wrote: a file a track, in any of the forms that `ohrwurm.data.annotations` reads.

    A track's file is called by its id (`/` as `_`, or as folders), or as its audio file, with an ending that may hold
    the kind; `NAME.wav.jams` is found too. One found by id wins.

    Raises:
        DataError: no such folder, none of its files belongs to a track, or one belongs to several.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; --estimates names one with a file a track")
    there = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
    found = {track.track_id: file for track in tracks if (file := _file_of(track, kind, there)) is not None}
    if not found:
        endings = ", ".join(SUFFIXES[kind])
        raise DataError(
            f"{folder}: none of its {len(there)} files belongs to a track. Call them by the ids of the tracks, e.g. "
            f"{_plain(tracks[0].track_id)}{SUFFIXES[kind][0]}; endings: {endings}"
        )
    owners: dict[Path, str] = {}
    for name, file in found.items():
        if (other := owners.setdefault(file, name)) != name:
            raise DataError(f"{file}: belongs to {other} and to {name}; call the files by the ids of the tracks")
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + found[name].read_bytes() + b"\0")
    remarks: dict[str, Sequence[str]] = {}

    def events(track: Track, decoder: Decoder) -> Events | None:
        if track.track_id not in found:
            return None
        said = read(found[track.track_id], kind)
        remarks[track.track_id] = said.remarks
        value: Events = said.value
        return value

    described = f"{kind} that another program wrote, {len(found)} files"
    card = card_of(folder.name, kind, described, parameters={"files": digest.hexdigest()})
    return System(card, kind, events, listens=False, remarks=lambda track: remarks.get(track.track_id, ()))


def load(name: str, kind: Kind) -> System:
    """A system by name.

    Raises:
        ModelError: none of that name, or it finds other things.

    >>> load("chroma-key", "key").kind
    'key'
    """
    from ohrwurm.evaluation.baselines import SYSTEMS

    if name not in known(kind):
        what = f"finds {SYSTEMS[name].kind}" if name in SYSTEMS else "is not known"
        raise ModelError(f"{name} {what}, and not {kind}; these do: {', '.join(known(kind))}; or give --estimates DIR")
    return SYSTEMS[name]


def known(kind: Kind | None = None) -> list[str]:
    """Names of the systems that are there, or of those that find one kind.

    >>> known("chords")
    ['chroma-chords']
    """
    from ohrwurm.evaluation.baselines import SYSTEMS

    return [name for name, system in SYSTEMS.items() if kind in (None, system.kind)]


def plain(events: Events) -> dict[str, Any]:
    """Events as JSON can hold them; `restored` gives them back.

    >>> restored(plain(Key("C major", 0.5)))
    Key(label='C major', confidence=0.5)
    """
    if isinstance(events, Key):
        return {"key": events.label, "confidence": events.confidence}
    sure = None if events.confidence is None else events.confidence.tolist()
    if isinstance(events, Beats):
        return {"times": events.times.tolist(), "positions": events.positions.tolist(), "confidence": sure}
    return {"intervals": events.intervals.tolist(), "labels": list(events.labels), "confidence": sure}


def restored(content: dict[str, Any]) -> Events:
    """See `plain`.

    Raises:
        KeyError, ValueError: not what `plain` made.
    """
    if "key" in content:
        return Key(content["key"], content["confidence"])
    sure = None if content["confidence"] is None else np.array(content["confidence"], np.float64)
    if "times" in content:
        return Beats(np.array(content["times"], np.float64), np.array(content["positions"], np.int64), sure)
    return Spans(np.array(content["intervals"], np.float64), tuple(content["labels"]), sure)


def kept(file: Path) -> Events | None:
    """Events that were kept in a file; None where there are none, or they are damaged."""
    try:
        return restored(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file_of(track: Track, kind: Kind, there: Mapping[str, Path]) -> Path | None:
    audio = Path(track.path)
    for name in dict.fromkeys((track.track_id, _plain(track.track_id), audio.stem, audio.name)):
        for ending in SUFFIXES[kind]:
            if file := there.get(f"{name}{ending}"):
                return file
    return None


def _plain(track_id: str) -> str:
    return track_id.replace("/", "_")
