"""Cliques as published: which works an epoch lists, which songs of them it takes, in which parts of the data."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ohrwurm.data.cliques import appearances, choose_songs, clique_list, mini_epochs, works_of
from ohrwurm.data.tracks import Track


def test_large_works_appear_more_often_and_lone_songs_never() -> None:
    sizes = {"lone": 1, "two": 2, "five": 5, "six": 6, "nine": 9, "ten": 10, "thirteen": 13, "many": 40}
    works = {name: list(range(size)) for name, size in sizes.items()}
    counts = Counter(clique_list(works))
    assert counts == {"two": 1, "five": 1, "six": 2, "nine": 2, "ten": 3, "thirteen": 3, "many": 4}
    assert all(counts[name] == appearances(size) for name, size in sizes.items())


def test_pair_is_shown_twice_in_one_order() -> None:
    seen = set()
    for seed in range(20):
        chosen = choose_songs([5, 9], 4, np.random.default_rng(seed))
        assert chosen[:2] == chosen[2:]
        seen.add(tuple(chosen))
    assert seen == {(5, 9, 5, 9), (9, 5, 9, 5)}


def test_three_songs_all_come_and_one_at_random_twice() -> None:
    again = Counter()
    for seed in range(300):
        chosen = choose_songs([1, 2, 3], 4, np.random.default_rng(seed))
        assert set(chosen[:3]) == {1, 2, 3}
        again[chosen[3]] += 1
    assert all(60 < count < 140 for count in again.values())


@pytest.mark.parametrize("size", [4, 5, 30])
def test_large_works_give_four_different_songs(size: int) -> None:
    seen: Counter[int] = Counter()
    for seed in range(200):
        chosen = choose_songs(list(range(100, 100 + size)), 4, np.random.default_rng(seed))
        assert len(set(chosen)) == 4
        seen.update(chosen)
    assert set(seen) == set(range(100, 100 + size))


def test_mini_epochs_hold_each_part_once_and_the_last_part_ends_the_epoch() -> None:
    parts = [f"train_chunk_{i}" for i in range(1, 18)]
    found = [mini_epochs(parts, 4, np.random.default_rng(seed)) for seed in range(20)]
    for groups in found:
        assert sorted(p for group in groups for p in group) == sorted(parts)
        assert groups[-1][-1] == "train_chunk_17"
    assert len({str(groups) for groups in found}) == 20
    assert mini_epochs(["one"], 4, np.random.default_rng(0)) == [["one"]]


def test_works_are_in_the_order_of_their_names_whatever_the_order_of_the_tracks() -> None:
    tracks = [Track(str(i), "p", work_id=w) for i, w in enumerate(["b", "a", "", "b"])]
    assert works_of(tracks, [3, 2, 1, 0]) == {"a": [1], "b": [3, 0]}
    assert list(works_of(tracks, range(4))) == ["a", "b"]
