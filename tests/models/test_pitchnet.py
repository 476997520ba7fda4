"""The bundled pitchnet hears notes it was never shown: plain additive tones, in any key, at any level."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohrwurm import load
from ohrwurm.audio.pitch import SAMPLE_RATE, note_frequency


@pytest.fixture(scope="module")
def pitchnet():
    return load("pitchnet")


def chord(*midi: int, seconds: float = 2.0) -> torch.Tensor:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    partials = [np.sin(2 * np.pi * float(note_frequency(m)) * k * time + m) / k**1.3 for m in midi for k in range(1, 8)]
    return torch.from_numpy(0.1 * np.sum(partials, 0) * np.exp(-0.4 * time)).float()


@torch.inference_mode()
@pytest.mark.parametrize("shift", range(12))
def test_the_tones_of_a_chord_stand_out_in_every_key(pitchnet, shift: int) -> None:
    profile = pitchnet.profile(chord(48 + shift, 64 + shift, 67 + shift)[None])[0, :, 2:-2].mean(1)
    assert set(profile.topk(3).indices.tolist()) == {(0 + shift) % 12, (4 + shift) % 12, (7 + shift) % 12}
    others = [i for i in range(12) if i not in {shift % 12, (4 + shift) % 12, (7 + shift) % 12}]
    assert profile[others].max() < 0.5 * profile.topk(3).values.min()


@torch.inference_mode()
def test_level_changes_no_note_and_silence_holds_no_notes(pitchnet) -> None:
    wave = chord(60, 64, 67)[None]
    loud, quiet = (pitchnet.profile(w)[0, :, 2:-2].mean(1) for w in (wave, 0.05 * wave))
    assert torch.equal(loud > 0.5, quiet > 0.5)
    assert int((loud > 0.5).sum()) == 3
    assert float(pitchnet.profile(torch.zeros(1, 44100)).max()) < 0.3


@torch.inference_mode()
def test_frames_and_pooled_agree_with_the_profile(pitchnet) -> None:
    wave = chord(57, 60, 64)[None]
    encoded = pitchnet(wave)
    assert encoded.frames.shape == (1, 21, 12)
    torch.testing.assert_close(encoded.pooled, pitchnet.profile(wave).mean(2))
