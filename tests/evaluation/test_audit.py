"""The leak audit finds what training and test share however it is disguised, and does not cry wolf."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ohrwurm.audio.writing import write_audio
from ohrwurm.cli import app
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation import fingerprints
from ohrwurm.evaluation.audit import Group, Pair, audit, leaks, nearest, same_names, threshold_of
from ohrwurm.evaluation.tasks import evaluate

RATE = 22050


def piece(seed: int, seconds: float = 12.0) -> np.ndarray:
    """Some music: a random melody with chords, of a timbre of its own."""
    rng = np.random.default_rng(seed)
    beat = float(rng.uniform(0.2, 0.4))
    t, notes = np.arange(round(beat * RATE)) / RATE, []
    partials = rng.uniform(0.1, 1.0, 6)
    for _ in range(round(seconds / beat)):
        pitches = 110 * 2 ** (rng.choice(36, size=2, replace=False) / 12)
        waves = sum(a * np.sin(2 * np.pi * (k + 1) * p * t) for k, a in enumerate(partials) for p in pitches)
        notes.append(waves * np.exp(-rng.uniform(2, 6) * t))
    sound = np.concatenate(notes)
    return (0.4 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training: pieces 0 to 3. Test: piece 4; 0 as MP3 of little quality, trimmed and softer; 1 as it is."""
    root = tmp_path_factory.mktemp("audit")
    for side in ("train", "test"):
        (root / side).mkdir()
    for i in range(4):
        soundfile.write(root / "train" / f"{i}.flac", piece(i), RATE)
    cut = piece(0)[round(2.71 * RATE) : round(9.3 * RATE)] * np.float32(0.2)
    write_audio(root / "test" / "copy.mp3", cut, RATE, "MP3", "MPEG_LAYER_III", 0.9)
    (root / "test" / "same.flac").write_bytes((root / "train" / "1.flac").read_bytes())
    soundfile.write(root / "test" / "other.flac", piece(4), RATE)
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OHRWURM_DATA", raising=False)


