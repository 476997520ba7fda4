"""Many files → one file: the same bytes whatever the way there, one bad file costs itself, nothing is mixed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from small import SmallConvolution

from ohrwurm.embedding import embed, embed_to_file, job, parts, read_embeddings
from ohrwurm.embedding.output import SUFFIXES, Unusable
from ohrwurm.errors import CardError, DataError, ModelError
from ohrwurm.locks import holding
from ohrwurm.models import registry


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """13 short files; the fourth is no audio, the last does not exist."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(1)
    for i in range(12):
        soundfile.write(folder / f"{i:02}.wav", rng.uniform(-0.5, 0.5, 4000 + 1800 * ((7 * i) % 12)), 8000)
    (folder / "03.wav").write_text("no music")
    return [*sorted(folder.glob("*.wav")), folder / "gone.wav"]


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were embedded, in order."""
    heard: list[str] = []
    real = job.try_file

    def counting(path: Any, *arguments: Any, **options: Any) -> Any:
        heard.append(Path(path).name)
        return real(path, *arguments, **options)

    monkeypatch.setattr(job, "try_file", counting)
    return heard


def test_rows_are_the_vectors_of_the_files_in_their_order(many, model, tmp_path):
    order = [many[i] for i in np.random.default_rng(2).permutation(len(many))]
    progress: list[tuple[int, int]] = []
    report = embed_to_file(
        tmp_path / "out.npz", order, model, frames=True, workers=3, progress=lambda *now: progress.append(now)
    )
    table = read_embeddings(tmp_path / "out.npz")
    good = [path for path in order if path.name not in ("03.wav", "gone.wav")]
    assert table.paths == table.track_ids == tuple(map(str, good))
    assert table.card == model.card
    for row, one in enumerate(embed(good, model, frames=True)):
        np.testing.assert_array_equal(table.vectors[row], one.vector)
        np.testing.assert_array_equal(table.frames[row], one.frames)
        np.testing.assert_array_equal(table.frame_times[row], one.frame_times)
        assert table.durations[row] == one.duration
        assert table.flags[row] == one.flags
        assert (table.sizes[row], table.modified[row]) == (
            os.path.getsize(one.path),
            os.stat(one.path).st_mtime_ns,
        )
    assert table.frame_rate == one.frame_rate
    assert {(Path(e.path).name, e.reason) for e in table.errors} == {("03.wav", "unreadable"), ("gone.wav", "missing")}
    assert report.errors == table.errors
    assert (report.files, report.embedded, report.reused) == (13, 11, 0)
    assert report.audio_seconds == pytest.approx(table.durations.sum())
    assert progress == [(i, 12) for i in range(13)]
    assert os.listdir(tmp_path) == ["out.npz"]


def test_same_bytes_for_any_batch_size_and_workers(many, model, tmp_path, monkeypatch):
    outputs = set()
    for workers, batch_size, batch_files in [(1, 8, 16), (3, 1, 2), (2, 64, 5)]:
        monkeypatch.setattr(job, "BATCH_FILES", batch_files)
        out = tmp_path / f"{workers}.npz"
        embed_to_file(out, many, model, frames=True, workers=workers, batch_size=batch_size)
        outputs.add(out.read_bytes())
    assert len(outputs) == 1


class Stopped(BaseException):
    pass


def stop_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be written from the n-th write on: a shard, the output, the end of the parts."""
    written = 0

    def stopping(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            nonlocal written
            written += 1
            if written >= moment:
                raise Stopped
            return real(*arguments, **options)

        return write

    monkeypatch.setattr(parts, "save_file", stopping(parts.save_file))
    monkeypatch.setattr(job, "write_embeddings", stopping(job.write_embeddings))
    monkeypatch.setattr(parts.Parts, "remove", stopping(parts.Parts.remove))


@pytest.mark.parametrize("moment", range(1, 6))
def test_stopped_before_any_write_and_run_again(many, model, tmp_path, moment, listened):
    few = [*many[:6], many[-1]]  # two shards of at most three, the output, the end
    reference = tmp_path / "reference.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "BATCH_FILES", 3)
        embed_to_file(reference, few, model)
        listened.clear()
        with pytest.MonkeyPatch.context() as stop:
            stop_at(moment, stop)
            if moment < 5:
                with pytest.raises(Stopped):
                    embed_to_file(tmp_path / "out.npz", few, model, workers=1)
            else:
                embed_to_file(tmp_path / "out.npz", few, model, workers=1)
        again = len(listened)
        if moment < 4:
            assert not (tmp_path / "out.npz").exists()
        report = embed_to_file(tmp_path / "out.npz", few, model, workers=1)
    assert len(listened) - again == {1: 6, 2: 3, 3: 0, 4: 0, 5: 1}[moment]  # at last the one that failed, once more
    assert report.embedded + report.reused == 5
    assert (tmp_path / "out.npz").read_bytes() == reference.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["out.npz", "reference.npz"]


def test_second_run_embeds_what_is_new_or_changed(many, model, tmp_path, listened):
    music = [tmp_path / path.name for path in many[:5]]
    for path, source in zip(music, many, strict=False):
        path.write_bytes(source.read_bytes())
    out = tmp_path / "out.parquet"
    embed_to_file(out, music[:4], model, frames=True)
    before = out.stat()
    listened.clear()
    report = embed_to_file(out, [m for m in music[:4] if m.name != "03.wav"], model, frames=True)
    assert (listened, report.embedded, report.reused) == ([], 0, 3)
    assert out.stat().st_mtime_ns > before.st_mtime_ns  # the failure is gone from the list
    unchanged = out.stat().st_mtime_ns
    embed_to_file(out, [m for m in music[:4] if m.name != "03.wav"], model, frames=True)
    assert out.stat().st_mtime_ns == unchanged
    music[1].write_bytes(many[6].read_bytes())
    report = embed_to_file(out, music, model, frames=True)
    assert sorted(listened) == ["01.wav", "03.wav", "04.wav"]
    assert (report.embedded, report.reused, [e.reason for e in report.errors]) == (2, 2, ["unreadable"])
    embed_to_file(tmp_path / "fresh.parquet", music, model, frames=True)
    assert out.read_bytes() == (tmp_path / "fresh.parquet").read_bytes()


def interrupted(many, model, out, **options):
    with pytest.MonkeyPatch.context() as stop:
        stop_at(2, stop)
        stop.setattr(job, "BATCH_FILES", 2)
        with pytest.raises(Stopped):
            embed_to_file(out, many[:6], model, workers=1, **options)


@pytest.mark.parametrize("finished", [False, True], ids=["parts", "output"])
def test_another_way_of_embedding_is_noticed_and_nothing_touched(many, tmp_path, finished):
    out = tmp_path / "out.npz"
    base = registry.load("test-embedding-levels")
    if finished:
        embed_to_file(out, many[:6], base)
    else:
        interrupted(many, base, out)
    held = contents(tmp_path)
    for change in ("weights", "layer", "protocol", "frames", "precision", "window"):
        options: dict[str, Any] = {}
        changed = base
        if change in ("weights", "precision"):
            changed = registry.load("test-embedding-levels")
            field = {"sha256": "0" * 64} if change == "weights" else {"precision": "bf16"}
            changed.card = dataclasses.replace(changed.card, **field)  # type: ignore[arg-type]
        elif change == "layer":
            changed = registry.load("test-embedding-levels", layer=0)
        elif change == "window":
            changed = registry.load("test-embedding-levels", hop=1.0)
        else:
            options = {"protocol": "published"} if change == "protocol" else {"frames": True}
        with pytest.raises(DataError, match=r"holds (vectors|unfinished work) of test-embedding-levels:.*this run is"):
            embed_to_file(out, many[:6], changed, **options)
        assert contents(tmp_path) == held, change
        assert (tmp_path / "out.npz.parts").exists() == (not finished), change
    embed_to_file(out, many[:6], base)  # the right one goes on
    assert len(read_embeddings(out)) == 5


def test_refusal_says_what_differs(many, tmp_path):
    embed_to_file(tmp_path / "out.npz", many[:2], registry.load("test-embedding-levels"))
    other = registry.load("test-embedding-levels", layer=0, hop=1.0)
    with pytest.raises(DataError, match=r"\(layer 1 there, 0 here; hop 0.5 there, 1.0 here\)\. Write to another"):
        embed_to_file(tmp_path / "out.npz", many[:2], other)
    other = registry.load("test-embedding-levels")
    other.card = dataclasses.replace(other.card, sha256="0" * 64)
    with pytest.raises(DataError, match=r"\(other weights\)"):
        embed_to_file(tmp_path / "out.npz", many[:2], other)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_shard_torn_by_a_power_cut_is_made_again(many, model, tmp_path, listened):
    interrupted(many, model, tmp_path / "out.npz")
    (shard,) = (tmp_path / "out.npz.parts").glob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:100])
    (tmp_path / "out.npz.parts" / ".half.tmp.safetensors").write_bytes(b"12345")
    listened.clear()
    embed_to_file(tmp_path / "out.npz", many[:6], model)
    assert len(listened) == 6
    assert len(read_embeddings(tmp_path / "out.npz")) == 5


