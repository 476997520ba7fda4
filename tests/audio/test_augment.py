"""Augmentations: the numbers of CLMR's chain, and what has to hold for all of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ohrwurm.audio import augment
from ohrwurm.audio.augment_filter import high_pass, low_pass
from ohrwurm.audio.augment_pitch import shift_pitch, stretch
from ohrwurm.audio.augment_reverb import delays, reverberate
from ohrwurm.errors import RecipeError

FOLDER = Path(__file__).parents[1] / "golden" / "tune"
RATE = 22050


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "augmentations.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def x(golden: dict[str, np.ndarray]) -> np.ndarray:
    spec = importlib.util.spec_from_file_location("golden_tune_fill", FOLDER / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    return fill.audio(int(golden["audio_seed"]))


def thinned(y: np.ndarray) -> np.ndarray:
    return np.concatenate([y[:1024], y[-1024:], y[::13]])


def numbers(key: str, after: str) -> list[float]:
    return [float(part) for part in key.split(after)[1].split("_in")[0].split("_x")[0].split("_") if part]


class Fixed(np.random.Generator):
    """Draws Gaussian noise from the old generator that the golden file was made with, and the lowest of each range."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(0))
        self._old = np.random.RandomState(seed)

    def standard_normal(self, size=None, dtype=np.float32, out=None):
        return self._old.normal(0, 1, size).astype(np.float32)

    def uniform(self, low=0.0, high=1.0, size=None):
        return low


def test_polarity_gain_and_delay(golden, x) -> None:
    draw = np.random.default_rng(0)
    np.testing.assert_array_equal(thinned(augment.Polarity()(x, RATE, draw)), golden["polarity"])
    for db in (-1.0, -6.5, -20.0):
        np.testing.assert_allclose(thinned(augment.gain(x, db)), golden[f"gain_db{db}"], atol=1e-6)
    np.testing.assert_allclose(thinned(augment.gain(4 * x, -1.0)), golden["gain_clamp_db-1.0_x4"], atol=1e-6)
    for ms in (200, 350, 450):
        np.testing.assert_allclose(thinned(augment.delay(x, RATE, ms)), golden[f"delay_ms{ms}"], atol=1e-6)


@pytest.mark.parametrize(("share", "seed"), [(0.01, 7), (0.0001, 8)])
def test_noise(share: float, seed: int, golden, x) -> None:
    found = augment.Noise((share, share))(x, RATE, Fixed(seed))
    np.testing.assert_allclose(thinned(found), golden[f"noise_snr{share}_npseed{seed}"], atol=1e-6)


@pytest.mark.parametrize("cutoff", [200.0, 700.0, 1200.0])
def test_high_pass(cutoff: float, golden, x) -> None:
    np.testing.assert_allclose(thinned(high_pass(x, RATE, cutoff)), golden[f"highpass_hz{cutoff}"], atol=5e-6)


@pytest.mark.parametrize("cutoff", [2200.0, 3000.0, 4000.0])
def test_low_pass(cutoff: float, golden, x) -> None:
    np.testing.assert_allclose(thinned(low_pass(x, RATE, cutoff)), golden[f"lowpass_hz{cutoff}"], atol=5e-6)


@pytest.mark.parametrize("setting", [50, 0, 99])
def test_reverb_is_that_of_sox(setting: int, golden, x) -> None:
    name = f"sox_reverb_{setting}_{setting}_{setting}"
    found = reverberate(0.25 * x, RATE, setting, setting, setting)
    assert len(found) == int(golden[f"{name}_len"])
    np.testing.assert_allclose(thinned(found), golden[f"{name}_in0.25"], atol=1e-6)


@pytest.mark.parametrize("settings", [(99, 0, 0), (10, 99, 3), (70, 30, 80)])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_reverb_is_its_network_sample_by_sample(settings: tuple[int, int, int], rate: int) -> None:
    x = np.random.default_rng(0).standard_normal(6000)
    reverberance, damping, room = settings
    sharpness = -1 / np.log(0.7)
    offset = 100 / (sharpness * np.log(0.02) + 1)
    feedback = 1 - np.exp((reverberance - offset) / (sharpness * offset))
    combs, all_passes = delays(rate, 0.9 * room / 100 + 0.1)
    expected = x.copy()
    for ear in (0, 1):
        wet = np.zeros_like(x)
        for length in combs[ear]:
            ring, low = np.zeros(length), 0.0
            for t in range(len(x)):
                old = ring[t % length]
                low = old + (low - old) * (0.3 * damping / 100 + 0.2)
                ring[t % length] = x[t] + low * feedback
                wet[t] += old
        for length in all_passes[ear]:
            ring = np.zeros(length)
            for t in range(len(x)):
                old = ring[t % length]
                ring[t % length] = wet[t] + 0.5 * old
                wet[t] = old - wet[t]
        expected += 0.5 * 0.015 * wet
    np.testing.assert_allclose(reverberate(x, rate, *settings), expected, atol=2e-6)


