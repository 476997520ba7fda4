"""Training on views: CLMR's step to its golden numbers, and what has to hold of any run."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch

import ohrwurm
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError, RecipeError
from ohrwurm.models import registry
from ohrwurm.models.tune_variants import VARIANTS
from ohrwurm.training import checkpoints, recipes
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run
from ohrwurm.training.tasks.views import ViewsTask

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "tune"
SAMPLES = 8748  # 0.4 s, a multiple of what the small encoders divide by
SMALL = {
    "samplecnn": "{widths: [8, 8, 16, 16, 16, 16, 32, 32]}",
    "tune": "{width: 4, depth: 3, tail: [8, 8, 16, 16, 32]}",
}


def settings(music: Path, *more: str, model: str = "samplecnn") -> list[str]:
    small = [f"task.data={music}", f"task.model={model}", f"task.parameters={SMALL[model]}", "task.batch_size=6"]
    return [*small, f"task.samples={SAMPLES}", "task.lr=3e-3", "trainer.accelerator=cpu", *more]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "views.yaml"
    file.write_text("base: clmr/magnatagatune\ntrainer: {max_epochs: 3, validate_every: 1, sync_batchnorm: false}\n")
    return file


def build(recipe: Path, *overrides: str) -> ViewsTask:
    torch.manual_seed(0)
    task = resolve(recipe, overrides).build()
    assert isinstance(task, ViewsTask)
    return task


# Golden -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_tune_fill", GOLDEN / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def published(name: str) -> str:
    """Our parameter's name in the original training module."""
    name = name.removeprefix("model.")
    return name if name.startswith("projector.") else f"encoder.{name}"


@pytest.mark.parametrize("name", [pytest.param("SampleCNN", marks=pytest.mark.slow), "TunePlus"])
def test_step_is_that_of_the_original(name: str, fill: ModuleType, recipe: Path, music: Path) -> None:
    with np.load(GOLDEN / "simclr_step.npz") as arrays:
        golden = {k.removeprefix(f"{name}/"): v for k, v in arrays.items() if k.startswith(f"{name}/")}
    model = {"SampleCNN": "samplecnn", "TunePlus": "tune-plus"}[name]
    task = build(recipe, f"task.data={music}", f"task.model={model}", "task.batch_size=4")
    state = task.state_dict()
    values = fill.fill_state_dict({published(k): tuple(v.shape) for k, v in state.items()})
    task.load_state_dict({k: torch.as_tensor(values.get(published(k), v)) for k, v in state.items()})
    audio = np.stack([fill.audio(seed) for seed in golden["seeds"]]).reshape(2, 4, -1).swapaxes(0, 1)

    vectors: list[torch.Tensor] = []
    task.model.register_forward_hook(lambda module, args, output: vectors.append(output.pooled))
    task.log = lambda *args, **kwargs: None  # type: ignore[method-assign, assignment]
    batch = {"audio": torch.from_numpy(np.ascontiguousarray(audio)), "names": list("abcd")}
    projected: list[torch.Tensor] = []
    assert task.model.projector is not None
    task.model.projector.register_forward_hook(lambda module, args, output: projected.append(output))
    loss = task.training_step(batch, 0)
    optimizer = task.configure_optimizers()
    loss.backward()
    assert loss.item() == pytest.approx(float(golden["loss"]), rel=1e-5)
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(vectors[0].detach(), golden["h_i"], **close)
    for found, key in zip(projected, ("z_i", "z_j"), strict=True):
        np.testing.assert_allclose(found.detach(), golden[key], **close)

    named = {published(k): p for k, p in task.named_parameters()}
    norms = {k.removeprefix("gradnorm/"): float(v) for k, v in golden.items() if k.startswith("gradnorm/")}
    assert norms.keys() == named.keys()
    biases = {k for k in norms if k.endswith(".0.bias")}  # before a batch norm: no gradient but rounding
    for key, norm in norms.items():
        if norm > 1e-6 and key not in biases:
            assert float(named[key].grad.norm()) == pytest.approx(norm, rel=1e-3), key

    optimizer.step()
    after = {published(k): v for k, v in task.state_dict().items()}
    compared = 0
    for key, expected in golden.items():
        kind, _, weight = key.partition("/")
        if kind in ("after", "after_adam") and weight not in biases:
            found = after[weight].flatten().numpy()[: expected.size]
            np.testing.assert_allclose(found, expected.ravel(), err_msg=key, **close)
            compared += 1
    assert compared == 6


# Views --------------------------------------------------------------------------------------------------------------


def test_views_are_functions_of_seed_epoch_track_and_view(recipe: Path, music: Path) -> None:
    task = build(recipe, *settings(music))
    whole = list(task.training_loader(1, 2))
    task.workers = 2
    for one, two in zip(whole, task.training_loader(1, 2), strict=True):
        assert torch.equal(one["audio"], two["audio"])
        assert one["names"] == two["names"]
    parts = []
    for number in range(2):
        task.__class__ = type("Shared", (ViewsTask,), {"share": (number, 2)})
        parts.append(list(task.training_loader(1, 2)))
    for one, left, right in zip(whole, *parts, strict=True):
        assert torch.equal(one["audio"][0::2], left["audio"])
        assert torch.equal(one["audio"][1::2], right["audio"])
    other = next(iter(task.training_loader(1, 3)))["audio"]
    assert not torch.equal(other, whole[0]["audio"][1::2])


