"""`ohrwurm data list | prepare | validate | describe` as one uses them, on GTZAN in miniature."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.data.benchmarks import NAMES, listing
from ohrwurm.data.benchmarks.gtzan import GENRES
from ohrwurm.data.packs import pack
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OHRWURM_DATA", raising=False)


@pytest.fixture
def gtzan(tmp_path: Path) -> Path:
    """The data root: two excerpts a genre as published, without lists."""
    for number, genre in enumerate(GENRES):
        for excerpt in range(2):
            file = tmp_path / "data" / "gtzan" / "genres" / genre / f"{genre}.{excerpt:05d}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, np.random.default_rng(10 * number + excerpt).uniform(-0.5, 0.5, 2205), 22050)
    return tmp_path / "data"


def run(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["data", *map(str, args)])
    assert result.exit_code == code, result.output[-2000:]
    return result.output


def test_list_names_every_benchmark_and_what_is_there(gtzan: Path) -> None:
    found = {entry["name"]: entry for entry in json.loads(run("list", "--data", gtzan, "--json"))}
    assert tuple(found) == NAMES
    assert found["gtzan"]["there"] == ["gtzan"]
    assert found["anthems"]["there"] == []
    assert found["gtzan"]["variants"]["filtered"]["counts"] == {"train": 443, "validation": 197, "test": 290}
    assert found["gtzan"]["audio"][0] == "wav (jukemir)"
    tagging = [entry["name"] for entry in json.loads(run("list", "--task", "tag-retrieval", "--json"))]
    assert "magnatagatune" in tagging
    assert "anthems" not in tagging
    assert "Known: versions" in run("list", "--task", "taging", code=1)
    table = run("list", "--data", gtzan)
    assert "magnatagatune/pons" in table
    assert "173 test" in table


def test_prepare_validate_and_describe(gtzan: Path, tmp_path: Path) -> None:
    """Twenty of its thousand excerpts are there."""
    out = tmp_path / "prepared"
    options = ("--source", gtzan, "--out", out, "--audio")
    made = json.loads(run("prepare", "gtzan/plain", *options, "TTMR", "--json", code=3))
    assert (made["tracks"], made["converted"], len(made["failed"])) == (1000, 20, 980)
    assert np.load(out / "audio" / "genres" / "jazz" / "jazz.00001.npy").shape == (1600,)
    again = run("prepare", "gtzan/plain", *options, "ttmr", code=3)
    assert "0 recordings converted, 20 there before; 980 failed" in again
    assert "blues.00002.wav: missing" in again
    assert f"and 960 more: ohrwurm data validate {out}" in again
    told = json.loads(run("describe", out, "--json", code=3))
    assert (told["tracks"], told["tags"], len(told["missing files"])) == (1000, 10, 980)
    named = json.loads(run("describe", "gtzan/filtered", "--data", gtzan, "--json", code=3))
    assert named["splits"] == {"train": 443, "validation": 197, "test": 290}
    said = run("validate", out, code=3)
    assert said.startswith(f"gtzan/plain in {out}")
    assert "without a split: 20 of 1,000 tracks; each missing track can move accuracy by at most 0.10 points" in said
    by_name = json.loads(run("validate", "gtzan/plain", "--data", gtzan, "--quick", "--json", code=3))
    assert by_name["splits"] == {"": {"published": 1000, "listed": 1000, "usable": 20}}


def test_a_whole_set_is_said_to_be_whole(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("path,tags\na.wav,jazz\nb.wav,rock\n")
    for number, name in enumerate(("a.wav", "b.wav")):
        soundfile.write(tmp_path / name, np.random.default_rng(number).uniform(-0.5, 0.5, 2205), 22050)
    assert run("validate", table, "--decode").endswith("2 of 2 tracks\nNothing is missing.\n")


def test_a_set_is_prepared_beside_the_others_where_it_is_found(gtzan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "OHRWURM_DATA" in run("prepare", "gtzan/plain", "--source", gtzan, code=1)
    monkeypatch.setenv("OHRWURM_DATA", str(gtzan))
    run("prepare", "gtzan/plain", "--audio", "keep", code=3)
    run("prepare", "gtzan/plain", "--audio", "keep", code=3)  # from the published one again, not from itself
    assert (gtzan / "gtzan-plain" / "prepared.json").is_file()
    assert run("validate", "gtzan/plain", "--quick", code=3).startswith(f"gtzan/plain in {gtzan / 'gtzan-plain'}")
    assert json.loads(run("list", "--json"))[NAMES.index("gtzan")]["there"] == ["gtzan", "gtzan-plain"]
    (gtzan / "file").write_text("")
    assert "no folder can be made there" in run("prepare", "gtzan", "--out", gtzan / "file" / "x", code=1)


def test_wrong_names_say_what_there_is(tmp_path: Path) -> None:
    assert "Known: anthems" in run("prepare", "gzan", "--out", tmp_path / "out", code=1)
    said = run("prepare", "gtzan", "--out", tmp_path / "out", "--audio", "mp3", code=1)
    assert "published, keep, jukemir, TTMR" in said
    assert "or one of wav, flac, npy with a rate in Hz" in said
    assert "neither a benchmark (ohrwurm data list) nor" in run("validate", tmp_path / "gzan", code=1)
    assert "--source FOLDER" in run("prepare", "gtzan", "--out", tmp_path / "out", "--source", tmp_path, code=1)


def test_sets_for_measuring_are_refused_for_training(tmp_path: Path) -> None:
    folder = tmp_path / "emotify_half"
    folder.mkdir()
    (folder / "manifest.csv").write_text("file,work,status\na.wav,w,verified\nb.wav,w,verified\n")
    for name in ("a.wav", "b.wav"):
        soundfile.write(folder / name, np.random.default_rng(0).uniform(-0.5, 0.5, 2205), 22050)
    run("prepare", "anthems", "--source", folder, "--out", tmp_path / "out")
    pack(Manifest.read(tmp_path / "out" / "manifest.csv"), tmp_path / "packed", 16000, benchmark="anthems")
    for source in (folder, folder / "manifest.csv", tmp_path / "out", tmp_path / "out" / "manifest.csv"):
        with pytest.raises(DataError, match="holds anthems, which is for measuring only"):
            open_recordings(source, 16000)
        assert "which is for measuring only" in run("pack", source, "--out", tmp_path / "other", code=1)
    assert not (tmp_path / "other").exists()
    with pytest.raises(DataError, match="holds anthems, which is for measuring only"):
        open_recordings(tmp_path / "packed", 16000)


def test_a_pack_of_a_benchmark_that_trains_knows_it(gtzan: Path, tmp_path: Path) -> None:
    run("pack", gtzan / "gtzan", "--out", tmp_path / "packed", code=3)  # most of the miniature has no audio
    assert json.loads((tmp_path / "packed" / "pack.json").read_text())["benchmark"] == "gtzan"
    assert open_recordings(tmp_path / "packed", 16000).tracks


def test_the_table_of_the_docs_is_up_to_date() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text.partition("<!-- ohrwurm data list --markdown -->\n")[2].partition("<!-- end -->")[0]
    assert table.strip() == listing.markdown().strip(), "run: python docs/benchmarks.py"
    assert run("list", "--markdown") == listing.markdown()
