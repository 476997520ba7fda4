"""What a trained head is to tell of recordings, and which of them train, validate and test it.

Targets come from a manifest: one tag a track is its class, several are labels that each may hold, an annotation is a
class, a number or a key. Where the manifest has no splits they are drawn, with the recordings of one work, artist or
song on one side: once, or as folds so that every recording is tested.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import key
from ohrwurm.evaluation.task import Recordings, option

Kind = Literal["multiclass", "multilabel", "regression", "key"]
SHARE = 5  # one part in so many is tested, and of the rest one in so many validates
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Targets:
    """What is to be told of tracks.

    Attributes:
        kind: one of several classes, several labels of which each may hold, numbers, or a key.
        names: of the classes, labels or numbers; of the 24 keys.
        tracks: those that have a target, in their order.
        y: class numbers int64 `(tracks,)`; 0 and 1, or numbers, float32 `(tracks, names)`.
        warnings: tracks left out, in words.
    """

    kind: Kind
    names: tuple[str, ...]
    tracks: tuple[Track, ...]
    y: NDArray[np.generic]
    warnings: tuple[str, ...] = ()


def targets_of(tracks: Sequence[Track], target: str = "", labels: Sequence[str] = (), most: int = 50) -> Targets:
    """The targets that a manifest holds.

    Args:
        target: ``class``: the one tag of each track. ``tags``: any number of tags. ``key``, or names of annotations
            with commas between: numbers all of them, or one with classes. Empty: ``class`` where every track has one
            tag, else ``tags``; without any tags ``key`` or ``arousal,valence`` where there are such annotations.
        labels: classes or tags in their published order; without them classes come by name, and of the tags the `most`
            frequent by frequency (0: all).

    Raises:
        DataError: no target, fewer than two labels, or a target that cannot be read; the message names a track.

    >>> mine = [Track("a", "a.wav", tags=("jazz",)), Track("b", "b.wav", tags=("rock",))]
    >>> found = targets_of(mine)
    >>> found.kind, found.names, found.y.tolist()
    ('multiclass', ('jazz', 'rock'), [0, 1])
    >>> targets_of(mine, "tags").y.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not tracks:
        raise DataError("there is no recording to learn from")
    if not target and not any(t.tags for t in tracks):
        there = set().union(*(t.annotations for t in tracks))
        target = next((kind for kind in ("key", "arousal,valence") if there.issuperset(kind.split(","))), "")
    if target in ("", "tags", "class"):
        single = target == "class" or (not target and all(len(t.tags) == 1 for t in tracks))
        return _classes(tracks, labels) if single else _tags(tracks, labels, most)
    columns = [c.strip() for c in target.split(",") if c.strip()]
    known = [t for t in tracks if all(_given(t.annotations.get(c)) for c in columns)]
    if not known:
        others = ", ".join(sorted({name for t in tracks for name in t.annotations})) or "none"
        raise DataError(f"no recording has the annotation {target!r}. There are: {others}; or take class or tags.")
    warnings: tuple[str, ...] = ()
    if len(known) < len(tracks):
        first = next(t for t in tracks if t not in known).track_id
        warnings = (f"{len(tracks) - len(known)} recordings have no {target} and are left out, e.g. {first}",)
    if columns == ["key"]:
        y = np.array([_key(t) for t in known], np.int64)
        return Targets("key", key.NAMES, tuple(known), y, warnings)
    numbers = [[_number(t.annotations[c]) for c in columns] for t in known]
    if all(v is not None for row in numbers for v in row):
        return Targets("regression", tuple(columns), tuple(known), np.array(numbers, np.float32), warnings)
    if len(columns) > 1:
        t, c = next((t, c) for t, row in zip(known, numbers, strict=True) for c, v in zip(columns, row, strict=True)
                    if v is None)  # fmt: skip
        raise DataError(f"{t.track_id}: {c} is {t.annotations[c]!r}; several annotations must all be numbers")
    values = [str(t.annotations[columns[0]]) for t in known]
    return _one_of(values, known, tuple(labels) if set(values) <= set(labels) else (), warnings)


