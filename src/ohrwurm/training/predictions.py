"""Figures of masked prediction over many batches: loss, accuracy, and which codes there are and are predicted."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional

from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.objectives.masked import count_codes, perplexity, unigram_loss


class Predictions:
    """Collects predictions of hidden tokens.

    >>> import torch
    >>> predictions = Predictions()
    >>> logits = torch.tensor([[[[0.0, 9.0]], [[9.0, 0.0]], [[9.0, 0.0]]]])
    >>> predictions.add(logits, torch.tensor([[[1], [1], [0]]]), torch.tensor([[True, True, False]]))
    >>> predictions.tokens, predictions.figures()["masked accuracy"], predictions.chance()["masked accuracy"]
    (2, 0.5, 1.0)
    """

    def __init__(self) -> None:
        self.tokens = 0
        self._loss = self._hits = 0.0
        self._items: list[tuple[float, int]] = []  # hits and hidden tokens of each crop
        self._counts: dict[str, Tensor] = {}

    def add(self, logits: Tensor, targets: Tensor, masked: Tensor) -> None:
        """Count a batch: logits `(B, tokens, codebooks, codes)`, targets `(B, tokens, codebooks)`, masked bool `(B,
        tokens)`."""
        codes, guesses = targets[masked], logits[masked].argmax(-1)  # (n, codebooks)
        loss = functional.cross_entropy(logits[masked].float().flatten(0, 1), codes.flatten(), reduction="sum")
        books = targets.shape[-1]
        self.tokens += len(codes)
        self._loss += float(loss) / books
        hits = (logits.argmax(-1) == targets).float().mean(-1) * masked  # (B, tokens)
        self._hits += float(hits.sum())
        self._items += [(float(hit.sum()), int(hidden.sum())) for hit, hidden in zip(hits, masked, strict=True)]
        for name, found in (("target", codes), ("prediction", guesses)):
            counts = count_codes(found, logits.shape[-1])
            self._counts[name] = self._counts[name] + counts if name in self._counts else counts

    def figures(self) -> dict[str, float]:
        """Loss (nats), masked accuracy, and of targets and predictions the perplexity and how many codes are used."""
        count = max(1, self.tokens)
        found = {"loss": self._loss / count, "masked accuracy": self._hits / count}
        for name, counts in self._counts.items():
            found[f"{name} perplexity"] = perplexity(counts)
            found[f"{name} codes"] = float((counts > 0).sum(1).double().mean())
        return found

    def chance(self) -> dict[str, float]:
        """The best that can be said without hearing anything: the most frequent code, or each by its frequency."""
        counts = self._counts["target"]
        share = counts.amax(1) / counts.sum(1).clamp(min=1)
        return {"loss": unigram_loss(counts), "masked accuracy": float(share.mean())}

    def interval(self) -> tuple[float, float]:
        """95 % interval of the masked accuracy, by a bootstrap over crops."""
        per_crop = np.array([hits / count if count else np.nan for hits, count in self._items])
        return bootstrap(per_crop)
