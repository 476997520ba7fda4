"""pitchnet: waveform → pitch-class profile, our own small stand-in for extractors that no longer install.

A log-frequency spectrum is whitened, stacked at its harmonics and read by a small convolutional network that shifts
with pitch: first every semitone of seven octaves gets a salience, then octaves are folded by a learned soft maximum.
Trained on rendered scores, whose sounding notes are exactly known (`ohrwurm recipes show ohrwurm/pitch`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ohrwurm.audio import pitch
from ohrwurm.models.base import AudioEncoder, Encoded
from ohrwurm.models.registry import architecture

HARMONICS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


def _block(inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = (0 if stride > 1 else dilation * (kernel[0] // 2), kernel[1] // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, (stride, 1), padding, (dilation, 1), bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


@architecture("pitchnet")
class PitchNet(AudioEncoder):
    """Pitch-class profile of audio at 22,050 Hz.

    `profile(waveform (B, samples))` gives `(B, 12, T)` probabilities in (0, 1), index 0 = C, T = samples // 2048
    (92.88 ms a frame, the grid of cremaPCP). `forward` returns the profile as frames `(B, T, 12)` and its mean.

    >>> net = PitchNet()
    >>> net.profile(torch.zeros(1, 22050)).shape
    torch.Size([1, 12, 10])
    """

    sample_rate = pitch.SAMPLE_RATE
    hop = pitch.HOP

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.spectrum = pitch.LogFrequency()
        self.semitones = nn.Sequential(
            _block(2 * len(HARMONICS), channels, (5, 3)),
            _block(channels, channels, (5, 3)),
            _block(channels, 2 * channels, (pitch.BINS_PER_SEMITONE, 1), stride=pitch.BINS_PER_SEMITONE),
        )
        self.octaves = _block(2 * channels, 2 * channels, (3, 1), dilation=12)
        self.neighbours = _block(2 * channels, 2 * channels, (3, 5))
        self.salience = nn.Conv2d(2 * channels, 1, 1)
        self.octave_bias = nn.Parameter(torch.zeros(pitch.SEMITONES // 12))
        self.sharpness = nn.Parameter(torch.tensor(1.0))

    def notes(self, log_power: Tensor) -> Tensor:
        """Logits `(B, 84, T)` that MIDI notes 36..119 sound, from `LogFrequency` `(B, 252, T)`."""
        whitened = pitch.whiten(log_power, 36)
        # 0 at the loudest bin of a frame, -1 some 60 dB below it: tells noise floor from notes.
        level = ((log_power - log_power.amax(1, keepdim=True)) / 14.0).clamp_min(-1.5)
        x = torch.stack([whitened / 4.0, level], 1)  # (B, 2, 252, T)
        x = self.semitones(pitch.harmonic_stack(x, HARMONICS, 12 * pitch.BINS_PER_SEMITONE))  # (B, 2C, 84, T)
        x = x + self.octaves(x)
        x = x + self.neighbours(x)
        return self.salience(x)[:, 0]

    def pitch_classes(self, notes: Tensor) -> Tensor:
        """Logits `(B, 12, T)`: a soft maximum of the note logits over octaves."""
        by_octave = notes.unflatten(1, (-1, 12)) + self.octave_bias[:, None, None]  # (B, 7, 12, T)
        return torch.logsumexp(self.sharpness * by_octave, 1) / self.sharpness

    def profile(self, waveform: Tensor) -> Tensor:
        """Pitch-class probabilities `(B, 12, T)` of `waveform (B, samples)`."""
        return torch.sigmoid(self.pitch_classes(self.notes(self.spectrum(waveform))))

    def forward(self, waveform: Tensor) -> Encoded:
        profile = self.profile(waveform)
        return Encoded(pooled=profile.mean(2), frames=profile.transpose(1, 2))
