"""Tasks with trained heads, from files to report: linear evaluation, TTMR's probing, jukemir's probes."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation import vectors
from ohrwurm.evaluation.metrics import key
from ohrwurm.evaluation.protocols import jukemir_task, ttmr_probing
from ohrwurm.evaluation.protocols.jukemir import sweep
from ohrwurm.evaluation.protocols.probe_grid import grid
from ohrwurm.evaluation.report import Report
from ohrwurm.evaluation.task import Job
from ohrwurm.evaluation.tasks import Recordings, run
from ohrwurm.models import registry

RATE = 16000
MODEL = registry.load("mel-statistics", window=0.25, hop=0.25, minimum=0.1)
FEW = [replace(c, learning_rate=1e-2) for c in grid("d", "r", early_stopping_boredom=6)[2:200:50]]


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 short recordings: low, high or noisy; split in two, one and one part; and what all of them share."""
    root = tmp_path_factory.mktemp("heads")
    draw, t = np.random.default_rng(0), np.arange(round(0.8 * RATE)) / RATE
    tracks = []
    for i in range(36):
        kind = ("low", "high", "noise")[i % 3]
        pitch = draw.uniform(100, 200) * (1 if kind == "low" else 12)
        sound = draw.normal(size=len(t)) if kind == "noise" else np.sin(2 * np.pi * pitch * t)
        soundfile.write(root / f"{i}.wav", 0.2 * sound + 0.01 * draw.normal(size=len(t)), RATE)
        split = ("train", "train", "validation", "test")[i // 3 % 4]
        notes = {"brightness": round(float(pitch) / 1000, 3), "key": key.NAMES[i % 3], "song": f"{split}-{i % 3}"}
        tracks.append(Track(f"t{i:02d}", str(root / f"{i}.wav"), split, (kind,), annotations=notes))
    tracks.append(Track("gone", str(root / "gone.wav"), "test", ("low",), annotations={"brightness": 1, "key": "C"}))
    Manifest(tracks).write(root / "mine.csv")
    return root


def recordings(music: Path, **changes: Any) -> Recordings:
    tracks = [replace(t, **changes) for t in Manifest.read(music / "mine.csv")]
    if changes.get("split") == "":  # each recording a song of its own, so that it can be in any fold
        tracks = [replace(t, annotations={}) for t in tracks]
    return Recordings(Manifest(tracks), "tones")


@pytest.fixture(autouse=True)
def one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """One decoder for all recordings of a pass."""
    monkeypatch.setattr(vectors, "FILES_A_ROUND", 64)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four probes that are soon bored, instead of 216."""
    monkeypatch.setattr(jukemir_task, "sweep", functools.partial(sweep, configs=FEW))


def check(report: Report, tracks: int, least: float = 0.85) -> None:
    """A report of three classes that are easy to tell."""
    assert report.outcome.figures["accuracy"].value > least
    assert report.outcome.figures["accuracy"].chance == pytest.approx(1 / 3, abs=0.05)
    assert report.outcome.counts["tracks"] == tracks
    assert report.outcome.counts["recordings left out"] == 1
    assert [Path(p).name for p in report.failures] == ["gone.wav"]
    assert len(report.outcome.items[0].ids) == tracks
    assert Report.from_json(report.to_json()).outcome.figures["accuracy"] == report.outcome.figures["accuracy"]


def test_linear_from_files_to_report(music: Path, tmp_path: Path) -> None:
    given = {"cache": music / "cache", "workers": 1}
    report = run("linear", MODEL, recordings(music), save_head=tmp_path / "head.safetensors", **given)
    check(report, 9)
    assert report.outcome.published["accuracy"] > 0.6
    assert report.settings["head"] == "linear"
    assert not any("drawn with seed" in w for w in report.outcome.warnings)
    again = run("linear", MODEL, recordings(music), head_weights=tmp_path / "head.safetensors", **given)
    assert again.outcome.figures == report.outcome.figures  # the saved head is the measured one
    folded = run("linear", MODEL, recordings(music, split=""), folds=3, **given)
    check(folded, 36, least=0.6)  # a few steps of a slow rate on vectors as they are
    assert folded.outcome.published == {}
    drawn = run("linear", MODEL, recordings(music, split=""), **given)
    assert any("--folds 5 would test all of them" in w for w in drawn.outcome.warnings)


def test_ttmr_probe_from_files_to_report(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ttmr_probing, "grid", lambda *_: [ttmr_probing.Setting(1e-2, 16, 0.0, n) for n in (False, True)]
    )
    given = {"cache": music / "cache", "workers": 1}
    report = run("ttmr-probe", MODEL, recordings(music), save_head=tmp_path / "head.safetensors", **given)
    check(report, 9)
    found = report.outcome
    assert found.counts["probes"] == 2
    assert found.details["selected (rate_batch_dropout_norm)"][0] in found.details["probes"]
    assert found.published["accuracy"] == max(p["test as published"] for p in found.details["probes"].values())
    again = run("ttmr-probe", MODEL, recordings(music), head_weights=tmp_path / "head.safetensors", **given)
    assert again.outcome.figures == found.figures
    assert list(again.outcome.details["probes"]) == ["given"]
    check(run("ttmr-probe", MODEL, recordings(music, split=""), folds=2, **given), 36)


@pytest.mark.usefixtures("few")
def test_jukemir_from_files_to_report(music: Path, tmp_path: Path) -> None:
    given = {"cache": music / "cache", "workers": 1, "folder": tmp_path / "probes"}
    report = run("jukemir", MODEL, recordings(music), **given)
    check(report, 9)
    found = report.outcome
    assert found.published["accuracy"] == found.figures["accuracy"].value
    assert found.details["selected"]["uid"] in {c.uid for c in FEW}
    assert len(found.details["validation score of each probe, in grid order"]) == len(FEW)
    assert len(list((tmp_path / "probes" / "fold-0").glob("*.safetensors"))) == len(FEW)
    assert run("jukemir", MODEL, recordings(music), **given).outcome == found
    folded = run("jukemir", MODEL, recordings(music, split=""), folds=3, cache=music / "cache", workers=1)
    check(folded, 36)
    assert len(folded.outcome.details["folds"]) == 3
    frames = run("jukemir", MODEL, recordings(music), frame=3200, cache=music / "cache", workers=1)
    check(frames, 9)
    assert "frames of 3200 samples" in frames.outcome.protocol


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "target, main, counted",
    [("tags", "ROC-AUC", ("tracks", 9)), ("brightness", "R2", ("tracks", 9)), ("key", "weighted score", ("songs", 3))],
)
def test_jukemir_tells_tags_numbers_and_keys(music: Path, target: str, main: str, counted: tuple[str, int]) -> None:
    report = run("jukemir", MODEL, recordings(music), target=target, cache=music / "cache", workers=1)
    figure = report.outcome.figures[main]
    assert figure.low <= figure.value <= figure.high
    assert figure.value > figure.chance + 0.2
    assert report.outcome.counts[counted[0]] == counted[1]


def test_commands_write_what_python_returns(music: Path) -> None:
    arguments = ["evaluate", "linear", "--model", "mel-statistics", "--manifest", str(music / "mine.csv"), "--json"]
    done = CliRunner().invoke(app, [*arguments, "--no-cache", "--head", "mlp"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["settings"]["head"] == "mlp"
    assert found["outcome"]["published"] == {}  # windows of 10 s: none of the recordings has a whole one
    assert any("no published numbers" in w for w in found["outcome"]["warnings"])


@pytest.mark.parametrize("name", ["linear", "ttmr-probe", "jukemir"])
@pytest.mark.parametrize(
    "changes, options, message",
    [
        ({"tags": ()}, {"target": "class"}, "exactly one tag, not 0"),
        ({}, {"folds": 50}, "37 recordings cannot be split into 50 parts"),
        ({}, {"target": "mood"}, "no recording has the annotation 'mood'"),
        ({"split": "train"}, {}, "no recording is in the split 'test'"),
        ({"split": "", "tags": ("low",)}, {}, "all recordings are of one class"),
    ],
)
def test_unfit_recordings_are_refused_before_they_are_embedded(
    name: str, changes: dict[str, Any], options: dict[str, Any], message: str, music: Path, monkeypatch
) -> None:
    monkeypatch.setattr(Job, "vectors", None)
    monkeypatch.setattr(Job, "windows", None)
    with pytest.raises(DataError, match=message):
        run(name, MODEL, recordings(music, **changes), **options)


@pytest.mark.parametrize("name", ["linear", "ttmr-probe"])
def test_numbers_are_left_to_jukemir(name: str, music: Path) -> None:
    with pytest.raises(DataError, match="brightness: numbers, and this task tells classes or tags"):
        run(name, MODEL, recordings(music), target="brightness")
