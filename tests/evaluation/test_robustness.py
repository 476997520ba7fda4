"""Robustness: every degradation does what it is called, and the figures are those of its vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hearing import Crossings
from typer.testing import CliRunner

from ohrwurm.audio.files import load
from ohrwurm.cli import app
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation import robustness
from ohrwurm.evaluation.degradations import CODECS, KINDS, condition, conditions
from ohrwurm.evaluation.robustness import against, overlap
from ohrwurm.evaluation.tasks import Recordings, run
from ohrwurm.models import registry

RATE = 22050


def tone(pitch: float = 441.0, seconds: float = 8.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve chords with noise of their own, a file that is too short for some crops, and one that is no audio."""
    folder, rng = tmp_path_factory.mktemp("robust"), np.random.default_rng(0)
    rows = ["track_id,path,caption"]
    for i in range(12):
        sound = sum(tone(110 * 2 ** (k / 12), 4.0) for k in rng.integers(0, 40, 3))
        sound = sound / 2 + rng.uniform(0.001, 0.02) * rng.normal(size=len(sound))
        soundfile.write(folder / f"{i}.flac", np.clip(sound, -1, 1), RATE)
        rows.append(f"t{i},{i}.flac,{'high' if i % 2 else 'low'} tone {i}")
    soundfile.write(folder / "short.flac", tone(seconds=0.8), RATE)
    (folder / "broken.flac").write_text("no audio")
    rows += ["short,short.flac,", "broken,broken.flac,"]
    (folder / "mine.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))


# Degradations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_a_degradation_does_what_it_is_called(name: str, tmp_path: Path) -> None:
    x = tone()
    for strength in {KINDS[name].strengths[0], KINDS[name].strengths[-1]}:
        file = condition(f"{name}={strength}").write(x, RATE, tmp_path / "a", np.random.default_rng(0))
        y, rate = load(file)
        seconds, steady = len(y) / rate, y[rate // 2 : -rate // 2] if len(y) > 2 * rate else y
        spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady))))
        pitch = spectrum.argmax() * rate / len(steady)
        expected, noise = {"tempo": 8 / (1 + strength / 100), "offset": 8 - strength, "length": min(8, strength)}, 0.0
        assert seconds == pytest.approx(expected.get(name, 8.0), abs=0.1)
        factor = 2 ** (strength / 12) if name == "pitch" else 1.0
        assert pitch == pytest.approx(441 * factor, rel=0.01)
        if name in CODECS:
            assert file.stat().st_size * 8 / 8000 == pytest.approx(strength, rel=0.2, abs=4)
        if name.endswith("noise"):
            noise = float((y[: len(x)] - x).std() / x.std())
            assert noise == pytest.approx(10 ** (-strength / 20), rel=0.05 if strength > 0 else 0.2)  # the rest is cut
        if name == "gain":
            assert y.std() / x.std() == pytest.approx(10 ** (strength / 20), rel=0.01 if strength < 0 else 0.5)
        if name == "sample-rate":
            assert rate == strength


def test_pink_noise_falls_with_frequency(tmp_path: Path) -> None:
    for name, falls in (("white-noise", False), ("pink-noise", True)):
        x = np.full(8 * RATE, 1e-3, np.float32)
        file = condition(f"{name}=0").write(x, RATE, tmp_path / name, np.random.default_rng(0))
        power = np.abs(np.fft.rfft(load(file)[0] - x)) ** 2
        low, high = power[800:8000].mean(), power[40000:80000].mean()
        assert (low > 5 * high) == falls


def test_unknown_degradations_are_told() -> None:
    assert len(conditions()) == sum(len(k.strengths) for k in KINDS.values())
    assert [c.title for c in conditions(("gain=3", "gain=3"))] == ["gain 3 dB"]
    with pytest.raises(DataError, match="no degradation named 'echo'"):
        conditions(("echo",))
    with pytest.raises(DataError, match="kbit/s, as in mp3=1"):
        conditions(("mp3=low",))
    with pytest.raises(DataError, match=r"leaves less than 0\.5 s of 1\.0 s"):
        condition("offset=0.9").write(tone(seconds=1.0), RATE, Path("x"), np.random.default_rng(0))


# Figures --------------------------------------------------------------------------------------------------------------


def test_unchanged_vectors_are_their_own_neighbours_and_strangers_are_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    model = registry.load("mel-statistics")
    clean = rng.normal(size=(60, model.card.dim)).astype(np.float32)
    own = np.arange(60)
    same = against(model, 3 * clean, own, clean)
    for name, values in same.items():
        np.testing.assert_allclose(values, 1.0, atol=1e-6, err_msg=name)
    strange = against(model, rng.normal(size=clean.shape).astype(np.float32), own, clean)
    assert strange["R@1"].mean() < 0.1
    assert strange["overlap@10"].mean() == pytest.approx(10 / 59, abs=0.05)
    monkeypatch.setattr(robustness, "BLOCK", 7)
    np.testing.assert_array_equal(against(model, 3 * clean, own, clean)["overlap@10"], same["overlap@10"])