def tones(frequencies: list[float], samples: int = 59049) -> np.ndarray:
    t = np.arange(samples) / RATE
    return np.sum([np.sin(2 * np.pi * f * t) for f in frequencies], 0).astype(np.float32) / len(frequencies)


def peak(x: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 4 * len(x)))
    return float(spectrum.argmax()) * RATE / (4 * len(x))


@pytest.mark.parametrize("cents", [-700, -300, -1, 50, 300, 700])
def test_pitch_moves_the_spectrum_and_keeps_the_length(cents: int) -> None:
    for frequency in (110.0, 440.0, 3000.0):
        shifted = shift_pitch(tones([frequency]), RATE, cents)
        assert shifted.shape == (59049,)
        assert peak(shifted) == pytest.approx(frequency * 2 ** (cents / 1200), abs=0.7)
    chord = [220.0, 277.18, 329.63, 1234.0]
    power = np.abs(np.fft.rfft(shift_pitch(tones(chord), RATE, cents) * np.hanning(59049))) ** 2
    width = 8  # bins of 0.37 Hz
    places = [round(f * 2 ** (cents / 1200) * 59049 / RATE) for f in chord]
    inside = sum(power[p - width : p + width + 1].sum() for p in places)
    assert inside / power.sum() > 0.9


def test_pitch_keeps_the_time_of_what_happens() -> None:
    x = np.zeros(44100, np.float32)
    x[22050:] = tones([500.0], 22050)
    shifted = shift_pitch(x, RATE, 500)
    assert np.abs(shifted[: 22050 - 1200]).max() < 0.01  # half a segment of tolerance
    assert np.abs(shifted[22050 + 1200 : 22050 + 3000]).max() > 0.5


@pytest.mark.parametrize("samples", [1, 30, 500, 3000])
def test_short_waveforms_come_back_as_long_as_they_were(samples: int) -> None:
    draw = np.random.default_rng(0)
    x = draw.standard_normal(samples).astype(np.float32)
    for name, make in augment.AUGMENTATIONS.items():
        y = make()(x.copy(), RATE, draw)
        assert (len(y), y.dtype) == (samples, np.float32), name
        assert np.isfinite(y).all(), name
    assert len(stretch(x, 777, RATE)) == 777


def test_coloured_noise_has_its_slope_and_level() -> None:
    x = tones([1000.0])
    for decay in (-2.0, 0.0, 1.0, 2.0):
        noise = augment.ColouredNoise((10.0, 10.0), (decay, decay))(x, RATE, np.random.default_rng(1)) - x
        assert 20 * np.log10(x.std() / np.sqrt(np.mean(noise**2))) == pytest.approx(10.0, abs=0.1)
        power = np.abs(np.fft.rfft(noise)) ** 2
        low, high = power[200:400].mean(), power[12800:25600].mean()  # six octaves apart
        assert 10 * np.log10(low / high) == pytest.approx(decay * 6 * 3.01, abs=1.5)


def test_chain_depends_on_its_generator_alone(x) -> None:
    chain = augment.chain("clmr")
    before = x.copy()
    first, again, other = (chain(x, RATE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", augment.PUBLISHED)
def test_steps_are_applied_as_often_as_their_probability_says(name: str) -> None:
    chain = augment.chain(name)
    counts = [0] * len(chain.steps)

    def counting(number: int) -> augment.Augmentation:
        def step(x: np.ndarray, rate: int, draw: np.random.Generator) -> np.ndarray:
            counts[number] += 1
            return x

        return step

    steps = [(counting(i), probability) for i, (_, probability) in enumerate(chain.steps)]
    counted, draw = augment.Chain(steps), np.random.default_rng(0)
    for _ in range(4000):
        counted(np.ones(4, np.float32), RATE, draw)
    for count, (_, probability) in zip(counts, chain.steps, strict=True):
        assert count / 4000 == pytest.approx(probability, abs=0.03)


def test_what_is_not_finite_is_left_out() -> None:
    def broken(x: np.ndarray, rate: int, draw: np.random.Generator) -> np.ndarray:
        return x * np.float32(np.nan)

    chain = augment.Chain([(broken, 1.0), (augment.Polarity(), 1.0)])
    assert chain(np.ones(3, np.float32), RATE, np.random.default_rng(0)).tolist() == [-1, -1, -1]


def test_crops_reach_both_ends_of_a_recording() -> None:
    starts = {augment.crop_start(12, 8, np.random.default_rng(seed)) for seed in range(100)}
    assert starts == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("clrm", "no published chain 'clrm'; did you mean clmr"),
        ([{"name": "reverbb"}], "did you mean reverb"),
        ([{"probability": 0.5}], "no augmentation ''"),
        ([{"name": "gain", "volume": 3}], "gain: .*volume"),
        ([{"name": "gain", "probability": 1.5}], "probability 1.5"),
    ],
)
def test_wrong_chains_are_refused(steps, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        augment.chain(steps)


def test_probabilities_can_be_changed() -> None:
    steps = augment.chain("clmr", {"pitch": 0.0, "gain": 1.0}).steps
    assert [p for _, p in steps] == [0.8, 0.01, 1.0, 0.8, 0.3, 0.0, 0.6]
