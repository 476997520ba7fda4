"""A whole recording → what a model with heads hears at each moment, in constant memory but for the few classes.

    file ─decoding child─▶ blocks ─features, in windows that overlap by half─▶ hidden states ─heads─▶ probabilities
                                 └──▶ silence, noise                         ─stitched, centre-weighted─▶ `Heard`

Audio and states are let go of as soon as their window is done. What stays are the probabilities, averaged where windows
overlap: of three hours 4 MB of beats, 17 MB of chords. They depend on the recording and the model alone: on a CPU every
window is a call of its own, so that the batch size changes nothing (`ohrwurm.embedding.files`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohrwurm.analysis.feature_windows import FeatureWindow, device_of, feature_windows
from ohrwurm.analysis.overlap import Overlap
from ohrwurm.analysis.sound import Sound, SoundMeter
from ohrwurm.audio.files import resample, sanitized
from ohrwurm.audio.isolation import Decoder
from ohrwurm.errors import AudioError, ModelError
from ohrwurm.models.base import AudioEncoder, ModelCard, check_cast
from ohrwurm.models.frame_heads import HeadSpec, Target, pool
from ohrwurm.models.headed import HeadedEncoder

EXCLUSIVE = frozenset({"chords", "root", "bass", "labels", "key"})  # outputs of which one class holds at a time
BLOCK_SECONDS = 10  # of a waveform in memory that are heard at a time
STATE_RATE = 2.0  # states a second that are kept for sections without a head


@dataclass(frozen=True)
class Seconds:
    """Where the time of one recording went: CPU time, of this process that of the calling thread.

    Attributes:
        decode: of the decoding child; 0 for a waveform.
        sound: looking for silence and noise.
        features, network: the front-end; encoder, heads and stitching.
        waited: for the child, by the clock.
    """

    decode: float = 0.0
    sound: float = 0.0
    features: float = 0.0
    network: float = 0.0
    waited: float = 0.0


@dataclass(frozen=True)
class Heard:
    """What a model heard in one recording.

    Attributes:
        file: as it was given; "" for a waveform in memory.
        card: of the model.
        duration: seconds of audio.
        probabilities: task → name of its output → `(frames, classes)` in [0, 1], frame i at i / frame rate seconds; of
            "tags" `(classes,)`, averaged over the windows by their length.
        specs: task → its head: `frame_rate`, `classes`.
        sound: silence and noise.
        states: mean hidden states `(frames, dim)` at `STATE_RATE`, where they were asked for.
        flags: some of ``short`` (than a window), ``truncated``, ``damaged``.
        seconds: for benchmarks; not part of equality.
    """

    file: str
    card: ModelCard
    duration: float
    probabilities: dict[Target, dict[str, NDArray[np.float32]]]
    specs: dict[Target, HeadSpec]
    sound: Sound
    states: NDArray[np.float32] | None = None
    flags: tuple[str, ...] = ()
    seconds: Seconds = field(default=Seconds(), compare=False)


class Ear:
    """Takes a waveform in blocks; gives what was heard in all of it.

    Args:
        model: with heads, in eval mode.
        tasks: heads to listen with; by default all.
        states: also keep mean hidden states.
        batch_size: windows per call of the model on an accelerator; on a CPU it is always one.
        lock: held around every call of the model, where threads share one on an accelerator.

    Raises:
        ModelError: the model has no head for one of `tasks`.
    """

    def __init__(
        self,
        model: HeadedEncoder,
        tasks: Iterable[Target] | None = None,
        *,
        states: bool = False,
        batch_size: int = 8,
        lock: threading.Lock | None = None,
    ) -> None:
        self._model = model
        self._specs = {task: _spec(model, task) for task in (model.specs if tasks is None else tasks)}
        self._windows = feature_windows(model)
        self._meter = SoundMeter(model.card.sample_rate)
        self._batch_size = 1 if device_of(model).type == "cpu" else max(1, batch_size)
        self._lock = lock or threading.Lock()
        self._waiting: list[FeatureWindow] = []
        self._overlaps: dict[tuple[Target, str], Overlap] = {}
        self._sums: dict[tuple[Target, str], NDArray[np.float64]] = {}  # of outputs that are one a window
        self._valid = 0.0  # seconds over which these are summed
        self._states = Overlap(STATE_RATE) if states else None
        self._samples = 0
        self._longest = 0.0  # window so far, in seconds of audio
        self._taken = dict.fromkeys(("sound", "features", "network"), 0.0)

    def feed(self, block: NDArray[np.float32]) -> None:
        """Take the next samples `(n,)`, at the rate of the model's card."""
        with self._timed("sound"):
            self._meter.feed(block)
        self._samples += len(block)
        self._take(self._windows.feed(block))

    def finish(
        self, file: str = "", *, duration: float | None = None, flags: Iterable[str] = (), decode: float = 0.0,
        waited: float = 0.0,
    ) -> Heard:  # fmt: skip
        """All that was heard; nothing may be fed afterwards.

        Args:
            file, duration, flags, decode, waited: for the result; the duration in seconds where the waveform was
                resampled.

        Raises:
            AudioError: there was not a sample.
            ModelError: the model gave not a number.
        """
        card = self._model.card
        if not self._samples:
            raise AudioError(file or "the waveform", "no-audio", f"less than a sample at {card.sample_rate} Hz")
        self._take(self._windows.finish())
        self._listen()
        found: dict[Target, dict[str, NDArray[np.float32]]] = {task: {} for task in self._specs}
        for (task, output), overlap in self._overlaps.items():
            found[task][output] = overlap.finish()
        for (task, output), total in self._sums.items():
            found[task][output] = (total / self._valid).astype(np.float32)
        states = None if self._states is None else self._states.finish()
        for x in (*(x for outputs in found.values() for x in outputs.values()), *([] if states is None else [states])):
            if not np.isfinite(x).all():
                raise ModelError(f"{card.name}: gave NaN or infinity for {file}; the model or its weights are at fault")
        short = {"short"} if self._longest < card.window - 1 / self._model.card.sample_rate else set()
        return Heard(
            file=file,
            card=card,
            duration=self._samples / card.sample_rate if duration is None else duration,
            probabilities=found,
            specs=self._specs,
            sound=self._meter.finish(),
            states=states,
            flags=tuple(sorted({*flags} | short)),
            seconds=Seconds(decode=decode, waited=waited, **self._taken),
        )

    def _take(self, windows: Iterator[FeatureWindow]) -> None:
        while True:
            with self._lock, self._timed("features"), torch.inference_mode():
                window = next(windows, None)
            if window is None:
                return
            if self._waiting and window.features.shape != self._waiting[0].features.shape:
                self._listen()
            self._waiting.append(window)
            if len(self._waiting) == self._batch_size:
                self._listen()

    def _listen(self) -> None:
        """Hear the windows that wait."""
        windows, self._waiting = self._waiting, []
        if not windows:
            return
        with self._lock, self._timed("network"), torch.inference_mode():
            features = windows[0].features
            if len(windows) > 1:
                features = torch.cat([window.features for window in windows])
            states = self._model.states(features)
            logits = self._model.hear_states(states, tuple(self._specs))
            found = {(task, name): _chances(name, x) for task, of in logits.items() for name, x in of.items()}
            if self._states is not None:
                mean = torch.stack([state.float() for state in states]).mean(0)  # (B, L, D)
                kept = pool(mean, max(1, round(windows[0].length * STATE_RATE))).cpu().numpy()
            for row, window in enumerate(windows):
                self._longest = max(self._longest, window.valid)
                self._valid += window.valid
                for (task, name), x in found.items():
                    self._add(task, name, window, x[row])
                if self._states is not None:
                    self._states.add(window.start, window.valid, kept[row])

    def _add(self, task: Target, output: str, window: FeatureWindow, x: NDArray[np.float32]) -> None:
        rate = self._specs[task].frame_rate
        if rate is None:
            self._sums[task, output] = self._sums.get((task, output), 0.0) + window.valid * x.astype(np.float64)
            return
        if (task, output) not in self._overlaps:
            self._overlaps[task, output] = Overlap(rate)
        self._overlaps[task, output].add(window.start, window.valid, x)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        begun = time.thread_time()
        try:
            yield
        finally:
            self._taken[part] += time.thread_time() - begun