def test_track_ids_of_a_manifest_and_what_was_unusable_before(many, model, tmp_path):
    tracks = [("b", many[1]), ("a", many[0]), ("again", many[1])]
    gone = Unusable("folder", "/locked", "unreadable", "permission denied")
    report = embed_to_file(tmp_path / "out.npz", tracks, model, errors=[gone])
    table = read_embeddings(tmp_path / "out.npz")
    assert table.track_ids == ("b", "a", "again")
    np.testing.assert_array_equal(table.vectors[0], table.vectors[2])
    assert table.errors == (gone,)
    assert report.files == 4
    with pytest.raises(DataError, match="make the ids unique"):
        embed_to_file(tmp_path / "other.npz", [("a", many[0]), ("a", many[1])], model)


def test_all_files_bad_is_a_result_too(many, model, tmp_path):
    for suffix in SUFFIXES:
        report = embed_to_file(tmp_path / f"out{suffix}", [many[3], many[-1]], model, frames=True)
        table = read_embeddings(tmp_path / f"out{suffix}")
        assert (len(table), table.vectors.shape, len(table.errors)) == (0, (0, 6), 2)
        assert report.embedded == 0


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_name_that_is_no_text_is_listed(model, tmp_path):
    soundfile.write(tmp_path / "good.wav", np.zeros(8000), 8000)
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    os.link(tmp_path / "good.wav", strange)
    report = embed_to_file(tmp_path / "out.parquet", [strange, tmp_path / "good.wav"], model)
    assert [(e.reason, Path(e.path).name) for e in report.errors] == [("name", "caf\\xe9.wav")]
    assert len(read_embeddings(tmp_path / "out.parquet")) == 1


