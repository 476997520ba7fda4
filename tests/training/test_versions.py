"""Version identification: every loss, mining and experiment trains, resumes exactly, shrinks, and drops into search."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ohrwurm
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError, RecipeError
from ohrwurm.evaluation import tasks as evaluation
from ohrwurm.models import registry
from ohrwurm.models.move import MOVE
from ohrwurm.models.move_reduction import rows_kept
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.training import checkpoints
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run
from ohrwurm.training.version_scores import similarities

NETWORK = "{channels: 6, kernel_time: 20, convolutions: [[5, 1], [5, 3]]}"
SMALL = [
    f"task.parameters={NETWORK}", "task.dim=16", "task.patch=64", "task.batch_size=16", "task.songs=2",
    "task.optimizer=ranger", "task.lr=5e-3", "trainer.max_epochs=3", "trainer.validate_every=1",
    "trainer.accelerator=cpu",
]  # fmt: skip

WAVEFORM = [  # a small network of another kind
    "task.student=ttmr-contrastive-bert-stochastic", "task.dim=16", "task.window=3", "task.parameters=null",
    "task.parameters={sample_rate: 16000, n_mels: 16, hop: 320, channels: [4, 4, 4, 4], attention_dim: 16, heads: 2, "
    "layers: 1, text: none, text_dim: 8}",
]  # fmt: skip
LEARN = ["task.optimizer=adamw", "task.transposition=corrected", "trainer.validate_every=5"]


def keep(file: Path, profile: np.ndarray, work: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    facts = np.frombuffer(json.dumps({"work_id": work}).encode(), np.uint8)
    np.savez(file, profile=profile.astype(np.float16), facts=facts)


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of profiles: works are sequences of chords, their versions in other keys and tempos, under drones.

    Versions of the same works are held out, so that seconds of training show.
    """
    folder = tmp_path_factory.mktemp("profiles")
    for split, versions in (("train", range(3)), ("validation", range(3, 5)), ("test", range(5, 7))):
        for work in range(16):
            chords = np.random.default_rng((0, work)).random((12, 12)) ** 4
            for version in versions:
                draw = np.random.default_rng((1, work, version))
                at = np.linspace(0, 11, int(90 * draw.uniform(0.8, 1.2)))
                song = np.stack([np.interp(at, np.arange(12), row) for row in chords])
                drone = 0.2 * draw.random((12, 1)) ** 2
                song = np.roll(0.7 * song, draw.integers(12), 0) + drone + 0.2 * draw.random(song.shape)
                keep(folder / f"songs-{split}" / f"{work:02d}-{version}.npz", song.clip(0, 1), f"work {work}")
        (folder / f"songs-{split}" / "identity.json").write_text('{"identity": "chroma:1"}')
    return folder