def heard(
    source: str | Path | NDArray[np.floating],
    model: str | Path | AudioEncoder,
    *,
    tasks: Iterable[Target] | None = None,
    states: bool = False,
    sample_rate: int | None = None,
    batch_size: int = 8,
) -> Heard:
    """What a model hears in one recording, before anything is decided: probabilities over time.

    Args:
        source: an audio file, or a waveform `(samples,)` or `(channels, samples)` in [-1, 1].
        model: a name or folder that `ohrwurm.load` knows, or a loaded model with heads.
        tasks: heads to listen with; by default all.
        states: also give mean hidden states.
        sample_rate: of a waveform, or of a `.npy` file, which does not say it.
        batch_size: windows per call of the model on an accelerator; on a CPU it is always one.

    Raises:
        AudioError: the file or waveform cannot be used.
        ModelError: an unknown model, one without heads, without the head for a task, or which gives not a number.

        heard("song.mp3", "ohrwurm-frames").probabilities["beats"]["beats"]  # (frames, 2): beat, downbeat
    """
    encoder = with_heads(model)
    if isinstance(source, np.ndarray):
        return heard_in(source, sample_rate, encoder, tasks, states=states, batch_size=batch_size)
    with Decoder() as decoder:
        return hear_file(
            decoder, source, encoder, tasks, states=states, native=sample_rate, batch_size=batch_size
        )  # fmt: skip