def test_model_that_cannot_keep_its_promise_ends_the_job(many, tmp_path):
    with pytest.raises(CardError, match="promises"):
        embed_to_file(tmp_path / "out.npz", many, SmallConvolution(dim=7))
    with pytest.raises(CardError, match="without frames"):
        embed_to_file(tmp_path / "out.npz", many, registry.load("mel-statistics"), frames=True)
    with pytest.raises(ModelError, match="no published windowing"):
        embed_to_file(tmp_path / "out.npz", many, SmallConvolution(), protocol="published")
    assert not (tmp_path / "out.npz").exists()


def test_two_runs_at_once_and_strange_outputs_are_refused(many, model, tmp_path):
    (tmp_path / "out.npz.parts").mkdir()
    with holding(tmp_path / "out.npz.parts" / ".lock"), pytest.raises(DataError, match="another run"):
        embed_to_file(tmp_path / "out.npz", many, model)
    np.savez(tmp_path / "mine.npz", precious=np.ones(3))
    with pytest.raises(DataError, match="not a file of embeddings"):
        embed_to_file(tmp_path / "mine.npz", many, model)
    with np.load(tmp_path / "mine.npz") as kept:
        assert kept["precious"].tolist() == [1, 1, 1]
    with pytest.raises(DataError, match="embeddings are kept in"):
        embed_to_file(tmp_path / "out.pickle", many, model)
