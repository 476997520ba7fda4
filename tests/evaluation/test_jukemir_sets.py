"""The four sets of jukemir, from its metadata to a probe: targets, names and order are those it was published with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.gtzan import uid_of
from ohrwurm.evaluation.protocols.jukemir import TASKS, sweep
from ohrwurm.evaluation.protocols.jukemir_task import names_of
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig
from ohrwurm.evaluation.protocols.targets import targets_of

SPLITS = ("train", "valid", "test")


def entry(dataset: str, number: int) -> tuple[str, dict[str, Any]]:
    split, half = SPLITS[number % 3], number // 3 % 2
    if dataset == "gtzan_ff":
        name = f"{('blues', 'rock')[half]}.{number:05d}"
        return uid_of(name), {"split": split, "y": name.partition(".")[0], "extra": {"id": name}}
    if dataset == "magnatagatune":
        tags = [["guitar", "slow"], []][half]
        said = {"album": "A", "artist": "B", "title": "C", "url": "u", "track_number": "1", "segmentStart": "0"}
        said |= {"clip_id": str(number), "mp3_path": f"{'0cd'[number % 3]}/{number}.mp3", "segmentEnd": "29"}
        return f"{number:05d}", {"split": split, "y": tags, "y_all": tags, "extra": said}
    if dataset == "emomusic":
        return f"{number:04d}", {"split": split, "y": [half - 0.5, number / 10], "extra": {}}
    return f"{number // 6:07d}-{number}", {"split": split, "y": ("C major", "Eb minor")[half], "extra": {}}


@pytest.mark.parametrize(
    "dataset, name",
    [
        ("gtzan_ff", "gtzan"),
        ("magnatagatune", "magnatagatune"),
        ("emomusic", "emomusic"),
        ("giantsteps_clips", "giantsteps"),
    ],
)
def test_probes_are_fed_from_a_manifest(dataset: str, name: str, tmp_path: Path) -> None:
    meta = dict(entry(dataset, number) for number in range(24))
    if dataset == "giantsteps_clips":  # a song has one key and stands in one split
        for uid, said in meta.items():
            song = int(uid.partition("-")[0])
            said |= {"split": SPLITS[song % 3], "y": ("C major", "Eb minor")[song % 2]}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    variant = "jukemir" if name == "magnatagatune" else ""
    benchmark = find(name)
    tracks = list(benchmark.read(tmp_path, variant))
    task, targets = TASKS[dataset], targets_of(tracks, labels=benchmark.labels(tmp_path, variant))
    assert targets.names == task.labels
    assert targets.kind == ("key" if task.main == "score" else task.kind)
    ids = names_of(targets.tracks, songs=task.main == "score")
    assert sorted(ids) == sorted(meta)
    truth = dict(zip(ids, targets.y, strict=True))
    for uid, said in meta.items():
        expected = (
            task.labels.index(said["y"]) if task.kind == "multiclass"
            else said["y"] if task.kind == "regression"
            else np.isin(task.labels, said["y"])
        )  # fmt: skip
        assert truth[uid] == pytest.approx(np.asarray(expected, float))
    features = np.random.default_rng(0).normal(size=(len(ids), 3))
    probes = [ProbeConfig(dataset, "noise", early_stopping_boredom=1)]
    result = sweep(features, targets.y, [t.split for t in targets.tracks], dataset, ids=ids, configs=probes)
    counts = {"train": "train", "valid": "validation", "test": "test"}
    assert result.counts == {ours: sum(e["split"] == s for e in meta.values()) for s, ours in counts.items()}
    assert np.isfinite(result.test["primary"])
