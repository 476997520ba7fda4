"""A folder of renditions can be interrupted, is the same however it came about, and reads back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import soundfile
from tunes import few_notes, jig, march, waltz
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.data.corpus import plan_renditions, render_corpus
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError

pytest.importorskip("tinysoundfont")
pytest.importorskip("pretty_midi")


def plan(count: int = 4, **fields: object):
    return plan_renditions([march(), waltz(), jig()], count, seconds=2.0, per_work=2, **fields)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_an_interrupted_folder_ends_up_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = render_corpus(plan(), tmp_path / "whole", audio_format="wav")
    assert (whole.made, whole.kept) == (4, 0)

    class Killed(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        render_corpus(plan(), tmp_path / "again", audio_format="wav", progress=kill)
    resumed = render_corpus(plan(), tmp_path / "again", audio_format="wav")
    assert (resumed.made, resumed.kept) == (2, 2)
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")


def test_the_manifest_leads_to_audio_and_truth(tmp_path: Path) -> None:
    render_corpus(plan(), tmp_path / "set")
    manifest = Manifest.read(tmp_path / "set" / "manifest.csv")
    assert len(manifest) == 4
    assert all(len(group) == 2 for group in manifest.works().values())
    for track in manifest:
        truth = json.loads((tmp_path / "set" / track.annotations["truth"]).read_text())
        info = soundfile.info(track.path)
        assert info.frames / info.samplerate == pytest.approx(truth["seconds"], abs=1e-3)
        assert truth["instruments"]
        assert all(0 <= b < truth["seconds"] for b in truth["beats"])
        assert track.caption == truth["caption"]


def test_a_folder_of_another_plan_is_not_overwritten(tmp_path: Path) -> None:
    render_corpus(plan(1), tmp_path)
    with pytest.raises(DataError, match="another plan"):
        render_corpus(plan(1, style="rock"), tmp_path)


def test_failures_are_returned_and_the_rest_is_done(tmp_path: Path) -> None:
    silent = dataclasses.replace(few_notes(), parts=(), melody=few_notes().melody[:0], score_id="test/silent")
    made = render_corpus(plan_renditions([silent, march()], 2, seconds=1.0), tmp_path)
    assert [f.score_id for f in made.failures] == ["test/silent"]
    assert len(Manifest.read(tmp_path / "manifest.csv")) == 1


def test_describe_counts_and_names_missing_files(tmp_path: Path) -> None:
    render_corpus(plan(2), tmp_path)
    done = CliRunner().invoke(app, ["data", "describe", str(tmp_path / "manifest.csv"), "--json"])
    assert done.exit_code == 0
    summary = json.loads(done.stdout)
    assert (summary["tracks"], summary["works"], summary["missing files"]) == (2, 1, [])
    Path(Manifest.read(tmp_path / "manifest.csv")[0].path).unlink()
    assert CliRunner().invoke(app, ["data", "describe", str(tmp_path / "manifest.csv")]).exit_code == 3


def test_evaluation_only_sources_are_refused_for_training(tmp_path: Path) -> None:
    arguments = ["data", "render", "--scores", "openmsx", "--split", "train", "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(app, [*arguments, "--data", str(tmp_path)])
    assert isinstance(done.exception, DataError)
    assert "evaluation-only" in str(done.exception)
