"""The windows of a stream, as the features that a model with heads hears: computed once, although windows overlap.

Where a frame of the encoder's features depends on the samples around it alone (spectrograms), those of a long recording
are computed stretch by stretch, each with as many samples to either side as its frames hear, and windows are cut out of
them. They equal the features of the whole file (to rounding: sums of other lengths). A window cut from the waveform
would differ in its outermost frames, which hear reflections of its ends; here only the ends of the file are reflected.
Other encoders get windows of the waveform. Neither depends on the blocks in which the audio arrives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohrwurm.audio.windows import Cutter
from ohrwurm.embedding.protocol import under, windowing
from ohrwurm.models.headed import HeadedEncoder

GRID = 0.5  # seconds
STRETCH = 3.0  # seconds of features at a time: what a processor's cache holds (24 s at a time take twice as long)


@runtime_checkable
class LocalFeatures(Protocol):
    """An encoder with features frame by frame: frame i hears `feature_reach` samples to either side of sample
    i × `feature_hop`, and n samples have n // `feature_hop` frames."""

    @property
    def feature_hop(self) -> int: ...

    @property
    def feature_reach(self) -> int: ...


@dataclass(frozen=True)
class FeatureWindow:
    """Features of one window.

    Attributes:
        start: in seconds from the start of the recording.
        valid: seconds of it that are audio, not padding.
        length: seconds of it, padding included.
        features: what `HeadedEncoder.features` gives, for a batch of one.
    """

    start: float
    valid: float
    length: float
    features: Tensor


def feature_windows(model: HeadedEncoder) -> FrameWindows | WaveformWindows:
    """The way of windows that fits the model's encoder."""
    if isinstance(model.encoder, LocalFeatures):
        return FrameWindows(model, model.encoder.feature_hop, model.encoder.feature_reach)
    return WaveformWindows(model)


class WaveformWindows:
    """Windows of the waveform, each with features of its own."""

    def __init__(self, model: HeadedEncoder) -> None:
        self._model = model
        self._rate = model.card.sample_rate
        self._cutter = Cutter(windowing(under(model.card, "ohrwurm")), None)
        self._device = device_of(model)

    def feed(self, block: NDArray[np.float32]) -> Iterator[FeatureWindow]:
        """Windows that the next samples complete."""
        for window, samples in self._cutter.feed(block):
            yield self._heard(window.start, window.valid, samples)

    def finish(self) -> Iterator[FeatureWindow]:
        """Windows that the end of the recording adds."""
        for window, samples in self._cutter.finish():
            yield self._heard(window.start, window.valid, samples)

    def _heard(self, start: int, valid: int, samples: NDArray[np.float32]) -> FeatureWindow:
        waveform = torch.from_numpy(samples)[None].to(self._device)
        return FeatureWindow(
            start / self._rate, valid / self._rate, len(samples) / self._rate, self._model.features(waveform)
        )


class FrameWindows:
    """Windows of the features of the whole recording.

    Windows start at 0, +hop, ... as long as they fit; if frames are left, a last one reaches to their end. It starts on
    the grid of half seconds as well, and is by less than that longer: what heads say 50, 16 or 8 times a second then
    falls on the frames of the windows before, and peaks are not smeared by interpolation. A recording shorter than a
    window is one window, zero-padded to the card's minimum.
    """

    def __init__(self, model: HeadedEncoder, hop: int, reach: int) -> None:
        self._model, self._hop = model, hop
        card, cut = model.card, windowing(under(model.card, "ohrwurm"))
        self._rate = card.sample_rate
        self._shortest = max(cut.shortest, hop)
        self._window, self._step = max(1, cut.window // hop), max(1, cut.hop // hop)
        self._grid, self._stretch = (max(1, round(seconds * self._rate / hop)) for seconds in (GRID, STRETCH))
        self._margin = reach // hop + 1  # frames whose samples hold all that the frame beside them hears
        self._device = device_of(model)
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._begin = 0  # sample at which the blocks begin
        self._samples = 0  # so far, padding included
        self._audio = 0  # of them that are no padding
        self._kept: Tensor | None = None  # features (1, bands, frames) from frame `_from` to `_done`
        self._from = self._done = 0
        self._next = 0  # frame at which the next window starts

    def feed(self, block: NDArray[np.float32]) -> Iterator[FeatureWindow]:
        """Windows that the next samples complete."""
        self._audio += len(block)
        self._take(block)
        while self._samples >= (end := (self._done + self._stretch + self._margin) * self._hop):
            self._compute(self._done + self._stretch, end)
            yield from self._complete()

    def finish(self) -> Iterator[FeatureWindow]:
        """Windows that the end of the recording adds."""
        if not self._samples:
            return
        if self._samples < self._shortest:
            self._take(np.zeros(self._shortest - self._samples, np.float32))
        frames = self._samples // self._hop
        if frames > self._done:
            self._compute(frames, self._samples)
            yield from self._complete()
        if not self._next or frames > self._next - self._step + self._window:
            yield self._at(max(0, frames - self._window) // self._grid * self._grid, frames)

    def _take(self, block: NDArray[np.float32]) -> None:
        if len(block):
            self._blocks.append(np.asarray(block, np.float32))
        self._samples += len(block)

    def _compute(self, frames: int, end: int) -> None:
        """Features up to frame `frames`, from samples up to `end`."""
        first = max(0, self._done - self._margin)
        waveform = np.concatenate(list(self._blocks))[first * self._hop - self._begin : end - self._begin]
        found = self._model.features(torch.from_numpy(waveform)[None].to(self._device))  # (1, bands, more frames)
        found = found[..., self._done - first : frames - first]
        self._kept = found if self._kept is None else torch.cat([self._kept, found], dim=-1)
        self._done = frames
        while self._blocks and self._begin + len(self._blocks[0]) <= (frames - self._margin) * self._hop:
            self._begin += len(self._blocks.popleft())

    def _complete(self) -> Iterator[FeatureWindow]:
        while self._done >= self._next + self._window:
            yield self._at(self._next, self._next + self._window)
            self._next += self._step
        keep = max(self._from, min(self._next, self._done - self._window - self._grid))
        if self._kept is not None and keep > self._from:
            self._kept, self._from = self._kept[..., keep - self._from :].clone(), keep

    def _at(self, begin: int, end: int) -> FeatureWindow:
        assert self._kept is not None
        features = self._kept[..., begin - self._from : end - self._from].contiguous()
        start, length = (frames * self._hop / self._rate for frames in (begin, end - begin))
        return FeatureWindow(start, min(length, self._audio / self._rate - start), length, features)


def device_of(model: HeadedEncoder) -> torch.device:
    """Where the model is."""
    return next((t.device for t in (*model.parameters(), *model.buffers())), torch.device("cpu"))
