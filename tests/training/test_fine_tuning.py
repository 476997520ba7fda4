"""Fine-tuning: TTMR's recipe to the published names, any other encoder with a head of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import ohrwurm
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.models.heads import EvaluationHead, read_head
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run

SAMPLES = 16000
TINY = ["task.parameters.channels=[8, 8, 8, 8]", "task.parameters.attention_dim=32", "task.parameters.layers=1",
        "task.parameters.heads=2", "task.parameters.n_mels=64", "task.parameters.hop=320"]  # fmt: skip
SHORT = [f"task.samples={SAMPLES}", "task.batch_size=6", "task.warmup_epochs=1", "trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def timbres(music: Path) -> Path:
    """The clips with their timbre as the one tag, and as a column."""
    file, rows = music.with_name("timbres.csv"), []
    for i, t in enumerate(Manifest.read(music)):
        split = "validation" if i % 3 == 2 else "train"
        rows.append(Track(t.track_id, t.path, split, t.tags[:1], annotations={"sound": t.tags[0]}))
    Manifest(rows).write(file)
    return file


def trained(name: str, data: Path, out: Path, *more: str) -> tuple[Path, dict]:
    folder = run(name, out=out, overrides=[f"task.data={data}", *SHORT, *more], cache=out.parent / "cache", workers=0)
    return folder, json.loads((out / "report.json").read_text())["results"]


@pytest.mark.parametrize("labels", ["tags", "class"])
def test_ttmr_learns_under_the_published_names(labels: str, music: Path, timbres: Path, tmp_path: Path) -> None:
    name, data = ("ttmr/finetune-tags", music) if labels == "tags" else ("ttmr/finetune-classes", timbres)
    more = ["task.weights=random", "task.lr=3e-3", "trainer.max_epochs=15", "trainer.patience=15"]
    folder, found = trained(name, data, tmp_path / "run", *TINY, *more)
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert course["loss"][-2:].mean() < 0.95 * course["loss"][0]
    figure = {"tags": "ROC-AUC", "class": "accuracy"}[labels]
    assert found["test"][figure] > found["chance"][figure] + 0.1
    assert "8 windows, evenly from the start" in found["protocol"]
    model = ohrwurm.load(folder)
    state = model.to_published()
    assert {k for k in state if not k.startswith("audio_encoder.")} == {
        "cls_head.0.weight", "cls_head.0.bias", "cls_head.1.weight", "cls_head.1.bias"
    }  # fmt: skip
    assert state["cls_head.1.weight"].shape == (len(model.card.features["labels"]), 32)
    assert {"flute", "organ"} <= set(model.card.features["labels"])


def test_rate_follows_the_published_course(timbres: Path, tmp_path: Path) -> None:
    more = ["task.weights=random", "task.warmup_epochs=2", "trainer.max_epochs=5", "trainer.patience=9"]
    trained("ttmr/finetune-classes", timbres, tmp_path / "run", *TINY, *more)
    rates = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)["lr"]
    assert rates[0] < rates[1] <= 5e-5
    assert rates[1] > rates[2] > rates[3] > rates[4] >= 1e-6


def test_fine_tuning_begins_with_the_weights_that_are_given(timbres: Path, tmp_path: Path) -> None:
    still = ["task.lr=1e-12", "task.min_lr=1e-12", "trainer.max_epochs=1"]
    first, _ = trained("ttmr/finetune-classes", timbres, tmp_path / "one", *TINY, "task.weights=random", *still)
    given = f"task.weights={first / 'model.safetensors'}"
    again, _ = trained("ttmr/finetune-classes", timbres, tmp_path / "two", *TINY, given, *still)
    one, two = (ohrwurm.load(folder).state_dict() for folder in (first, again))
    for key, value in one.items():
        if value.is_floating_point() and "running" not in key and "bn" not in key:
            torch.testing.assert_close(value, two[key], atol=1e-6, rtol=0)


def test_any_encoder_is_fine_tuned_and_its_head_can_be_evaluated(timbres: Path, tmp_path: Path) -> None:
    widths = "task.parameters.dim=16"
    more = ["task.model=ttmr-classification", *TINY, widths, "task.parameters.tags=[a, b]", "task.weights=random"]
    folder, found = trained("ohrwurm/finetune", timbres, tmp_path / "run", *more, "task.labels=sound",
                            "task.lr=3e-3", "trainer.max_epochs=15", "trainer.patience=15")  # fmt: skip
    assert found["test"]["accuracy"] > found["chance"]["accuracy"]
    head = read_head(tmp_path / "run" / "head.safetensors")
    assert isinstance(head, EvaluationHead)
    model = ohrwurm.load(folder)
    rows = [Track(t.track_id, t.path, "test", t.tags) for t in Manifest.read(timbres) if t.split == "validation"]
    rows += [Track(f"again-{t.track_id}", t.path, "train", t.tags) for t in rows]
    report = ohrwurm.evaluate(
        "linear", model, Manifest(rows), head_weights=tmp_path / "run" / "head.safetensors", cache=False, workers=1
    )
    assert report.outcome.figures["accuracy"].value > report.outcome.figures["accuracy"].chance


def test_what_cannot_be_fine_tuned_is_told(music: Path, timbres: Path, tmp_path: Path) -> None:
    def build(*more: str) -> None:
        resolve("ttmr/finetune-classes", [*SHORT, *TINY, *more]).build()

    with pytest.raises(RecipeError, match="goes on from trained weights"):
        build(f"task.data={timbres}")
    with pytest.raises(DataError, match=r"0 labels.*give the tracks one tag"):
        build(f"task.data={music}", "task.weights=random")  # two tags each
    with pytest.raises(Exception, match="no weights at"):
        build(f"task.data={timbres}", "task.weights=gone.pth")