def test_each_view_has_its_own_place_in_the_track(recipe: Path, music: Path) -> None:
    task = build(recipe, *settings(music, "task.augmentations=none"))
    views = torch.cat([batch["audio"] for epoch in range(4) for batch in task.training_loader(0, epoch)])
    equal = [torch.equal(first, second) for first, second in views]
    assert not any(equal)
    row = task.crops.training[0]
    starts = set()
    recording = task.crops.recordings.read(row, 0, int(task.crops.recordings.lengths[row]))
    for epoch in range(30):
        crop = task.view(row, 0, epoch, row, 0)
        assert len(crop) == SAMPLES
        starts.add(int(np.abs(np.correlate(recording, crop[:500], "valid")).argmax()) // 10000)
    assert len(starts) > 4  # tenths of the recording


def test_separate_passes_have_their_own_batch_statistics(recipe: Path, music: Path) -> None:
    views = torch.randn(6, 2, SAMPLES) * torch.tensor([0.1, 1.0])[:, None]
    found = {}
    for passes in ("separate", "joint"):
        task = build(recipe, *settings(music, f"task.passes={passes}"))
        found[passes] = task.encode(views)
        alone = task.project(task.model(views[:, 0]).pooled)
        assert torch.allclose(found[passes][0], alone, atol=1e-5) == (passes == "separate")
    assert not torch.allclose(found["separate"][0], found["joint"][0], atol=1e-3)


# Runs ---------------------------------------------------------------------------------------------------------------


def test_loss_falls_and_tracks_find_themselves(recipe: Path, music: Path, tmp_path: Path) -> None:
    overrides = settings(music, "trainer.max_epochs=12", "task.temperature=0.2")
    folder = run(recipe, out=tmp_path / "run", overrides=overrides, cache=tmp_path / "cache", workers=0)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert course["loss"][-3:].mean() < 0.95 * course["loss"][0]
    test, baseline = report["results"]["test"], report["results"]["baseline"]
    assert test["mAP@10"] > baseline["mAP@10"]
    assert test["mAP@10"] > report["results"]["chance"]["mAP@10"]
    loaded = ohrwurm.load(folder)
    assert loaded.card.window * loaded.card.sample_rate == SAMPLES
    assert loaded.encode(torch.randn(SAMPLES), 22050).pooled.shape == (1, 32)


def test_lars_follows_its_cosine_and_trains_the_layer_asked_for(recipe: Path, music: Path, tmp_path: Path) -> None:
    more = ["task.optimizer=lars", "task.lr=2", "task.layer=2", "trainer.max_epochs=4"]
    overrides = settings(music, *more, model="tune")
    folder = run(recipe, out=tmp_path / "run", overrides=overrides, cache=tmp_path / "cache", workers=0)
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    np.testing.assert_allclose(course["lr"], 2 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4)), rtol=1e-6)
    loaded = ohrwurm.load(folder)
    assert (loaded.card.layer, loaded.card.dim) == (2, 16)
    assert loaded.encode(torch.randn(SAMPLES), 22050).pooled.shape == (1, 16)
    trained = {k for k, p in build(recipe, *overrides).model.named_parameters() if p.requires_grad}
    assert not any(name.startswith(("convDown4", "convDown5")) for name in trained)  # past layer 2
    assert any(name.startswith("convDown3") for name in trained)


def test_exported_model_can_be_written_as_published_and_read_again(recipe: Path, music: Path, tmp_path: Path) -> None:
    task = build(recipe, *settings(music))
    task.export(tmp_path / "model")
    state = registry.load(tmp_path / "model").to_published()
    assert {"model.encoder.sequential.0.0.weight", "encoder.sequential.0.0.weight", "model.projector.2.weight"} < set(
        state
    )
    torch.save({"pytorch-lightning_version": "2.0", "state_dict": state}, tmp_path / "clmr.ckpt")
    other = build(recipe, *settings(music, f"task.weights={tmp_path / 'clmr.ckpt'}"))
    again = build(
        recipe, *settings(music, "task.weights=own", "task.parameters={}"), f"task.model={tmp_path / 'model'}"
    )
    for copy in (other, again):
        for one, two in zip(task.state_dict().values(), copy.state_dict().values(), strict=True):
            assert torch.equal(one, two)