def hear_file(
    decoder: Decoder,
    file: str | Path,
    model: HeadedEncoder,
    tasks: Iterable[Target] | None = None,
    *,
    states: bool = False,
    native: int | None = None,
    batch_size: int = 8,
    lock: threading.Lock | None = None,
) -> Heard:
    """`heard` of a file with a decoder and a loaded model of the caller's; raises as it does."""
    ear = Ear(model, tasks, states=states, batch_size=batch_size, lock=lock)
    rate, waited, begun = model.card.sample_rate, 0.0, time.perf_counter()
    with closing(decoder.stream(file, [rate], native=native)) as decoded:
        for block in decoded:
            waited += time.perf_counter() - begun
            ear.feed(block[rate])
            begun = time.perf_counter()
        waited += time.perf_counter() - begun
    return ear.finish(
        str(file),
        duration=decoded.samples / decoded.info.sample_rate,
        flags=[flag for flag in decoded.flags if flag != "from-start"],
        decode=decoded.seconds,
        waited=waited,
    )


def heard_in(
    waveform: NDArray[np.floating],
    sample_rate: int | None,
    model: HeadedEncoder,
    tasks: Iterable[Target] | None = None,
    *,
    states: bool = False,
    batch_size: int = 8,
) -> Heard:
    """`heard` of a waveform in memory; raises as it does."""
    x = np.asarray(waveform)
    if sample_rate is None or sample_rate < 1:
        raise AudioError("the waveform", "unreadable", "needs its rate: sample_rate=44100, or whatever it is in Hz")
    if x.ndim not in (1, 2) or not np.issubdtype(x.dtype, np.floating) or (x.ndim == 2 and x.shape[0] > x.shape[1]):
        detail = f"takes floating point (samples,) or (channels, samples), not {x.dtype} {x.shape}"
        raise AudioError("the waveform", "unreadable", detail)
    mono = sanitized((x if x.ndim == 1 else x.mean(0)).astype(np.float32))
    ear = Ear(model, tasks, states=states, batch_size=batch_size)
    rate = model.card.sample_rate
    for block in np.array_split(resample(mono, sample_rate, rate), max(1, len(mono) // (BLOCK_SECONDS * sample_rate))):
        ear.feed(block)
    return ear.finish(duration=len(mono) / sample_rate)


def with_heads(model: str | Path | AudioEncoder) -> HeadedEncoder:
    """A model by name, or a loaded one, that has heads.

    Raises:
        ModelError: unknown, without heads, or cast as a whole.
    """
    if not isinstance(model, AudioEncoder):
        from ohrwurm.models.registry import load

        model = load(model)
    if not isinstance(model, HeadedEncoder) or not model.specs:
        raise ModelError(
            f"{model.card.name} has no heads: it makes vectors, and hears no beats or chords. Train heads on it "
            "(ohrwurm train downstream), or take ohrwurm-frames."
        )
    check_cast(model)
    return model


def _spec(model: HeadedEncoder, task: Target) -> HeadSpec:
    if task not in model.specs:
        known = ", ".join(model.specs)
        raise ModelError(f"{model.card.name} has no head for {task}, but for {known}; ask for these alone")
    return model.specs[task]


def _chances(output: str, logits: Tensor) -> NDArray[np.float32]:
    """Probabilities of an output: of classes that exclude each other they add up to 1."""
    logits = logits.float()
    x = logits.softmax(-1) if output in EXCLUSIVE else logits.sigmoid()
    return x.cpu().numpy()
