"""The experiments of Re-MOVE: each learns, shrinks, goes on exactly after a kill, and takes the published steps."""

from __future__ import annotations

import dataclasses
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
from versions import LEARN, NETWORK, SMALL, WAVEFORM, build, same, train, weights

import ohrwurm
from ohrwurm.errors import RecipeError
from ohrwurm.models import registry
from ohrwurm.models.move import MOVE
from ohrwurm.models.move_reduction import rows_kept
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.training import checkpoints
from ohrwurm.training.runner import run


def test_reconfigured_encoder_learns_its_new_layer_first(teacher: Path, profiles: Path, tmp_path: Path) -> None:
    more = [f"task.model={teacher}", "task.parameters=null", "task.dim=8", "task.frozen_epochs=2", "task.lr=0.01"]
    out = tmp_path / "run"
    folder, results, _ = train("remove/lsr", out, profiles, *more, "trainer.max_epochs=2")
    before = registry.load(teacher).state_dict()
    after = weights(out)
    head = {"model.move.lin1.weight", "model.move.lin_bn.running_mean", "model.move.lin_bn.running_var"}
    old = {k: v for k, v in after.items() if k.startswith("model.") and k not in head and "num_batches" not in k}
    assert len(old) >= 9
    assert all(torch.equal(value, before[key.removeprefix("model.")]) for key, value in old.items())
    assert results["before"]["dim"] == 32
    assert ohrwurm.load(folder).card.dim == 8
    folder, results, course = train(
        "remove/lsr", out, profiles, *more, "trainer.max_epochs=30", "trainer.validate_every=5"
    )
    after = weights(out)
    assert not torch.equal(after["model.move.conv1.weight"], before["move.conv1.weight"])
    moved = (after["model.move.conv1.weight"] - before["move.conv1.weight"]).abs().max()
    assert moved < 1e-3, "the rest learns with a rate of its own"
    assert course["loss"][-1] < 0.9 * course["loss"][0]
    assert results["test"]["MAP"] > results["baseline"]["MAP"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kd_loss", "view", "epochs"), [("distance", "patch", 50), ("distance", "recording", 80), ("cluster", "patch", 80)]
)
def test_student_learns_from_its_teacher(
    kd_loss: str, view: str, epochs: int, teacher: Path, profiles: Path, tmp_path: Path
) -> None:
    more = [f"task.teacher={teacher}", f"task.kd_loss={kd_loss}", f"task.view={view}", *LEARN]
    folder, results, course = train("remove/kd", tmp_path / "run", profiles, *more, f"trainer.max_epochs={epochs}")
    assert course["trainingtaught"][-3:].mean() < 0.9 * course["trainingtaught"][0]
    assert results["test"]["MAP"] > results["baseline"]["MAP"]
    assert results["teacher"]["dim"] == 32
    assert results["teacher"]["MAP"] > results["chance"]["MAP"]
    state = weights(tmp_path / "run")
    assert not any("teacher" in key or "centroids" in key for key in state)
    assert ("projection.weight" in state) == (kd_loss == "cluster")
    assert ohrwurm.load(folder).card.dim == 16


def test_teacher_of_another_kind_teaches_by_recording(music: Path, tmp_path: Path) -> None:
    """A teacher on mel spectrograms, a student on profiles: any two models."""
    more = ["task.teacher=mel-statistics", "task.pitch=chroma"]
    _, results, course = train("remove/kd", tmp_path / "run", music, *more)
    assert np.isfinite(course["trainingtaught"]).all()
    assert results["teacher"]["name"] == "mel-statistics"
    task = build("remove/kd", f"task.data={music}", *SMALL, *more)
    task.prepare(tmp_path / "cache", 1)
    taught = task.teacher.of_songs(task.data.training[:3])
    torch.testing.assert_close(taught.square().mean(1), torch.ones(3))  # of the size that MOVE's vectors have


def test_waveform_student_of_a_waveform_teacher_shares_its_crops(music: Path) -> None:
    task = build("remove/kd", f"task.data={music}", *SMALL, "task.teacher=mel-statistics", *WAVEFORM)
    assert task.teacher.view == "patch"
    batch = next(iter(task.training_loader(0, 0)))
    assert batch["songs"].shape == (16, 48000)
    taught = task.teacher.of_views(batch["songs"])
    expected = registry.load("mel-statistics")(batch["songs"]).pooled
    torch.testing.assert_close(torch.nn.functional.normalize(expected, dim=1) * expected.shape[1] ** 0.5, taught)


