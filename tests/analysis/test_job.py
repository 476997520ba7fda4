"""A folder of analyses: nothing is listened to twice, nothing is lost, nothing of another model or recording stays."""

from __future__ import annotations

import dataclasses
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import made_up, tone

from ohrwurm.analysis import job
from ohrwurm.analysis.formats import from_json
from ohrwurm.analysis.job import Outcome, analyze_files, places, writing_to
from ohrwurm.errors import AudioError, DataError, ModelError
from ohrwurm.models.headed import HeadedEncoder

SHORT = 1.0  # seconds


@pytest.fixture
def music(tmp_path: Path) -> list[str]:
    """Four recordings, two of one name, and one that is none."""
    files = []
    for name in ("a/song.wav", "b/song.wav", "b/more.wav", "b/bad.wav"):
        file = tmp_path / "music" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        files.append(str(tone(file, SHORT)))
    return files


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """(name, tasks) of each recording that was listened to; what is heard is made up."""
    heard: list[tuple[str, tuple[str, ...]]] = []

    def analyze_with(decoder: Any, file: str, model: HeadedEncoder, *, tasks: Any, lock: Any) -> Any:
        if "bad" in file:
            raise AudioError(file, "unreadable", "a test")
        heard.append(("/".join(Path(file).parts[-2:]), tuple(tasks)))
        kept = {"chords": ("chords",), "key": ("key", "keys"), "tags": ("tags",), "beats": ("beats", "tempo", "metre")}
        gone = {name: None for task, names in kept.items() if task not in tasks for name in names}
        return dataclasses.replace(made_up(file, SHORT), model=model.card.provenance, **gone)

    monkeypatch.setattr(job, "analyze_with", analyze_with)
    return heard


def run(files: list[str], out: Path, model: HeadedEncoder, *formats: str, **more: Any) -> list[Outcome]:
    top = out.parent / "music"
    where = places(files, out, [top])
    return list(analyze_files(files, model, where=where, formats=formats or ("json",), workers=1, **more))


def tree(folder: Path) -> set[str]:
    return {
        str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and ".ohrwurm" not in file.parts
    }


def test_names_that_are_the_same_do_not_collide(tmp_path: Path) -> None:
    bases = {
        f: str(p.base) for f, p in places(["m/a.mp3", "m/a.wav", "m/b/a.mp3", "m/c.d.mp3"], Path("o"), ["m"]).items()
    }
    assert bases == {"m/a.mp3": "o/a.mp3", "m/a.wav": "o/a.wav", "m/b/a.mp3": "o/b/a", "m/c.d.mp3": "o/c.d"}
    kept = [p.kept for p in places(["m/a.mp3", "m/a.wav"], Path("o"), ["m"]).values()]
    assert len(set(kept)) == 2
    assert places([], Path("o"), []) == {}


def test_what_is_done_is_not_done_again(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any]
) -> None:
    first = run(music, tmp_path / "out", headed, "json", "lab")
    assert [o.file for o in first] == music
    assert [o.error is None for o in first] == [True, True, True, False]
    assert len(listened) == 3
    assert {"a/song.json", "b/song.json", "b/more.chords.lab", "b/more.key"} < tree(tmp_path / "out")
    again = run(music, tmp_path / "out", headed, "json", "lab")
    assert len(listened) == 3
    assert [(o.reused, o.written) for o in again] == [(True, ())] * 3 + [(False, ())]
    assert str(again[3].error) == f"{music[3]}: unreadable (a test)"
    assert [o.analysis.file for o in again if o.analysis] == music[:3]


def test_another_format_is_made_of_what_was_heard(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any]
) -> None:
    out = tmp_path / "out"
    run(music[:1], out, headed, "json")
    (out / "a" / "song.json").unlink()
    (more,) = run(music[:1], out, headed, "json", "beats", "click")
    assert [Path(file).name for file in more.written] == ["song.json", "song.beats", "song.click.flac"]
    assert len(listened) == 1


def test_what_has_changed_is_listened_to(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any]
) -> None:
    out = tmp_path / "out"
    run(music[:2], out, headed)
    os.utime(music[0], ns=(1, 1))  # touched, the same content
    tone(Path(music[1]), SHORT, 11025)
    assert [o.reused for o in run(music[:2], out, headed)] == [True, False]
    assert [name for name, _ in listened] == ["a/song.wav", "b/song.wav", "b/song.wav"]
    size = Path(music[0]).stat().st_size
    Path(music[0]).write_bytes(Path(music[0]).read_bytes()[:-1] + b"x")  # another content of the same size
    assert Path(music[0]).stat().st_size == size
    assert not run(music[:1], out, headed)[0].reused


