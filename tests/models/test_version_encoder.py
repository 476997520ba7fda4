"""The version encoder: from audio to vector, and whose weights come from where."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from ohrwurm.checksums import sha256
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.convert import read_weights
from ohrwurm.models.move import MOVE, tile_pitch_classes
from ohrwurm.models.pitchnet import PitchNet
from ohrwurm.models.precision import has_bf16
from ohrwurm.models.version_encoder import VersionEncoder

SMALL = {"dim": 16, "channels": 8, "kernel_time": 24, "convolutions": ((5, 1), (5, 3))}


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where converted models would be; what the person who runs the tests has installed must not matter."""
    monkeypatch.setattr(registry, "cached", lambda name: tmp_path / "installed" / name)
    return tmp_path / "installed"


@pytest.fixture
def small_card(monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """A published card with a small network."""
    card = ModelCard(
        "small-move", "version-encoder", 44100, 60.0, 60.0, 16, ("versions",), "A small MOVE.", minimum=1.0,
        comparison="euclidean", pooling="mean", source="https://example.org",
        parameters={"pitch": "crema", "pitch_parameters": {"variant": "0.1.0"}, **SMALL},
    )  # fmt: skip
    monkeypatch.setitem(registry._cards, card.name, card)
    return card


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A published checkpoint: MOVE alone."""
    torch.save(MOVE(**SMALL).state_dict(), tmp_path / "model_move.pt")
    return tmp_path / "model_move.pt"


@pytest.mark.parametrize("pitch", ["chroma", "pitchnet", "crema"])
@torch.inference_mode()
def test_vector_of_a_waveform_is_move_of_its_pitch_classes(pitch: str) -> None:
    encoder = VersionEncoder(pitch=pitch, **SMALL).eval()
    waveform = torch.randn(2, 44100 * 6) * 0.1
    profile = encoder.features(waveform)
    assert profile.shape[:2] == (2, 12)
    assert profile.min() >= 0
    assert profile.max() <= 1
    assert torch.equal(encoder(waveform).pooled, encoder.encode_features(profile).pooled)
    assert {key.split(".")[0] for key in encoder.state_dict()} == {"move"} | ({"pitch"} if pitch != "chroma" else set())


@torch.inference_mode()
def test_transposed_song_gets_the_same_vector() -> None:
    encoder = VersionEncoder(pitch="chroma", **SMALL).eval()
    profile = torch.rand(1, 12, 100)
    vectors = torch.cat([encoder.encode_features(profile.roll(s, 1)).pooled for s in range(12)])
    assert (vectors - vectors[0]).abs().max() < 1e-5 * vectors.abs().max()


@torch.inference_mode()
def test_published_checkpoint_takes_features_and_refuses_audio_until_an_extractor_is_there(
    small_card: ModelCard, checkpoint: Path, tmp_path: Path
) -> None:
    encoder = registry.load(small_card.name, weights=checkpoint)
    assert isinstance(encoder, VersionEncoder)
    move = MOVE(**SMALL).eval()
    move.load_state_dict(torch.load(checkpoint, weights_only=True))
    profile = torch.rand(1, 12, 80)
    vector = encoder.encode_features(profile).pooled
    assert torch.equal(vector, move(tile_pitch_classes(profile)))
    waveform = torch.randn(1, 44100 * 8) * 0.1
    with pytest.raises(ModelError, match=r"small-move has no pitch extractor.*attach_pitch.*crema-pcp-0\.1\.0"):
        encoder(waveform)

    registry.save(encoder, tmp_path / "features")  # MOVE alone is a model folder, too
    again = registry.load(tmp_path / "features")
    assert isinstance(again, VersionEncoder)
    assert torch.equal(again.encode_features(profile).pooled, vector)
    with pytest.raises(ModelError, match="no pitch extractor"):
        again(waveform)

    crema = registry.build(registry.card("crema-pcp-0.2"))
    for unattached in (encoder, again):
        before = unattached.card
        unattached.attach_pitch(crema)
        assert unattached.card.parameters["pitch"] == "crema"
        assert unattached.card.parameters["pitch_parameters"] == {"variant": "0.2"}
        assert unattached.card.provenance != before.provenance
        assert torch.equal(unattached(waveform).pooled, unattached.encode_features(crema.profile(waveform)).pooled)
    registry.save(encoder, tmp_path / "whole")
    whole = registry.load(tmp_path / "whole")
    assert torch.equal(whole(waveform).pooled, encoder(waveform).pooled)


@torch.inference_mode()
def test_installed_extractor_is_taken(small_card: ModelCard, checkpoint: Path, nothing_installed: Path) -> None:
    """Of the card's class and variant: the other variant of crema does not do."""
    waveform = torch.randn(1, 44100 * 8) * 0.1
    for variant, taken in (("0.2", False), ("0.1.0", True)):
        crema = registry.build(registry.card(f"crema-pcp-{variant}"))
        registry.save(crema, nothing_installed / f"crema-pcp-{variant}")
        encoder = registry.load(small_card.name, weights=checkpoint)
        assert isinstance(encoder, VersionEncoder)
        assert (encoder.pitch is not None) == taken
        assert encoder.card.parameters["pitch"] == ("crema" if taken else "none")
    assert torch.equal(encoder.features(waveform), crema.profile(waveform))  # type: ignore[operator]
    assert encoder.card.sha256 != sha256(checkpoint), "two files make the weights, and both are in the hash"


@torch.inference_mode()
def test_bundled_extractor_can_stand_in(small_card: ModelCard, checkpoint: Path) -> None:
    encoder = registry.load(small_card.name, weights=checkpoint)
    assert isinstance(encoder, VersionEncoder)
    encoder.attach_pitch(registry.load("pitchnet"))
    assert encoder.card.parameters["pitch"] == "pitchnet"
    assert encoder.card.sample_rate == 22050
    assert encoder(torch.randn(1, 22050 * 6) * 0.1).pooled.shape == (1, 16)
    with pytest.raises(ModelError, match="VersionEncoder extracts no pitch classes; known: pitchnet, crema, chroma"):
        encoder.attach_pitch(encoder)


@torch.inference_mode()
def test_published_checkpoint_leaves_an_extractor_with_weights_alone(checkpoint: Path) -> None:
    encoder = VersionEncoder(pitch="pitchnet", **SMALL).eval()
    trained = PitchNet().eval()
    encoder.pitch.load_state_dict(trained.state_dict())
    report = read_weights(encoder, checkpoint)
    assert set(report.kept) == {f"pitch.{key}" for key in trained.state_dict()}
    waveform = torch.randn(1, 22050 * 6) * 0.1
    assert torch.equal(encoder.features(waveform), trained.profile(waveform))

    read_weights(encoder, checkpoint)  # a second one does not take it off either
    assert torch.equal(encoder.features(waveform), trained.profile(waveform))
    plain = VersionEncoder(pitch="chroma", **SMALL).eval()
    read_weights(plain, checkpoint)
    assert plain(waveform).pooled.shape == (1, 16)


@torch.inference_mode()
def test_checkpoint_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    torch.save(MOVE(**{**SMALL, "dim": 17}).state_dict(), tmp_path / "other.pt")
    encoder = VersionEncoder(pitch="pitchnet", **SMALL).eval()
    with pytest.raises(ModelError, match=r"of another shape.*move\.lin1\.weight"):
        read_weights(encoder, tmp_path / "other.pt")
    assert encoder.pitch is not None
    encoder.load_state_dict(VersionEncoder(pitch="pitchnet", **SMALL).state_dict())
    assert encoder.pitch is not None


@torch.inference_mode()
def test_comparison_is_that_of_the_card(small_card: ModelCard) -> None:
    encoder = registry.build(small_card)
    query, candidates = torch.randn(16), torch.randn(9, 16)
    candidates[3] = query
    similarity = encoder.similarity(query, candidates)
    distance = torch.cdist(query[None], candidates)[0].square() / 16
    assert torch.equal(similarity.argsort(descending=True), distance.argsort())
    assert float(similarity[3]) == 1.0
    cosine = VersionEncoder(pitch="chroma", **SMALL).similarity(query, candidates)
    torch.testing.assert_close(cosine, torch.nn.functional.cosine_similarity(query[None], candidates))
    encoder.card = dataclasses.replace(encoder.card, comparison="pearson")
    both = torch.cat([query[None], candidates])
    torch.testing.assert_close(encoder.similarity(query, candidates), torch.corrcoef(both)[0, 1:])


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this CPU has no bf16 instructions")
@torch.inference_mode()
def test_precision_is_chosen_by_name(small_card: ModelCard, checkpoint: Path) -> None:
    single = registry.load(small_card.name, weights=checkpoint)
    lower = registry.load(small_card.name, weights=checkpoint, precision="bf16")
    assert isinstance(single, VersionEncoder)
    assert isinstance(lower, VersionEncoder)
    profile = torch.rand(2, 12, 100)
    a, b = single.encode_features(profile).pooled, lower.encode_features(profile).pooled
    assert b.dtype == torch.float32
    assert not torch.equal(a, b)
    assert torch.nn.functional.cosine_similarity(a, b).min() > 0.999
    with pytest.raises(ModelError, match="int8"):
        lower.lower("int8")


def test_extractor_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ModelError, match="'crepe'; known: pitchnet, crema, chroma, none"):
        VersionEncoder(pitch="crepe")
