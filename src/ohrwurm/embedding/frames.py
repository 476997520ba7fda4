"""The frames of a whole track, stitched from those of its windows."""

from __future__ import annotations

import numpy as np

from ohrwurm.audio.windows import Window
from ohrwurm.embedding.rows import Rows


class Stitcher:
    """Takes the frames of window after window; gives those of the track.

    Frame i of a window stands for the time from `start + i / frame_rate` to the next one. Where windows overlap, every
    instant takes the window in which it lies furthest from an edge (the one whose centre is nearest), because models
    see least at the edges. A frame belongs where its own centre lies. Frames of padding are left out. No frame is moved
    or interpolated: time stamps are those of the windows they come from, and at a seam may lie closer together, or
    further apart, than one frame.

    Args:
        sample_rate: of the audio, in Hz.
        frame_rate: frames a second; None divides each window evenly among its frames.

    >>> stitcher = Stitcher(sample_rate=10, frame_rate=1.0)
    >>> stitcher.add(Window(0, 40), 40, np.zeros((4, 2), np.float32))
    >>> stitcher.add(Window(20, 40), 40, np.ones((4, 2), np.float32))
    >>> frames, times = stitcher.finish()
    >>> frames[:, 0].tolist(), times.tolist()
    ([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    """

    def __init__(self, sample_rate: int, frame_rate: float | None) -> None:
        self.frame_rate = frame_rate
        self._rate = sample_rate
        self._frames = Rows()
        self._times = Rows()
        self._last: tuple[Window, np.ndarray] | None = None  # whose end is not known before the next one comes
        self._from = -np.inf  # seconds from which the last window counts

    def add(self, window: Window, samples: int, frames: np.ndarray) -> None:
        """Take a window's frames `(T, dim)`, made of `samples` samples, padding included."""
        if self.frame_rate is None:
            self.frame_rate = len(frames) * self._rate / samples
        if self._last is not None:
            last, _ = self._last
            seam = (last.start + last.valid + window.start) / 2 / self._rate
            self._keep(seam)
            self._from = seam
        self._last = window, frames

    def _keep(self, until: float) -> None:
        assert self._last is not None
        assert self.frame_rate is not None
        window, frames = self._last
        times = window.start / self._rate + np.arange(len(frames)) / self.frame_rate
        centres = times + 0.5 / self.frame_rate
        end = min(until, (window.start + window.valid) / self._rate)
        inside = (centres >= self._from) & (centres < end)
        if not inside.any() and not len(self._times):  # a track shorter than half a frame
            inside[:1] = True
        if inside.any():
            self._frames.add(frames[inside])
            self._times.add(times[inside, None])

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames `(T, dim)` and their time stamps `(T,)`, in seconds from the start of the track."""
        self._keep(np.inf)
        return self._frames.array, self._times.array[:, 0]