def test_nothing_of_another_model_stays(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any]
) -> None:
    from small_headed import small_headed

    out, other = tmp_path / "out", small_headed(window=12.0)
    assert other.card.provenance != headed.card.provenance
    run(music[:1], out, headed, "json", "jams")
    old = (out / "a" / "song.jams").read_text()
    run(music[:1], out, other, "json")
    assert from_json((out / "a" / "song.json").read_text()).model == other.card.provenance
    assert (out / "a" / "song.jams").read_text() == old  # not asked for
    (now,) = run(music[:1], out, other, "json", "jams")
    assert [Path(file).name for file in now.written] == ["song.jams"]
    assert other.card.provenance in (out / "a" / "song.jams").read_text()
    assert len(listened) == 2


def test_other_tasks_are_added_to_those_of_before(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any]
) -> None:
    out = tmp_path / "out"
    run(music[:1], out, headed, tasks=["key"])
    run(music[:1], out, headed, tasks=["chords"])
    (found,) = run(music[:1], out, headed, tasks=["key"])
    assert found.reused and found.analysis is not None  # noqa: PT018
    assert found.analysis.key is not None and found.analysis.chords is not None and found.analysis.beats is None  # noqa: PT018
    assert [tasks for _, tasks in listened] == [("key",), ("chords", "key")]
    run(music[:1], out, headed)
    assert listened[-1][1] == ("beats", "chords", "key", "sections", "tags")


def test_overwriting_listens_again(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any]
) -> None:
    run(music[:1], tmp_path / "out", headed)
    run(music[:1], tmp_path / "out", headed, overwrite=True)
    assert len(listened) == 2


def test_a_run_that_is_stopped_goes_on(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    where = places(music, out, [tmp_path / "music"])
    real = job.write_bytes

    def killed(file: Path, data: bytes) -> None:
        if "more" in file.name:
            raise KeyboardInterrupt
        real(file, data)

    monkeypatch.setattr(job, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt), closing(analyze_files(music, headed, where=where, workers=1)) as outcomes:
        list(outcomes)
    monkeypatch.setattr(job, "write_bytes", real)
    before = len(listened)
    found = run(music, out, headed)
    assert [o.reused for o in found] == [True, True, False, False]
    assert [name for name, _ in listened[before:]] == ["b/more.wav"]
    assert tree(out) == {"a/song.json", "b/song.json", "b/more.json"}


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b broken", b"no gzip"])
def test_a_damaged_record_costs_one_listening(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any], damage: bytes
) -> None:
    out = tmp_path / "out"
    run(music[:1], out, headed)
    (record,) = out.rglob("*.json.gz")
    record.write_bytes(damage)
    assert not run(music[:1], out, headed)[0].reused
    assert run(music[:1], out, headed)[0].reused


def test_a_disk_that_refuses_ends_the_run_with_its_reason(
    tmp_path: Path, music: list[str], headed: HeadedEncoder, listened: list[Any]
) -> None:
    (tmp_path / "out").write_text("a file, and no folder")
    with pytest.raises(DataError, match=r"cannot be written .* What was done is kept"):
        run(music[:1], tmp_path / "out", headed)


def test_one_run_at_a_time_writes_to_a_folder_and_tidies_up(tmp_path: Path) -> None:
    left = tmp_path / "out" / "a" / ".song.json.0123456789ab.tmp.json"
    left.parent.mkdir(parents=True)
    left.touch()
    with writing_to(tmp_path / "out"):
        assert not left.exists()
        with pytest.raises(DataError, match="another run is writing there"), writing_to(tmp_path / "out"):
            pass


def test_what_is_wrong_is_said_before_the_first_file(tmp_path: Path, headed: HeadedEncoder) -> None:
    with pytest.raises(ModelError, match="there are beats, chords"):
        analyze_files([], headed, tasks=["rhythm"])
    with pytest.raises(DataError, match="'pdf' is not a format"):
        analyze_files([], headed, formats=["pdf"])


def test_a_name_that_is_no_text_is_told(tmp_path: Path, headed: HeadedEncoder, listened: list[Any]) -> None:
    file = os.fsdecode(os.fsencode(str(tmp_path)) + b"/m\xff.wav")
    os.link(tone(tmp_path / "m.wav", SHORT), file)
    where = places([file], tmp_path / "out", [tmp_path])
    (outcome,) = analyze_files([file], headed, where=where)
    assert outcome.error is not None
    assert (outcome.error.reason, outcome.file) == ("name", f"{tmp_path}/m\\xff.wav")


def test_several_at_a_time_find_the_same(tmp_path: Path, music: list[str], headed: HeadedEncoder) -> None:
    """The real thing: decoders, a model, files."""
    found = {}
    for workers in (1, 3):
        out = tmp_path / f"out{workers}"
        where = places(music, out, [tmp_path / "music"])
        outcomes = list(analyze_files(music[:3], headed, where=where, formats=["json", "csv"], workers=workers))
        assert [o.file for o in outcomes] == music[:3]
        found[workers] = {name: (out / name).read_text() for name in tree(out)}
    assert len(found[1]) == 24
    assert found[1] == found[3]
    assert np.isfinite(from_json(found[1]["a/song.json"]).duration)
