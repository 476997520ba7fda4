"""Which songs of which works an epoch shows: cliques (several songs of one work) or single songs, by part of the data.

Source: the training code of MOVE (ICASSP 2020) and Re-MOVE (ISMIR 2020), Yesiler, Serrà, Gómez.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ohrwurm.data.tracks import Track


def works_of(tracks: Sequence[Track], rows: Iterable[int]) -> dict[str, list[int]]:
    """Work → its rows among `rows`, in the order of the works' names; tracks without a work are left out.

    >>> tracks = [Track("a", "a", work_id="w"), Track("b", "b"), Track("c", "c", work_id="w")]
    >>> works_of(tracks, [0, 1, 2])
    {'w': [0, 2]}
    """
    found: dict[str, list[int]] = {}
    for row in rows:
        if tracks[row].work_id:
            found.setdefault(tracks[row].work_id, []).append(row)
    return dict(sorted(found.items()))


def appearances(songs: int) -> int:
    """How often an epoch shows a work of so many songs: not at all, once, or up to four times for large works.

    >>> [appearances(n) for n in (1, 2, 6, 10, 14, 109)]
    [0, 1, 2, 3, 4, 4]
    """
    return 0 if songs < 2 else 1 + (songs >= 6) + (songs >= 10) + (songs >= 14)


def clique_list(works: Mapping[str, Sequence[int]]) -> list[str]:
    """The works of an epoch of cliques, each as often as it appears."""
    return [work for work, rows in works.items() for _ in range(appearances(len(rows)))]


def choose_songs(rows: Sequence[int], songs: int, draw: np.random.Generator) -> list[int]:
    """`songs` of a work's rows at random: all before any is repeated.

    >>> sorted(choose_songs([7, 8], 4, np.random.default_rng(0)))
    [7, 7, 8, 8]
    >>> len(set(choose_songs(range(9), 4, np.random.default_rng(0))))
    4
    """
    order = draw.permutation(len(rows))
    times, rest = divmod(songs, len(rows))
    if not times:
        return [rows[i] for i in order[:songs]]
    # The repetition of a pair is in the same order, so that its halves are two views of the same two songs.
    return [rows[i] for i in (*np.tile(order, times), *draw.permutation(len(rows))[:rest])]


def mini_epochs(parts: Sequence[str], count: int, draw: np.random.Generator) -> list[list[str]]:
    """The parts (files) of a data set in `count` random groups, trained on one after the other.

    The groups are of one size; what is left over, the last of the parts, always joins the last group.

    >>> [len(group) for group in mini_epochs([str(i) for i in range(17)], 4, np.random.default_rng(0))]
    [4, 4, 4, 5]
    """
    count = max(1, min(count, len(parts)))
    each = len(parts) // count
    order = draw.permutation(each * count)
    groups = [[parts[i] for i in order[g * each : (g + 1) * each]] for g in range(count)]
    groups[-1] += parts[each * count :]
    return groups
