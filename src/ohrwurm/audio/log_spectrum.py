"""Waveform → decibels on a logarithmic frequency axis, two bands a semitone, a hundred frames a second.

On this axis a transposition is a shift, so that whoever learns chords from one key has learned them in all; on a mel
axis low notes share bands. Two windows: a long one where semitones are near each other, a short one above, where it
resolves them too and tells better when something begins.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.audio.pitch import log_filters, note_frequency
from ohrwurm.audio.spectral import power_of, stft

SAMPLE_RATE, HOP = 24000, 240
BANDS_PER_SEMITONE = 2
LOWEST_NOTE, SEMITONES = 24, 96  # C1 (32.7 Hz) to below C9 (8372 Hz)
WINDOWS = ((4096, 43), (2048, 53))  # samples, semitones; the first resolves semitones from about 170 Hz on
SHORTEST = WINDOWS[0][0] // 2 + 1  # samples that can be reflected at their ends
FLOOR = 1e-8  # -80 dB of a sine's full scale


class LogSpectrum(nn.Module):
    """`(batch, samples)` at 24 kHz → decibels `(batch, 192, samples // 240 + 1)`, frame i centred on sample 240 i.

    Band `2 (m - 24)` is centred on MIDI note m and reads mean power: a sine of full scale is near 0 dB in low bands,
    11 dB lower in the highest, which are wide. Ends are reflected; what is shorter than `SHORTEST` is padded to it.

    >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(24000) / SAMPLE_RATE)[None]
    >>> spectrum = LogSpectrum()(tone)
    >>> spectrum.shape, int(spectrum[0, :, 50].argmax()) == 2 * (69 - LOWEST_NOTE)
    (torch.Size([1, 192, 101]), True)
    """

    bands = SEMITONES * BANDS_PER_SEMITONE

    def __init__(self) -> None:
        super().__init__()
        lowest = float(LOWEST_NOTE)
        for i, (size, semitones) in enumerate(WINDOWS):
            count = semitones * BANDS_PER_SEMITONE
            centres = np.asarray(note_frequency(lowest + (np.arange(-1, count + 1)) / BANDS_PER_SEMITONE))
            filters = torch.from_numpy(log_filters(centres, SAMPLE_RATE, size, size))  # (bands, frequencies)
            taper = torch.hann_window(size)
            self.register_buffer(f"taper{i}", taper, persistent=False)
            # The filters read power relative to that of a sine of full scale.
            self.register_buffer(f"filters{i}", filters * (2.0 / float(taper.sum())) ** 2, persistent=False)
            lowest += semitones

    def forward(self, waveform: Tensor) -> Tensor:
        waveform = nn.functional.pad(waveform, (0, max(0, SHORTEST - waveform.shape[-1])))
        parts = []
        for i, (size, _) in enumerate(WINDOWS):
            filters: Tensor = getattr(self, f"filters{i}")
            spectrum = stft(waveform, size, HOP, getattr(self, f"taper{i}"))[:, : filters.shape[1]]
            parts.append(torch.matmul(filters, power_of(spectrum)))
        return 10.0 * torch.log10(torch.cat(parts, dim=1).clamp(min=FLOOR))
