"""What a gap does to a number: the bounds hold for any predictions, and are reached."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ohrwurm.data.gaps import Part, effects
from ohrwurm.data.tracks import Track


def tracks(count: int, tags: tuple[str, ...] = ("a",), **fields: object) -> list[Track]:
    return [Track(str(i), f"{i}.wav", "test", tags, **fields) for i in range(count)]  # type: ignore[arg-type]


def bound(sentence: str, after: str) -> float:
    found = re.search(rf"{after} ±(\d+\.\d)", sentence)
    assert found is not None, sentence
    return float(found[1])


def test_accuracy_moves_by_at_most_what_is_said() -> None:
    """The worst cases: all that are missing were right, and none was."""
    every = tracks(290)
    (said,) = effects(Part("test", 290, every, every[3:]))
    assert said == (
        "test: 287 of 290 tracks; each missing track can move accuracy by at most 0.34 points, together ±1.0"
    )
    rng = np.random.default_rng(0)
    right = rng.random((200, 290)) < rng.random((200, 1))
    right[0], right[1] = True, False
    right[0, :3] = False
    right[1, :3] = True
    moved = 100 * np.abs(right[:, 3:].mean(1) - right.mean(1))
    assert moved.max() <= 100 * 3 / 290 + 1e-9
    assert moved.max() == pytest.approx(100 * 3 / 290)
    assert bound(said, "together") == round(100 * 3 / 290, 1)


def test_macro_auc_moves_by_at_most_what_is_said() -> None:
    rng = np.random.default_rng(1)
    names = ["often", "rare"]
    truth = np.stack([rng.random(120) < 0.4, np.arange(120) < 5], 1)
    every = [
        Track(str(i), f"{i}.wav", "test", tuple(n for n, yes in zip(names, row, strict=True) if yes))
        for i, row in enumerate(truth)
    ]
    gone = {0, 1, 50, 60, 61}
    kept = [i for i in range(120) if i not in gone]
    (said,) = effects(Part("test", None, every, [every[i] for i in kept]), [*names, "never"])
    assert "that of 'rare', of which 3 of 5 are there" in said
    macro, rare = bound(said, "at most"), bound(said, "by")
    for trial in range(60):
        scores = rng.random((120, 2)) + rng.random() * truth
        if trial == 0:  # the missing ones are those that were wrong
            scores = truth + 0.0
            scores[[0, 1], 1] = -1.0
        whole = roc_auc_score(truth, scores, average=None)
        rest = roc_auc_score(truth[kept], scores[kept], average=None)
        assert 100 * abs(rest.mean() - whole.mean()) <= macro + 0.05
        assert 100 * abs(rest[1] - whole[1]) <= rare + 0.05
        if trial == 0:
            assert 100 * abs(rest[1] - whole[1]) > 0.9 * rare


def test_what_has_no_bound_is_said_to_have_none() -> None:
    every = tracks(10, ("a", "b"))
    (unlisted,) = effects(Part("test", 12, every, every))
    assert unlisted == "test: 10 of 12 tracks; 2 of them are not even listed, so that nothing bounds ROC-AUC"
    targets = tracks(10, (), annotations={"arousal": 0.5})
    (regression,) = effects(Part("test", None, targets, targets[1:]))
    assert "each is 10.00 % of the errors, but R² has no bound" in regression
    (plain,) = effects(Part("", None, tracks(4, ()), tracks(3, ())))
    assert plain == "without a split: 3 of 4 tracks; each missing one is 25.00 % of what a number rests on"


def test_versions_count_queries_of_touched_works() -> None:
    """Works of 3, 2 and 1: without one of the three, all three queries change; the single recording is none."""
    every = [
        Track(f"{work}{i}", "x", "test", work_id=work) for work, n in (("a", 3), ("b", 2), ("c", 1)) for i in range(n)
    ]
    (said,) = effects(Part("test", None, every, every[1:]))
    assert "3 of 5 queries are gone or have fewer versions to find, and all have 1 fewer to be mistaken for" in said
    (distractor,) = effects(Part("test", None, every, every[:-1]))
    assert "0 of 5 queries" in distractor
    (unlisted,) = effects(Part("test", 8, every, every))
    assert "not listed" in unlisted


def test_captions_name_the_easier_chance() -> None:
    every = tracks(100, (), caption="a song")
    (said,) = effects(Part("test", 100, every, every[:80]))
    assert "R@k by at most 1.00 points, together ±20.0" in said
    assert "R@10 by chance is 12.50 % instead of 10.00 %" in said


def test_training_and_validation_are_said_to_be_unbounded() -> None:
    every = tracks(8)
    assert "(50 %) to learn from" in effects(Part("train", 8, every, every[:4]))[0]
    assert "another epoch" in effects(Part("validation", 8, every, every[:4]))[0]


def test_a_whole_split_has_no_effect_and_a_larger_one_is_another_set() -> None:
    every = tracks(8)
    assert effects(Part("test", 8, every, every)) == []
    assert "8 tracks where 7 are published" in effects(Part("test", 7, every, every))[0]
