"""The pitch front-ends: bins where notes are, frames where they should be, blind to level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import interp1d

from ohrwurm.audio.pitch import (
    HOP,
    SAMPLE_RATE,
    HarmonicConstantQ,
    LogFrequency,
    constant_q,
    da_tacos_profile,
    da_tacos_rows,
    harmonic_stack,
    note_frequency,
    whiten,
)


def tone(midi: float, seconds: float = 1.0, rate: int = SAMPLE_RATE) -> torch.Tensor:
    time = torch.arange(int(seconds * rate), dtype=torch.float64) / rate
    return torch.sin(2 * torch.pi * float(note_frequency(midi)) * time).float()


@pytest.mark.parametrize("midi", range(40, 118, 7))
def test_a_note_is_loudest_in_its_own_bin(midi: int) -> None:
    spectrum = LogFrequency()(tone(midi)[None])[0]
    assert abs(int(spectrum[:, 4].argmax()) - (3 * (midi - 36) + 1)) <= (1 if midi < 50 else 0)


def test_a_third_of_a_semitone_is_the_next_bin() -> None:
    spectrum = LogFrequency()(torch.stack([tone(69), tone(69 + 1 / 3), tone(69 - 1 / 3)]))[:, :, 4]
    centre = 3 * (69 - 36) + 1
    assert spectrum.argmax(1).tolist() == [centre, centre + 1, centre - 1]


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (HOP, 1), (2 * HOP - 1, 1), (2 * HOP, 2), (22050, 10)])
def test_frames_are_those_of_the_published_grid(samples: int, frames: int) -> None:
    assert LogFrequency()(torch.zeros(1, samples)).shape == (1, 252, frames)


def test_frame_t_is_centred_on_its_time() -> None:
    click = torch.zeros(1, 40 * HOP)
    click[0, 20 * HOP] = 1.0
    energy = LogFrequency()(click)[0].exp().sum(0)
    assert int(energy.argmax()) == 20
    assert float(energy[17]) == pytest.approx(float(energy[23]), rel=1e-3)


def test_whitened_spectrum_ignores_gain_and_silence_is_zero() -> None:
    spectrum = LogFrequency()(torch.stack([tone(60), 0.1 * tone(60), torch.zeros(22050)]))
    loud, quiet, silent = whiten(spectrum, 36)
    peak = loud[3 * 24 + 1, 4]
    assert float(quiet[3 * 24 + 1, 4]) == pytest.approx(float(peak), rel=0.05)
    assert float(silent.abs().max()) < 1e-4


def test_harmonic_stack_holds_at_a_bin_what_sounds_at_its_multiples() -> None:
    spectrum = torch.zeros(1, 1, 252, 1)
    spectrum[0, 0, 100] = 1.0
    stacked = harmonic_stack(spectrum, (0.5, 1.0, 2.0, 3.0), 36)
    assert stacked[0, :, :, 0].argmax(1).tolist() == [136, 100, 64, 43]  # 36 log2(3) = 57.06
    top = torch.zeros(1, 1, 252, 1)
    top[0, 0, 250] = 1.0
    assert float(harmonic_stack(top, (0.5,), 36).sum()) == 0.0  # what leaves the range is gone, not wrapped


def test_constant_q_finds_the_note() -> None:
    magnitudes = constant_q(tone(60, 2.0, 44100).numpy(), 44100)  # slow: librosa compiles at first use
    assert magnitudes.shape == (216, 1 + 2 * 44100 // 4096)
    assert int(magnitudes[:, 10].argmax()) == 36 * 3  # C4 is three octaves above C1
    assert magnitudes.dtype == np.float32


def chord(*midi: int, seconds: float = 3.0) -> torch.Tensor:
    """Decaying tones with overtones and a little noise, 44,100 Hz, faded in and out."""
    time = np.arange(int(seconds * 44100)) / 44100
    tones = [np.sin(2 * np.pi * float(note_frequency(m)) * k * time + m) / k for m in midi for k in range(1, 6)]
    wave = np.sum(tones, 0) * np.exp(-0.5 * time) + 1e-3 * np.random.default_rng(0).standard_normal(len(time))
    return torch.from_numpy(0.05 * wave * np.hanning(len(time)) ** 0.25).float()


@pytest.mark.parametrize("seconds", [3.0, 1.234])
def test_harmonic_constant_q_is_librosas_at_every_harmonic(seconds: float) -> None:
    wave = chord(38, 57, 60, 64, 79, seconds=seconds)
    found = HarmonicConstantQ()(wave[None])[0].numpy()
    frames = len(wave) // 4096
    assert found.shape == (frames, 216, 2)
    for channel, harmonic in enumerate((1, 2)):
        magnitudes = constant_q(wave.numpy(), 44100, lowest=harmonic * 32.70319566257483)[:, :frames].T
        expected = 20 * np.log10(np.maximum(magnitudes, 1e-5)) - 20 * np.log10(magnitudes.max())
        difference = np.abs(found[..., channel] - np.maximum(expected, -80))
        assert difference[expected > -70].max() < 0.05
        assert difference.mean() < 1e-3


@pytest.mark.parametrize("midi", [24, 36, 45, 61, 84, 95])
def test_a_note_is_in_its_bin_and_an_octave_lower_in_the_second_channel(midi: int) -> None:
    loudest = HarmonicConstantQ()(tone(midi, 3.0, 44100)[None])[0, 16].argmax(0)
    assert loudest[0] == 3 * (midi - 24)
    assert loudest[1] == max(0, 3 * (midi - 36)) or midi == 24  # half of C1 is below the lowest bin


def test_overtones_of_a_note_are_at_their_bins() -> None:
    partials = sum(torch.sin(2 * torch.pi * 110 * k * torch.arange(3 * 44100) / 44100) / k for k in range(1, 7))
    spectrum = HarmonicConstantQ((1,))(partials[None])[0, 16, :, 0]
    peaks = [b for b in range(1, 215) if spectrum[b] > -40 and spectrum[b] == spectrum[b - 1 : b + 2].max()]
    assert peaks == [63 + round(36 * float(np.log2(k))) for k in range(1, 7)]  # A2 and its multiples


def test_first_channel_does_not_depend_on_the_others() -> None:
    wave = chord(50, 62)[None]
    assert torch.equal(HarmonicConstantQ((1,))(wave)[..., 0], HarmonicConstantQ((1, 2))(wave)[..., 0])


def test_blocks_and_batch_change_nothing() -> None:
    waves = torch.stack([chord(48, 55), chord(60), torch.zeros(3 * 44100)])
    front = HarmonicConstantQ()
    whole = front(waves)
    front.block = 5
    # In amplitudes: near the floor of -80 dB a single-precision rounding is a hundredth of a decibel.
    for other in (front(waves), torch.cat([front(w[None]) for w in waves])):
        torch.testing.assert_close(10 ** (other / 20), 10 ** (whole / 20), rtol=0, atol=1e-6)
    assert float(whole[2].abs().max()) == 0  # silence is all at its own maximum
    assert float(whole[:2].max()) == 0
    assert float(whole.min()) >= -80


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (4095, 1), (4096, 1), (8191, 1), (8192, 2), (44100, 10)])
def test_frames_of_4096_samples(samples: int, frames: int) -> None:
    assert HarmonicConstantQ()(torch.randn(1, samples)).shape == (1, frames, 216, 2)


@pytest.mark.parametrize("harmonics", [(), (3,), (0,), (4,)])
def test_harmonics_that_are_not_on_the_grid_are_refused(harmonics: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="powers of two"):
        HarmonicConstantQ(harmonics)


@pytest.mark.parametrize("samples", [4096, 3 * 4096, 3 * 4096 + 511, 3 * 4096 + 512, 4 * 4096 - 1, 10 * 4096 + 700])
def test_da_tacos_rows_are_the_nearest_frames(samples: int) -> None:
    """As scipy does it in acoss: nearest, ties to the earlier, extrapolated; every eighth row is a frame again."""
    profile = torch.rand(12, samples // 4096)
    rows = da_tacos_rows(profile, samples)
    frames = profile.shape[1]
    if frames > 1:
        nearest = interp1d(8 * np.arange(frames), profile.numpy(), "nearest", fill_value="extrapolate")
        np.testing.assert_array_equal(rows.numpy(), nearest(np.arange(samples // 512)).T.astype(np.float32))
    else:
        assert torch.equal(rows, profile.T.expand(8, 12))
    again = da_tacos_profile(rows)
    assert again.shape == (12, -(-(samples // 512) // 8))
    assert torch.equal(again[:, :frames], profile)
    assert again.shape[1] == frames or torch.equal(again[:, frames], profile[:, -1])  # one more repeats the last
