"""Knowledge distillation, Re-MOVE's ``kd``: a student keeps the distances between songs that a teacher sees.

The student learns triplets (or another loss) and, beside that, either the teacher's distances of all pairs in a batch,
or to gather each work around the projected mean of the teacher's vectors. Source: Yesiler, Serrà, Gómez, "Less is
more", ISMIR 2020, section 3.2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.data.cliques import works_of
from ohrwurm.objectives.distillation import cluster_distillation, distance_distillation
from ohrwurm.training.task import rounded
from ohrwurm.training.tasks.versions import VersionTask
from ohrwurm.training.teachers import Teacher, View
from ohrwurm.training.version_scores import score


class DistilVersionsTask(VersionTask):
    """Train a student from a teacher, any two models of the registry. Other settings are those of `VersionTask`.

    Args:
        teacher: name of a trained model, or a model folder.
        teacher_weights: a checkpoint for it, such as the published `model_move.pt`; its own unless given.
        student: the card that the student starts from, as `model` of `VersionTask`.
        kd_loss: ``distance`` or ``cluster``.
        kd_weight: of that loss, beside the student's own.
        view: what the teacher is asked about: the student's own augmented ``patch``, as published; the whole
            ``recording``, once; ``auto`` is the former where the teacher can take it.
    """

    centroids: Tensor

    def __init__(
        self,
        teacher: str = "",
        teacher_weights: str = "",
        student: str = "re-move-256",
        kd_loss: Literal["distance", "cluster"] = "distance",
        kd_weight: float = 1.0,
        view: View = "auto",
        **settings: Any,
    ) -> None:
        super().__init__(model=student, **settings)
        self.teacher = Teacher(teacher, teacher_weights, self.songs, view)
        if kd_loss == "cluster":
            self.projection = nn.Linear(self.teacher.dim, self.model.card.dim, bias=False)

    def prepare(self, cache: Path, workers: int) -> None:
        """Beside the profiles, the teacher's vectors of whole songs, where they are needed."""
        super().prepare(cache, workers)
        clusters = self.settings.kd_loss == "cluster"
        if clusters or self.teacher.view == "recording":
            failed = self.teacher.prepare(self.data.training, cache, workers)
            if failed:
                self.data.without(failed)
        if clusters:
            self.register_buffer("centroids", self._centroids(), persistent=False)

    def _centroids(self) -> Tensor:
        """The mean of the teacher's vectors of each training work, `(works, teacher dim)`, in the order of labels."""
        found = torch.zeros(len(self.data.label), self.teacher.dim)
        for work, rows in works_of(self.songs.tracks, self.data.training).items():
            found[self.data.label[work]] = self.teacher.of_songs(rows).mean(0)
        return found

    def on_train_start(self) -> None:
        self.teacher.to(self.device)

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        if self.settings.kd_loss == "distance":
            views = self.teacher.view == "patch"
            taught = self.teacher.of_views(batch["songs"]) if views else self.teacher.of_songs(batch["rows"].tolist())
            batch = {**batch, "taught": taught.to(self.device)}
        return super().training_step(batch, index)

    def objective(self, embedding: Tensor, batch: dict[str, Any]) -> Tensor:
        own = super().objective(embedding, batch)
        if self.settings.kd_loss == "distance":
            kept = distance_distillation(embedding, self.together(batch["taught"]))
        else:
            labels = self.together(batch["labels"])
            kept = cluster_distillation(embedding, labels, self.centroids, self.projection.weight)
        self.log("training/own", own.detach(), on_epoch=True, on_step=False, batch_size=len(embedding))
        self.log("training/taught", kept.detach(), on_epoch=True, on_step=False, batch_size=len(embedding))
        return own + self.settings.kd_weight * kept

    def report(self) -> dict[str, Any]:
        """As ever, and what the teacher finds among the same songs."""
        rows = self.report_rows
        failed = self.teacher.prepare(rows, self.cache, self.workers)
        heard = [row for row in rows if row not in failed]
        found = score(self.teacher.of_songs(heard), self.data.works(heard), self.teacher.comparison)
        return {**super().report(), "teacher": {"name": self.teacher.name, "dim": self.teacher.dim, **rounded(found)}}