def test_pruning_keeps_the_largest_rows_rewinds_and_exports_small_models(profiles: Path, tmp_path: Path) -> None:
    more = ["task.dim=32", "task.iterations=2", "task.sizes=[12, 5]", "task.cycle_epochs=2", "trainer.max_epochs=6"]
    out = tmp_path / "run"
    _, results, course = train("remove/pruning", out, profiles, *more)
    assert [cycle["dim"] for cycle in results["cycles"]] == [32, 12]
    assert results["dim"] == 5
    models = [ohrwurm.load(out / name) for name in ("model-32", "model-12", "model")]
    assert [m.card.dim for m in models] == [32, 12, 5]
    assert [m.move.lin1.weight.shape[0] for m in models] == [32, 12, 5]  # type: ignore[union-attr]
    assert (out / "model" / "model.safetensors").stat().st_size < (
        out / "model-32" / "model.safetensors"
    ).stat().st_size
    state = weights(out)
    masked = state["model.move.lin1.weight"][~state["keep"]]
    assert masked.shape[0] == 27
    assert not masked.any(), "what was pruned stays so through every step"
    assert (np.floor(course["validationcycleMAP"]) == [0, 0, 1, 1, 2, 2]).all()

    # The course of one cycle: its end decides the rows, and it all begins again where it began.
    task = build("remove/pruning", f"task.data={profiles}", *SMALL, *more)
    start = {k: v.clone() for k, v in task.learned().items()}
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(torch.randn_like(parameter))
    chosen = rows_kept(task.model.move.lin1.weight, 12)
    task.rewind(1)
    assert torch.equal(task.keep, chosen)
    for key, value in task.learned().items():
        if key == "model.move.lin1.weight":
            assert torch.equal(value, start[key] * chosen[:, None])
        else:
            assert torch.equal(value, start[key])
    assert [task.rate_factor(e) for e in range(6)] == [1.0] * 6
    task.settings.milestones = [1]
    assert [round(task.rate_factor(e), 3) for e in range(7)] == [1, 0.1, 1, 0.1, 1, 0.1, 0.1]


def test_pruning_and_averaged_weights_do_not_go_together(profiles: Path, tmp_path: Path) -> None:
    more = ["task.dim=32", "task.iterations=1", "task.cycle_epochs=2"]
    with pytest.raises(RecipeError, match=r"without trainer\.ema"):
        train("remove/pruning", tmp_path / "run", profiles, *more, "trainer.ema=0.9")
    with pytest.raises(RecipeError, match="never validated"):
        train("remove/pruning", tmp_path / "other", profiles, *more, "trainer.validate_every=3")


# Runs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe",
    [
        "remove/pruning",
        pytest.param("remove/baseline-group", marks=pytest.mark.slow),
        pytest.param("remove/lsr", marks=pytest.mark.slow),
        pytest.param("remove/kd-cluster", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(recipe: str, teacher: Path, profiles: Path, tmp_path: Path) -> None:
    overrides = [f"task.data={profiles}", *SMALL, "trainer.max_epochs=6", "task.milestones=[2, 4]",
                 "trainer.save_every_minutes=0.0001"]  # fmt: skip
    if recipe == "remove/pruning":
        overrides += ["task.dim=32", "task.iterations=2", "task.sizes=[12, 5]", "task.cycle_epochs=2"]
    if recipe == "remove/lsr":
        overrides += [f"task.model={teacher}", "task.parameters=null"]
    if recipe == "remove/kd-cluster":
        overrides += [f"task.teacher={teacher}"]
    run(recipe, out=tmp_path / "whole", overrides=overrides, cache=tmp_path / "cache", workers=0)
    command = [sys.executable, "-m", "ohrwurm", "train", recipe, *overrides, "--out", str(tmp_path / "killed")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--cache", str(tmp_path / "cache"), "--workers", "1"], env=environment)
    end = time.monotonic() + 250
    while not checkpoints.last(tmp_path / "killed").is_file():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(recipe, out=tmp_path / "killed", overrides=overrides, cache=tmp_path / "cache", workers=0)
    assert same(weights(tmp_path / "killed"), weights(tmp_path / "whole"))
    results = [json.loads((tmp_path / n / "report.json").read_text())["results"] for n in ("whole", "killed")]
    assert results[0] == results[1]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["remove/baseline", "remove/pruning"])
def test_run_extended_after_its_end_equals_one_of_that_length(recipe: str, profiles: Path, tmp_path: Path) -> None:
    """The learning rate falls, and cycles begin, at the ends of epochs: just where a resumed run begins."""
    more = ["task.milestones=[2, 4]"]
    if recipe == "remove/pruning":
        more += ["task.dim=32", "task.iterations=2", "task.sizes=[12, 5]", "task.cycle_epochs=2"]
    _, one, whole = train(recipe, tmp_path / "whole", profiles, *more, "trainer.max_epochs=6")
    for epochs in (2, 4, 6):
        _, two, parts = train(recipe, tmp_path / "parts", profiles, *more, f"trainer.max_epochs={epochs}")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert one == two
    np.testing.assert_array_equal(whole["lr"], parts["lr"])
    if recipe == "remove/baseline":  # noted at the end of an epoch, when that of the next is set
        np.testing.assert_allclose(whole["lr"], [5e-3, 5e-4, 5e-4, 5e-5, 5e-5, 5e-5])


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["triplet", "group", "normalized-softmax"])
def test_two_processes_equal_one_with_the_joint_batch(loss: str, profiles: Path, tmp_path: Path) -> None:
    """Batch norm aside: the network is one without."""
    network = NETWORK.replace("{", "{activation: tanh, ", 1)
    overrides = [
        f"task.data={profiles}", *SMALL, f"task.parameters={network}", f"task.loss={loss}", "task.optimizer=sgd",
        "task.lr=0.1", "trainer.max_epochs=2", "task.mining=hard-random",
    ]  # fmt: skip
    processes = []
    for count in (1, 2):
        command = [sys.executable, "-m", "ohrwurm", "train", "remove/baseline", *overrides]
        command += [f"trainer.devices={count}", "--out", str(tmp_path / str(count)), "--cache", str(tmp_path / "cache")]
        environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
        environment |= {"OMP_NUM_THREADS": "1"}
        processes.append(subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE))
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    one, two = weights(tmp_path / "1"), weights(tmp_path / "2")
    for key in one:
        torch.testing.assert_close(one[key], two[key], rtol=1e-4, atol=1e-5)


