"""Which songs train, validate and test version identification, and what an epoch is: batches of cliques or of songs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ohrwurm.data.cliques import choose_songs, clique_list, mini_epochs, works_of
from ohrwurm.data.splits import train_and_validation
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.training.batches import shuffled
from ohrwurm.training.task import generator
from ohrwurm.training.version_songs import Songs

log = logging.getLogger(__name__)
Item = tuple[int, list[int]]  # number in the epoch, and the songs that it is drawn from


class VersionData:
    """The works of a data set as training sees them.

    Args:
        songs: all of them.
        source: what to call the data in errors.
        batch_size: songs in a batch.
        clique: songs of a work that are in a batch together; 1 where songs come one by one.
        groups: mini-epochs that a data set in parts is trained in.
        leave_out: works not to train on.

    Attributes:
        training, validation, test: numbers of songs.
        label: the number of each training work.

    Raises:
        DataError: no work ids, too few works with two songs, too few songs for a batch or for validation.
        RecipeError: a batch that is not made of whole cliques.
    """

    def __init__(
        self, songs: Songs, source: str, *, batch_size: int, clique: int, groups: int, leave_out: Sequence[str] = ()
    ) -> None:
        self.songs, self.source = songs, source
        self.batch_size, self.clique, self.groups = batch_size, clique, groups
        tracks = songs.tracks
        if not any(t.work_id for t in tracks):
            raise DataError(
                f"{source}: no work ids. Recordings of one work have the same work_id, a column of the manifest; "
                "without it nothing says what is a version of what."
            )
        unknown = set(leave_out) - {t.work_id for t in tracks}
        if unknown:
            raise DataError(f"{source}: no work {', '.join(sorted(unknown)[:5])} to leave out")
        train, self.validation = train_and_validation(tracks)
        self.training = [row for row in train if tracks[row].work_id and tracks[row].work_id not in set(leave_out)]
        self.test = [row for row, track in enumerate(tracks) if track.split == "test"]
        self.label = {work: number for number, work in enumerate(works_of(tracks, self.training))}
        self._check()

    def without(self, failed: set[int]) -> None:
        """Go on without these songs; the works keep their numbers."""
        self.training, self.validation, self.test = (
            [row for row in rows if row not in failed] for rows in (self.training, self.validation, self.test)
        )
        self._check()

    def _check(self) -> None:
        tracks = self.songs.tracks
        validation = works_of(tracks, self.validation)
        if not any(len(rows) > 1 for rows in validation.values()):
            raise DataError(
                f"{self.source}: none of the {len(validation)} validation works has two recordings; mark some that do "
                "as validation in the manifest's column split"
            )
        if self.clique > 1:
            self._check_cliques()
        elif self.batch_size > len(self.training):
            raise DataError(
                f"{self.source}: {len(self.training)} training recordings are fewer than a batch of "
                f"{self.batch_size}. Set task.batch_size={len(self.training)} or lower."
            )

    def _check_cliques(self) -> None:
        if self.batch_size % self.clique or self.batch_size < 2 * self.clique:
            raise RecipeError(
                f"a batch of {self.batch_size} is not made of two or more works with {self.clique} songs each: "
                "task.batch_size has to be a multiple of task.songs"
            )
        works = works_of(self.songs.tracks, self.training)
        most, alone = len(clique_list(works)) * self.clique, sum(len(rows) < 2 for rows in works.values())
        if self.batch_size > most:
            raise DataError(
                f"{self.source}: {len(works) - alone} training works with two recordings or more ({alone} have one) "
                f"are fewer than the {self.batch_size // self.clique} of a batch. Give more works, "
                + (f"set task.batch_size={most} or lower, " if most >= 2 * self.clique else "")
                + "or task.loss=normalized-softmax, which takes single recordings."
            )
        if alone:
            log.warning("%d of %d training works have one recording, and are in no clique", alone, len(works))

    def epoch(self, seed: int, epoch: int) -> list[list[Item]]:
        """The batches of an epoch, as items that `batch` draws."""
        draw = generator(seed, epoch)
        parts = list(dict.fromkeys(self.songs.parts[row] for row in self.training))
        groups: list[list[list[int]]] = []
        for together in mini_epochs(parts, self.groups, draw):
            groups += self._groups([row for row in self.training if self.songs.parts[row] in together], draw)
        size = self.batch_size // self.clique
        return [[(b * size + i, rows) for i, rows in enumerate(group)] for b, group in enumerate(groups)]

    def _groups(self, rows: list[int], draw: np.random.Generator) -> list[list[list[int]]]:
        if self.clique == 1:
            return [[[rows[i]] for i in group] for group in shuffled(len(rows), self.batch_size, draw)]
        works = works_of(self.songs.tracks, rows)
        listed = clique_list(works)
        groups = shuffled(len(listed), self.batch_size // self.clique, draw)
        return [[works[listed[i]] for i in group] for group in groups]

    def batch(self, items: Sequence[Item], seed: int, epoch: int) -> dict[str, Any]:
        """Views of the items' songs: ``songs (B, ...)``, ``labels (B,)``, ``rows (B,)``, ``names``."""
        views, chosen = [], []
        for number, rows in items:
            # From 1 on: numbers (a, b) and (a, b, 0) seed NumPy alike.
            songs = choose_songs(rows, self.clique, generator(seed, epoch, number + 1))
            views += [self.songs.view(row, generator(seed, epoch, number + 1, k + 1)) for k, row in enumerate(songs)]
            chosen += songs
        tracks = [self.songs.tracks[row] for row in chosen]
        return {
            "songs": torch.from_numpy(np.stack(views)),
            "labels": torch.tensor([self.label[track.work_id] for track in tracks]),
            "rows": torch.tensor(chosen),
            "names": [track.track_id for track in tracks],
        }

    def works(self, rows: Sequence[int]) -> np.ndarray:
        """The works of songs; one without a work is its own."""
        tracks = [self.songs.tracks[row] for row in rows]
        return np.array([track.work_id or f"only {track.track_id}" for track in tracks])
