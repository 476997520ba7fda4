"""Held-out tracks: as marked, whole groups otherwise, and always enough or an error."""

from __future__ import annotations

import pytest

from ohrwurm.data.splits import train_and_validation
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError


def test_marked_splits_are_kept() -> None:
    splits = ["train", "validation", "test", "", "validation", "train"]
    tracks = [Track(str(i), f"{i}.wav", split=s) for i, s in enumerate(splits)]
    assert train_and_validation(tracks) == ([0, 3, 5], [1, 4])


def test_works_and_artists_are_never_split() -> None:
    tracks = [Track(f"{w}-{i}", "x.wav", work_id=f"w{w}") for w in range(60) for i in range(3)]
    tracks += [Track(f"a{a}-{i}", "x.wav", annotations={"artist": f"a{a}"}) for a in range(60) for i in range(3)]
    train, validation = train_and_validation(tracks)
    groups = [{(tracks[i].work_id, tracks[i].annotations.get("artist")) for i in part} for part in (train, validation)]
    assert not groups[0] & groups[1]
    assert len(validation) >= 9


def test_more_tracks_move_none_of_the_others() -> None:
    tracks = [Track(str(i), "x.wav") for i in range(200)]
    few, many = train_and_validation(tracks[:150]), train_and_validation(tracks)
    assert set(few[1]) <= set(many[1])
    assert set(few[0]) <= set(many[0])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_tracks_are_refused(count: int) -> None:
    with pytest.raises(DataError, match="at least 2 are needed"):
        train_and_validation([Track(str(i), "x.wav") for i in range(count)])
    assert len(train_and_validation([Track(str(i), "x.wav") for i in range(5)])[1]) == 2
