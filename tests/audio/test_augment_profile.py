"""Augmentation of profiles is the published one, number for number; a true transposition is one, the roll is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohrwurm.audio.augment_profile import AS_IT_IS, ProfileAugment
from ohrwurm.models.move import tile_pitch_classes, transpose

GOLDEN = Path(__file__).parents[1] / "golden" / "remove"
SCENARIOS = [name.removesuffix("_out") for name in np.load(GOLDEN / "augment.npz").files if name.endswith("_out")]


@pytest.fixture(scope="module")
def golden() -> Any:
    return np.load(GOLDEN / "augment.npz")


@pytest.fixture(scope="module")
def profile(golden: Any) -> np.ndarray:
    spec = importlib.util.spec_from_file_location("golden_fill_remove", GOLDEN / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    return fill.pcp12(int(golden["input_seed"]), int(golden["T"])).T


class Recorded:
    """Gives the numbers that the published code drew, in its order."""

    def __init__(self, golden: Any, scenario: str) -> None:
        self.uniform = iter(golden[f"{scenario}_draws"].tolist())
        self.shifts = iter(golden[f"{scenario}_shifts"].tolist())
        self.masks = np.random.Generator(np.random.PCG64(int(golden["mask_seed"])))

    def random(self, size: int | None = None) -> Any:
        return next(self.uniform) if size is None else self.masks.random(size)

    def integers(self, high: int) -> int:
        return next(self.shifts)

    def used_up(self) -> bool:
        return next(self.uniform, None) is None and next(self.shifts, None) is None


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_augmentation_equals_published(golden: Any, profile: np.ndarray, scenario: str) -> None:
    draw: Any = Recorded(golden, scenario)
    augmented = ProfileAugment()(profile.shape[1], draw).read(profile)
    np.testing.assert_array_equal(augmented[None], golden[f"{scenario}_out"])
    assert draw.used_up()


@pytest.mark.parametrize("legacy", [True, False])
def test_transposition_is_that_of_the_model(profile: np.ndarray, legacy: bool) -> None:
    """MOVE's own `transpose` says what the two kinds mean."""
    augment = ProfileAugment("legacy" if legacy else "corrected", stretch=0, warp=0)
    tiled = tile_pitch_classes(torch.from_numpy(profile.copy())[None])
    for seed in range(6):
        found = augment(profile.shape[1], np.random.default_rng(seed)).read(profile)
        draw = np.random.default_rng(seed)
        draw.random()
        shift = next(s for s in iter(lambda draw=draw: int(draw.integers(12)), None) if s)
        np.testing.assert_array_equal(found, transpose(tiled, shift, legacy=legacy)[0, 0].numpy())


def test_original_key_is_drawn_only_where_it_is_wanted() -> None:
    def keys(augment: ProfileAugment) -> set[int]:
        return {int(augment(5, np.random.default_rng(seed)).rows[0]) for seed in range(200)}

    assert keys(ProfileAugment("corrected")) == set(range(1, 12))
    assert keys(ProfileAugment("corrected", original_key=True)) == set(range(12))
    assert keys(ProfileAugment("none")) == {0}


def test_crop_is_a_part_of_the_augmented_song_and_short_songs_are_padded_at_their_end(profile: np.ndarray) -> None:
    reading = ProfileAugment(stretch=1.0, warp=1.0)(profile.shape[1], np.random.default_rng(8))
    whole = reading.read(profile)
    starts = set()
    for seed in range(40):
        crop = reading.crop(profile, 300, np.random.default_rng(seed))
        starts |= {s for s in range(len(reading) - 299) if np.array_equal(whole[:, s : s + 300], crop)}
    assert len(starts) > 20
    padded = reading.crop(profile, 2000, np.random.default_rng(0))
    np.testing.assert_array_equal(padded[:, : len(reading)], whole)
    assert not padded[:, len(reading) :].any()


def test_shortest_song_survives_everything() -> None:
    for seed in range(100):
        reading = ProfileAugment(stretch=1.0, warp=1.0)(1, np.random.default_rng(seed))
        assert len(reading) >= 1
        assert reading.read(np.ones((12, 1))).shape == (23, len(reading))


def test_nothing_is_changed_where_nothing_is_wanted(profile: np.ndarray) -> None:
    found = AS_IT_IS(profile.shape[1], np.random.default_rng(0)).read(profile)
    np.testing.assert_array_equal(found, np.concatenate([profile, profile[:11]]))
