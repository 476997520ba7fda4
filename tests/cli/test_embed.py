from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

import ohrwurm as package
from ohrwurm.cli import app
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.embedding import read_embeddings
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard, ReadOut
from ohrwurm.models.registry import architecture, register_card


@architecture("test-cli-blocks")
class Blocks(AudioEncoder):
    """Mean and level of every 20 ms, and of every 10 ms in layer 0; in bf16 if asked."""

    layer = 1

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([1.0, 0.7]))

    @property
    def layers(self) -> dict[int, ReadOut]:
        return {0: ReadOut(2, 100.0), 1: ReadOut(2, 50.0)}

    @property
    def precisions(self) -> tuple[Any, ...]:
        return ("fp32", "bf16")

    def forward(self, waveform: Tensor) -> Encoded:
        blocks = waveform.unflatten(1, (-1, 160 if self.layer else 80))
        kind = torch.bfloat16 if self.precision == "bf16" else torch.float32
        frames = torch.stack([blocks.mean(2), blocks.abs().mean(2)], 2).to(kind) * self.scale.to(kind)
        return Encoded(frames.float().mean(1), frames.float())


register_card(
    ModelCard(
        "test-cli-blocks", "test-cli-blocks", 8000, 1.0, 0.5, 2, ("sound",), "", layer=1, frame_rate=50.0,
        features={"learned": False}, published={"remainder": "drop", "short": "refuse", "note": "a paper"},
        agreement={"bf16": {"cosine": 0.9999, "measured": "these tests"}},
    )
)  # fmt: skip


