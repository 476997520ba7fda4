"""Crops of recordings with their texts and tags: what tasks on text and audio train, validate and test on."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Literal

import numpy as np
import torch

from ohrwurm.audio.augment import Chain
from ohrwurm.audio.windows import Window, Windowing, plan
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.sources import labels_of
from ohrwurm.data.splits import train_and_validation
from ohrwurm.data.text_views import Representation, check_texts, text_view
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.models.text_static import split_words
from ohrwurm.training.task import generator, seed_of

ValidationCrop = Literal["random", "centre"]


class TextExamples:
    """The tracks of a source, which of them train, validate and test, and the examples made of them.

    Args:
        data: whatever `ohrwurm.data.recordings.open_recordings` takes.
        sample_rate: of the crops, in Hz.
        samples: of a crop; shorter recordings are filled up with zeros at the end.
        representation: of a track as text, see `ohrwurm.data.text_views`; None where there is no text.
        tags: whether the tracks' tags are needed too: their order is `labels`, else that of the data set as published,
            else the alphabet's.
        labels: an order of one's own.
        batch_size: of training, which needs that many tracks.
        validation_crop: where validation listens: ``random`` places, the same ones each time, or the ``centre``.

    Attributes:
        recordings: all that can be read.
        training, validation, test: numbers of tracks.
        tags: names of the labels.

    Raises:
        RecipeError: no `data`. DataError: no readable recording, too few of them, or some without text or tags.
    """

    def __init__(
        self,
        data: str,
        sample_rate: int,
        samples: int,
        representation: Representation | None,
        tags: bool = False,
        labels: list[str] | None = None,
        batch_size: int = 1,
        validation_crop: ValidationCrop = "random",
    ) -> None:
        if not data:
            raise RecipeError("what to train on? give a manifest, a pack or a data set: --data MANIFEST")
        self.recordings = open_recordings(data, sample_rate)
        self.samples, self.representation, self.validation_crop = samples, representation, validation_crop
        tracks = self.recordings.tracks
        self.training, self.validation = train_and_validation(tracks)
        self.test = [i for i, track in enumerate(tracks) if track.split == "test"]
        if representation is not None:
            check_texts(tracks, representation, data)
        if tags:
            check_texts(tracks, "tag", data)
        if batch_size > len(self.training):
            raise DataError(
                f"{data}: {len(self.training)} training tracks are fewer than a batch of {batch_size}. "
                f"Set task.batch_size={len(self.training)} or lower."
            )
        found = {tag for i in self.training for tag in tracks[i].tags}
        self.tags = (labels or labels_of(data) or sorted(found)) if tags else []
        self.column = {tag: column for column, tag in enumerate(self.tags)}
        if tags and not found & self.column.keys():
            raise DataError(f"{data}: no training track has any of the {len(self.tags)} tags, e.g. {self.tags[0]!r}")

    def track(self, row: int) -> Track:
        """The track of a number."""
        return self.recordings.tracks[row]

    def text(self, row: int) -> str:
        """The text of a track that it is judged by: nothing is drawn."""
        return "" if self.representation is None else text_view(self.track(row), self.representation)

    def entries(self, minimum_count: int = 1) -> list[str]:
        """The words of the training tracks' tags and captions that occur so often, the most frequent first."""
        tracks = [self.track(row) for row in self.training]
        words = Counter(word for t in tracks for text in (*t.tags, t.caption) for word in split_words(text))
        return [word for word, count in words.most_common() if count >= minimum_count]

    def units(self) -> list[str]:
        """What texts are made of, each once: tags, and captions where the text may be one."""
        tracks = self.recordings.tracks
        texts = {tag for t in tracks for tag in t.tags} if self.representation != "sentence" else set()
        if self.representation in ("sentence", "mixed"):
            texts |= {t.caption for t in tracks if t.caption}
        return sorted(texts)

    def labels(self, row: int) -> np.ndarray:
        """Of all tags those that the track has, `(tags,)` of 0 and 1."""
        found = np.zeros(len(self.tags), np.float32)
        found[[self.column[tag] for tag in self.track(row).tags if tag in self.column]] = 1
        return found

    def training_item(self, row: int, *numbers: int) -> tuple[str, np.ndarray]:
        """A track's random text and crop, in this order, from Python's generator as TTMR's original draws them; a
        function of the track and these numbers."""
        draw = random.Random(seed_of((*numbers, row)))
        text = "" if self.representation is None else text_view(self.track(row), self.representation, draw)
        start = draw.randint(0, max(0, int(self.recordings.lengths[row]) - self.samples))
        return text, self.recordings.read(row, start, self.samples)

    def validation_item(self, row: int, *numbers: int) -> tuple[str, np.ndarray]:
        """As `training_item`, but from where validation listens."""
        text, audio = self.training_item(row, *numbers)
        if self.validation_crop == "centre":
            audio = self.recordings.read(row, self.windows(row)[0].start, self.samples)
        return text, audio

    def windows(self, row: int) -> list[Window]:
        """What a track is judged by: all its windows, or the one in its centre."""
        place: Literal["all", "centre"] = "centre" if self.validation_crop == "centre" else "all"
        windowing = Windowing(self.samples, self.samples, place=place)
        return plan(int(self.recordings.lengths[row]), windowing)

    def batch(
        self,
        rows: Any,
        numbers: tuple[int, ...],
        training: bool,
        first: Chain | None = None,
        second: Chain | None = None,
    ) -> dict[str, Any]:
        """Items of these tracks together: audio `(B, samples)`, texts, labels `(B, tags)`, rows, names, and two random
        numbers in [0, 1) each, draws `(B, 2)`.

        Args:
            rows: numbers of tracks.
            numbers: that everything random depends on, e.g. seed and epoch.
            training: whether it is for training.
            first, second: augmentations of the audio, and of a second view of it, ``second``.
        """
        texts, audio, views = [], [], []
        for row in map(int, rows):
            text, crop = (self.training_item if training else self.validation_item)(row, *numbers)
            rate = self.recordings.sample_rate
            texts.append(text)
            audio.append(crop if first is None else first(crop, rate, generator(*numbers, row, 0)))
            if second is not None:
                views.append(second(crop, rate, generator(*numbers, row, 1)))
        return {
            "audio": torch.from_numpy(np.stack(audio)),
            "labels": torch.from_numpy(np.stack([self.labels(int(row)) for row in rows])),
            "texts": texts,
            "draws": torch.from_numpy(np.stack([generator(*numbers, int(r), 2).random(2, np.float32) for r in rows])),
            "rows": torch.tensor([int(row) for row in rows]),
            "names": [self.track(int(row)).track_id for row in rows],
            **({"second": torch.from_numpy(np.stack(views))} if views else {}),
        }