def _classes(tracks: Sequence[Track], labels: Sequence[str]) -> Targets:
    wrong = next((t for t in tracks if len(t.tags) != 1), None)
    if wrong is not None:
        raise DataError(f"{wrong.track_id}: a class is exactly one tag, not {len(wrong.tags)}; or take target tags")
    return _one_of([t.tags[0] for t in tracks], tracks, tuple(labels), ())


def _one_of(
    values: Sequence[str], tracks: Sequence[Track], labels: tuple[str, ...], warnings: tuple[str, ...]
) -> Targets:
    names = labels or tuple(sorted(set(values)))
    number = {name: i for i, name in enumerate(names)}
    unknown = next((t for t, v in zip(tracks, values, strict=True) if v not in number), None)
    if unknown is not None:
        raise DataError(f"{unknown.track_id}: its class is none of {', '.join(names)}")
    if len(set(values)) < 2:
        raise DataError(f"all recordings are of one class, {values[0]!r}: there is nothing to tell apart")
    return Targets("multiclass", names, tuple(tracks), np.array([number[v] for v in values], np.int64), warnings)


def _tags(tracks: Sequence[Track], labels: Sequence[str], most: int) -> Targets:
    learned = [t for t in tracks if t.split in ("", "train")]
    counts = Counter(tag for t in learned for tag in sorted(set(t.tags)))
    names = tuple(labels) or tuple(tag for tag, _ in counts.most_common(most or None))
    if len(names) < 2:
        raise DataError(f"{len(names)} tags in the recordings that train; telling labels apart takes two or more")
    y = np.array([np.isin(names, t.tags) for t in tracks], np.float32)
    return Targets("multilabel", names, tuple(tracks), y)


def _given(value: Any) -> bool:
    return value is not None and str(value).strip() != ""


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _key(track: Track) -> int:
    try:
        return key.parse(str(track.annotations["key"]))
    except DataError as error:
        raise DataError(f"{track.track_id}: {error}") from error


