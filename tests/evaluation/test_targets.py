"""What heads are to tell, read from manifests, and who trains, validates and tests them."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import key
from ohrwurm.evaluation.protocols.targets import folds_of, targets_of


def tracks(count: int = 60, classes: str = "abc", **more) -> list[Track]:
    return [Track(f"t{i:03d}", "", tags=(classes[i % len(classes)],), **more) for i in range(count)]


def test_published_order_of_labels_is_kept() -> None:
    found = targets_of(tracks(), labels=("c", "b", "a", "z"))
    assert (found.kind, found.names) == ("multiclass", ("c", "b", "a", "z"))
    assert found.y[:3].tolist() == [2, 1, 0]
    with pytest.raises(DataError, match="t000: its class is none of b, c"):
        targets_of(tracks(), labels=("b", "c"))


def test_tags_are_the_most_frequent_of_the_training_tracks() -> None:
    rows = [Track("1", "", "train", tags=("x", "y")), Track("2", "", "train", tags=("y",)), Track("3", "", "train"),
            Track("4", "", "test", tags=("z", "x"))]  # fmt: skip
    found = targets_of(rows)
    assert (found.kind, found.names) == ("multilabel", ("y", "x"))
    assert found.y.tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]
    assert targets_of(rows, most=2, labels=("z", "x", "y")).names == ("z", "x", "y")
    with pytest.raises(DataError, match="1: a class is exactly one tag, not 2"):
        targets_of(rows, "class")


def test_annotations_are_numbers_keys_or_classes() -> None:
    notes = [{"arousal": str(i / 10), "valence": -i, "key": key.NAMES[i % 24], "who": "ab"[i % 2]} for i in range(30)]
    rows = [Track(str(i), "", annotations=n) for i, n in enumerate(notes)]
    found = targets_of(rows, "arousal,valence")
    assert (found.kind, found.names, found.y.shape) == ("regression", ("arousal", "valence"), (30, 2))
    assert found.y[3].tolist() == pytest.approx([0.3, -3])
    found = targets_of(rows, "key")
    assert (found.kind, found.names, found.y[:3].tolist()) == ("key", key.NAMES, [0, 1, 2])
    assert targets_of(rows, "who").names == ("a", "b")


def test_recordings_without_the_target_are_left_out_and_named() -> None:
    rows = [Track(str(i), "", annotations={"mood": "" if i == 4 else "ab"[i % 2]}) for i in range(8)]
    found = targets_of(rows, "mood")
    assert len(found.tracks) == 7
    assert found.warnings == ("1 recordings have no mood and are left out, e.g. 4",)


@pytest.mark.parametrize(
    "rows, target, message",
    [
        ([], "", "no recording"),
        (tracks(classes="a"), "", "all recordings are of one class, 'a'"),
        ([Track("1", ""), Track("2", "")], "", "0 tags"),
        (tracks(), "mood", "no recording has the annotation 'mood'. There are: none"),
        ([Track("1", "", annotations={"key": "H dur"})], "key", "1: "),
        ([Track("1", "", annotations={"a": 1, "b": "loud"})], "a,b", "1: b is 'loud'; several .* numbers"),
    ],
)
def test_targets_that_cannot_be_read_are_told(rows: list[Track], target: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        targets_of(rows, target)


def test_marked_splits_are_taken_as_they_are() -> None:
    marked = [Track(f"{i}", "", s, tags=("ab"[i % 2],)) for i, s in enumerate(["train", "validation", "test", ""] * 4)]
    (fold,), said = folds_of(targets_of(marked))
    assert said == ()
    assert fold.splits(16) == [t.split for t in marked]
    folds, said = folds_of(targets_of(marked), 4)
    assert sorted(np.concatenate([f.test for f in folds]).tolist()) == list(range(16))
    assert said == ("the splits of the recordings are set aside for 4 folds of all of them",)


def test_a_missing_validation_split_is_drawn_from_the_training_tracks() -> None:
    marked = [Track(f"{i}", "", "train" if i < 40 else "test", tags=("ab"[i % 2],)) for i in range(50)]
    (fold,), said = folds_of(targets_of(marked))
    assert (len(fold.train), len(fold.validation), fold.test.tolist()) == (32, 8, list(range(40, 50)))
    assert "a fifth of the training ones" in said[0]
    with pytest.raises(DataError, match="no recording is in the split 'test'"):
        folds_of(targets_of(marked[:40]))


def test_without_splits_they_are_drawn_alike_whatever_the_order() -> None:
    rows = tracks(100)
    (fold,), said = folds_of(targets_of(rows), seed=3)
    assert [len(p) for p in (fold.train, fold.validation, fold.test)] == [64, 16, 20]
    assert "drawn with seed 3" in said[0]
    named = {rows[i].track_id for i in fold.test}
    (other,), _ = folds_of(targets_of(rows[::-1]), seed=3)
    assert {rows[::-1][i].track_id for i in other.test} == named
    assert {rows[i].track_id for i in folds_of(targets_of(rows), seed=4)[0][0].test} != named


def test_recordings_that_are_all_for_testing_count_as_unsplit() -> None:
    marked = [Track(t.track_id, "", "test", t.tags) for t in tracks()]
    (fold,), said = folds_of(targets_of(marked))
    assert len(fold.train) > len(fold.test) > 0
    assert "no recording is marked for training" in said[0]


@pytest.mark.parametrize("several", [False, True])
def test_folds_test_each_track_once_with_all_classes_in_every_part(several: bool) -> None:
    rows = tracks(90)
    if several:
        rows = [Track(t.track_id, "", tags=(*t.tags, "music")[: 1 + i % 2]) for i, t in enumerate(rows)]
    targets = targets_of(rows, "tags" if several else "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds, said = folds_of(targets, 5)
    assert said == ()
    assert sorted(np.concatenate([f.test for f in folds]).tolist()) == list(range(90))
    for fold in folds:
        parts = [set(p.tolist()) for p in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 90
        for part in parts:
            held = Counter(rows[i].tags[0] for i in part)
            assert max(held.values()) - min(held.values()) <= 2


@pytest.mark.parametrize("where", ["work_id", "artist", "song"])
def test_recordings_of_one_work_artist_or_song_stay_together(where: str) -> None:
    rows = []
    for i in range(60):
        name = f"g{i % 15}"
        more = {"work_id": name} if where == "work_id" else {"annotations": {where: name}}
        rows.append(Track(f"{i:02d}", "", tags=("ab"[i % 2],), **more))
    for fold in folds_of(targets_of(rows), 3)[0]:
        groups = [{i % 15 for i in part.tolist()} for part in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 15


def test_labels_too_rare_for_every_part_are_spread_without_a_word() -> None:
    rare = [Track(f"{i:02d}", "", "train" if i < 12 else "test", tags=(f"tag {i % 9}", "music")) for i in range(20)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (fold,), _ = folds_of(targets_of(rare))
    assert len(fold.train) + len(fold.validation) == 12
    assert 2 <= len(fold.validation) <= 3


def test_too_little_for_the_folds_is_told() -> None:
    rows = [*tracks(40, "ab"), *(Track(f"r{i}", "", tags=("rare",)) for i in range(3))]
    assert "too few recordings of a class for each of 5 parts to hold one: rare 3" in folds_of(targets_of(rows), 5)[1]
    with pytest.raises(DataError, match="cannot be split into 5 parts"):
        folds_of(targets_of([Track(str(i), "", annotations={"x": i}) for i in range(4)], "x"), 5)
    one = [Track(str(i), "", work_id="w", annotations={"x": i}) for i in range(40)]
    with pytest.raises(DataError, match="recordings of 1 works, artists or songs"):
        folds_of(targets_of(one, "x"), 5)
