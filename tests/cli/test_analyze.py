"""`ohrwurm analyze` as people and programs meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_up import tone
from typer.testing import CliRunner, Result

from ohrwurm.analysis.formats import from_json
from ohrwurm.cli import app
from ohrwurm.collection import Collection


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings in two folders, a bad one, clicks of an earlier run, and a text."""
    folder = tmp_path_factory.mktemp("analyze") / "music"
    (folder / "more").mkdir(parents=True)
    tone(folder / "a.wav", 1.0)
    tone(folder / "more" / "a.wav", 1.2, 11025, 1)
    tone(folder / "a.click.flac", 1.0)
    (folder / "bad.wav").write_text("no music")
    (folder / "notes.txt").write_text("words")
    return folder


def ohrwurm(*arguments: str | Path, model: Path, code: int = 0) -> Result:
    command = ["analyze", *map(str, arguments), "--model", str(model), "--workers", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_summary_is_printed(music: Path, headed_folder: Path) -> None:
    result = ohrwurm(music / "a.wav", model=headed_folder)
    lines = result.stdout.splitlines()
    assert lines[0] == f"{music / 'a.wav'}  0:01"
    assert [line.split()[0] for line in lines[1:4]] == ["tempo", "key", "sections"]
    assert any(line.startswith("  note     short: 1 s") for line in lines)
    assert result.stderr == ""


def test_programs_get_a_line_a_recording(music: Path, headed_folder: Path) -> None:
    result = ohrwurm(music, "--tasks", "key, tags", "--json", model=headed_folder, code=3)
    found = rows(result)
    assert [Path(row["file"]).name for row in found] == ["a.wav", "bad.wav", "a.wav"]
    assert found[1]["error"] == "unreadable"
    assert found[0]["key"] is not None and found[0]["beats"] is None  # noqa: PT018
    assert from_json(result.stdout.splitlines()[2]).duration == pytest.approx(1.2)
    assert result.stderr == ""


def test_files_are_written_and_kept(music: Path, headed_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = ohrwurm(music, "--out", out, "--format", "json,csv", "--tasks", "key", model=headed_folder, code=3)
    assert {str(f.relative_to(out)) for f in out.rglob("*") if f.is_file() and ".ohrwurm" not in f.parts} == {
        "a.json", "a.track.csv", "a.keys.csv", "more/a.json", "more/a.track.csv", "more/a.keys.csv",
    }  # fmt: skip
    assert result.stdout.startswith("3 files: 2 analyzed in ")
    assert "1 failed; the next run tries them again" in result.stdout
    assert f"{out}: 6 files written" in result.stdout
    assert result.stderr.startswith(f"{music / 'bad.wav'}: unreadable (")
    again = ohrwurm(music, "--out", out, "--tasks", "key", "--json", model=headed_folder, code=3)
    assert [row.get("written") for row in rows(again)] == [[], None, []]
    more = ohrwurm(music / "a.wav", music / "more", "--out", out, "--tasks", "key", "--format", "lab",
                   model=headed_folder)  # fmt: skip
    assert more.stdout.splitlines()[1].split() == ["2", "done", "before"]
    assert (out / "more" / "a.key.lab").is_file()


def test_a_collection_is_filled_once(music: Path, headed_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "collection"
    collection = Collection(folder, models=["mel-statistics"])
    collection.index([music / "a.wav", music / "more"])
    first = ohrwurm("--collection", folder, "--tasks", "beats,key", model=headed_folder)
    assert first.stdout.startswith("2 files: 2 analyzed in ")
    key = Collection(folder).analysis(music / "a.wav")["key"]["label"]
    assert [t.path for t in Collection(folder).tracks(f"key = '{key}'")].count(str(music / "a.wav")) == 1
    nothing = ohrwurm("--collection", folder, "--tasks", "beats", model=headed_folder)
    assert nothing.stderr == "Nothing to do.\n"
    (music / "more" / "a.wav").rename(music / "more" / "b.wav")
    try:
        both = ohrwurm("--collection", folder, "--overwrite", "--json", "--out", tmp_path / "out", model=headed_folder,
                       code=3)  # fmt: skip
    finally:
        (music / "more" / "b.wav").rename(music / "more" / "a.wav")
    assert [row.get("error") for row in rows(both)] == [None, "missing"]
    assert (tmp_path / "out" / "a.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give files or folders, or --collection DIR"),
        (["MUSIC", "--collection", "x"], 2, "give files or folders, or --collection DIR"),
        (["MUSIC", "--format", "json"], 2, "add --out DIR"),
        (["MUSIC", "--retry"], 2, "--retry is for a collection"),
        (["MUSIC/none.wav"], 1, "none.wav does not exist. Nothing was done."),
        (["MUSIC", "--out", "x", "--format", "json,pdf"], 1, "'pdf' is not a format; there are json, jams"),
        (["MUSIC", "--tasks", "rhythm"], 1, "'rhythm' is nothing to look for in a recording"),
        (["--collection", "MUSIC/none"], 1, "no collection at"),
        (["MUSIC/notes.txt/.."], 1, "does not exist"),
        (["EMPTY"], 3, "No audio files found."),
    ],
)
def test_what_cannot_be_done_is_said(
    music: Path, headed_folder: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    given = [a.replace("MUSIC", str(music)).replace("EMPTY", str(tmp_path / "empty")) for a in arguments]
    result = ohrwurm(*given, model=headed_folder, code=code)
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_model_without_heads_is_refused(music: Path) -> None:
    result = CliRunner().invoke(app, ["analyze", str(music), "--model", "mel-statistics"])
    assert result.exit_code == 1
    assert "mel-statistics has no heads" in result.stderr
