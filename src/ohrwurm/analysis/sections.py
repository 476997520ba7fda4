"""Sections: peaks of the boundary activation, and between them the likeliest function.

As in Kim and Nam, "All-in-one metrical and functional structure analysis with neighborhood attentions on demixed
audio" (2023): a boundary is a local maximum that rises above the mean of the seconds around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.analysis.activations import checked, shares
from ohrwurm.analysis.peaks import pick_peaks
from ohrwurm.analysis.section_classes import CLASSES
from ohrwurm.errors import DataError
from ohrwurm.events import Spans


@dataclass(frozen=True)
class Segmentation:
    """What counts as a boundary.

    Attributes:
        context: seconds to either side over which the mean is taken.
        rise: how far above this mean a boundary lies. The published 0 takes noise for boundaries where nothing happens.
        separation: seconds within which there is no higher peak; nearer to the ends of the recording there is none.
        merge_below: two neighbours with one label are one section if the boundary between them is less likely than
            this; a verse after a verse stays two if the head is sure.

    Raises:
        ValueError: impossible settings.
    """

    context: float = 12.0
    rise: float = 0.05
    separation: float = 2.0
    merge_below: float = 0.3

    def __post_init__(self) -> None:
        if not (self.context > 0 and self.rise >= 0 and self.separation > 0 and 0 <= self.merge_below <= 1):
            raise ValueError(f"impossible settings: {self}")


SEGMENTATION = Segmentation()


def decode_sections(
    boundary: ArrayLike, function: ArrayLike, frame_rate: float = 8.0, *, segmentation: Segmentation = SEGMENTATION
) -> Spans:
    """Sections from 0 s to the end, with the labels of `CLASSES`.

    Args:
        boundary: `(frames,)`: a section begins here.
        function: `(frames, 7)`: which class this frame belongs to.

    Returns:
        Spans whose confidence is the mean share of their label. None without a frame.

    Raises:
        DataError: not such probabilities, or not for the same frames.

    >>> boundary, function = np.full(480, 0.02), np.full((480, 7), 0.02)
    >>> boundary[158:163] = [0.3, 0.6, 0.9, 0.6, 0.3]
    >>> function[:160, 0], function[160:, 1] = 0.9, 0.9
    >>> found = decode_sections(boundary, function)
    >>> found.labels, found.intervals.tolist()
    (('intro', 'verse'), [[0.0, 20.0], [20.0, 60.0]])
    """
    edge = checked(boundary, 1, frame_rate, "section boundaries")[:, 0]
    x = shares(checked(function, len(CLASSES), frame_rate, "sections"))
    if len(edge) != len(x):
        raise DataError(f"sections: {len(edge)} frames of boundaries, {len(x)} of functions")
    if not len(x):
        return Spans(np.zeros((0, 2)), (), np.zeros(0))
    places, heights = boundaries(edge, frame_rate, segmentation)
    edges = np.concatenate([[0.0], places, [float(len(x))]])
    # A frame belongs to the section in which it stands.
    sums = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
    at = np.ceil(edges).astype(np.int64)
    labels = (sums[at[1:]] - sums[at[:-1]]).argmax(1)
    stays = np.concatenate([[True], (labels[1:] != labels[:-1]) | (heights >= segmentation.merge_below), [True]])
    at, edges, labels = at[stays], edges[stays], labels[stays[:-1]]
    mean = (sums[at[1:]] - sums[at[:-1]]) / np.diff(at)[:, None]
    return Spans(
        np.stack([edges[:-1], edges[1:]], 1) / frame_rate,
        tuple(CLASSES[label] for label in labels),
        np.clip(mean[np.arange(len(labels)), labels], 0, 1),
    )


def boundaries(
    activation: NDArray[np.float64], frame_rate: float, segmentation: Segmentation = SEGMENTATION
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places of the boundaries within a recording, in frames (between two of them), and the activation there.

    >>> x = np.full(400, 0.1)
    >>> x[[100, 300]] = 0.8, 0.12
    >>> boundaries(x, 8.0)[0].tolist()
    [100.0]
    """
    x = np.asarray(activation, np.float64)
    distance = max(1, round(segmentation.separation * frame_rate))
    places, heights = pick_peaks(x, threshold=segmentation.rise, distance=distance)
    reach = max(1, round(segmentation.context * frame_rate))
    sums = np.concatenate([[0.0], np.cumsum(x)])
    frames = places.round().astype(np.int64)
    begin, end = np.maximum(frames - reach, 0), np.minimum(frames + reach + 1, len(x))
    means = (sums[end] - sums[begin]) / (end - begin)
    inside = (places >= distance) & (places <= len(x) - distance)
    kept = inside & (heights > means + segmentation.rise)
    return places[kept], heights[kept]