@pytest.fixture(scope="session")
def teacher(profiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained MOVE of 32 dimensions, as a model folder."""
    folder = tmp_path_factory.mktemp("teacher")
    settings = [f"task.data={profiles}", *SMALL, "task.dim=32", "trainer.max_epochs=40", *LEARN]
    return run("remove/baseline", out=folder / "run", overrides=settings, cache=folder / "cache", workers=0)


def train(recipe: str, out: Path, profiles: Path, *overrides: str) -> tuple[Path, dict[str, Any], np.ndarray]:
    """Model folder, results and course of a run."""
    settings = [f"task.data={profiles}", *SMALL, *overrides]
    folder = run(recipe, out=out, overrides=settings, cache=out.parent / "cache", workers=0)
    results = json.loads((out / "report.json").read_text())["results"]
    return folder, results, np.genfromtxt(out / "log.csv", delimiter=",", names=True)


def build(recipe: str, *overrides: str) -> Any:
    torch.manual_seed(0)
    return resolve(recipe, overrides).build()


def weights(out: Path) -> dict[str, torch.Tensor]:
    return checkpoints.read(checkpoints.last(out))["state_dict"]


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


# Losses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "comparison"),
    [
        ("triplet", "euclidean"),
        pytest.param("normalized-softmax", "cosine", marks=pytest.mark.slow),
        pytest.param("proxy-nca", "euclidean", marks=pytest.mark.slow),
        pytest.param("group", "pearson", marks=pytest.mark.slow),
    ],
)
def test_every_loss_falls_beats_random_weights_and_drops_into_search(
    loss: str, comparison: str, profiles: Path, tmp_path: Path
) -> None:
    more = ["trainer.max_epochs=50", f"task.loss={loss}", *LEARN]
    folder, results, course = train("remove/baseline", tmp_path / "run", profiles, *more)
    assert course["loss"][-3:].mean() < 0.9 * course["loss"][0]
    assert results["test"]["MAP"] > results["baseline"]["MAP"] + 0.03 > results["chance"]["MAP"]
    model = ohrwurm.load(folder)
    assert isinstance(model, VersionEncoder)
    assert (model.card.comparison, model.card.dim, model.card.good_for) == (comparison, 16, ("versions",))
    assert 0 < model.card.features["version_threshold"] <= 1
    assert model.card.parameters["pitch"] == "chroma", "what the profiles were made with is in front of it"
    vectors = torch.cat([model.encode(torch.randn(22050 * 8), 22050).pooled for _ in range(3)])
    expected = torch.stack([model.similarity(query, vectors) for query in vectors])
    torch.testing.assert_close(similarities(vectors, comparison), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mining", ["random", "hard-random", "all-positives"])
def test_every_mining_trains(mining: str, profiles: Path, tmp_path: Path) -> None:
    more = [f"task.mining={mining}", "task.songs=4", "trainer.max_epochs=2", "task.margin=0.5"]
    _, _, course = train("remove/baseline", tmp_path / "run", profiles, *more)
    assert np.isfinite(course["loss"]).all()
    assert course["loss"].max() > 0


# Data -----------------------------------------------------------------------------------------------------------------


def test_batches_hold_whole_cliques_and_are_a_function_of_seed_epoch_and_item(profiles: Path) -> None:
    task = build("remove/baseline", f"task.data={profiles}", *SMALL, "task.songs=4")
    batches = list(task.training_loader(1, 2))
    assert len(batches) == 4
    for batch in batches:
        assert batch["songs"].shape == (16, 23, 64)
        labels = batch["labels"].view(4, 4)
        assert (labels == labels[:, :1]).all()
        assert set(Counter(batch["rows"].tolist()).values()) <= {1, 2}
        assert [task.data.label[task.songs.tracks[r].work_id] for r in batch["rows"]] == batch["labels"].tolist()
    assert len({label for b in batches for label in b["labels"].tolist()}) == 16
    assert not torch.equal(batches[0]["songs"], next(iter(task.training_loader(1, 3)))["songs"])
    task.workers = 2
    for one, two in zip(batches, task.training_loader(1, 2), strict=True):
        assert torch.equal(one["songs"], two["songs"])
    halves = [task.data.batch(items, 1, 2) for items in (task.data.epoch(1, 2)[0][p::2] for p in range(2))]
    joint = torch.cat([half["songs"].view(2, 4, 23, 64) for half in halves], 1).view(batches[0]["songs"].shape)
    assert torch.equal(joint, batches[0]["songs"]), "two processes share the works of the joint batch"


def test_proxy_losses_see_single_recordings_also_of_lone_works(profiles: Path) -> None:
    task = build("remove/baseline-proxy-nca", f"task.data={profiles}", *SMALL)
    rows = [row for batch in task.training_loader(0, 0) for row in batch["rows"].tolist()]
    assert len(rows) == len(set(rows)) == 48
    assert task.proxies.shape == (16, 16)


def test_chunks_are_trained_in_mini_epochs_that_do_not_mix(tmp_path: Path) -> None:
    for chunk in range(1, 6):
        songs = [torch.rand(1, 12, 70) for _ in range(8)]
        content = {
            "data": [torch.cat([s, s[:, :11]], 1) for s in songs],
            "labels": [f"{chunk}-{i // 2}" for i in range(8)],
        }
        torch.save(content, tmp_path / f"train_chunk_{chunk}.pt")
    torch.save({"data": [torch.rand(1, 12, 40)] * 2, "labels": ["v", "v"]}, tmp_path / "val_chunk.pt")
    task = build(
        "remove/baseline", f"task.data={tmp_path}", *SMALL, "task.mini_epochs=2", "task.batch_size=8", "task.pitch=",
    )  # fmt: skip
    parts = [{name.split("/")[0] for name in batch["names"]} for batch in task.training_loader(0, 0)]
    assert len(parts) == 5
    first, second = set.union(*parts[:2]), set.union(*parts[2:])
    assert not first & second
    assert "train_chunk_5" in second
    assert task.songs.extractor.name == "crema-pcp-0.1.0"


def test_profiles_are_extracted_from_audio_once_and_a_bad_file_costs_itself(music: Path, tmp_path: Path) -> None:
    tracks = Manifest.read(music).tracks
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    Manifest([*tracks, Track("bad", str(tmp_path / "noise.wav"), "train", work_id="work1")]).write(tmp_path / "m.csv")
    settings = [f"task.data={tmp_path / 'm.csv'}", *SMALL, "task.pitch=chroma"]
    task = build("remove/baseline", *settings)
    assert "24 recordings" in task.preparation(tmp_path / "cache")
    task.prepare(tmp_path / "cache", 2)
    kept = sorted((tmp_path / "cache" / "profiles").rglob("*.npy"))
    assert len(kept) == 24
    assert task.preparation(tmp_path / "cache") == ""
    kept[3].unlink()
    times = {file: file.stat().st_mtime_ns for file in kept if file != kept[3]}
    again = build("remove/baseline", *settings)
    again.prepare(tmp_path / "cache", 1)
    assert all(file.stat().st_mtime_ns == time for file, time in times.items())
    assert np.array_equal(again.songs.profile(0), task.songs.profile(0))
    recordings = open_recordings(music, 22050)
    audio = torch.from_numpy(recordings.read(0, 0, int(recordings.lengths[0])))[None]
    expected = again.songs.extractor.load().profile(audio)[0].numpy().astype(np.float16)
    assert np.array_equal(again.songs.profile(0), expected)


def test_model_trained_on_audio_is_evaluated_on_audio_as_it_was_in_training(music: Path, tmp_path: Path) -> None:
    folder, results, _ = train("remove/baseline", tmp_path / "run", music, "task.pitch=chroma")
    manifest = Manifest(t for t in Manifest.read(music) if t.split == "validation")
    found = evaluation.run("versions", ohrwurm.load(folder), evaluation.Recordings(manifest, "music"), workers=1)
    assert found.outcome.figures["MAP"].value == pytest.approx(results["test"]["MAP"], abs=0.1)
    assert found.outcome.counts["queries"] == 6


def test_any_encoder_trains_on_waveforms(music: Path, tmp_path: Path) -> None:
    more = [WAVEFORM[0].replace("student", "model"), *WAVEFORM[1:], "task.lr=3e-3", "task.optimizer=adamw"]
    folder, results, _ = train("remove/baseline", tmp_path / "run", music, *more)
    assert np.isfinite(results["test"]["MAP"])
    model = ohrwurm.load(folder)
    assert (model.card.comparison, model.card.good_for) == ("cosine", ("versions",))
    assert model.encode(torch.randn(48000), 16000).pooled.shape == (1, 16)


# Experiments ----------------------------------------------------------------------------------------------------------


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


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        ("remove/baseline", ["task.data="], "what to train on"),
        ("remove/baseline", ["task.data=nowhere"], "no such"),
        ("remove/baseline", ["task.batch_size=17"], "multiple of task.songs"),
        (
            "remove/baseline",
            ["task.batch_size=64"],
            r"16 training works .* fewer than the 32 of a batch.*batch_size=32",
        ),
        ("remove/baseline", ["task.batch_size=80", "task.loss=proxy-nca"], "48 training recordings are fewer"),
        ("remove/baseline", ["task.pitch=pitchnet"], "profiles are of chroma:1, not of pitchnet"),
        ("remove/baseline", ["task.pitch=ohrwurm-text"], "extracts no pitch classes"),
        ("remove/baseline", ["task.leave_out=[never]"], "no work never to leave out"),
        ("remove/baseline", ["task.model=samplecnn", "task.parameters=null", "task.dim=null"], "takes waveforms"),
        ("remove/baseline", ["task.los=group"], "Did you mean loss"),
        ("remove/kd", ["task.teacher="], "who teaches"),
        ("remove/kd", ["task.teacher=move-16000"], "weights are not bundled"),
        ("remove/kd", ["task.teacher=ohrwurm-versions"], "profiles of another extractor"),
        ("remove/kd", ["task.teacher=mel-statistics"], "takes audio"),
        ("remove/kd", ["task.teachr=x"], "Did you mean teacher"),
        ("remove/lsr", ["task.model=move-16000", "task.parameters=null"], "weights are not bundled"),
        ("remove/lsr", ["task.model=ohrwurm-versions", "task.parameters=null"], "trained on profiles of pitchnet"),
        ("remove/lsr", ["task.model=mel-statistics", "task.parameters=null"], "only MOVE"),
        ("remove/lsr", ["task.model=ohrwurm-versions"], "task.parameters has no place here"),
        ("remove/pruning", ["task.dim=4", "task.iterations=3"], "3 iterations need"),
        ("remove/pruning", ["task.dim=32", "task.sizes=[8, 16, 4]"], "falling sizes"),
    ],
)
def test_mistakes_are_said_before_the_first_step(
    recipe: str, overrides: list[str], message: str, profiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "cached", lambda name: tmp_path / name)  # nothing was downloaded
    with pytest.raises((DataError, RecipeError, ModelError), match=message):
        build(recipe, f"task.data={profiles}", *SMALL, *overrides)


def test_manifest_that_cannot_train_is_refused(music: Path, tmp_path: Path) -> None:
    tracks = Manifest.read(music).tracks
    lone = [Track(t.track_id, t.path, t.split, work_id=t.track_id if t.split == "train" else t.work_id) for t in tracks]
    strangers = [Track(t.track_id, t.path, t.split, work_id=t.work_id if t.split == "train" else "") for t in tracks]
    for name, rows, message in (
        ("empty", [], "no recording"),
        ("one", tracks[:1], "at least 2 are needed"),
        ("workless", [Track(t.track_id, t.path, t.split) for t in tracks], "no work ids"),
        ("lone", lone, r"0 training works with two recordings or more \(18 have one\)"),
        ("strangers", strangers, "none of the 0 validation works has two recordings"),
        ("gone", [Track(t.track_id, t.path + ".x", work_id="w") for t in tracks], "none of 24 can be read"),
    ):
        Manifest(rows).write(tmp_path / f"{name}.csv")
        with pytest.raises(DataError, match=message):
            build("remove/baseline", f"task.data={tmp_path / name}.csv", *SMALL)


def test_pruning_and_averaged_weights_do_not_go_together(profiles: Path, tmp_path: Path) -> None:
    more = ["task.dim=32", "task.iterations=1", "task.cycle_epochs=2"]
    with pytest.raises(RecipeError, match=r"without trainer\.ema"):
        train("remove/pruning", tmp_path / "run", profiles, *more, "trainer.ema=0.9")
    with pytest.raises(RecipeError, match="never validated"):
        train("remove/pruning", tmp_path / "other", profiles, *more, "trainer.validate_every=3")