def test_equal_vectors_share_the_first_place() -> None:
    clean = np.ones((4, 80), np.float32)
    assert against(registry.load("mel-statistics"), clean[:1], np.array([2]), clean)["R@1"] == pytest.approx([0.25])


def test_models_that_compare_otherwise_are_compared_their_way() -> None:
    """One tune in another key is far by cosine and near by chroma cross-correlation."""
    model = registry.load("chroma-cross-correlation")
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(12, 12, model.card.dim // 12)).astype(np.float32)
    moved = np.roll(clean, 5, axis=1)
    flat, other = (x.reshape(12, -1) / np.linalg.norm(x.reshape(12, -1), axis=1, keepdims=True) for x in (clean, moved))
    assert against(model, other, np.arange(12), flat)["R@1"].mean() == 1.0


def test_overlap_counts_what_both_have() -> None:
    near = np.array([[5.0, 4, 3, 2, -np.inf]])
    assert overlap(near, near[:, [3, 2, 1, 0, 4]], 2).tolist() == [0.0]
    assert overlap(near, near, 10).tolist() == [1.0]  # of the four that there are


# The task -------------------------------------------------------------------------------------------------------------


def command(*arguments: object) -> tuple[int, str, str]:
    given = ["evaluate", "robustness", "--model", "mel-statistics", *map(str, arguments)]
    done = CliRunner().invoke(app, given, env={"COLUMNS": "200"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_from_files_to_report_and_picture(music: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    given = ("--manifest", music / "mine.csv", "--degradations", "gain=-6", "--degradations", "white-noise=0",
             "--degradations", "offset=0.5", "--out", out)  # fmt: skip
    code, _, err = command(*given)
    assert code == 0, err
    report = json.loads(out.read_text())
    figures = {name: f["value"] for name, f in report["outcome"]["figures"].items()}
    assert figures["R@1 (gain -6 dB)"] == pytest.approx(1.0)
    assert figures["cosine (gain -6 dB)"] > figures["cosine (white-noise 0 dB)"] + 0.01
    assert report["outcome"]["counts"]["recordings"] == 13
    reasons = {Path(k).name: v for k, v in report["failures"].items()}
    assert any(k.startswith("broken.flac") for k in reasons)
    assert "leaves less than" in reasons["short.flac (offset 0.5 s)"]
    items = report["outcome"]["items"][0]
    assert items["values"]["R@1 (offset 0.5 s)"][items["ids"].index("short")] is None
    drawn = CliRunner().invoke(app, ["report", str(out), "--out", str(tmp_path / "p.png")])
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_killed_run_goes_on(music: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = ("--manifest", music / "mine.csv", "--degradations", "gain=-6", "--degradations", "pink-noise=20", "--json")
    whole = command(*given)[1]
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "other"))
    plain, seen = robustness.embed, []

    def dies(files: list[Path], *more: object, **how: object) -> object:
        seen.append(len(files))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return plain(files, *more, **how)

    monkeypatch.setattr(robustness, "embed", dies)
    monkeypatch.setattr(robustness, "FILES", 5)
    assert command(*given, "--workers", 1)[0] == 130
    done = sum(seen[:2])
    seen.clear()
    monkeypatch.setattr(robustness, "embed", lambda f, *m, **h: (seen.append(len(f)), plain(f, *m, **h))[1])
    again = command(*given, "--workers", 1)[1]
    assert sum(seen) == 26 - done
    first, second = (json.loads(text)["outcome"] for text in (whole, again))
    assert first == second


def test_retrieval_by_words_is_held_against_the_clean_one(tmp_path: Path) -> None:
    tracks = []
    for i in range(12):
        soundfile.write(tmp_path / f"{i}.wav", tone(100.0 * (i + 1), 1.5), RATE)
        tracks.append(Track(f"t{i}", str(tmp_path / f"{i}.wav"), tags=("high" if i > 5 else "low",)))
    found = run("robustness", Crossings(), Recordings(Manifest(tracks), "tones"), degradations=("gain=-6",)).outcome
    assert found.counts["texts"] == 2
    assert found.figures["words overlap@10 (gain -6 dB)"].value == 1.0
    assert found.figures["words overlap@10 (gain -6 dB)"].chance == pytest.approx(10 / 12)
    assert [i.what for i in found.items] == ["tracks", "queries"]


@pytest.mark.slow
def test_some_recordings_are_drawn_by_the_seed(music: Path) -> None:
    given = ("--manifest", music / "mine.csv", "--degradations", "gain=-6", "--tracks", 5, "--json")
    ids = [json.loads(command(*given, "--seed", seed)[1])["outcome"]["items"][0]["ids"] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) in (4, 5)  # the broken one may be among them
