"""From a folder of music to `search --where "bpm ..."`: index, analyze, status, search, errors, as one types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import answer, ohrwurm

from ohrwurm.collection import Collection


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sounds of 8 s, indexed by a plain model; nothing is analysed."""
    music = tmp_path_factory.mktemp("analysed") / "music"
    music.mkdir()
    time = np.arange(8 * 22050) / 22050
    for name, pitch in (("one", 220.0), ("two", 330.0), ("three", 440.0)):
        clicks = np.exp(-40 * (time % 0.5)) * np.sin(2 * np.pi * pitch * time)
        soundfile.write(music / f"{name}.wav", 0.5 * clicks, 22050)
    folder = music.parent / "collection"
    ohrwurm("index", music, "--collection", folder, "--model", "mel-statistics")
    return folder


def test_from_the_folder_to_the_answer(library: Path, headed_folder: Path) -> None:
    one = library.parent / "music" / "one.wav"
    there = ("--collection", library)
    assert "analysed   none; ohrwurm analyze --collection" in ohrwurm("status", *there).stdout
    refused = ohrwurm("search", "--like", one, "--bpm", "100-", *there, code=1)
    assert f"Run: ohrwurm analyze --collection {library}" in " ".join(refused.output.split())

    ohrwurm("analyze", *there, "--model", headed_folder, "--device", "cpu")
    music = Collection(library)
    assert [t.title for t in music.analyses()] == ["one", "three", "two"]
    facts = {t.title: t.analysis for t in music.analyses()}
    assert music.analysis(one)["beats"] is not None
    assert "3 by" in ohrwurm("status", *there).stdout
    assert answer("status", *there)["analysed"] == {facts["one"].model: 3}
    again = ohrwurm("analyze", *there, "--model", headed_folder, "--device", "cpu")
    assert "Nothing to do" in again.output

    # Whatever an untrained model hears: each condition finds just the tracks that fulfil it.
    for where in (f"beats = {facts['two'].beats}", f"key_confidence >= {facts['two'].key_confidence}"):
        column, value = where.split()[0], float(where.split()[-1])
        same = (lambda x, value=value: x >= value) if ">=" in where else (lambda x, value=value: x == value)
        expected = {name for name, f in facts.items() if same(getattr(f, column)) and name != "one"}
        found = answer("search", "--like", one, "--where", where, *there)["results"]
        assert {r["title"] for r in found} == expected
        assert found[0]["analysis"]["tasks"]
    key = facts["three"].key
    found = answer("search", "--like", one, "--key", key, *there)["results"]
    assert {r["title"] for r in found} == {n for n, f in facts.items() if f.key == key and n != "one"}
    assert key in ohrwurm("search", "--like", one, "--key", key, *there).stdout
    assert "no key" in ohrwurm("search", "--like", one, "--key", "H", *there, code=1).output
    assert "Columns" in ohrwurm("search", "--like", one, "--where", "tempo > 3", *there, code=1).output


def test_what_could_not_be_analysed_is_listed_with_the_next_step(library: Path) -> None:
    music = Collection(library)
    with music.analyzing() as analyses:
        analyses.fail(library.parent / "music" / "two.wav", "other:1", "timeout", "more than 60 s")
    (error,) = answer("errors", "--collection", library)["errors"]
    assert (error["stage"], error["reason"]) == ("analyze", "timeout")
    listed = ohrwurm("errors", "--collection", library)
    assert "two.wav: not analysed: timeout (more than 60 s)" in listed.output
    assert f"ohrwurm analyze --collection {library} --retry" in listed.output
    assert "1 could not be analysed" in ohrwurm("status", "--collection", library).stdout
    ohrwurm("remove", library.parent / "music" / "two.wav", "--collection", library)
    assert answer("errors", "--collection", library)["errors"] == []
