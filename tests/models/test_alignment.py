"""Sequences slid over each other find a tune in another key, at another speed and later, and bear odd input."""

from __future__ import annotations

import pytest
import torch

from ohrwurm.models import registry
from ohrwurm.models.alignment import PitchAlignment
from ohrwurm.models.base import AudioEncoder

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


@pytest.fixture(scope="module", params=["chroma-cross-correlation", "ohrwurm-alignment"])
def versions(request: pytest.FixtureRequest) -> AudioEncoder:
    return registry.load(request.param)


@torch.inference_mode()
@pytest.mark.parametrize("tempo", [0.9, 1.1])
def test_version_in_another_key_and_tempo_with_an_intro_is_the_nearest(versions: AudioEncoder, tempo: float) -> None:
    songs = [random_notes(seed) for seed in range(8)]
    candidates = torch.cat([versions(melody(notes)[None]).pooled for notes in songs])
    changed = melody([note + 5 for note in random_notes(99, 6) + songs[3]], tempo=tempo)
    similarity = versions.similarity(versions(changed[None]).pooled[0], candidates)
    assert similarity.argmax().item() == 3
    others = torch.cat([similarity[:3], similarity[4:]])
    assert similarity[3] > 1.3 * others.max()


@torch.inference_mode()
def test_similarity_is_normalised_key_free_and_scale_free(versions: AudioEncoder) -> None:
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
def test_similarity_does_not_depend_on_the_number_of_candidates(versions: AudioEncoder) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(600, versions.card.dim, generator=generator)
    together = versions.similarity(vectors[0], vectors)
    assert together.shape == (600,)
    alone = torch.cat([versions.similarity(vectors[0], vectors[i : i + 1]) for i in (0, 255, 256, 599)])
    assert torch.allclose(together[[0, 255, 256, 599]], alone, atol=1e-5)
    assert versions.similarity(vectors[0], vectors[:0]).shape == (0,)


@torch.inference_mode()
def test_silence_is_similar_to_nothing(versions: AudioEncoder) -> None:
    silent = versions(torch.zeros(1, RATE * 60)).pooled
    assert silent.abs().sum() == 0
    song = versions(melody(random_notes(1))[None]).pooled
    assert versions.similarity(silent[0], song).item() == 0
    assert versions.similarity(song[0], torch.cat([silent, song]))[0].item() == 0


def pieces(seed: int, frames: int, count: int = 1) -> torch.Tensor:
    """Random steady pitch classes `(count, 12, frames)` of half a second each."""
    generator = torch.Generator().manual_seed(seed)
    notes = torch.rand(count, 12, frames // 5 + 1, generator=generator).pow(4)
    return notes.repeat_interleave(5, 2)[..., :frames]


def played(profile: torch.Tensor, tempo: float) -> torch.Tensor:
    size = round(profile.shape[-1] / tempo)
    return torch.nn.functional.interpolate(profile, size=size, mode="linear", align_corners=False)


@torch.inference_mode()
@pytest.mark.parametrize("tempo", [0.67, 0.8, 1.0, 1.3, 1.5])
def test_learned_profiles_are_compared_at_many_speeds(tempo: float) -> None:
    """The tempos stand in steps of six per cent, over the whole range in which versions are played."""
    model = PitchAlignment(seconds=60.0)
    songs = pieces(0, 1200, 6)
    candidates = torch.cat([model.encode_features(song[None]).pooled for song in songs])
    asked = model.encode_features(played(songs[4:5].roll(3, 1), tempo)).pooled[0]
    near = model.similarity(asked, candidates)
    assert near.argmax().item() == 4
    assert near[4] > 2 * torch.cat([near[:4], near[5:]]).max()


@torch.inference_mode()
def test_a_query_that_is_slowed_down_keeps_its_end() -> None:
    """What comes late in the query comes later than `seconds` at a slower speed, and is compared all the same."""
    model = PitchAlignment(seconds=30.0)
    tune = pieces(1, 130)
    late = torch.cat([torch.zeros(1, 12, 190), tune], 2)
    early_and_slow = torch.cat([torch.zeros(1, 12, 30), played(tune, 2 / 3), torch.zeros(1, 12, 90)], 2)
    asks, offered = (model.encode_features(x).pooled for x in (late, early_and_slow))
    whole = model.similarity(asks[0], offered).item()
    assert whole == pytest.approx(model.similarity(offered[0], asks).item(), abs=0.1)  # whichever of the two asks
    model.whole = False
    assert whole > 1.5 * model.similarity(asks[0], offered).item()


@torch.inference_mode()
def test_level_and_noise_floor_do_not_matter_to_learned_profiles() -> None:
    model = PitchAlignment(seconds=30.0)
    song = pieces(2, 323)
    louder = model.encode_features(0.5 * song + 0.2).pooled  # the same in all twelve: no pitch
    assert torch.allclose(louder, model.encode_features(song).pooled, atol=1e-5)
