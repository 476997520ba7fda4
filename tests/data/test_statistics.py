"""Statistics of a corpus: what one pass over everything would give, however it is cut, shared, or interrupted."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from ohrwurm.audio.statistics import Moments
from ohrwurm.cli import app
from ohrwurm.data import statistics
from ohrwurm.data.packs import pack
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.statistics import feature_moments
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.models.musicfm import MusicFM, read_statistics

RATE = 24000


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """40 recordings of 0.02 to 0.8 s and one that is no audio."""
    tracks = []
    for i in range(40):
        draw = np.random.default_rng(i)
        audio = draw.uniform(-0.9, 0.9, 480 + 480 * i) * (i % 5 > 0)
        soundfile.write(tmp_path / f"{i}.wav", audio, RATE, subtype="FLOAT")
        tracks.append(Track(str(i), str(tmp_path / f"{i}.wav"), split="train" if i % 2 else "test"))
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    Manifest([*tracks, Track("bad", str(tmp_path / "bad.wav"))]).write(tmp_path / "corpus.csv")
    return tmp_path / "corpus.csv"


def everything(corpus: Path) -> np.ndarray:
    """All mel decibels that the model hears, at once."""
    model = MusicFM({"mean": 0.0, "std": 1.0}, channels=4, dim=16, depth=1, heads=2, ffn=8)
    pieces = [soundfile.read(t.path, dtype="float32")[0] for t in Manifest.read(corpus) if t.track_id != "bad"]
    return np.concatenate(
        [model.features(torch.from_numpy(p)[None]).double().numpy().ravel() for p in pieces if len(p) > 1024]
    )


def test_moments_of_parts_are_those_of_the_whole() -> None:
    x = 1e4 + torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = Moments()
    for part in x.split([1, 0, 10, 489, 500]):
        total += Moments.of(part)
    assert total.count == 1000
    assert total.mean == pytest.approx(x.mean().item(), rel=1e-14)
    assert total.std == pytest.approx(x.std(correction=0).item(), rel=1e-10)


def test_command_writes_what_the_model_is_to_be_given(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "stats.json"
    command = ["data", "statistics", str(corpus), "--out", str(out), "--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(app, [*command, "--workers", "2", "--json"])
    assert result.exit_code == 3  # one recording is none
    assert json.loads(result.stdout)["failed"][0][0].endswith("bad.wav")
    expected, found = everything(corpus), json.loads(out.read_text())
    assert found["melspec_2048_cnt"] == expected.size
    assert read_statistics(out) == pytest.approx({"mean": expected.mean(), "std": expected.std()}, rel=1e-9)
    assert CliRunner().invoke(app, [*command, "--tracks", "0"]).exit_code == 2
    half = CliRunner().invoke(app, [*command, "--split", "train", "--json"])
    assert half.exit_code == 0
    assert 0 < json.loads(half.stdout)["hours"] < json.loads(result.stdout)["hours"]


def test_interrupted_pass_goes_on_where_it_was(corpus: Path, tmp_path: Path) -> None:
    recordings = open_recordings(corpus, RATE)
    seen: list[int] = []

    def loudness(piece: torch.Tensor) -> torch.Tensor:
        seen.append(piece.shape[1])
        if len(seen) == 20:
            raise KeyboardInterrupt
        return piece

    def measure(folder: Path, workers: int = 1, identity: str = "samples") -> Moments:
        rows = range(len(recordings.tracks))
        return feature_moments(recordings, rows, loudness, folder, identity=identity, workers=workers).moments

    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "parts")
    before = len(seen)
    resumed = measure(tmp_path / "parts")
    assert len(seen) == before + 40 - statistics.TOGETHER
    assert measure(tmp_path / "parts") == resumed
    assert len(seen) == before + 40 - statistics.TOGETHER
    assert measure(tmp_path / "elsewhere", workers=3) == resumed  # to the last digit, in any order
    before = len(seen)
    measure(tmp_path / "parts", identity="other features")
    assert len(seen) == before + 40


def _measure(corpus: Path, folder: Path, results: multiprocessing.Queue) -> None:
    recordings = open_recordings(corpus, RATE)
    found = feature_moments(recordings, range(len(recordings.tracks)), torch.square, folder, identity="squares")
    results.put((found.moments.count, found.moments.mean, found.moments.std))


def test_processes_on_one_corpus_do_not_disturb_each_other(corpus: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_measure, args=(corpus, tmp_path / "parts", results)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert len(set(found)) == 1


def test_recording_that_changed_is_measured_again(corpus: Path, tmp_path: Path) -> None:
    def mean() -> float:
        recordings = open_recordings(corpus, RATE)
        rows = range(len(recordings.tracks))
        return feature_moments(recordings, rows, lambda x: x, tmp_path / "parts", identity="").moments.mean

    before = mean()
    soundfile.write(tmp_path / "1.wav", np.ones(24000), RATE, subtype="FLOAT")
    assert mean() > before + 0.01


def test_pack_has_the_statistics_of_its_files(corpus: Path, tmp_path: Path) -> None:
    pack(Manifest.read(corpus), tmp_path / "packed", RATE)
    both = []
    for source in (corpus, tmp_path / "packed"):
        recordings = open_recordings(source, RATE)
        rows = range(len(recordings.tracks))
        both.append(feature_moments(recordings, rows, torch.square, tmp_path / f"{source.name}-parts", identity=""))
    assert both[0].moments.count == both[1].moments.count
    assert both[1].moments.mean == pytest.approx(both[0].moments.mean, rel=1e-4)


def test_nothing_to_measure_is_an_error(corpus: Path, tmp_path: Path) -> None:
    recordings = open_recordings(corpus, RATE)
    with pytest.raises(DataError, match="none of 2 recordings could be measured: they are too short"):
        feature_moments(recordings, [0, 1], lambda x: x, tmp_path, identity="", minimum=1025)
