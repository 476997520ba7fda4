"""The two baselines do what they are there for, and never fail on odd input."""

from __future__ import annotations

import pytest
import torch

from ohrwurm.models import registry

RATE = 22050


def melody(notes: list[int], seconds: float = 0.5, tempo: float = 1.0) -> torch.Tensor:
    """Notes (MIDI numbers) as harmonic tones, one after the other."""
    samples = int(RATE * seconds / tempo)
    t = torch.arange(samples) / RATE
    tones = []
    for note in notes:
        frequency = 440.0 * 2 ** ((note - 69) / 12)
        tones.append(sum(0.6**h * torch.sin(2 * torch.pi * h * frequency * t) for h in range(1, 5)))
    return torch.cat(tones)


def random_notes(seed: int, count: int = 90) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return (60 + torch.randint(0, 12, (count,), generator=generator)).tolist()


@pytest.fixture(scope="module")
def versions():
    return registry.load("chroma-cross-correlation")


@torch.inference_mode()
def test_version_in_another_key_and_tempo_with_an_intro_is_the_nearest(versions) -> None:
    songs = [random_notes(seed) for seed in range(8)]
    candidates = torch.cat([versions(melody(notes)[None]).pooled for notes in songs])
    changed = melody([note + 5 for note in random_notes(99, 6) + songs[3]], tempo=1.1)
    similarity = versions.similarity(versions(changed[None]).pooled[0], candidates)
    assert similarity.argmax().item() == 3
    others = torch.cat([similarity[:3], similarity[4:]])
    assert similarity[3] > 1.3 * others.max()


@torch.inference_mode()
def test_similarity_is_normalised_key_free_and_scale_free(versions) -> None:
    song = melody(random_notes(1, 120))
    vector = versions(song[None]).pooled[0]
    rolled = vector.view(12, -1).roll(4, 0).reshape(-1)
    other = versions(melody(random_notes(2, 120))[None]).pooled[0]
    similarity = versions.similarity(vector, torch.stack([vector, rolled, 7 * other, other]))
    assert similarity[0].item() == pytest.approx(1.0, abs=1e-4)
    assert similarity[1].item() == pytest.approx(1.0, abs=1e-4)
    assert similarity[2].item() == pytest.approx(similarity[3].item(), abs=1e-5)
    assert similarity[3] < 0.6


@torch.inference_mode()
def test_similarity_equals_a_direct_search_over_keys_and_lags() -> None:
    encoder = registry.build(registry.card("chroma-cross-correlation"))
    encoder.tempos = (1.0,)  # type: ignore[assignment]
    frames = encoder.frames
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 12, frames, generator=generator)
    best = max(
        (a.roll(key, 0)[:, max(0, lag) : frames + min(0, lag)] * b[:, max(0, -lag) : frames - max(0, lag)]).sum()
        for key in range(12)
        for lag in range(-frames + 1, frames)
    )
    found = encoder.similarity(a.flatten(), b.flatten()[None])[0]
    assert found.item() == pytest.approx((best / a.norm() / b.norm()).item(), abs=1e-5)


@torch.inference_mode()
def test_similarity_does_not_depend_on_the_number_of_candidates(versions) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(600, versions.card.dim, generator=generator)
    together = versions.similarity(vectors[0], vectors)
    assert together.shape == (600,)
    alone = torch.cat([versions.similarity(vectors[0], vectors[i : i + 1]) for i in (0, 255, 256, 599)])
    assert torch.allclose(together[[0, 255, 256, 599]], alone, atol=1e-5)
    assert versions.similarity(vectors[0], vectors[:0]).shape == (0,)


@torch.inference_mode()
def test_silence_is_similar_to_nothing(versions) -> None:
    silent = versions(torch.zeros(1, RATE * 60)).pooled
    assert silent.abs().sum() == 0
    song = versions(melody(random_notes(1))[None]).pooled
    assert versions.similarity(silent[0], song).item() == 0
    assert versions.similarity(song[0], torch.cat([silent, song]))[0].item() == 0


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
