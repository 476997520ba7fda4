"""Masked modelling on real files: it learns, goes on exactly after a kill, several processes do what one does."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

import ohrwurm
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError, RecipeError
from ohrwurm.models import registry
from ohrwurm.models.musicfm import MusicFM
from ohrwurm.objectives.masked import masked_prediction
from ohrwurm.training import checkpoints
from ohrwurm.training.masking import TOKEN, Masking
from ohrwurm.training.recipes import names, resolve
from ohrwurm.training.runner import run
from ohrwurm.training.tasks.masked import MaskedTask

NETWORK = "channels: 8, dim: 32, depth: 2, heads: 2, ffn: 64, codes: 32, kernel: 7, n_mels: 32, dropout: 0"
SMALL = [
    f"task.parameters={{{NETWORK}}}", "task.window=1.2", "task.layer=2", "task.batch_size=12", "task.lr=5e-3",
    "task.warmup_steps=10", "trainer.max_epochs=8", "trainer.precision=32", "trainer.accelerator=cpu",
]  # fmt: skip


def settings(music: Path, *more: str) -> list[str]:
    return [f"task.data={music}", *SMALL, *more]


def build(music: Path, *more: str) -> MaskedTask:
    torch.manual_seed(0)
    task = resolve("musicfm/laptop", settings(music, *more)).build()
    assert isinstance(task, MaskedTask)
    return task


def train(music: Path, folder: Path, *more: str, out: str = "run") -> Path:
    overrides = settings(music, *more)
    return run("musicfm/laptop", out=folder / out, overrides=overrides, cache=folder / "cache", workers=0)


def weights(out: Path) -> dict[str, Tensor]:
    return checkpoints.read(checkpoints.last(out))["state_dict"]


def test_learns_and_the_model_is_one_like_the_published(music: Path, tmp_path: Path) -> None:
    folder = train(music, tmp_path)
    report = json.loads((tmp_path / "run" / "report.json").read_text())["results"]
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert course["loss"][-3:].mean() < 0.6 * course["loss"][0]
    assert report["interval"]["masked accuracy"][0] > report["baseline"]["masked accuracy"]
    for other in ("baseline", "chance"):
        assert report["test"]["masked accuracy"] > report[other]["masked accuracy"]
        assert report["test"]["loss"] < report[other]["loss"]
    assert course["validationmasked_accuracy"].max() == pytest.approx(report["test"]["masked accuracy"], abs=1e-4)
    assert 1 < report["test"]["target perplexity"] <= report["test"]["target codes"] <= 32

    model = ohrwurm.load(folder)
    task = build(music)
    task.prepare(tmp_path / "cache", 0)
    assert model.card.parameters["stats"] == dict(zip(("mean", "std"), task.statistics, strict=True))
    audio = 0.1 * torch.randn(1, 28800)
    assert model.encode(audio, 24000).pooled.shape == (1, 32)
    front = ohrwurm.load(folder, layer=0).encode(audio, 24000)
    assert front.frames is not None
    assert front.frames.shape == (1, 30, 32)
    assert not torch.equal(front.pooled, model.encode(audio, 24000).pooled)

    # As the original would have saved it: the same vectors after the way there and back.
    published = {f"model.{key}": value for key, value in model.to_published().items()}
    torch.save({"state_dict": published}, tmp_path / "published.pt")
    again = registry.load(
        "musicfm-msd", weights=tmp_path / "published.pt", parameters=model.card.parameters, layer=2, window=1.2
    )
    assert torch.equal(again.encode(audio, 24000).pooled, model.encode(audio, 24000).pooled)


@pytest.mark.parametrize(
    "objective",
    [
        ["task.mask=spans", "task.mask_in=features", "task.mask_probability=0.1", "task.schedule=inverse-sqrt"],
        pytest.param(
            ["task.random_grid=true", "task.schedule=constant", f"task.parameters={{{NETWORK}, codebooks: 3}}"],
            marks=pytest.mark.slow,
        ),
        ["trainer.precision=bf16-mixed", "trainer.accumulate=2", "trainer.ema=0.6"],
    ],
    ids=["BEST-RQ", "three codebooks", "bf16 and EMA"],
)
def test_every_objective_learns(objective: list[str], music: Path, tmp_path: Path) -> None:
    folder = train(music, tmp_path, *objective, "trainer.max_epochs=4")
    report = json.loads((tmp_path / "run" / "report.json").read_text())["results"]
    assert report["test"]["masked accuracy"] > report["baseline"]["masked accuracy"] + 0.1
    assert report["test"]["loss"] < 0.7 * report["baseline"]["loss"]
    assert ohrwurm.load(folder).encode(torch.zeros(1, 28800), 24000).pooled.isfinite().all()


def test_killed_and_resumed_equals_uninterrupted(music: Path, tmp_path: Path) -> None:
    more = ["trainer.save_every_minutes=0.0001", "trainer.max_epochs=2", "trainer.accumulate=2",
            f"task.parameters={{{NETWORK.replace('dropout: 0', 'dropout: 0.1')}}}"]  # fmt: skip
    train(music, tmp_path, *more, out="whole")
    command = [sys.executable, "-m", "ohrwurm", "train", "musicfm/laptop", *settings(music, *more)]
    command += ["--out", str(tmp_path / "killed"), "--cache", str(tmp_path / "cache"), "--workers", "1"]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    end = time.monotonic() + 120
    while not checkpoints.last(tmp_path / "killed").is_file():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "report.json").is_file()
    train(music, tmp_path, *more, out="killed")
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.slow
def test_two_processes_equal_one_with_the_joint_batch(music: Path, tmp_path: Path) -> None:
    """Masked tokens are shared out unequally, and the loss is still the mean over all of them."""
    more = ["task.freeze_bn=true", "trainer.max_epochs=3"]
    commands = [
        [sys.executable, "-m", "ohrwurm", "train", "musicfm/laptop", *settings(music, *more, f"trainer.devices={n}"),
         "--out", str(tmp_path / str(n)), "--cache", str(tmp_path / "cache"), "--workers", "0"]
        for n in (1, 2)
    ]  # fmt: skip
    for command in commands:
        subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, timeout=240)
    one, two = weights(tmp_path / "1"), weights(tmp_path / "2")
    for key in one:
        if not key.endswith("linear_k.bias"):  # no gradient but rounding errors, which Adam takes for a direction
            torch.testing.assert_close(one[key], two[key], rtol=1e-4, atol=1e-5)
    losses = [np.genfromtxt(tmp_path / n / "log.csv", delimiter=",", names=True)["trainingloss"] for n in "12"]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_item_is_a_function_of_seed_epoch_track_and_crop(music: Path) -> None:
    task = build(music, "task.crops=3", "task.window=2")
    first, again = task.item(3, 1, 7, 2), task.item(3, 1, 7, 2)
    assert all(torch.equal(first[key], again[key]) for key in first)
    masks = [task.item(3, crop, 7, epoch)["masked"] for crop in range(3) for epoch in range(9)]
    assert len({tuple(mask.tolist()) for mask in masks}) > 6
    assert len(task.training_loader(7, 0)) == 18 * 3 // 12
    by_workers = [list(task.training_loader(7, 2))]
    task.workers = 2
    by_workers.append(list(task.training_loader(7, 2)))
    for one, two in zip(*by_workers, strict=True):
        assert all(torch.equal(one[key], two[key]) for key in one if key != "names")
        assert one["names"] == two["names"]
        assert len({tuple(mask.tolist()) for mask in one["masked"]}) > 3  # each item has a mask of its own


def test_published_masking_draws_its_numbers_in_the_published_order() -> None:
    """Uniform numbers for the blocks, then normal ones for the masked samples, from one generator."""
    audio = torch.rand(24000 * 3 + 960 * 5)
    masking = Masking("blocks", "waveform", 0.4, 0.6, 0.1, False)
    draw = torch.Generator().manual_seed(5)
    masked = masking.draw(80, draw)
    hidden = masking.hide(audio, masked, 128, draw)["hidden"]
    reference = torch.Generator().manual_seed(5)
    blocks = torch.rand(1, len(audio) // 9600, generator=reference)[0] < 0.6
    expected = audio.clone()
    where = torch.nn.functional.pad(blocks.repeat_interleave(9600), (0, len(audio) - 9600 * len(blocks)))
    expected[where] = 0.1 * torch.randn(int(where.sum()), generator=reference)
    assert torch.equal(hidden, expected)
    assert torch.equal(masked.nonzero()[:, 0], (10 * blocks.nonzero() + torch.arange(10)).flatten())


def test_random_grid_hides_all_places_alike() -> None:
    draw = torch.Generator().manual_seed(0)
    published, anywhere = (Masking("blocks", "waveform", 0.4, 0.6, 0.1, grid) for grid in (False, True))
    share = torch.stack([anywhere.draw(55, draw) for _ in range(2000)]).float().mean(0)
    assert share.min() > 0.55
    assert share.max() < 0.65
    assert not torch.stack([published.draw(55, draw) for _ in range(50)])[:, 50:].any()


def test_what_is_padded_is_never_predicted(music: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", 0.1 * np.random.default_rng(0).standard_normal(30000), 24000)
    rows = [*Manifest.read(music).tracks, Track("short", str(tmp_path / "short.wav"), "train")]
    Manifest(rows).write(tmp_path / "more.csv")
    task = build(tmp_path / "more.csv", "task.mask_probability=1", "task.window=2")
    row = next(i for i, t in enumerate(task.recordings.tracks) if t.track_id == "short")
    item = task.item(row, 0, 0, 0)
    assert int(item["valid"]) == 30000 // TOKEN
    assert item["masked"].int().tolist() == [1] * 31 + [0] * 19
    assert not item["hidden"][31 * TOKEN + TOKEN :].any()  # no noise there either
    assert item["masked"].sum() == 31


def test_nothing_masked_is_no_loss_and_no_failure(music: Path) -> None:
    task = build(music)
    batch = task.batch([(task.training_rows[0], 0)], 0, 0)
    batch["masked"][:] = False
    loss = masked_prediction(*task.predict(batch), batch["masked"])[0]
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in task.model.parameters())


def test_task_predicts_what_the_model_hears_not_what_is_hidden(music: Path) -> None:
    task = build(music).eval()
    batch = task.batch([(row, 0) for row in task.training_rows[:3]], 0, 0)
    with torch.no_grad():
        logits, targets = task.predict(batch)
        clean = task.model.features(batch["audio"])
        assert torch.equal(targets, task.model.targets(clean))
        assert not torch.equal(logits, task.model.logits(clean))
        batch["audio"] = torch.rand_like(batch["audio"])
        assert torch.equal(task.predict(batch)[0], logits)


def statistics_of(model: MusicFM) -> list[Tensor]:
    return [b.clone() for name, b in model.named_buffers() if "running" in name or "tracked" in name]


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_batch_norms_keep_their_statistics(freeze: bool, music: Path) -> None:
    task = build(music, f"task.freeze_bn={freeze}")
    task.eval()
    task.train()
    before = statistics_of(task.model)
    task.predict(task.batch([(row, 0) for row in task.training_rows[:3]], 0, 0))
    same = all(torch.equal(a, b) for a, b in zip(before, statistics_of(task.model), strict=True))
    assert same == freeze
    norms = [m for m in task.model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.training != freeze and m.weight.requires_grad for m in norms)


def test_training_goes_on_from_given_weights_with_their_statistics(music: Path, tmp_path: Path) -> None:
    first = train(music, tmp_path, "trainer.max_epochs=1")
    earlier = ohrwurm.load(first)
    published = {f"model.{key}": value for key, value in earlier.to_published().items()}
    torch.save({"state_dict": published}, tmp_path / "published.pt")
    stats = json.dumps(earlier.card.parameters["stats"])
    for more in (
        [f"task.model={first}", "task.weights=own"],
        [f"task.weights={tmp_path / 'published.pt'}", f"task.parameters={{{NETWORK}, stats: {stats}}}"],
    ):
        task = build(music, *more, "task.freeze_bn=true")
        task.prepare(tmp_path / "elsewhere", 0)
        assert dict(zip(("mean", "std"), task.statistics, strict=True)) == earlier.card.parameters["stats"]
        assert all(torch.equal(a, b) for a, b in zip(task.model.parameters(), earlier.parameters(), strict=True))
        assert task.model.training
    with pytest.raises(ModelError, match="weights are not bundled"):
        build(music, "task.weights=own", "task.model=musicfm-fma")


def test_same_seed_same_weights_whatever_ran_before(music: Path) -> None:
    one = build(music)
    torch.rand(100)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), build(music).model.parameters(), strict=True))


def test_norms_and_biases_are_not_decayed_and_all_weights_learn(music: Path) -> None:
    task = build(music)
    task.fraction_done = 0.25
    made = task.configure_optimizers()
    decayed, plain = made["optimizer"].param_groups
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert all(p.ndim < 2 for p in plain["params"])
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
    assert len(decayed["params"]) + len(plain["params"]) == len(list(task.model.parameters()))
    factor = made["lr_scheduler"]["scheduler"].lr_lambdas[0]
    assert factor(0) == pytest.approx(0.1 * 0.5 * (1 + np.cos(np.pi / 4)))
    assert factor(500) == pytest.approx(0.5 * (1 + np.cos(np.pi / 4)))


def test_codes_that_say_nothing_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracks = []
    for i in range(8):
        noise = 0.1 * np.random.default_rng(i).standard_normal(24000 * 3)
        soundfile.write(tmp_path / f"{i}.wav", noise, 24000)
        tracks.append(Track(str(i), str(tmp_path / f"{i}.wav"), "validation" if i < 2 else "train"))
    Manifest(tracks).write(tmp_path / "noise.csv")
    stats = tmp_path / "stats.json"
    stats.write_text('{"melspec_2048_mean": 6.768, "melspec_2048_std": 18.418}')
    more = [f"task.parameters={{{NETWORK.replace('codes: 32', 'codes: 4096')}}}", "task.batch_size=2"]
    task = build(tmp_path / "noise.csv", *more, f"task.statistics={stats}")
    assert task.statistics == (6.768, 18.418)
    with caplog.at_level(logging.INFO):
        task.prepare(tmp_path / "cache", 1)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "of 4096 codes" in warning
    assert "Stationary noise does this" in warning


def test_silence_is_refused(tmp_path: Path) -> None:
    for i in range(5):
        soundfile.write(tmp_path / f"{i}.wav", np.zeros(24000 * 3), 24000)
    Manifest([Track(str(i), str(tmp_path / f"{i}.wav")) for i in range(5)]).write(tmp_path / "silence.csv")
    with pytest.raises(DataError, match="all mel decibels are -100; is it silence"):
        build(tmp_path / "silence.csv", "task.batch_size=1").prepare(tmp_path / "cache", 1)


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["task.data="], "give a manifest or a pack"),
        (["task.data=none.csv"], "no such manifest"),
        (["task.batch_size=19"], "18 crops of 18 training tracks are fewer than a batch of 19"),
        (["task.model=ttmr-classification"], "masked training is for a musicfm"),
        (["task.mask_seconds=0.5"], "tokens last 0.04 s; give 0.4, 0.44"),
        (["task.mask_probability=0"], "above 0, at most 1"),
        (["task.window=0.4"], "longer than what is hidden at a time"),
        (["task.mask=spans", "task.random_grid=true"], "spans are on no grid"),
        (["task.crops=0"], "crops=0: at least 1"),
        (["task.layer=3"], "layers 0 to 2; 3 was asked for"),
        (["task.statistics=none.json"], "no statistics file"),
        (["task.weights=none.pt"], "no weights at none.pt"),
        (["task.msk=spans"], "Did you mean mask"),
    ],
)
def test_mistakes_are_said_before_the_first_step(overrides: list[str], message: str, music: Path) -> None:
    with pytest.raises((DataError, RecipeError, ModelError), match=message):
        build(music, "task.crops=1", *overrides)


def test_manifest_that_cannot_train_is_refused(music: Path, tmp_path: Path) -> None:
    tracks = Manifest.read(music).tracks
    soundfile.write(tmp_path / "blip.wav", np.zeros(2400), 24000)
    for name, rows, message in (
        ("empty", [], "no recording"),
        ("one", tracks[:1], "at least 2 are needed"),
        ("gone", [Track(t.track_id, t.path + ".x") for t in tracks], "none of 24 can be read"),
        ("short", [Track(str(i), str(tmp_path / "blip.wav")) for i in range(9)], "0 training tracks of 0"),
    ):
        Manifest(rows).write(tmp_path / f"{name}.csv")
        with pytest.raises(DataError, match=message):
            build(tmp_path / f"{name}.csv")


def test_precision_that_the_front_end_cannot_take_is_refused(music: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="64-true: the front-end needs float32"):
        train(music, tmp_path, "trainer.precision=64")


@pytest.mark.parametrize("name, millions", [("25m", 24.2), ("laptop", 4.9)])
def test_recipe_has_the_size_that_it_says(name: str, millions: float, music: Path) -> None:
    parameters = resolve(f"musicfm/{name}", [f"task.data={music}"]).task["parameters"]
    model = MusicFM({"mean": 0.0, "std": 1.0}, **parameters)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize("name", [n for n in names() if n.startswith("musicfm/")])
def test_recipes_mask_as_published(name: str, music: Path) -> None:
    found = resolve(name, [f"task.data={music}"]).task
    masking = Masking(
        *(found[k] for k in ("mask", "mask_in", "mask_seconds", "mask_probability", "noise", "random_grid"))
    )
    assert masking.span == 10
    assert masking.level == 0.1
    share = torch.stack([masking.draw(750, torch.Generator().manual_seed(i)) for i in range(50)]).float().mean().item()
    assert share == pytest.approx(1 - 0.99**40 if masking.kind == "spans" else 0.6, abs=0.02)
