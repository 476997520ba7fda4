from __future__ import annotations

import dataclasses
from typing import Any

from ohrwurm.audio.tags import Tags
from ohrwurm.collection.plan import Plan, make_plan
from ohrwurm.collection.records import Failure, Track
from ohrwurm.collection.scan import Found


def found(path: str, content: str = "", error: str = "", reason: str = "") -> Found:
    return Found(path, 100, 1, content, error, reason)


def track(path: str, content: str, **values: Any) -> Track:
    return Track(path, content, title=path, size=100, mtime_ns=1, duration=9.0, flags="f", added="then", **values)


def plan(files: list[Found], tracks: list[Track] = [], failures: list[Failure] = [], **options: Any) -> Plan:  # noqa: B006
    have = options.pop("have", {"m": {t.content for t in tracks}})
    defaults: dict[str, Any] = {"roots": ["/m"], "unlisted": [], "have": have, "tags": lambda path: Tags(title="read")}
    return make_plan(files, tracks=tracks, failures=failures, **defaults | options)


def test_new_files_are_work_one_content_once() -> None:
    made = plan([found("/m/a", "A"), found("/m/b", "B"), found("/m/copy", "A")])
    assert [(w.path, [f.path for f in w.files], w.models) for w in made.work] == [
        ("/m/a", ["/m/a", "/m/copy"], ("m",)),
        ("/m/b", ["/m/b"], ("m",)),
    ]
    assert (made.tracks, made.failures) == ([], [])


def test_known_files_are_no_work() -> None:
    made = plan([found("/m/a", "A")], [track("/m/a", "A")])
    assert made == Plan(unchanged=1)


def test_new_time_stamp_alone_updates_the_row() -> None:
    made = plan([dataclasses.replace(found("/m/a", "A"), mtime_ns=2)], [track("/m/a", "A")])
    assert made.work == []
    assert made.tracks == [dataclasses.replace(track("/m/a", "A"), mtime_ns=2)]


def test_moved_file_keeps_duration_flags_and_date_and_reads_its_tags() -> None:
    made = plan([found("/m/new", "A")], [track("/m/old", "A", artist="x")])
    (row,) = made.tracks
    assert (row.path, row.title, row.artist, row.duration, row.flags, row.added) == (
        "/m/new",
        "read",
        "",
        9.0,
        "f",
        "then",
    )
    assert (made.forget_tracks, made.moved, made.missing, made.work) == (["/m/old"], 1, 0, [])


def test_two_files_that_swap_names_are_moved_not_redone() -> None:
    made = plan([found("/m/a", "B"), found("/m/b", "A")], [track("/m/a", "A"), track("/m/b", "B")])
    assert made.work == []
    assert {(t.path, t.content) for t in made.tracks} == {("/m/a", "B"), ("/m/b", "A")}
    assert made.forget_tracks == []


def test_vanished_files_are_missing_unless_out_of_sight() -> None:
    rows = [track("/m/gone", "A"), track("/m/closed/x", "B"), track("/elsewhere/y", "C"), track("/m2/z", "D")]
    made = plan([found("/m/closed", error="no", reason="unreadable")], rows, unlisted=["/m/closed"])
    assert [(t.path, t.status) for t in made.tracks] == [("/m/gone", "missing")]
    assert made.missing == 1


def test_a_missing_file_is_told_once_and_returns() -> None:
    gone = track("/m/a", "A", status="missing")
    assert plan([], [gone]) == Plan()
    made = plan([found("/m/a", "A")], [gone])
    assert [(t.path, t.status) for t in made.tracks] == [("/m/a", "present")]
    assert made.work == []


def test_only_the_lacking_models_run() -> None:
    have = {"m": {"A"}, "n": set()}
    (work,) = plan([found("/m/a", "A")], [track("/m/a", "A")], have=have).work
    assert work.models == ("n",)


def test_vectors_that_a_killed_run_left_without_a_row_do_not_count() -> None:
    (work,) = plan([found("/m/a", "A")], have={"m": {"A"}, "n": set()}).work
    assert work.models == ("m", "n")


def test_failures_are_skipped_until_changed_or_asked() -> None:
    failure = Failure("/m/a", "unreadable", content="A", size=100, mtime_ns=1)
    assert plan([found("/m/a", "A")], failures=[failure]) == Plan(skipped=1)
    assert len(plan([found("/m/a", "A")], failures=[failure], retry=True).work) == 1
    assert len(plan([found("/m/a", "B")], failures=[failure]).work) == 1
    moved = plan([found("/m/b", "A")], failures=[failure])
    assert [f.path for f in moved.failures] == ["/m/b"]
    assert (moved.forget_failures, moved.work) == (["/m/a"], [])
    assert plan([], failures=[failure]).forget_failures == ["/m/a"]


def test_a_failed_path_that_now_holds_a_known_content_is_forgiven() -> None:
    failure = Failure("/m/a", "unreadable", content="A")
    made = plan([found("/m/a", "B"), found("/m/b", "B")], [track("/m/b", "B")], [failure])
    assert made.forget_failures == ["/m/a"]
    assert made.work == []


def test_unreadable_file_keeps_its_vectors_as_missing() -> None:
    bad = found("/m/a", error="Input/output error", reason="unreadable")
    made = plan([bad], [track("/m/a", "A")])
    assert [(t.path, t.status) for t in made.tracks] == [("/m/a", "missing")]
    assert [(f.path, f.reason, f.detail) for f in made.failures] == [("/m/a", "unreadable", "Input/output error")]
    assert made.forget_tracks == []


def test_an_unreadable_file_that_failed_before_is_skipped() -> None:
    bad = found("/m/a", error="empty", reason="empty", content="E")
    again = plan([bad], failures=[Failure("/m/a", "empty", content="E")])
    assert (again.skipped, again.failures) == (1, [])
