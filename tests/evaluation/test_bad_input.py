"""What is wrong with recordings or predictions is reported or an error that names it, never silently skipped."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hearing import TONES, Brightness, tone
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.protocols import labels, probing
from ohrwurm.evaluation.soundness import left_out, other_counts, shared
from ohrwurm.evaluation.task import Job, NoOptions
from ohrwurm.evaluation.tasks import Recordings, run
from ohrwurm.models.base import Encoded


@pytest.fixture
def songs(tmp_path: Path) -> list[Track]:
    """Two recordings of each tone."""
    return [
        Track(f"{n}{i}", str(tone(tmp_path / f"{n}{i}.wav", p, 0.3, seed=i)), "test", (n,), f"a {n} tone", work_id=n)
        for n, p in TONES.items()
        for i in range(2)
    ]


@pytest.mark.parametrize("task", ["versions", "described", "retrieval", "zero-shot", "tag-retrieval"])
def test_an_empty_test_set_is_an_error(task: str, songs: list[Track]) -> None:
    training = [dataclasses.replace(t, split="train") for t in songs]
    with pytest.raises(DataError, match=r"mine: the test set is empty \(there is train\)\. Mark recordings"):
        run(task, Brightness(), Recordings(Manifest(training), "mine"))
    with pytest.raises(DataError, match="mine: holds no recording"):
        run(task, Brightness(), Recordings(Manifest(), "mine"))


def test_only_test_recordings_are_measured(songs: list[Track]) -> None:
    training = dataclasses.replace(songs[0], track_id="copy", split="train")
    report = run("versions", Brightness(), Recordings(Manifest([training, *songs]), "mine"))
    assert report.outcome.counts["recordings"] == 6


def test_missing_recordings_are_counted_and_what_that_may_do_is_said(songs: list[Track]) -> None:
    Path(songs[1].path).unlink()
    Path(songs[2].path).write_text("no audio")
    report = run("zero-shot", Brightness(), Recordings(Manifest(songs), "mine"))
    assert report.outcome.counts["recordings left out"] == 2
    assert [reason.split()[0] for reason in report.failures.values()] == ["missing", "unreadable"]
    assert "2 of 6 recordings of test left out (see failures): a mean over all of them could differ by up to 0.333" in (
        report.outcome.warnings
    )
    for track in songs:
        Path(track.path).unlink(missing_ok=True)
    with pytest.raises(DataError, match="none of 6 recordings could be used"):
        run("zero-shot", Brightness(), Recordings(Manifest(songs), "mine"))


def test_how_far_a_mean_can_be_off_is_a_bound(songs: list[Track]) -> None:
    """Whatever the recordings left out would have scored between 0 and 1."""
    (said,) = left_out(songs, {songs[0].path, songs[1].path})
    bound = float(said.rsplit(" ", 1)[1])
    scores = [1.0, 0.0, 1.0, 0.5]  # of those that are there
    mean = sum(scores) / 4
    for lost in ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0)):
        assert abs(sum([*scores, *lost]) / 6 - mean) <= bound


def test_one_recording_in_two_splits_is_named(songs: list[Track], tmp_path: Path) -> None:
    shutil.copy(songs[0].path, tmp_path / "under another name.wav")
    copy = Track("copy", str(tmp_path / "under another name.wav"), "validation", ("low", "more"))
    same = dataclasses.replace(songs[3], track_id="same", split="train")
    tracks = [dataclasses.replace(t, tags=(*t.tags, "more")) for t in songs[:1]] + songs[1:]
    report = run("zero-shot", Brightness(), Recordings(Manifest([*tracks, copy, same]), "mine"))
    said = " | ".join(report.outcome.warnings)
    assert "1 recording stands in validation and in test (copy = low0): figures on test flatter" in said
    assert "1 recording stands in train and in test (same = middle1): figures on test flatter" in said
    assert report.outcome.counts["copies of another recording"] == 1


def test_many_shared_recordings_are_counted_and_some_named() -> None:
    tracks = [Track(f"{split}{i}", f"{i}.wav", split) for split in ("train", "test") for i in range(9)]
    (said,) = shared(tracks, {})
    assert said.startswith(
        "9 recordings stand in train and in test (train0 = test0, train1 = test1, train2 = test2, ...)"
    )
    assert not list(shared([dataclasses.replace(t, split="") for t in tracks], {}))  # no splits, no leak between them


def test_an_id_in_two_splits_is_an_error_that_names_them(tmp_path: Path) -> None:
    tracks = [Track("a", "a.wav", "train"), Track("b", "b.wav", "train"), Track("a", "a.wav", "test")]
    with pytest.raises(DataError, match=r"track_id 'a' occurs twice \(once in train, once in test: what is tested was"):
        Manifest(tracks)
    table = tmp_path / "mine.csv"
    table.write_text("track_id,path,split\na,a.wav,train\na,b.wav,test\n")
    done = CliRunner().invoke(app, ["evaluate", "versions", "--model", "mel-statistics", "--manifest", str(table)])
    assert done.exit_code == 1
    assert "row 3: track_id 'a' stands in row 2 already (once in train, once in test" in done.stderr


def test_other_counts_than_published_are_said(songs: list[Track]) -> None:
    mine = Recordings(Manifest(songs), "set", counts={"test": 6, "train": 40})
    said = run("versions", Brightness(), mine).outcome.warnings
    assert said == ("train has 0 recordings where 40 were published: not comparable with published figures as it is",)
    assert not list(other_counts(songs, {"test": 6}))


class Failing(Brightness):
    """Gives NaN for sounds above a pitch."""

    def __init__(self, above: float) -> None:
        super().__init__()
        self.above = above

    def forward(self, waveform: torch.Tensor) -> Encoded:
        pooled = super().forward(waveform).pooled
        high = (waveform.sign().diff(dim=1) != 0).float().mean(1) * self.card.sample_rate / 2 > self.above
        pooled[high] = float("nan")
        return Encoded(pooled=pooled)


def test_a_model_that_gives_nan_for_a_recording_loses_it_and_says_so(songs: list[Track]) -> None:
    report = run("zero-shot", Failing(2000), Recordings(Manifest(songs), "mine"))
    assert report.outcome.counts["recordings left out"] == 2
    assert all("gave NaN or infinity" in reason for reason in report.failures.values())
    assert any("labels have no track to be found" in w and "high" in w for w in report.outcome.warnings)
    with pytest.raises(DataError, match=r"none of 6 recordings could be used.*NaN or infinity"):
        run("zero-shot", Failing(0), Recordings(Manifest(songs), "mine"))


@pytest.mark.parametrize("form", ["ttmr", "clmr"])
def test_labels_that_cannot_be_measured_are_named(form: Literal["ttmr", "clmr"]) -> None:
    truth, scores = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]]), np.array([[3, 1, 1], [1, 2, 2], [2, 3, 3]])
    found = labels.tags(scores, truth, ["slow", "polka", "live"], form=form, validation=(scores, 1 - truth))
    assert found.warnings == (
        "1 of 3 labels have no track to be found, and are in no mean: polka",
        "1 of 3 labels have all tracks, and are in no mean of ROC-AUC: live",
        "1 of 3 labels have no validation track to choose a threshold by, and count with an F1 of 0: live",
    )
    several = labels.classes(scores, [0, 0, 2], ["slow", "polka", "live"]).warnings
    assert several == ("1 of 3 labels have no track to be found, and do not count in the balanced accuracy: polka",)


def test_a_probe_says_that_it_does_not_keep_to_splits(songs: list[Track], monkeypatch: pytest.MonkeyPatch) -> None:
    divided = [dataclasses.replace(t, split="train" if i else "test") for i, t in enumerate(songs)]
    warnings = []
    for tracks in (songs, divided):
        job = Job("probe", Brightness(), Recordings(Manifest(tracks), "mine"), NoOptions())
        monkeypatch.setattr(probing, "evaluate", lambda *a, **k: None)
        probing.run(job)
        warnings.append(job.warnings)
    assert warnings[0] == []
    assert "the splits of the recordings have no say" in warnings[1][0]


def test_warnings_are_printed_and_in_the_json(
    songs: list[Track], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    Path(songs[0].path).unlink()
    Manifest(songs).write(tmp_path / "mine.csv")
    given = ["evaluate", "versions", "--model", "mel-statistics", "--manifest", str(tmp_path / "mine.csv")]
    done = CliRunner().invoke(app, given, env={"COLUMNS": "300"})
    assert done.exit_code == 0
    assert "note 1 of 6 recordings of test left out" in done.stdout
    assert "left out" in done.stdout
