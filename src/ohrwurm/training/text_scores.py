"""How well a model of text and audio finds tracks by their texts, or a tagger by their tags, while it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.errors import DataError
from ohrwurm.models.base import AudioEncoder, JointModel
from ohrwurm.models.ttmr import TTMRClassifier
from ohrwurm.training.batches import Batches
from ohrwurm.training.text_examples import TextExamples

WINDOWS = 8  # a call of the model
TEXTS = 64


def relevance(examples: TextExamples, rows: list[int], by_tag: bool) -> tuple[list[str], np.ndarray]:
    """The queries, and which of the tracks `rows` are right for each, `(queries, tracks)`.

    Each track's text, for which all tracks of the same text are right; or each tag that some of them have, but not all.

    Raises:
        DataError: there is no such tag.
    """
    tracks = [examples.track(row) for row in rows]
    if not by_tag:
        texts = [examples.text(row) for row in rows]
        numbers = np.unique(texts, return_inverse=True)[1]
        return texts, numbers[:, None] == numbers
    own = [set(track.tags) for track in tracks]
    relevant = np.array([[tag in tags for tags in own] for tag in examples.tags])
    telling = np.flatnonzero(relevant.any(1) & ~relevant.all(1))
    if not len(telling):
        raise DataError(f"no tag that is trained tells {tracks[0].track_id} and {len(tracks) - 1} other tracks apart")
    return [examples.tags[i] for i in telling], relevant[telling]


@torch.inference_mode()
def query_scores(model: AudioEncoder, queries: list[str], audio: Tensor) -> np.ndarray:
    """Cosines `(queries, tracks)` of texts, or of a tagger's tags by their weights, with unit vectors of tracks."""
    if isinstance(model, TTMRClassifier):
        return (model.encode_tags(queries).float() @ audio.T).cpu().numpy()
    assert isinstance(model, JointModel)
    distinct = list(dict.fromkeys(queries))
    parts = [model.encode_text(distinct[i : i + TEXTS]).float() for i in range(0, len(distinct), TEXTS)]
    place = {text: number for number, text in enumerate(distinct)}
    texts = nn.functional.normalize(torch.cat(parts), dim=-1)[[place[text] for text in queries]]
    return (texts @ audio.T).cpu().numpy()


@torch.inference_mode()
def track_vectors(model: AudioEncoder, examples: TextExamples, rows: list[int], workers: int = 0) -> Tensor:
    """Unit vectors `(tracks, dim)` of the mean over the windows of each, weighted by how much of them is audio."""
    device = next(model.parameters()).device
    windows = [(place, row, window) for place, row in enumerate(rows) for window in examples.windows(row)]

    def read(_: int, group: list[Any]) -> tuple[Tensor, Tensor, Tensor]:
        audio = [examples.recordings.read(row, window.start, examples.samples) for _, row, window in group]
        places, valid = [place for place, _, _ in group], [float(window.valid) for _, _, window in group]
        return torch.from_numpy(np.stack(audio)), torch.tensor(places), torch.tensor(valid)

    groups = [windows[i : i + WINDOWS] for i in range(0, len(windows), WINDOWS)]
    sums: Tensor | None = None
    for audio, places, valid in Batches(groups, read, workers=workers):
        pooled = model(audio.to(device)).pooled.float() * valid.to(device)[:, None]
        sums = pooled.new_zeros(len(rows), pooled.shape[1]) if sums is None else sums
        sums.index_add_(0, places.to(device), pooled)
    assert sums is not None
    return nn.functional.normalize(sums, dim=-1)