def command(*arguments: object) -> tuple[int, str, str]:
    given = ["evaluate", "audit", *map(str, arguments), "--model", "mel-statistics"]
    done = CliRunner().invoke(app, given, env={"COLUMNS": "200"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


# Fingerprints ---------------------------------------------------------------------------------------------------------


def test_a_copy_is_found_with_its_place(music: Path) -> None:
    found = fingerprints.fingerprints([music / "train" / f"{i}.flac" for i in range(4)])
    copy = fingerprints.fingerprints([music / "test" / "copy.mp3"]).values[0]
    (match,) = fingerprints.Index(found.values).find(copy)
    assert match.indexed == 0
    assert match.offset == pytest.approx(-2.71, abs=0.15)
    assert match.share > 4 * fingerprints.SHARE


def test_different_music_is_not_taken_for_a_copy() -> None:
    made = [fingerprints.landmarks(_at_rate(piece(seed))) for seed in range(20, 36)]
    index = fingerprints.Index(made)
    for row, own in enumerate(made):
        assert [m.indexed for m in index.find(own)] == [row]


def test_silence_and_next_to_nothing_have_no_landmarks() -> None:
    assert fingerprints.landmarks(np.zeros(20000, np.float32)).shape == (0, 2)
    assert fingerprints.landmarks(np.ones(10, np.float32)).shape == (0, 2)
    made = fingerprints.landmarks(_at_rate(piece(1)))
    assert fingerprints.Index([made[:0], made]).find(made[:0]) == []


def test_blocks_of_a_long_file_join(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _at_rate(piece(7))
    whole = {tuple(row) for row in fingerprints.landmarks(x)}
    monkeypatch.setattr(fingerprints, "BLOCK", 16 * 1024)
    parts = {tuple(row) for row in fingerprints.landmarks(x)}
    assert len(whole & parts) > 0.5 * len(whole)


def _at_rate(x: np.ndarray) -> np.ndarray:
    from ohrwurm.audio.files import resample

    return resample(x, RATE, fingerprints.RATE)


# The audit ------------------------------------------------------------------------------------------------------------


def test_a_disguised_copy_across_the_split_is_found(music: Path, tmp_path: Path) -> None:
    code, out, _ = command(music / "train", music / "test", "--out", tmp_path / "audit.json")
    assert code == 3
    report = json.loads((tmp_path / "audit.json").read_text())
    found = report["outcome"]["details"]["found"]
    assert [(p["train"], p["test"]) for p in found["same recording"]] == [("0.flac", "copy.mp3")]
    assert [(p["train"], p["test"]) for p in found["same file"]] == [("1.flac", "same.flac")]
    figures = report["outcome"]["figures"]
    assert figures["leaks"]["value"] == pytest.approx(2 / 3)
    assert figures["same recording"]["value"] == pytest.approx(1 / 3)
    assert "same recording: train 0.flac test copy.mp3" in out
    touched = dict(
        zip(report["outcome"]["items"][0]["ids"], report["outcome"]["items"][0]["values"]["leaks"], strict=True)
    )
    assert touched == {"copy.mp3": 1.0, "same.flac": 1.0, "other.flac": 0.0}


def test_clean_sets_leave_with_zero(music: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "new.flac", piece(50), RATE)
    code, out, _ = command(music / "train", tmp_path, "--no-sound")
    assert code == 0, out
    assert "leaks" in out


@pytest.mark.slow
def test_kinds_can_be_ignored(music: Path) -> None:
    assert command(music / "train", music / "test", "--ignore", "same file", "--ignore", "same recording")[0] == 0
    code, _, err = command(music / "train", music / "test", "--ignore", "artists")
    assert code == 1
    assert "no kind of leak is named 'artists'" in err


@pytest.mark.slow
def test_fingerprints_are_kept(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(music / "train", music / "test", "--no-sound")
    monkeypatch.setattr(fingerprints, "landmarks", lambda x: pytest.fail("listened again"))
    assert command(music / "train", music / "test", "--no-sound")[0] == 3


def test_tables_without_audio_are_compared_by_names() -> None:
    train = Manifest(
        [
            Track("1", "no/1.mp3", work_id="w1", annotations={"artist": "Björk", "album": "Post"}),
            Track("2", "no/2.mp3", annotations={"artist": "Can"}),
        ]
    )
    test = Manifest(
        [
            Track("1", "no/a.mp3", annotations={"artist": "BJÖRK ", "album": "Debut"}),
            Track("3", "no/b.mp3", work_id="w1"),
            Track("4", "no/c.mp3", annotations={"artist": "Canned Heat"}),
        ]
    )
    outcome = _of(train, test)
    found = outcome.details["found"]
    assert [g["name"] for g in found["same artist"]] == ["Björk"]
    assert [g["test"] for g in found["same work"]] == [("3",)]
    assert [g["name"] for g in found["same id"]] == ["1"]
    assert found["same album"] == []
    assert outcome.figures["leaks"].value == pytest.approx(2 / 3)
    assert any("only names were compared" in w for w in outcome.warnings)


def test_one_id_for_two_recordings_is_no_leak(music: Path) -> None:
    train = Manifest([Track("7", str(music / "train" / "2.flac"))])
    test = Manifest([Track("7", str(music / "test" / "other.flac")), Track("8", str(music / "test" / "same.flac"))])
    assert leaks(_of(train, test)) == []
    same = Manifest([Track("7", str(music / "train" / "2.flac")), Track("8", str(music / "train" / "1.flac"))])
    assert leaks(_of(same, test)) == ["same file", "same id"]


def test_artists_are_read_from_the_files(music: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 60), ("b", 61)):
        soundfile.write(tmp_path / f"{name}.flac", piece(seed, 4.0), RATE)
        tagged = mutagen.File(tmp_path / f"{name}.flac")
        tagged["artist"], tagged["album"] = "Nina", "Live"
        tagged.save()
    train, test = (Manifest([Track(n, str(tmp_path / f"{n}.flac"))]) for n in "ab")
    assert leaks(_of(train, test)) == ["same artist", "same album"]


def test_a_split_of_one_table_is_named_behind_a_colon(music: Path, tmp_path: Path) -> None:
    rows = ["track_id,path,split"]
    rows += [f"a,{music / 'train' / '1.flac'},train", f"b,{music / 'test' / 'same.flac'},test"]
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    code, out, err = command(f"{tmp_path / 'mine.csv'}:train", f"{tmp_path / 'mine.csv'}:test", "--no-sound")
    assert code == 3, err
    assert "same file: train a test b" in out
    code, _, err = command(f"{tmp_path / 'mine.csv'}:validation", f"{tmp_path / 'mine.csv'}:test")
    assert code == 1
    assert "holds no recordings" in err


@pytest.mark.slow
def test_near_vectors_are_hints_and_no_leaks(music: Path) -> None:
    code, out, _ = command(music / "train", music / "test", "--near", "-1", "--ignore", "same file", "--ignore",
                           "same recording")  # fmt: skip
    assert code == 0
    assert "sounds alike" in out


def test_what_is_near_is_found_block_by_block() -> None:
    rng = np.random.default_rng(0)
    train, test = (rng.normal(size=(n, 8)).astype(np.float32) for n in (300, 150))
    test[3] = 5 * train[7]
    at = threshold_of(test)
    pairs = list(nearest(train, test, at, block=64))
    assert (7, 3, 1.0) in pairs
    assert pairs == list(nearest(train, test, at, block=1000))
    unit = test / np.linalg.norm(test, axis=1, keepdims=True)
    best = (unit @ unit.T - 2 * np.eye(150)).max(1)
    assert 0 < (best > at).mean() <= 0.02
    assert np.isnan(threshold_of(test[:50]))


def test_what_is_sure_and_what_is_not_are_counted_apart() -> None:
    tracks = [Track(i, i) for i in "abcd"]
    found = {
        "same artist": [Group("x", ("t",), ("a", "b"))], "sounds alike": [Pair("t", "c", 0.99)], "same work": [],
    }  # fmt: skip
    outcome = audit([Track("t", "t")], tracks, found)
    assert outcome.figures["leaks"].value == 0.5
    assert outcome.figures["sounds alike"].value == 0.25
    assert leaks(outcome) == ["same artist"]
    assert audit([], tracks, found, ignore=["same artist"]).figures["leaks"].value == 0.0
    with pytest.raises(DataError, match="'covers'"):
        audit([], tracks, {}, ignore=["covers"])
    assert same_names(tracks, tracks, lambda t: "") == []


def _of(train: Manifest, test: Manifest):  # type: ignore[no-untyped-def]
    """The audit of two manifests, without vectors."""
    import tempfile

    folder = Path(tempfile.mkdtemp())
    for name, side in (("train", train), ("test", test)):
        absolute = [dataclasses.replace(t, path=str(Path(t.path).absolute())) for t in side]
        Manifest(absolute).write(folder / f"{name}.jsonl")
    return evaluate(
        "audit", "mel-statistics", train=str(folder / "train.jsonl"), test=str(folder / "test.jsonl"), sound=False
    ).outcome
