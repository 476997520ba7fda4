"""The baseline of sound does what it is there for."""

from __future__ import annotations

import torch

from ohrwurm.models import registry


@torch.inference_mode()
def test_timbre_decides_for_mel_statistics_and_gain_does_not() -> None:
    encoder = registry.load("mel-statistics")
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(160000) / 16000
    noise = [torch.randn(160000, generator=generator) * 0.1 for _ in range(2)]
    tones = [sum(torch.sin(2 * torch.pi * f * h * t) / h for h in range(1, 4)) * 0.2 for f in (220, 233)]
    quiet = 0.05 * noise[0]
    vectors = encoder(torch.stack([*noise, *tones, quiet])).pooled
    cosine = encoder.similarity(vectors[0], vectors)
    assert cosine[4] > 0.999
    assert cosine[1] > 0.99
    assert cosine[1] > cosine[2] + 0.1
    tonal = encoder.similarity(vectors[2], vectors)
    assert tonal[3] > tonal[0] + 0.1