@dataclass(frozen=True)
class Fold:
    """Numbers of the tracks that train, validate and test one head."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def splits(self, count: int) -> list[str]:
        """The split of each of `count` tracks, as a manifest names it."""
        names = np.full(count, "", dtype=object)
        for name in SPLITS:
            names[getattr(self, name)] = name
        return names.tolist()


def folds_of(targets: Targets, folds: int = 0, seed: int = 0) -> tuple[list[Fold], tuple[str, ...]]:
    """Who trains, validates and tests, and what a reader has to know about it.

    Args:
        folds: of a cross-validation, whatever splits the manifest has; in each a fifth of the rest validates. 0: one
            split, the manifest's, or where nothing is marked for training a drawn one (about three fifths train).
        seed: of what is drawn; the order of the tracks has no part in it.

    Raises:
        DataError: nothing is marked for the test, or there are fewer recordings, works, artists or songs than parts.
    """
    tracks = targets.tracks
    marked = {name: np.flatnonzero([t.split == name for t in tracks]) for name in SPLITS}
    if folds or not len(marked["train"]):
        everyone, said = np.arange(len(tracks)), _rare(targets, folds or SHARE)
        drawn = _parts(everyone, targets, folds or SHARE, seed)
        found = []
        for test in drawn if folds else drawn[:1]:
            rest = np.setdiff1d(everyone, test)
            validation = _parts(rest, targets, SHARE, seed)[0]
            found.append(Fold(np.setdiff1d(rest, validation), validation, test))
        if folds and len(marked["train"]):
            said.append(f"the splits of the recordings are set aside for {folds} folds of all of them")
        if not folds:
            sizes = f"{len(found[0].train)} train, {len(found[0].validation)} validate and {len(found[0].test)} test"
            said.append(
                f"no recording is marked for training: {sizes}, drawn with seed {seed}; "
                "--folds 5 would test all of them"
            )
        return found, tuple(said)
    if not len(marked["test"]):
        held = ", ".join(f"{len(rows)} {name}" for name, rows in marked.items())
        raise DataError(f"no recording is in the split 'test' ({held}); mark some, or take --folds 5")
    if len(marked["validation"]):
        return [Fold(**marked)], ()
    validation = _parts(marked["train"], targets, SHARE, seed)[0]
    fold = Fold(np.setdiff1d(marked["train"], validation), validation, marked["test"])
    return [fold], (f"no recording is marked for validation: a fifth of the training ones, drawn with seed {seed}",)


@dataclass(frozen=True)
class Asked:
    """What every task with trained heads can be asked."""

    target: str = option("", "What to tell: class, tags, key, or annotations, e.g. arousal,valence.", metavar="NAME")
    most: int = option(50, "Of tags without a published list, how many of the most frequent; 0 for all.", min=0)
    folds: int = option(0, "Cross-validate in so many folds, whatever splits there are.", min=0)


def planned(
    recordings: Recordings, asked: Asked, seed: int = 0, *, numbers: bool = True
) -> tuple[Targets, list[Fold], tuple[str, ...]]:
    """Targets, folds, and all that a reader has to know of both.

    Args:
        numbers: whether the task can tell numbers.

    Raises:
        DataError: see `targets_of` and `folds_of`.
    """
    targets = targets_of(list(recordings.manifest), asked.target, recordings.labels, asked.most)
    if targets.kind == "regression" and not numbers:
        raise DataError(
            f"{', '.join(targets.names)}: numbers, and this task tells classes or tags; jukemir tells numbers"
        )
    folds, said = folds_of(targets, asked.folds, seed)
    return targets, folds, (*targets.warnings, *said)


def _rare(targets: Targets, parts: int) -> list[str]:
    """A warning where a class has fewer recordings than there are parts."""
    if targets.kind != "multiclass":
        return []
    counts = Counter(targets.names[int(i)] for i in targets.y)
    few = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()) if n < parts)
    return [f"too few recordings of a class for each of {parts} parts to hold one: {few}"] if few else []


def _parts(rows: NDArray[np.int64], targets: Targets, parts: int, seed: int) -> list[NDArray[np.int64]]:
    """`rows` in parts of about one size and mixture, the recordings of one work, artist or song in one of them."""
    from sklearn.model_selection import StratifiedGroupKFold

    if len(rows) < parts:
        raise DataError(f"{len(rows)} recordings cannot be split into {parts} parts")
    ordered = np.array(sorted(rows.tolist(), key=lambda i: targets.tracks[i].track_id))
    groups = [_group(targets.tracks[i]) for i in ordered]
    if len(set(groups)) < parts:
        raise DataError(f"recordings of {len(set(groups))} works, artists or songs cannot be split into {parts} parts")
    strata = _strata(targets)[ordered]
    names, place, counts = np.unique(strata, return_inverse=True, return_counts=True)
    strata = np.where(counts[place] < parts, names[counts.argmax()], strata)  # too rare to be in every part
    split = StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(ordered, strata, groups)
    return [np.sort(ordered[part]) for _, part in split]


def _group(track: Track) -> str:
    song = track.annotations.get("song") or track.track_id
    return track.work_id or str(track.annotations.get("artist") or "") or str(song)


def _strata(targets: Targets) -> NDArray[np.int64]:
    """What the parts should hold alike: a class, or of a track's labels the rarest; of numbers nothing."""
    if targets.kind == "regression":
        return np.zeros(len(targets.y), np.int64)
    if targets.kind != "multilabel":
        return targets.y.astype(np.int64)
    held = targets.y.astype(bool)
    rarity = np.where(held, held.sum(0), np.inf)
    return np.where(held.any(1), rarity.argmin(1), -1)