def test_killed_and_resumed_equals_uninterrupted(recipe: Path, music: Path, tmp_path: Path) -> None:
    overrides = settings(music, "trainer.save_every_minutes=0.0001", "task.optimizer=lars", "trainer.max_epochs=5")
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
    assert not (tmp_path / "killed" / "report.json").exists()
    run(recipe, out=tmp_path / "killed", overrides=overrides, cache=tmp_path / "cache", workers=0)
    one, two = (checkpoints.read(checkpoints.last(tmp_path / n))["state_dict"] for n in ("whole", "killed"))
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.slow
def test_gathered_negatives_of_two_processes_are_those_of_one(music: Path, tmp_path: Path) -> None:
    file = tmp_path / "plain.yaml"
    file.write_text(
        "base: clmr/magnatagatune\n"
        f"task: {{class: plain.PlainViews, model: plain, batch_size: 8, data: {music}}}\n"
        "trainer: {max_epochs: 2, accelerator: cpu, validate_every: 1}\n"
    )
    begun = []
    for processes, negatives in ((1, "local"), (2, "gathered"), (2, "local")):
        command = [sys.executable, "-m", "ohrwurm", "train", str(file), f"trainer.devices={processes}"]
        command += [f"task.negatives={negatives}", "--out", str(tmp_path / f"{negatives}-{processes}")]
        environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
        environment |= {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        command += ["--cache", str(tmp_path / "cache"), "--workers", "0"]
        begun.append(subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE))
    for process in begun:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    one, gathered, local = (
        checkpoints.read(checkpoints.last(tmp_path / name))["state_dict"]
        for name in ("local-1", "gathered-2", "local-2")
    )
    for key in one:
        torch.testing.assert_close(gathered[key], one[key], rtol=1e-5, atol=1e-6)
    assert not all(torch.allclose(one[key], local[key], rtol=1e-5, atol=1e-6) for key in one)


# Mistakes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task.data=", "give a manifest or a pack"),
        ("task.batch_size=19", r"18 training tracks are fewer than a batch of 19. Set task.batch_size=18"),
        ("task.batch_size=1", "no negatives"),
        ("task.samples=8750", "multiples of 9"),
        ("task.samples=200000", "all 24 recordings are shorter than a crop of 9.07 s"),
        ("task.model=tun", "no model named 'tun'"),
        ("task.model=mel-statistics task.samples=16000", "nothing in it learns"),
        ("task.model=tune-hybrid-frozen", "samplecnn_weights"),
        ("task.weights=gone.ckpt", "no weights at gone.ckpt"),
        ("task.layer=99", "99 was asked for"),
        ("task.parameters.widht=3", "widht"),
        ("task.probabilities={ptich: 0.1}", "did you mean pitch"),
        ("task.temprature=0.1", "Did you mean temperature"),
    ],
)
def test_mistakes_are_said_before_the_first_step(override: str, message: str, recipe: Path, music: Path) -> None:
    given = settings(music, model="tune")
    if override.startswith("task.model="):
        given = [each for each in given if "parameters" not in each and "samples" not in each]
    given += override.split(" ") if override.startswith("task.model=") else [override]
    with pytest.raises((RecipeError, DataError, ModelError), match=message):
        build(recipe, *given)


def test_manifests_that_cannot_train_are_refused(recipe: Path, music: Path, tmp_path: Path) -> None:
    tracks = Manifest.read(music).tracks
    for name, rows, message in (
        ("empty", [], "no recording"),
        ("one", tracks[:1], "at least 2 are needed"),
        ("gone", [Track(t.track_id, t.path + ".x") for t in tracks], "none of 24 can be read"),
    ):
        Manifest(rows).write(tmp_path / f"{name}.csv")
        with pytest.raises(DataError, match=message):
            build(recipe, *settings(tmp_path / f"{name}.csv"))


def test_short_and_missing_recordings_are_left_out_and_counted(
    recipe: Path, music: Path, tmp_path: Path, caplog
) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(800), 16000)
    more = [Track("short", str(tmp_path / "short.wav")), Track("gone", str(tmp_path / "gone.wav"))]
    Manifest([*Manifest.read(music).tracks, *more]).write(tmp_path / "more.csv")
    task = build(recipe, *settings(tmp_path / "more.csv"))
    assert task.crops.too_short == [str(tmp_path / "short.wav")]
    assert {task.crops.track(row).track_id for row in task.crops.training}.isdisjoint({"short", "gone"})
    task.eval()
    assert task.report()["left_out"] == 2
    assert "shorter than a crop of 0.397 s" in caplog.text


def test_every_published_tune_has_its_recipe() -> None:
    models = {recipes.compose(name)["task"]["model"] for name in recipes.names() if name.startswith("tune/")}
    assert models == {row.name for row in VARIANTS} | {"samplecnn"}  # the last one is of what they share


def test_rates_are_those_published(recipe: Path, music: Path) -> None:
    assert build(recipe, *settings(music), "task.lr=null").lr == 3e-4
    task = build(recipe, *settings(music), "task.lr=null", "task.optimizer=lars", "task.weight_decay=null")
    assert task.lr == pytest.approx(0.3 * 6 / 256)
    assert task.configure_optimizers().param_groups[0]["weight_decay"] == 1e-6
