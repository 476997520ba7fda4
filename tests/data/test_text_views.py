"""Texts of a track: the published draws, nothing but its own words, and clear words where there are none."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from ohrwurm.data.text_views import check_texts, tag_view, text_view
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError

GOLDEN = Path(__file__).parents[1] / "golden" / "ttmr_muscall" / "ttmr_dataset.json"


@pytest.mark.parametrize("representation", ["tag", "caption", "stochastic"])
def test_draws_equal_published_with_its_generator(representation: str) -> None:
    """The original draws from Python's generator: the text first, then the start of the crop."""
    expected = json.loads(GOLDEN.read_text())
    draw = random.Random(expected["py_seed"])
    for item, (texts, start, _) in enumerate(expected[representation]):
        tags = [f"t{j}" for j in range(12) if (item + j) % 3 == 0]
        assert tag_view(tags, representation, draw) == texts
        assert draw.randint(0, expected["len"] - 158560) == start


def test_text_is_made_of_the_tracks_own_words() -> None:
    track = Track("a", "a.wav", tags=("jazz", "slow", "piano"), caption="A slow piece.")
    for seed in range(50):
        drawn = text_view(track, "stochastic", random.Random(seed)).split(", ")
        assert set(drawn) <= set(track.tags)
        assert len(set(drawn)) == len(drawn) >= 1
    assert {text_view(track, "mixed", random.Random(s)) == track.caption for s in range(20)} == {True, False}
    assert track.tags == ("jazz", "slow", "piano")


def test_tracks_without_text_are_named() -> None:
    tracks = [Track("a", "a.wav", tags=("x",)), Track("b", "b.wav", caption="words")]
    check_texts(tracks, "mixed", "m.csv")
    with pytest.raises(DataError, match=r"m\.csv: 1 of 2 tracks have no tags.*: b\."):
        check_texts(tracks, "stochastic", "m.csv")
    with pytest.raises(DataError, match=r"no caption.*: a\."):
        check_texts(tracks, "sentence", "m.csv")
    with pytest.raises(DataError, match="no text representation"):
        check_texts(tracks, "tags", "m.csv")  # type: ignore[arg-type]
