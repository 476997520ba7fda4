"""Degradation changes the sound, not the truth."""

from __future__ import annotations

import numpy as np
import pytest

from ohrwurm.data.degrade import coded, degrade, equalised, noised, retuned, reverberated

RATE = 22050


def clicks(at: tuple[float, ...] = (0.5, 1.2, 2.3)) -> np.ndarray:
    """Short decaying tones at known times."""
    audio = np.zeros(3 * RATE, dtype=np.float32)
    t = np.arange(RATE // 5) / RATE
    for onset in at:
        i = round(onset * RATE)
        audio[i : i + len(t)] += (np.sin(2 * np.pi * 880 * t) * np.exp(-t * 30)).astype(np.float32)
    return audio


def onsets(audio: np.ndarray) -> list[float]:
    """Where the level of 5 ms rises from under 15 % to over 40 % of the loudest."""
    level = np.sqrt(np.convolve(audio**2, np.ones(110) / 110, mode="same"))
    level /= level.max()
    found, armed = [], True
    for i, value in enumerate(level):
        if armed and value > 0.4:
            found.append(i / RATE)
            armed = False
        elif value < 0.15:
            armed = True
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda x: reverberated(x, RATE, 0.8, 0.3, np.random.default_rng(0)),
        lambda x: equalised(x, RATE, 5.0),
        lambda x: equalised(x, RATE, -5.0, 3000.0),
        lambda x: noised(x, 20.0, np.random.default_rng(0)),
        lambda x: coded(x, RATE, "MP3", "MPEG_LAYER_III", 0.9),
        lambda x: coded(x, RATE, "OGG", "VORBIS", 0.9),
    ],
    ids=["reverb", "tilt", "low-pass", "noise", "mp3", "vorbis"],
)
def test_nothing_moves_in_time(change) -> None:
    before = clicks()
    after = change(before)
    assert after.shape == before.shape
    assert after.dtype == np.float32
    assert not np.array_equal(before, after)
    assert onsets(after) == pytest.approx(onsets(before), abs=0.004)


@pytest.mark.parametrize("cents", [-40.0, 25.0])
def test_tuning_moves_pitch_and_time_together(cents: float) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)
    after, factor = retuned(tone, RATE, cents)
    assert factor == pytest.approx(2 ** (-cents / 1200), rel=1e-4)
    spectrum = np.abs(np.fft.rfft(after[RATE : 2 * RATE] * np.hanning(RATE), 8 * RATE))
    assert spectrum.argmax() / 8 == pytest.approx(440 * 2 ** (cents / 1200), abs=0.3)
    moved, factor = retuned(clicks(), RATE, cents)
    assert onsets(moved) == pytest.approx([t * factor for t in onsets(clicks())], abs=0.003)


def test_noise_has_the_level_it_says() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    for seed in range(4):
        noise = noised(tone, 20.0, np.random.default_rng(seed)) - tone
        assert 10 * np.log10((tone**2).mean() / (noise**2).mean()) == pytest.approx(20.0, abs=0.1)


def test_low_pass_removes_the_highs_and_keeps_the_lows() -> None:
    t = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * f * t).astype(np.float32) for f in (500, 8000))
    assert np.abs(equalised(low, RATE, 0.0, 2500.0)[2000:-2000]).max() > 0.95
    assert np.abs(equalised(high, RATE, 0.0, 2500.0)[2000:-2000]).max() < 0.02


def test_a_seed_decides_everything_and_the_range_is_kept() -> None:
    seen = set()
    for seed in range(25):
        first, done = degrade(clicks(), RATE, np.random.default_rng(seed))
        again, same = degrade(clicks(), RATE, np.random.default_rng(seed))
        assert np.array_equal(first, again)
        assert done == same
        assert np.abs(first).max() <= 1.0
        assert np.isfinite(first).all()
        assert len(first) == pytest.approx(len(clicks()) * done.time_factor, abs=2)
        seen |= {name.split()[0] for name in done.names}
    assert seen >= {"tuning", "reverb", "tilt", "noise", "peak"}


def test_silence_stays_finite() -> None:
    for seed in range(10):
        audio, _ = degrade(np.zeros(RATE, np.float32), RATE, np.random.default_rng(seed))
        assert np.isfinite(audio).all()
