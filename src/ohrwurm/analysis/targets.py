"""From annotations to what a head is trained with: a value for every frame of a crop; and frames to another rate.

Frame i of a crop stands at `start + i / frame_rate` seconds. These are the decoders' conventions too: decoding the
targets of an annotation gives the annotation back, to the precision of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ohrwurm.errors import DataError
from ohrwurm.events import Spans

IGNORED = -1  # class of a frame that does not count in a loss


def event_targets(
    times: NDArray[np.float64],
    frames: int,
    frame_rate: float,
    *,
    start: float = 0.0,
    neighbours: Sequence[float] = (0.5, 0.25),
) -> NDArray[np.float32]:
    """1 at the frame nearest to each event, less at its neighbours; `(frames,)`.

    Only events inside the crop count, so that what a crop's frames are to say depends on what is in it. Where two
    events reach the same frame, the higher value stands.

    Args:
        times: of the events, in seconds from the start of the recording.
        start: of the crop, in seconds.
        neighbours: values of the frames next to the event's, of those after these, and so on; MARBLE's by default.

    >>> event_targets(np.array([0.1, 9.0]), 8, 50).tolist()
    [0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 0.5, 0.25]
    """
    seconds = np.asarray(times, np.float64) - start
    # What rounds to the frame after the last one is an event of the next crop, but its neighbours are in this one.
    places = np.rint(seconds[(seconds >= 0) & (seconds < frames / frame_rate)] * frame_rate).astype(np.int64)
    targets = np.zeros(frames, np.float32)
    for distance, value in reversed(list(enumerate((1.0, *neighbours)))):
        for place in (places - distance, places + distance):
            inside = place[(place >= 0) & (place < frames)]
            targets[inside] = np.maximum(targets[inside], np.float32(value))
    return targets


def boundary_targets(
    times: NDArray[np.float64], frames: int, frame_rate: float, *, start: float = 0.0, reach: float = 0.5
) -> NDArray[np.float32]:
    """1 in the frames within `reach` seconds of a boundary, `(frames,)`; boundaries outside the crop count there too.

    >>> boundary_targets(np.array([1.0]), 6, 2.0, reach=0.5).tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    times = np.asarray(times, np.float64)
    if not len(times):
        return np.zeros(frames, np.float32)
    at = start + np.arange(frames) / frame_rate
    after = np.clip(np.searchsorted(times, at), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    near = np.minimum(np.abs(times[after] - at), np.abs(times[before] - at))
    return (near <= reach + 1e-9).astype(np.float32)


def label_targets(
    spans: Spans, class_of: Callable[[str], int], frames: int, frame_rate: float, *, start: float = 0.0
) -> NDArray[np.int64]:
    """The class of the span in which each frame lies, `(frames,)`; `IGNORED` where there is none.

    Args:
        class_of: class of a label; `IGNORED` for one that does not count.

    >>> spans = Spans(np.array([[0.0, 1.0], [1.0, 2.0]]), ("a", "b"))
    >>> label_targets(spans, {"a": 0, "b": 1}.__getitem__, 6, 2.0).tolist()
    [0, 0, 1, 1, -1, -1]
    """
    at = start + np.arange(frames) / frame_rate
    targets = np.full(frames, IGNORED, np.int64)
    if not len(spans):
        return targets
    known: dict[str, int] = {}
    classes = np.array([known.setdefault(label, class_of(label)) for label in spans.labels], np.int64)
    tiny = 1e-9  # seconds: a frame at a boundary belongs to what begins there, whatever the rounding
    row = np.searchsorted(spans.intervals[:, 0], at + tiny, "right") - 1
    inside = (row >= 0) & (at + tiny < spans.intervals[np.maximum(row, 0), 1])
    targets[inside] = classes[row[inside]]
    return targets


def pooled(frames: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """`(T, ...)` → `(count, ...)`: bin i is the mean of frames floor(i T / count) .. ceil((i + 1) T / count) - 1.

    This is torch's adaptive average pooling. To a lower rate it averages; to a multiple of the rate it repeats.

    Raises:
        DataError: nothing to pool.

    >>> pooled(np.array([1.0, 2.0, 3.0, 6.0]), 2).tolist(), pooled(np.array([1.0, 2.0]), 4).tolist()
    ([1.5, 4.5], [1.0, 1.0, 2.0, 2.0])
    """
    x = np.asarray(frames, np.float64)
    if not len(x) or count < 1:
        raise DataError(f"{len(x)} frames cannot be pooled to {count}")
    first, last = _bins(len(x), count)
    sums = np.concatenate([np.zeros((1, *x.shape[1:])), np.cumsum(x, axis=0)])
    return (sums[last] - sums[first]) / (last - first).reshape(-1, *[1] * (x.ndim - 1))


def pooled_classes(classes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Classes `(T,)` → `(count,)` by the bins of `pooled`: the most frequent one, of equally frequent ones the lowest.

    `IGNORED` frames have no say; a bin of nothing else is `IGNORED`.

    >>> pooled_classes(np.array([3, 3, 1, 1, 1, -1, -1, -1]), 3).tolist()
    [3, 1, -1]
    """
    x = np.asarray(classes, np.int64)
    if not len(x) or count < 1:
        raise DataError(f"{len(x)} frames cannot be pooled to {count}")
    first, last = _bins(len(x), count)
    kinds = np.unique(x[x != IGNORED])
    if not len(kinds):
        return np.full(count, IGNORED, np.int64)
    votes = pooled((x[:, None] == kinds).astype(np.float64), count) * (last - first)[:, None]
    return np.where(votes.max(1) > 0.5, kinds[votes.round().argmax(1)], IGNORED)


def _bins(frames: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    edges = np.arange(count + 1, dtype=np.int64) * frames
    return edges[:-1] // count, -(-edges[1:] // count)
