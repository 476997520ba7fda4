"""Notes are where they should be, and a transposition is a shift."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm.audio.log_spectrum import BANDS_PER_SEMITONE, LOWEST_NOTE, SAMPLE_RATE, SHORTEST, WINDOWS, LogSpectrum
from ohrwurm.audio.pitch import note_frequency


def tone(midi: float, seconds: float = 1.0) -> torch.Tensor:
    t = torch.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return torch.sin(2 * torch.pi * float(note_frequency(midi)) * t)[None]


@pytest.mark.parametrize("midi", [53, 60, 66, 67, 69, 84, 100, 118])
def test_a_note_is_loudest_in_its_band(midi: int) -> None:
    frame = LogSpectrum()(tone(midi))[0, :, 50]
    assert int(frame.argmax()) == BANDS_PER_SEMITONE * (midi - LOWEST_NOTE)
    assert -12.0 < float(frame.max()) < 1.0  # high bands are wider than a sine


def test_neighbours_a_semitone_apart_are_told_apart() -> None:
    crossing = LOWEST_NOTE + WINDOWS[0][1]  # the worst of the short window
    for midi in (57, crossing, 72):
        frame = LogSpectrum()(tone(midi) + tone(midi + 1))[0, :, 50]
        band = BANDS_PER_SEMITONE * (midi - LOWEST_NOTE)
        assert frame[band + 1] < max(frame[band], frame[band + 2])


def test_a_transposition_is_a_shift() -> None:
    hear = LogSpectrum()
    low, high = hear(tone(76))[0, :, 20:80], hear(tone(79))[0, :, 20:80]
    near = slice(2 * (70 - LOWEST_NOTE), 2 * (85 - LOWEST_NOTE))
    shifted = torch.roll(low, 3 * BANDS_PER_SEMITONE, dims=0)
    assert float((shifted[near] - high[near]).abs().median()) < 1.5


def test_a_click_stands_at_its_time_at_all_frequencies() -> None:
    audio = torch.zeros(1, SAMPLE_RATE)
    audio[0, 12000] = 1.0
    spectrum = LogSpectrum()(audio)[0]
    assert spectrum.shape == (LogSpectrum.bands, 101)
    for rows in (slice(0, 86), slice(86, 192)):
        power = 10 ** (spectrum[rows].double() / 10)
        centre = (power.sum(0) * torch.arange(101)).sum() / power.sum()
        assert float(centre) == pytest.approx(50, abs=0.5)


def test_silence_is_the_floor_and_a_frame_does_not_depend_on_others() -> None:
    hear = LogSpectrum()
    assert float(hear(torch.zeros(1, 24000)).max()) == pytest.approx(-80.0, abs=1e-4)
    audio = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 24000)).astype(np.float32))
    torch.testing.assert_close(hear(audio)[:1], hear(audio[:1]), rtol=1e-4, atol=1e-3)


def test_what_is_too_short_to_reflect_is_padded() -> None:
    short = torch.ones(1, 500)
    padded = torch.nn.functional.pad(short, (0, SHORTEST - 500))
    assert torch.equal(LogSpectrum()(short), LogSpectrum()(padded))
