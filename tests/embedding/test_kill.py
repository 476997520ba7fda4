"""`kill -9` at random moments, then a rerun: the output is that of a run that nothing interrupted, byte for byte."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ohrwurm.embedding import embed_to_file, read_embeddings
from ohrwurm.embedding.output import SUFFIXES
from ohrwurm.models import registry

FILES = 30
# Small batches, so that a kill can fall between many writes. A line is printed before every write: the moments are told
# by the work done, not by the clock, and so fall into the work on a machine of any speed.
EMBED = """
import sys
from pathlib import Path
from ohrwurm.embedding import embed_to_file, job, parts
from ohrwurm.models import registry
job.BATCH_FILES = 2
def announced(write):
    def announce(*arguments, **options):
        print("write", flush=True)
        return write(*arguments, **options)
    return announce
parts.save_file = announced(parts.save_file)
job.write_embeddings = announced(job.write_embeddings)
parts.Parts.remove = announced(parts.Parts.remove)
files = sorted(Path(sys.argv[2]).glob("*.wav"))
embed_to_file(sys.argv[1], files, registry.load(sys.argv[3]), frames=sys.argv[3] != "mel-statistics", workers=2)
"""
WRITES = FILES // 2 + 2


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill") / "music"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(FILES - 1):
        soundfile.write(folder / f"{i:02}.wav", rng.uniform(-0.5, 0.5, 8000 + 800 * i), 8000)
    (folder / "bad.wav").write_text("no music")
    return folder


def start_and_kill(out: Path, music: Path, model: str, writes: int, delay: float) -> bool:
    """Start a job and kill it `delay` seconds after its n-th write has begun; False if it ended before."""
    command = [sys.executable, "-c", EMBED, str(out), str(music), model]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(writes):
        if process.stdout.readline() != "write\n":
            assert process.wait() == 0
            return False
    time.sleep(delay)
    process.kill()
    process.stdout.close()
    return process.wait() == -signal.SIGKILL


def kill_and_rerun(out: Path, music: Path, model: str, kills: list[tuple[int, float]]) -> None:
    assert start_and_kill(out, music, model, *kills[0])
    for writes, delay in kills[1:]:
        start_and_kill(out, music, model, writes, delay)
    files, frames = sorted(music.glob("*.wav")), model != "mel-statistics"
    encoder = registry.load(model)
    embed_to_file(out, files, encoder, frames=frames)
    reference = out.with_name(f"reference{out.suffix}")
    embed_to_file(reference, files, encoder, frames=frames)
    assert out.read_bytes() == reference.read_bytes()
    table = read_embeddings(out)
    assert table.paths == tuple(str(file) for file in files if file.name != "bad.wav")
    assert [Path(error.path).name for error in table.errors] == ["bad.wav"]
    assert {path.name for path in out.parent.iterdir()} == {out.name, reference.name}


def test_killed_runs_leave_no_trace(tmp_path: Path, music: Path) -> None:
    kill_and_rerun(tmp_path / "out.npz", music, "mel-statistics", [(4, 0.01)])


@pytest.mark.slow
def test_killed_while_the_output_is_written(tmp_path: Path, music: Path) -> None:
    kill_and_rerun(tmp_path / "out.safetensors", music, "mel-statistics", [(WRITES - 1, 0.001)])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mel-statistics", "ohrwurm-text"])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_many_moments(tmp_path: Path, music: Path, seed: int, suffix: str, model: str) -> None:
    moments = random.Random(seed)
    kills = [(moments.randint(1, WRITES // 2 if i == 0 else WRITES), moments.uniform(0.0, 0.02)) for i in range(5)]
    kill_and_rerun(tmp_path / f"out{suffix}", music, model, kills)
