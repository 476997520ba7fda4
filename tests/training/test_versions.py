"""Version identification: every loss and mining trains on files or audio, and drops into search; mistakes are named."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from versions import LEARN, SMALL, WAVEFORM, build, train

import ohrwurm
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError, RecipeError
from ohrwurm.evaluation import tasks as evaluation
from ohrwurm.models import registry
from ohrwurm.models.version_encoder import VersionEncoder
from ohrwurm.training.version_scores import similarities


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
    validation = [t for t in Manifest.read(music) if t.split == "validation"]
    manifest = Manifest(dataclasses.replace(t, split="test") for t in validation)
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
