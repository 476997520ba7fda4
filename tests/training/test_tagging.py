"""Training on labels, CLMR's supervised mode: it learns, its rate falls when it stops learning, it goes on exactly."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import ohrwurm
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.training import checkpoints
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run

SAMPLES = 8748  # 0.4 s


def settings(music: Path, *more: str) -> list[str]:
    small = ["task.parameters.widths=[8, 8, 16, 16, 16, 16, 32, 32]", f"task.samples={SAMPLES}", "task.batch_size=6"]
    return [f"task.data={music}", *small, "task.lr=0.02", "trainer.accelerator=cpu", *more]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "tagging.yaml"
    file.write_text("base: clmr/supervised\ntrainer: {max_epochs: 3, sync_batchnorm: false}\n")
    return file


@pytest.fixture(scope="module")
def genres(music: Path) -> Path:
    """The same clips with one class each, in a column of its own."""
    file = music.with_name("genres.csv")
    tracks = Manifest.read(music).tracks
    Manifest(dataclasses.replace(t, annotations={"genre": t.tags[0]}) for t in tracks).write(file)
    return file


def weights(out: Path) -> dict[str, torch.Tensor]:
    return checkpoints.read(checkpoints.last(out))["state_dict"]


@pytest.mark.parametrize("labels", ["tags", "genre"])
def test_loss_falls_and_the_metric_beats_chance(labels: str, recipe: Path, genres: Path, tmp_path: Path) -> None:
    overrides = settings(genres, f"task.labels={labels}", "trainer.max_epochs=20")
    folder = run(recipe, out=tmp_path / "run", overrides=overrides, cache=tmp_path / "cache", workers=0)
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert course["loss"][-3:].mean() < 0.9 * course["loss"][0]
    report = json.loads((tmp_path / "run" / "report.json").read_text())["results"]
    figure = {"tags": "ROC-AUC", "genre": "accuracy"}[labels]
    assert report["test"][figure] > report["chance"][figure] + 0.1
    model = ohrwurm.load(folder)
    names = model.card.features["labels"]
    assert set(names) == {"tags": {"flute", "organ", "buzz", "noise", "low", "middle", "high"},
                          "genre": {"flute", "organ", "buzz", "noise"}}[labels]  # fmt: skip
    assert model.logits(model(torch.randn(1, SAMPLES)).pooled).shape == (1, len(names))


def test_rate_falls_when_validation_stalls_and_a_resumed_run_knows_it(
    recipe: Path, music: Path, tmp_path: Path
) -> None:
    stalls = settings(music, "task.wait=0", "task.lr=0.3")  # too high: validation jumps
    run(recipe, out=tmp_path / "long", overrides=[*stalls, "trainer.max_epochs=6"], cache=tmp_path, workers=0)
    for epochs in (2, 3, 5, 6):
        limit = f"trainer.max_epochs={epochs}"
        run(recipe, out=tmp_path / "parts", overrides=[*stalls, limit], cache=tmp_path, workers=0)
    rates = np.genfromtxt(tmp_path / "long" / "log.csv", delimiter=",", names=True)["lr"]
    assert rates[0] == pytest.approx(0.3)
    assert set(np.round(rates[1:] / rates[:-1], 6)) == {1.0, 0.2}
    assert (tmp_path / "long" / "log.csv").read_text().count("\n") == 7
    assert np.array_equal(rates, np.genfromtxt(tmp_path / "parts" / "log.csv", delimiter=",", names=True)["lr"])
    one, two = weights(tmp_path / "long"), weights(tmp_path / "parts")
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_last_window_is_left_out_unless_it_is_the_only_one(recipe: Path, music: Path, monkeypatch) -> None:
    task = resolve(recipe, settings(music)).build().eval()
    asked: list[int] = []
    monkeypatch.setattr(task.crops, "at", lambda row, start: asked.append(start) or np.zeros(SAMPLES, np.float32))
    for length, expected in ((SAMPLES, 1), (SAMPLES + 1, 1), (3 * SAMPLES, 2), (3 * SAMPLES + 1, 3)):
        asked.clear()
        task.crops.recordings.lengths[0] = length
        task.measure([0])
        assert asked == [i * SAMPLES for i in range(expected)]


def test_labels_that_cannot_be_learned_are_refused(recipe: Path, music: Path, genres: Path, tmp_path: Path) -> None:
    tracks = Manifest.read(genres).tracks
    plain = [Track(t.track_id, t.path, t.split) for t in tracks]
    some = [*tracks[:-1], dataclasses.replace(tracks[-1], annotations={})]
    for name, rows, labels, message in (
        ("untagged", plain, "tags", "0 labels; to train takes two or more: give the tracks tags"),
        ("unnamed", plain, "genre", "0 labels.*a class in the column 'genre'"),
        ("some", some, "genre", "1 tracks without a class in the column 'genre'.*work11-1"),
    ):
        Manifest(rows).write(tmp_path / f"{name}.csv")
        with pytest.raises(DataError, match=message):
            resolve(recipe, settings(tmp_path / f"{name}.csv", f"task.labels={labels}")).build()
