"""The settings of ohrwurm-alignment are chosen on validation works, and its card says what was chosen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ohrwurm.data.version_features import open_profiles
from ohrwurm.models import registry
from ohrwurm.training import alignment
from ohrwurm.training.version_scores import threshold_of


def write_profiles(folder: Path, tempo: float) -> None:
    """Six works, each as a song of 25 s and again in another key, `tempo` times as fast, with noise."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    for work in range(6):
        song = np.repeat(draw.random((12, 50)) ** 4, 6, axis=1)
        at = np.linspace(0, song.shape[1] - 1, round(song.shape[1] / tempo))
        again = np.stack([np.interp(at, np.arange(song.shape[1]), row) for row in np.roll(song, 1 + work, 0)])
        for version, made in enumerate((song, again + 0.1 * draw.random(again.shape))):
            facts = np.frombuffer(json.dumps({"work_id": f"w{work}"}).encode(), np.uint8)
            np.savez(folder / f"{work}-{version}.npz", profile=made.astype(np.float32), facts=facts)


def test_what_finds_most_is_chosen_and_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_profiles(tmp_path / "validation", tempo=1.5)
    monkeypatch.setattr(alignment, "START", {"cutoff": 0.01, "octaves": 0.1, "seconds": 20.0})
    monkeypatch.setattr(alignment, "CHOICES", {"cutoff": (0.01,), "octaves": (0.1, 0.7)})
    report = alignment.make(open_profiles(tmp_path / "validation"), tmp_path / "run")
    assert [row["settings"]["octaves"] for row in report["tried"]] == [0.1, 0.7]
    assert report["tried"][0]["MAP"] < report["tried"][1]["MAP"] == 1.0
    assert report["chosen"]["octaves"] == 0.7
    assert json.loads((tmp_path / "run" / "report.json").read_text()) == report

    model = registry.load(str(tmp_path / "run" / "model"))
    card = model.card
    assert card.parameters["octaves"] == 0.7
    assert (card.window, card.pooling, card.aligns) == (20.0, "first", True)
    assert 0 < card.features["version_threshold"] < 1
    pitch = registry.load("pitchnet").state_dict()
    assert all(torch.equal(model.state_dict()[f"pitch.{name}"], value) for name, value in pitch.items())
    with torch.inference_mode():
        assert model(torch.randn(1, 22050 * 10)).pooled.shape == (1, card.dim)


def test_a_threshold_leaves_one_wrong_pair_in_twenty() -> None:
    similar = torch.tensor([[1.0, 0.9, 0.4, 0.3], [0.9, 1.0, 0.2, 0.1], [0.4, 0.2, 1.0, 0.8], [0.3, 0.1, 0.8, 1.0]])
    assert threshold_of(similar, np.array(["a", "a", "b", "b"])) == pytest.approx(0.8)
    assert threshold_of(similar, np.array(["a", "a", "b", "c"])) == pytest.approx(0.9)
