"""Words against recordings: how near a model finds each text, or each tag, to each track.

A joint model compares vectors of texts and of tracks. A tagger (TTMR's classifier) has a layer of tags instead: its
score of a tag is the mean probability over a track's windows, as its authors take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.task import Job
from ohrwurm.models.base import AudioEncoder, JointModel, unit

TEXTS = 32  # encoded at a time


@runtime_checkable
class Tagger(Protocol):
    """A model with a layer of tags on its vectors."""

    tags: tuple[str, ...]

    def tag_logits(self, vectors: Tensor) -> Tensor:
        """Vectors of windows `(n, dim)` → `(n, tags)`."""
        ...

    def encode_tags(self, names: Sequence[str]) -> Tensor:
        """What stands for tags in the vectors' space, `(n, dim)`."""
        ...


def text_vectors(model: JointModel, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors `(n, dim)` of texts, as the model gives them; equal texts are encoded once.

    Raises:
        DataError: a text whose vector is not finite.
        ModelError: the model cannot encode a text.
    """
    different = list(dict.fromkeys(texts))
    parts = []
    with torch.inference_mode():
        for start in range(0, len(different), TEXTS):
            parts.append(model.encode_text(different[start : start + TEXTS]).float().cpu())
    vectors = torch.cat(parts).numpy() if parts else np.zeros((0, model.card.dim), np.float32)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(wrong):
        raise DataError(
            f"{model.card.name} gives NaN or infinity for {len(wrong)} of {len(different)} texts, first for "
            f"{different[wrong[0]]!r}; the model or its weights are at fault"
        )
    place = {text: row for row, text in enumerate(different)}
    return vectors[[place[text] for text in texts]]


def cosines(texts: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines `(texts, n)` of text vectors `(texts, dim)` to track vectors `(n, dim)`."""
    return (unit(torch.from_numpy(texts)) @ unit(torch.from_numpy(vectors)).T).numpy()


def similarities(model: JointModel, vectors: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float32]:
    """Cosines `(texts, n)` of texts to track vectors `(n, dim)`."""
    return cosines(text_vectors(model, texts), vectors)


def knows(model: AudioEncoder, labels: Sequence[str], prompt: str = "") -> None:
    """Refuse a model that cannot score labels.

    Raises:
        ModelError: it has neither words nor these tags; or a prompt, which a tagger cannot read.
        DataError: a prompt without a place for the label.
    """
    if prompt and "{label}" not in prompt:
        raise DataError(f'the prompt {prompt!r} has no place for the label; write it as "A {{label}} track"')
    if isinstance(model, JointModel):
        return
    if not isinstance(model, Tagger):
        raise ModelError(f"{model.card.name} does not know words; take a model that is good for words")
    if not labels:
        raise ModelError(
            f"{model.card.name} answers with tags, and the recordings have none; take one that knows words"
        )
    if prompt:
        raise ModelError(f"{model.card.name} knows tags, not texts; leave the prompt out")
    unknown = [label for label in labels if label not in model.tags]
    if unknown:
        raise ModelError(
            f"{model.card.name} knows {len(model.tags)} tags, and {len(unknown)} of {len(labels)} labels are none of "
            f"them, e.g. {unknown[0]!r}; take a model that is good for words"
        )


def label_scores(
    job: Job[Any], tracks: Sequence[Track], labels: Sequence[str], prompt: str = ""
) -> tuple[list[Track], NDArray[np.float32]]:
    """How near each label is to each track: those tracks that could be used, and scores `(tracks, labels)`.

    Args:
        prompt: a sentence with the place ``{label}``; without one the label's name is the text.

    Raises:
        DataError: no track could be used, or a text has no finite vector.
    """
    model = job.model
    if isinstance(model, JointModel):
        texts = [prompt.replace("{label}", label) if prompt else label for label in labels]
        found = job.vectors(tracks)
        return [tracks[row] for row in found.rows], similarities(model, found.values, texts).T
    assert isinstance(model, Tagger)
    windows = job.windows(tracks)
    columns = [model.tags.index(label) for label in labels]
    place = next((t.device for t in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    with torch.inference_mode():
        scores = [
            torch.sigmoid(model.tag_logits(torch.from_numpy(rows).to(place))).mean(0).cpu().numpy()[columns]
            for rows in windows.values
        ]
    return [tracks[row] for row in windows.rows], np.stack(scores)
