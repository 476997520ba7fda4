"""The pitch front-ends: bins where notes are, frames where they should be, blind to level."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.audio.pitch import HOP, SAMPLE_RATE, LogFrequency, constant_q, harmonic_stack, note_frequency, whiten


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
