"""`kill -9` at random moments, then a rerun: the collection is as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ohrwurm.collection import Collection
from ohrwurm.collection.store import Store

FILES = 30
# Small batches, so that a kill can fall between many commits. A line is printed before every write to a table: the
# moments are told by the work done, not by the clock, and so fall into the work on a machine of any speed.
INDEX = """
import sys
from ohrwurm.collection import Collection, indexing, store
indexing.BATCH_FILES = 2
indexing.COMPACT_EVERY = 3
def announced(write):
    def announce(*arguments):
        print("write", flush=True)
        return write(*arguments)
    return announce
for name in ("_merge", "drop_orphans", "compact"):
    setattr(store.Store, name, announced(getattr(store.Store, name)))
Collection(sys.argv[1], models=["mel-statistics"]).index(sys.argv[2], workers=2)
"""
WRITES = 10  # of about 40 in a whole run: several kills fit into one collection

Content = dict[str, tuple[str, str, bytes, bytes, bytes, bytes]]


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill") / "music"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(FILES):
        soundfile.write(folder / f"{i:02}.wav", rng.uniform(-0.5, 0.5, 8000 + 800 * i), 8000)
    (folder / "bad.wav").write_text("no music")
    return folder


@pytest.fixture(scope="module")
def expected(music: Path) -> Content:
    """The collection of an uninterrupted run."""
    folder = music.parent / "uninterrupted"
    assert Collection(folder, models=["mel-statistics"]).index(music).indexed == FILES
    return content(folder)


def content(folder: Path) -> Content:
    """Everything but dates; fails on any duplicate or orphan."""
    collection = Collection(folder)
    tracks = collection.tracks()
    (space,) = collection.store.spaces()
    vectors = collection.store.vectors(space, [t.content for t in tracks])
    assert len({t.path for t in tracks}) == len(tracks)
    assert collection.store.count(space) == len(vectors) == len(tracks)
    assert [(Path(f.path).name, f.reason) for f in collection.errors()] == [("bad.wav", "unreadable")]
    found = {}
    for t in tracks:
        v = vectors[t.content]
        found[t.path] = (t.id, t.status, *(x.tobytes() for x in (v.track, v.windows, v.starts, v.valid)))
    return found


def index_and_kill(folder: Path, music: Path, writes: int, delay: float) -> bool:
    """Start an index run and kill it `delay` seconds after its n-th write has begun; False if it ended before."""
    command = [sys.executable, "-c", INDEX, str(folder), str(music)]
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


def kill_and_rerun(folder: Path, music: Path, expected: Content, kills: int, seed: int) -> None:
    moments = random.Random(seed)
    killed = [
        index_and_kill(folder, music, moments.randint(1, WRITES), moments.uniform(0.0, 0.05)) for _ in range(kills)
    ]
    assert killed[0]
    report = Collection(folder, models=["mel-statistics"]).index(music)
    assert report.unchanged + report.indexed == FILES
    assert content(folder) == expected
    assert Collection(folder).index(music).unchanged == FILES


def test_killed_runs_leave_no_trace(tmp_path: Path, music: Path, expected: Content) -> None:
    kill_and_rerun(tmp_path / "c", music, expected, kills=4, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 7))
def test_killed_at_twenty_moments(tmp_path: Path, music: Path, expected: Content, seed: int) -> None:
    kill_and_rerun(tmp_path / "c", music, expected, kills=4, seed=seed)


@pytest.mark.parametrize("moment", range(1, 10))
def test_a_stop_before_any_write(tmp_path: Path, music: Path, moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without chance: nothing is written from the n-th write on."""

    class Killed(BaseException):
        pass

    writes = 0

    def stopping(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes >= moment:
                raise Killed
            return real(*arguments)

        return write

    some = tmp_path / "music"
    some.mkdir()
    names = ["00.wav", "01.wav", "02.wav", "bad.wav"]
    for name in names:
        (some / name).write_bytes((music / name).read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr("ohrwurm.collection.indexing.BATCH_FILES", 2)
        for name in ("_merge", "drop_orphans", "compact"):
            patch.setattr(Store, name, stopping(getattr(Store, name)))
        with pytest.raises(Killed):
            Collection(tmp_path / "c", models=["mel-statistics"]).index(some, workers=1)
    Collection(tmp_path / "c", models=["mel-statistics"]).index(some, workers=1)
    assert sorted(Path(path).name for path in content(tmp_path / "c")) == names[:3]