def ohrwurm(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["embed", *map(str, arguments)], catch_exceptions=True)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def answer(*arguments: str | Path, code: int = 0) -> Any:
    return json.loads(ohrwurm(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good files in two folders, a bad one, and a text that is none of our business."""
    folder = tmp_path_factory.mktemp("embed") / "music"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, seconds in (("b", 2.6), ("a", 1.0), ("more/c", 0.4)):
        soundfile.write(folder / f"{name}.wav", rng.uniform(-0.5, 0.5, int(8000 * seconds)), 8000)
    (folder / "bad.wav").write_text("no music")
    (folder / "notes.txt").write_text("words")
    return folder


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".safetensors"])
def test_a_folder(music: Path, tmp_path: Path, suffix: str) -> None:
    report = answer(music, "--model", "test-cli-blocks", "--out", tmp_path / f"out{suffix}", "--frames", code=3)
    table = read_embeddings(tmp_path / f"out{suffix}")
    assert [Path(p).name for p in table.paths] == ["a.wav", "b.wav", "c.wav"]
    assert (report["files"], report["embedded"], report["reused"], report["dim"]) == (4, 3, 0, 2)
    assert report["provenance"] == table.card.provenance
    assert [(Path(e["path"]).name, e["reason"]) for e in report["errors"]] == [("bad.wav", "unreadable")]
    assert table.frames is not None
    assert [len(f) for f in table.frames] == [50, 130, 20]
    single = package.embed(music / "b.wav", "test-cli-blocks", frames=True)
    np.testing.assert_array_equal(single.frames, table.frames[1])


def test_arrays_of_a_manifest_are_audio_of_the_rate_that_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sound = np.random.default_rng(3).uniform(-0.5, 0.5, 16000).astype(np.float32)
    soundfile.write("a.wav", sound, 8000, subtype="FLOAT")
    np.save("a.npy", sound)
    np.save("b.npy", sound)
    Path("mine.csv").write_text("track_id,path,sample_rate\nwave,a.wav,\narray,a.npy,8000\nsilent about it,b.npy,\n")
    ohrwurm("mine.csv", "--model", "test-cli-blocks", "--out", "out.npz", code=3)
    table = read_embeddings("out.npz")
    assert table.track_ids == ("wave", "array")
    np.testing.assert_array_equal(table.vectors[0], table.vectors[1])
    assert [(e.track_id, "sample_rate" in e.detail) for e in table.errors] == [("silent about it", True)]


def test_files_and_a_manifest(music: Path, tmp_path: Path) -> None:
    tracks = [Track("second", str(music / "b.wav")), Track("lost", str(music / "lost.wav"))]
    for suffix in (".csv", ".jsonl", ".parquet"):
        Manifest(tracks).write(tmp_path / f"mine{suffix}")
        out = tmp_path / f"{suffix[1:]}.npz"
        report = answer(tmp_path / f"mine{suffix}", music / "a.wav", "--model", "test-cli-blocks", "--out", out, code=3)
        assert read_embeddings(out).track_ids == ("second", str(music / "a.wav"))
        assert [(e["track_id"], e["reason"]) for e in report["errors"]] == [("lost", "missing")]


def test_options_reach_the_model(music: Path, tmp_path: Path) -> None:
    def vectors(name: str, *options: str, code: int = 0) -> Any:
        arguments = (music / "a.wav", music / "b.wav", music / "more" / "c.wav", "--model", "test-cli-blocks")
        ohrwurm(*arguments, "--out", tmp_path / f"{name}.npz", *options, code=code)
        return read_embeddings(tmp_path / f"{name}.npz")

    plain = vectors("plain", "--batch-size", "3", "--workers", "2", "--device", "cpu")
    assert (plain.card.precision, plain.card.layer, plain.card.protocol) == ("fp32", 1, "ohrwurm")
    layer = vectors("layer", "--layer", "0", "--frames")
    assert (layer.card.layer, layer.frame_rate) == (0, 100.0)
    published = vectors("published", "--protocol", "published", code=3)
    assert [(e.reason, Path(e.path).name) for e in published.errors] == [("too-short", "c.wav")]
    low = vectors("low", "--precision", "bf16")
    auto = vectors("auto", "--precision", "auto")
    assert low.card.precision == auto.card.precision == "bf16"
    np.testing.assert_array_equal(low.vectors, auto.vectors)
    cosine = (low.vectors * plain.vectors).sum(1)
    assert 0.9999 < cosine.min() < 1
    assert len({t.card.provenance for t in (plain, layer, published, low)}) == 4
    refused = ohrwurm(music, "--model", "test-cli-blocks", "--out", tmp_path / "plain.npz", "--layer", "0", code=1)
    assert "holds vectors of test-cli-blocks:" in refused.stderr


def test_second_run_and_what_it_prints(music: Path, tmp_path: Path) -> None:
    first = ohrwurm(music, "--model", "test-cli-blocks", "--out", tmp_path / "out.npz", code=3)
    assert "4 files: 3 embedded" in first.stdout
    assert "bad.wav: unreadable" in first.stderr
    assert "3 done before" in ohrwurm(music, "--model", "test-cli-blocks", "--out", tmp_path / "out.npz", code=3).stdout
    good = [music / "a.wav", music / "b.wav"]
    assert "failed" not in ohrwurm(*good, "--model", "test-cli-blocks", "--out", tmp_path / "good.npz").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "x.pkl"), ".npz, .parquet, .safetensors"),
        (("--model", "nothing"), "no model named"),
        (("--layer", "7"), "layers 0 to 1"),
        (("--precision", "int8"), "not in int8"),
        (("--device", "abacus"), "no device"),
        (("--model", "mel-statistics", "--frames"), "without frames"),
        (("--model", "mel-statistics", "--protocol", "published"), "no published windowing"),
        (("--model", "mel-statistics", "--layer", "3"), "no choice of layers"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_said_in_one_line(music: Path, tmp_path: Path, options: Any, message: str) -> None:
    model = () if "--model" in options else ("--model", "test-cli-blocks")
    out = () if "--out" in options else ("--out", tmp_path / "out.npz")
    done = ohrwurm(music, *model, *out, *options, code=1)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.npz").exists()


def test_nothing_to_do_and_wrong_usage(tmp_path: Path) -> None:
    assert "No audio files" in ohrwurm(tmp_path, "--out", tmp_path / "out.npz", code=3).stderr
    assert answer(tmp_path, "--out", tmp_path / "out.npz", code=3)["files"] == 0
    assert "does not exist" in ohrwurm(tmp_path / "none.wav", code=1).stderr
    ohrwurm(code=2)
    ohrwurm(tmp_path, "--precision", "fp8", code=2)
    ohrwurm(tmp_path, "--protocol", "mine", code=2)
    ohrwurm(tmp_path, "--batch-size", "0", code=2)


def test_help_has_an_example_and_the_exit_codes() -> None:
    out = ohrwurm("--help").stdout
    for words in ("Example: ohrwurm embed", "--json", "Exit codes", "read_embeddings"):
        assert words in out


@pytest.mark.slow
def test_control_c_keeps_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        soundfile.write(tmp_path / "music" / f"{i:02}.wav", rng.uniform(-0.5, 0.5, 160_000), 16000)
    code = """
import os, signal
from ohrwurm.embedding import job
real = job.Parts.add
def add(self, batch):
    real(self, batch)
    os.kill(os.getpid(), signal.SIGINT)
job.Parts.add = add
job.BATCH_FILES = 5
from ohrwurm.__main__ import main
main()
"""
    command = ["embed", str(tmp_path / "music"), "--model", "mel-statistics", "--out", str(tmp_path / "out.npz")]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 128 + signal.SIGINT
    assert "Run the same command to go on" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.npz").exists()
    report = answer(*command[1:])
    assert 5 <= report["reused"] < 40
    assert report["reused"] + report["embedded"] == 40
