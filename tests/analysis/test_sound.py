"""Noise of any colour has no relief, anything with notes has; steps are silent or not."""

from __future__ import annotations

import numpy as np
import pytest

from ohrwurm.analysis.sound import Sound, SoundMeter

RATE = 24000


def measured(x: np.ndarray, block: int = 10_000) -> Sound:
    meter = SoundMeter(RATE)
    for begin in range(0, len(x), block):
        meter.feed(x[begin : begin + block])
    return meter.finish()


def noises() -> dict[str, np.ndarray]:
    white = np.random.default_rng(0).normal(0, 0.1, RATE * 12)
    t = np.arange(len(white)) / RATE
    brown = np.cumsum(white) - np.convolve(np.cumsum(white), np.ones(1000) / 1000, "same")
    syllables = (0.5 + 0.5 * np.sin(2 * np.pi * 4 * t)) ** 2
    return {"white": white, "brown": brown / 5, "syllables": white * syllables, "soft": white * 1e-2}


@pytest.mark.parametrize("name", ["white", "brown", "syllables", "soft"])
def test_noise_has_no_relief(name: str) -> None:
    assert 0 < measured(noises()[name]).relief < 1.3


def test_notes_stand_out_even_of_noise() -> None:
    t = np.arange(RATE * 12) / RATE
    chord = sum(np.sin(2 * np.pi * f * k * t) / k for f in (220.0, 277.2, 329.6) for k in range(1, 8))
    assert measured(0.05 * chord).relief > 3
    assert measured(0.05 * chord + 0.2 * noises()["white"]).relief > 1.7


def test_silence_has_neither() -> None:
    sound = measured(np.zeros(RATE * 5))
    assert sound.relief == 0
    assert sound.silent(20, 4.0, 1e-4).all()
    assert measured(np.zeros(0)).silent(3, 1.0, 1e-4).all()


def test_blocks_do_not_matter() -> None:
    x = np.concatenate([noises()["white"], np.zeros(RATE * 3 + 17), noises()["soft"]])
    whole, pieces = measured(x, len(x)), measured(x, 777)
    assert whole.relief == pieces.relief
    assert whole.peaks.tolist() == pieces.peaks.tolist()
    assert np.flatnonzero(whole.silent(14, 1.0, 1e-4)).tolist() == [12, 13, 14][:2]
