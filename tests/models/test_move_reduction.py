"""Pruning against the published masks; what is pruned is smaller and otherwise the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.move import MOVE, Activation, tile_pitch_classes
from ohrwurm.models.move_reduction import PUBLISHED_SIZES, mask_rows, prune, reconfigure, rows_kept
from ohrwurm.models.version_encoder import VersionEncoder

SMALL = {"dim": 16, "channels": 8, "kernel_time": 24, "convolutions": ((5, 1), (5, 3))}


def test_rows_kept_are_those_of_the_published_code(move_golden) -> None:
    golden = move_golden["pruning"]
    weight = torch.from_numpy(move_golden.make.fill_array(str(golden["fill_name"]), (16000, 256)))
    np.testing.assert_allclose(weight[:64].abs().mean(1), golden["row_score_first64"], rtol=1e-4, atol=1e-5)
    for i, pruned in enumerate(golden["n_prune"]):
        keep = np.unpackbits(golden[f"keep_bits_iter{i}"])[:16000].astype(bool)
        assert keep.sum() == 16000 - pruned == PUBLISHED_SIZES[i]
        np.testing.assert_array_equal(rows_kept(weight, PUBLISHED_SIZES[i]), keep)


def test_more_rows_than_there_are_cannot_be_kept() -> None:
    for dim in (0, 5):
        with pytest.raises(ValueError, match=f"{dim} of 4"):
            rows_kept(torch.rand(4, 2), dim)


@pytest.mark.parametrize("activation", ["batch-norm", "tanh"])
def test_pruned_model_gives_the_kept_dimensions_and_distances(activation: Activation) -> None:
    torch.manual_seed(0)
    move = MOVE(**SMALL, activation=activation)
    pcp = tile_pitch_classes(torch.rand(4, 12, 60))
    move(pcp)  # statistics of the batch norm
    keep = rows_kept(move.lin1.weight, 5)
    small = prune(move.eval(), keep)
    with torch.inference_mode():
        whole, kept = move(pcp), small(pcp)
        torch.testing.assert_close(kept, whole[:, keep], rtol=1e-6, atol=1e-6)
        mask_rows(move, keep)  # as published: the model stays as it is, its pruned dimensions become constants
        masked = move(pcp)
    assert (masked[:, ~keep] == masked[0, ~keep]).all() or activation == "tanh"
    torch.testing.assert_close(masked[:, keep], kept, rtol=1e-6, atol=1e-6)
    if activation == "batch-norm":
        torch.testing.assert_close(torch.cdist(masked, masked), torch.cdist(kept, kept), rtol=1e-5, atol=1e-5)
    assert small.dim == 5
    assert small.lin1.weight.shape == (5, 8)
    assert move.dim == 16, "the model itself keeps its size"


def test_pruned_encoder_is_saved_and_loaded_like_any_other(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = VersionEncoder(pitch="chroma", **SMALL).eval()
    encoder.card = ModelCard(
        "whole", "version-encoder", 22050, 30.0, 30.0, 16, ("versions",), "A small MOVE.",
        parameters={"pitch": "chroma", **SMALL}, sha256="1" * 64,
    )  # fmt: skip
    small = encoder.pruned(6)
    assert (small.card.name, small.card.dim) == ("whole-pruned-6", 6)
    assert small.card.provenance != encoder.card.provenance
    assert small.card.sha256 not in (encoder.card.sha256, encoder.pruned(5).card.sha256)
    registry.save(small, tmp_path / "small")
    again = registry.load(tmp_path / "small")
    assert isinstance(again, VersionEncoder)
    features = torch.rand(2, 12, 70)
    with torch.inference_mode():
        vectors = again.encode_features(features).pooled
        assert torch.equal(vectors, small.encode_features(features).pooled)
        whole = encoder.encode_features(features).pooled
    keep = rows_kept(encoder.move.lin1.weight, 6)
    torch.testing.assert_close(vectors, whole[:, keep], rtol=1e-6, atol=1e-6)


def test_reconfigured_model_keeps_all_but_its_last_layer() -> None:
    move = MOVE(**SMALL).double().train()
    move(tile_pitch_classes(torch.rand(4, 12, 60, dtype=torch.float64)))
    small = reconfigure(move, 3)
    ours, theirs = small.state_dict(), move.state_dict()
    assert ours.keys() == theirs.keys()
    fresh = {key for key in ours if key.startswith(("lin1.", "lin_bn."))}
    assert all(torch.equal(ours[key], theirs[key]) for key in ours.keys() - fresh)
    assert small.lin1.weight.shape == (3, 8)
    assert small.lin1.weight.dtype == torch.float64
    assert torch.equal(small.lin_bn.running_mean, torch.zeros(3, dtype=torch.float64))
    assert int(small.lin_bn.num_batches_tracked) == 0
    assert small.training