# Golden ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["remove/baseline", "remove/lsr"])
def test_task_takes_the_published_steps(recipe: str, profiles: Path, tmp_path: Path) -> None:
    """Four steps of the published training code, by the task's own step, groups, freezing and optimiser, in float64."""
    import importlib.util

    folder = Path(__file__).parents[1] / "golden" / "remove"
    spec = importlib.util.spec_from_file_location("golden_fill_remove", folder / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    golden = np.load(folder / "train_steps.npz")
    dim, seed, frames = int(golden["D"]), int(golden["seed"]), int(golden["T"])
    name = recipe.removeprefix("remove/")

    def filled(move: MOVE) -> None:
        for key, value in move.state_dict().items():
            array = fill.fill_array(key, value.shape, "float" if value.is_floating_point() else "int")
            if array is not None:
                value.copy_(torch.as_tensor(array))

    overrides = [f"task.data={profiles}", f"task.dim={dim}", "task.batch_size=8", "task.pitch=", "task.songs=2"]
    if recipe == "remove/lsr":
        base = VersionEncoder(pitch="none", dim=64)
        filled(base.move)
        card = registry.card("re-move-256")
        base.card = dataclasses.replace(card, dim=64, parameters={"pitch": "none", "dim": 64})
        overrides.append(f"task.model={registry.save(base, tmp_path / 'base')}")
    task = build(recipe, *overrides)
    if recipe == "remove/lsr":
        with torch.no_grad():
            task.model.move.lin1.weight.copy_(torch.from_numpy(fill.fill_array("lsr.lin1.weight", (dim, 256))))
        task.proxies = torch.nn.Parameter(torch.from_numpy(fill.gauss(seed + 1, (5, dim))))
    else:
        filled(task.model.move)
    task = task.double()
    task.unit_length = False
    task.log = lambda *_, **__: None
    configured = task.configure_optimizers()
    optimizer = configured["optimizer"]
    labels, losses = torch.from_numpy(golden["labels"]).long().flatten(), []
    for step in range(4):
        songs = np.stack([fill.pcp23(seed + 100 * step + i, frames)[0] for i in range(int(golden["B"]))])
        type(task).current_epoch = property(lambda _, step=step: step // 2)  # the base begins to learn in step 2
        optimizer.zero_grad()
        batch = {"songs": torch.from_numpy(songs).double(), "labels": labels, "names": [""] * 8}
        embedding = task.songs.encode(task.model, batch["songs"])
        loss = task.objective(task.compared(embedding), batch)
        loss.backward()
        task.on_before_optimizer_step(optimizer)
        optimizer.step()
        losses.append(loss.item())
    tolerance = 1e-9 if name == "baseline" else 1e-6
    np.testing.assert_allclose(losses, golden[f"{name}_losses64"], rtol=tolerance)
    found = task.model.move.lin1.weight.detach().numpy()
    np.testing.assert_allclose(found, golden[f"{name}_lin1.weight_64"], rtol=tolerance, atol=tolerance)
