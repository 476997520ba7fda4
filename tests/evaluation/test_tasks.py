"""`ohrwurm evaluate` from files to report, on recordings written by the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hearing import Crossings
from typer.testing import CliRunner

import ohrwurm
from ohrwurm.cli import app
from ohrwurm.data.benchmarks.gtzan import GENRES
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.tasks import Recordings, recordings_of, run
from ohrwurm.models import registry

RATE = 22050
TUNES = {"up": (0, 4, 7, 12, 7, 4, 0, 5), "down": (0, -1, -5, 3, 2, -5, -1, 8), "still": (0, 0, 7, 0, 0, 6, 0, 0)}


def play(path: Path, tune: tuple[int, ...], key: int, beat: float, noise: float = 0.0) -> None:
    """A tune as tones with partials, twice through."""
    t = np.arange(round(beat * RATE)) / RATE
    tones = []
    for step in tune * 2:
        pitch = 220 * 2 ** ((step + key) / 12)
        tones.append(sum(np.sin(2 * np.pi * k * pitch * t) / k for k in (1, 2, 3)) * np.exp(-2 * t))
    sound = 0.2 * np.concatenate(tones)
    soundfile.write(path, sound + noise * np.random.default_rng(0).normal(size=sound.shape), RATE)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature `anthems_half`: three tunes twice, a distractor, a file that is no audio."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "anthems_half"
    folder.mkdir()
    table = ["file,work,status", "broken.wav,up,verified"]  # first: the rows of all others move up by one
    for name, tune in TUNES.items():
        for i, (key, beat) in enumerate(((0, 0.5), (5, 0.55))):
            play(folder / f"{name}_{i}.wav", tune, key, beat)
            table.append(f"{name}_{i}.wav,{name},verified")
    play(folder / "alone.wav", (0, 2, 11, 2, 9, 1, 3, 10), 0, 0.5)
    (folder / "broken.wav").write_text("not audio")
    table.append("alone.wav,alone,single")
    (folder / "manifest.csv").write_text("\n".join(table) + "\n")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OHRWURM_DATA", raising=False)


def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["evaluate", *arguments], env={"COLUMNS": "200"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def as_json(*arguments: str) -> dict[str, Any]:
    code, out, err = command(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_versions_from_files_to_report(music: Path, tmp_path: Path) -> None:
    arguments = ("versions", "--model", "chroma-cross-correlation", "--data", str(music))
    code, out, _ = command(*arguments, "--out", str(tmp_path / "report.json"))
    assert code == 0
    assert "chroma-cross-correlation on anthems" in out
    assert "95 % interval" in out
    assert "broken.wav: unreadable" in out
    report = json.loads((tmp_path / "report.json").read_text())
    card = registry.card("chroma-cross-correlation")
    assert (report["model"], report["weights"], report["provenance"]) == (card.name, "", card.provenance)
    assert set(report["software"]) >= {"ohrwurm", "torch", "python"}
    found = report["outcome"]
    assert found["seed"] == 0
    assert found["counts"] == {
        "recordings": 7, "queries": 6, "works with versions": 3, "recordings left out": 1,
        "copies of another recording": 0,
    }  # fmt: skip
    assert found["figures"]["MAP"]["value"] == 1.0  # these tunes are easy
    assert found["figures"]["MAP"]["chance"] == pytest.approx(np.mean(1 / np.arange(1, 7)))
    (path,) = report["failures"]
    assert Path(path).name == "broken.wav"
    assert as_json(*arguments) == report  # from the cache


def test_another_seed_changes_the_intervals_alone(music: Path) -> None:
    arguments = ("versions", "--model", "mel-statistics", "--data", str(music))
    first, second = as_json(*arguments), as_json(*arguments, "--seed", "1", "--no-cache")
    assert second["outcome"].pop("seed") == 1
    assert first["outcome"].pop("seed") == 0
    for report in (first, second):
        for figure in report["outcome"]["figures"].values():
            figure.pop("low"), figure.pop("high")
    assert first == second


def test_a_manifest_of_ones_own(music: Path, tmp_path: Path) -> None:
    folder = music / "anthems_half"
    rows = [f"{name}{i},{folder / name}_{i}.wav,{name}" for name in TUNES for i in (0, 1)]
    rows.append(f"copy,{folder / 'up'}_0.wav,up")
    table = tmp_path / "mine.csv"
    table.write_text("track_id,path,work_id\n" + "\n".join(rows) + "\n")
    report = as_json("versions", "--model", "chroma-cross-correlation", "--manifest", str(table))
    assert report["data"] == str(table)
    assert report["outcome"]["counts"]["queries"] == 7
    assert report["outcome"]["counts"]["copies of another recording"] == 1


def test_probe_from_files_to_report(tmp_path: Path) -> None:
    rows = []
    for i in range(20):
        kind = "noisy" if i % 2 else "clean"
        play(tmp_path / f"{i}.wav", TUNES["up"][:2], i % 5, 0.3, noise=0.05 * (i % 2))
        rows.append(f"{i},{i}.wav,{kind}")
    (tmp_path / "mine.csv").write_text("track_id,path,tags\n" + "\n".join(rows) + "\n")
    report = as_json("probe", "--model", "mel-statistics", "--manifest", str(tmp_path / "mine.csv"))
    accuracy = report["outcome"]["figures"]["accuracy"]
    assert (accuracy["value"], accuracy["chance"]) == (1.0, 0.5)


def test_described_from_files_to_report(tmp_path: Path) -> None:
    rows = ["lost,lost.wav,a lost low tone"]
    for i, key in enumerate((-12, 0, 12, 24, 36)):
        play(tmp_path / f"{i}.wav", (0,), key, 0.5)
        rows.append(f"t{i},{i}.wav,{ {0: 'a low tone', 4: 'a high tone'}.get(i, '') }")
    (tmp_path / "mine.csv").write_text("track_id,path,caption\n" + "\n".join(rows) + "\n")
    recordings = Recordings(Manifest.read(tmp_path / "mine.csv"), "tones")
    outcome = run("described", Crossings(), recordings).outcome
    assert {track: found["rank"] for track, found in outcome.details["ranks"].items()} == {"t0": 1.0, "t4": 1.0}
    assert (outcome.counts["queries"], outcome.counts["recordings left out"]) == (2, 1)
    assert outcome.figures["R@1"].chance == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("versions", "--benchmark", "emotify"), "holds no truth for versions. These do: anthems"),
        (("versions", "--benchmark", "nothing"), "Known: anthems, emotify, recordings"),
        (("versions",), "OHRWURM_DATA"),
        (("versions", "--model", "nobody", "--data", "DATA"), "no model named 'nobody'"),
        (("probe", "--data", "DATA"), "emotify_half"),
        (("described", "--manifest", "MANIFEST"), "mel-statistics does not know words"),
        (("versions", "--manifest", "MANIFEST"), "fill the column work_id"),
        (("probe", "--manifest", "MANIFEST"), "exactly one tag"),
    ],
)
def test_what_cannot_be_measured_is_told(music: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    table = tmp_path / "bare.csv"
    table.write_text(f"track_id,path\na,{music / 'anthems_half' / 'up_0.wav'}\n")
    places = {"DATA": str(music), "MANIFEST": str(table)}
    given = [places.get(a, a) for a in arguments]
    if "--model" not in given:
        given += ["--model", "mel-statistics"]
    code, _, err = command(*given)
    assert code == 1
    assert message in err
    assert "Traceback" not in err


def test_benchmark_and_manifest_together_are_wrong_usage(music: Path) -> None:
    table = music / "anthems_half" / "manifest.csv"
    assert command("versions", "--benchmark", "anthems", "--manifest", str(table))[0] == 2
    assert command("covers")[0] == 2


def test_a_loaded_model_takes_no_other_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is loaded already"):
        ohrwurm.evaluate("versions", registry.load("mel-statistics"), Manifest(), weights=tmp_path / "other.pth")


def test_what_is_measured_on(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark by its name, also where a folder is called like it; a file; a folder; the first of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anthems").mkdir()
    manifest = Manifest([Track("a", str(tmp_path / "a.wav"), work_id="w")])
    manifest.write(tmp_path / "anthems" / "manifest.csv")
    assert recordings_of("anthems", "versions", music).benchmark == "anthems"
    assert recordings_of(None, "versions", music).benchmark == "anthems"
    assert len(recordings_of(Path("anthems"), "versions").manifest) == 1
    assert recordings_of("anthems/manifest.csv", "versions", music).benchmark == ""
    assert recordings_of(manifest, "versions").name == "a manifest"
    for genre in GENRES:
        (tmp_path / "gtzan" / "genres" / genre).mkdir(parents=True)
        (tmp_path / "gtzan" / "genres" / genre / f"{genre}.00000.wav").touch()
    found = recordings_of("gtzan", "zero-shot", tmp_path)
    assert (found.name, found.variant, found.labels) == ("gtzan/filtered", "filtered", GENRES)
    assert recordings_of(tmp_path / "gtzan", "zero-shot").labels == GENRES
    with pytest.raises(DataError, match="benchmark 'gtzan/plain' holds no truth for zero-shot"):
        recordings_of("gtzan/plain", "zero-shot", tmp_path)
