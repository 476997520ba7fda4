"""A sentence encoder distilled into static word vectors, so that any English query needs no transformer.

Student: a text is the weighted mean of its words' vectors. It learns to lie where a principal-component projection
of the teacher puts the same text: single words and tags (all of the vocabulary), the same words spelt by their
subword pieces, and descriptions of music. Compare model2vec (Tulkens & van Dongen 2024), which stops at the projection.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.atomic import replacing
from ohrwurm.data.texts import Description, read_incompetech, read_musiccaps
from ohrwurm.models.text_static import StaticTextEncoder
from ohrwurm.objectives.distillation import cosine_distillation
from ohrwurm.training.batches import Batches
from ohrwurm.training.sentences import encoder_folder, kept_sentence_vectors
from ohrwurm.training.task import Task, rounded, torch_generator

WORD = re.compile(r"[a-z]+|[0-9]+s?")


def build_vocabulary(wordpieces: list[str], descriptions: list[Description], minimum_count: int) -> list[str]:
    """Words and subword pieces of the teacher's vocabulary, then words and multi-word tags of the descriptions.

    The teacher's words come in their own order, which follows frequency.
    """
    general = [w for w in wordpieces if re.fullmatch(r"(##)?[a-z]+|[0-9]{1,4}s?|##[0-9]+", w)]
    words: Counter[str] = Counter()
    tags: Counter[str] = Counter()
    for d in descriptions:
        words.update(WORD.findall(d.text.lower()))
        for tag in d.tags:
            parts = WORD.findall(tag)
            words.update(parts)
            if 2 <= len(parts) <= 4:
                tags[" ".join(parts)] += 1
    known = set(general)
    musical = [w for w, n in words.most_common() if n >= minimum_count and w not in known]
    phrases = [t for t, n in tags.most_common() if n >= 2 * minimum_count]
    return general + musical + phrases


class TextDistillationTask(Task):
    """Learn static word vectors from a sentence encoder.

    Args:
        dim: size of a word vector, at most 128 by the issue of size.
        minimum_count: how often a word of the descriptions must occur to enter the vocabulary (tags: twice that).
        spelling: share of vocabulary words that are trained through their subword pieces in each epoch.
        held_out: share of descriptions kept for validation.
    """

    monitor = "validation/spearman"
    mode = "max"

    def __init__(
        self,
        dim: int = 128,
        minimum_count: int = 2,
        spelling: float = 0.3,
        held_out: float = 0.1,
        batch_size: int = 512,
        lr: float = 3e-3,
        data: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams

    def preparation(self, cache: Path) -> str:
        return f"asks the sentence encoder for a vector of every word and text, unless they are in {cache}"

    def prepare(self, cache: Path, workers: int) -> None:
        """Build the vocabulary, ask the teacher for every text once, project to `dim` principal components."""
        settings = self.settings
        folder = encoder_folder()
        descriptions = read_musiccaps(settings.data) + read_incompetech(settings.data)
        wordpieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        vocabulary = build_vocabulary(wordpieces, descriptions, settings.minimum_count)
        whole = [v for v in vocabulary if not v.startswith("##")]
        texts = [d.text for d in descriptions] + [", ".join(d.tags) for d in descriptions]
        vectors = kept_sentence_vectors(whole + texts, cache)

        generator = np.random.default_rng(0)  # the split, not the run
        kept = generator.random(len(descriptions)) >= settings.held_out
        kept = np.concatenate([kept, kept])
        text_vectors = vectors[len(whole) :]
        # Principal directions weigh words and descriptions alike, though there are more words.
        sample = np.concatenate([vectors[: len(whole)], np.repeat(text_vectors[kept], 2, 0)])
        _, _, directions = np.linalg.svd(sample.T @ sample)
        projected = vectors @ directions[: settings.dim].T

        self.encoder = StaticTextEncoder(vocabulary, dim=settings.dim)
        index = {v: i for i, v in enumerate(vocabulary)}
        with torch.no_grad():
            self.encoder.embedding.weight.normal_(0, 0.02)
            for i, word in enumerate(whole):
                self.encoder.embedding.weight[index[word]] = torch.from_numpy(projected[i])
            rank = torch.arange(len(vocabulary), dtype=torch.float32)
            # Smooth inverse frequency (Arora et al. 2017) under Zipf's law over the teacher's frequency order.
            self.encoder.importance.copy_(1e-3 / (1e-3 + 1.0 / ((rank + 10.0) * math.log(len(vocabulary)))))

        def ids_of(text: str) -> list[int]:
            return self.encoder.token_ids(text)

        word_ids = [ids_of(w) for w in whole]
        spelt_ids = [self.encoder.token_ids(w, spell=True) for w in whole]
        text_ids = [ids_of(t) for t in texts]
        words = torch.from_numpy(projected[: len(whole)])
        text_targets = torch.from_numpy(projected[len(whole) :])
        chosen = np.flatnonzero(kept & np.array([bool(i) for i in text_ids]))
        held = np.flatnonzero(~kept[: len(descriptions)] & np.array([bool(i) for i in text_ids[: len(descriptions)]]))
        self.training_ids = word_ids + spelt_ids + [text_ids[i] for i in chosen] * 3
        self.training_targets = torch.cat([words, words, text_targets[chosen].repeat(3, 1)])
        # Spelt words weigh less: they teach the pieces without pulling the words.
        weight = torch.ones(len(self.training_ids))
        weight[len(whole) : 2 * len(whole)] = settings.spelling
        self.training_weights = weight
        self.validation_ids = [text_ids[i] for i in held]
        self.validation_targets = text_targets[held]

    def training_loader(self, seed: int, epoch: int) -> Batches:
        order = torch.randperm(len(self.training_ids), generator=torch_generator(seed, epoch))
        return Batches(order.split(self.settings.batch_size))

    def val_dataloader(self) -> Batches:
        return Batches(torch.arange(len(self.validation_ids)).split(self.settings.batch_size))

    def training_step(self, rows: Tensor, _: int) -> Tensor:
        student = self.encoder.encode_ids([self.training_ids[i] for i in rows.tolist()])
        loss = cosine_distillation(student, self.training_targets[rows], self.training_weights[rows])
        self.log("training/loss", loss, prog_bar=True, on_epoch=True, on_step=False)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.collected: list[Tensor] = []

    def validation_step(self, rows: Tensor, _: int) -> None:
        self.collected.append(self.encoder.encode_ids([self.validation_ids[i] for i in rows.tolist()]))

    def on_validation_epoch_end(self) -> None:
        for name, value in self.agreement().items():
            self.log(f"validation/{name}", value, prog_bar=True)

    def agreement(self) -> dict[str, float]:
        """Mean cosine to the teacher, and rank correlation of all pairwise similarities, on held-out descriptions."""
        from scipy.stats import spearmanr

        student = nn.functional.normalize(torch.cat(self.collected), dim=-1)
        teacher = nn.functional.normalize(self.validation_targets[: len(student)], dim=-1)
        upper = torch.triu_indices(len(student), len(student), 1)
        pairs = [(v @ v.T)[upper[0], upper[1]].numpy() for v in (student, teacher)]
        return {"cosine": float((student * teacher).sum(-1).mean()), "spearman": float(spearmanr(*pairs).statistic)}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.encoder.parameters(), lr=self.settings.lr)

    def report(self) -> dict[str, Any]:
        """Agreement with the teacher on the held-out descriptions."""
        with torch.inference_mode():
            self.collected = [self.encoder.encode_ids(self.validation_ids)]
        return {
            "data": "MusicCaps and Incompetech, held-out descriptions",
            "protocol": "agreement with the MiniLM teacher",
            "n": f"{len(self.validation_ids)} descriptions",
            "test": rounded(self.agreement()),
            "vocabulary": len(self.encoder.index),
        }

    def export(self, folder: Path) -> None:
        """Write `words.safetensors`: vocabulary, half-precision vectors, importances; read by the text-audio task."""
        from safetensors.torch import save_file

        state = {k: v.half() if k == "embedding.weight" else v for k, v in self.encoder.state_dict().items()}
        with replacing(folder / "words.safetensors") as temporary:
            save_file({k: v.contiguous() for k, v in state.items()}, temporary)
