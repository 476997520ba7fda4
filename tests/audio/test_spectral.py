"""The mel front-end against the published one, and what its variants and the chroma must do."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from ohrwurm.audio.spectral import Chroma, MelSpectrogram, htk_mel_bank

GOLDEN = Path(__file__).parents[1] / "golden" / "ttmr_muscall"


def test_ttmr_mel_is_bit_identical_in_bank_and_decibels() -> None:
    spec = importlib.util.spec_from_file_location("golden_fill", GOLDEN / "fill.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    golden = np.load(GOLDEN / "ttmr_mel.npz")
    mel = MelSpectrogram(power="real-squared")
    assert np.array_equal(mel.bank.numpy(), golden["fb"])
    found = mel(torch.from_numpy(fill.batch(0, 158560, 2))).numpy()
    # Bit-identical where the FFT library is the same; the stated tolerance elsewhere.
    assert np.abs(found - golden["mel"]).max() < 5e-3


def test_power_is_phase_independent_and_real_squared_is_not() -> None:
    t = torch.arange(16000) / 16000
    for power, same in (("power", True), ("real-squared", False)):
        mel = MelSpectrogram(power=power)
        sine, cosine = (mel(f(2 * torch.pi * 1000 * t)[None])[0, :, 50].max() for f in (torch.sin, torch.cos))
        assert (abs(sine - cosine) < 0.1) == same, power


def test_mel_of_a_steady_sine_is_the_known_power() -> None:
    """A sine of amplitude a has |X| = a/2 · sum(window); Hann sums to n_fft/2 and spreads over 3 bins."""
    frequency, amplitude = 64 * 16000 / 1024, 0.5
    wave = amplitude * torch.sin(2 * torch.pi * frequency * torch.arange(16000) / 16000)
    mel = MelSpectrogram(power="power")
    bins = torch.zeros(513)
    bins[63:66] = (amplitude / 2 * 512) ** 2 * torch.tensor([0.25, 1.0, 0.25])
    expected = 10 * torch.log10((bins @ mel.bank).clamp(min=1e-10))
    found = mel(wave[None])[0, :, 50]
    heard = expected > 0
    assert heard.any()
    assert torch.allclose(found[heard], expected[heard], atol=0.01)


def test_silence_is_the_floor_and_gain_shifts_decibels() -> None:
    mel = MelSpectrogram(power="power")
    assert torch.all(mel(torch.zeros(1, 8000)) == -100.0)
    noise = torch.randn(1, 8000)
    assert torch.allclose(mel(noise) - mel(0.1 * noise), torch.tensor(20.0), atol=1e-3)


@pytest.mark.parametrize("samples", [0, 1, 100, 512, 513, 1600])
def test_any_length_has_a_defined_number_of_frames(samples: int) -> None:
    mel = MelSpectrogram()(torch.zeros(1, samples))
    assert mel.shape == (1, 128, max(samples, 513) // 160 + 1)


def test_mel_constants_are_not_stored_with_weights() -> None:
    assert MelSpectrogram().state_dict() == {}


def test_every_filter_of_the_bank_hears_something() -> None:
    assert (htk_mel_bank(1024, 16000, 64, 30.0, 8000.0).sum(0) > 0).all()


def test_unknown_power_is_refused() -> None:
    with pytest.raises(ValueError, match="real-squared"):
        MelSpectrogram(power="magnitude")  # type: ignore[arg-type]


def tone(midi: float, seconds: float = 2.0, rate: int = 22050) -> torch.Tensor:
    """A tone with five decaying harmonics."""
    t = torch.arange(int(seconds * rate)) / rate
    frequency = 440.0 * 2 ** ((midi - 69) / 12)
    return sum(0.5**h * torch.sin(2 * torch.pi * h * frequency * t) for h in range(1, 6))  # type: ignore[return-value]


@pytest.mark.parametrize("midi", range(48, 84))
def test_chroma_names_the_pitch_class_over_three_octaves(midi: int) -> None:
    assert Chroma()(tone(midi)[None])[0].mean(1).argmax().item() == midi % 12


def test_chroma_follows_a_transposition_and_not_the_gain() -> None:
    chroma = Chroma()
    chord = sum(tone(m) for m in (60, 64, 67))
    higher = sum(tone(m + 3) for m in (60, 64, 67))
    plain = chroma(chord[None])[0].mean(1)
    assert torch.corrcoef(torch.stack([plain.roll(3), chroma(higher[None])[0].mean(1)]))[0, 1] > 0.95
    assert torch.allclose(plain, chroma(0.3 * chord[None])[0].mean(1), atol=1e-3)


def test_chroma_of_silence_is_zero_and_never_nan() -> None:
    assert Chroma()(torch.zeros(1, 50000)).abs().sum() == 0
    assert torch.isfinite(Chroma()(torch.zeros(1, 10))).all()


@pytest.mark.parametrize("power", ["power", "real-squared"])
def test_mixed_precision_leaves_decibels_as_they_are(power) -> None:
    mel, waveform = MelSpectrogram(power=power), torch.sin(torch.arange(16000.0))[None]
    with torch.autocast("cpu", torch.bfloat16):
        mixed = mel(waveform)
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(mixed, mel(waveform))
