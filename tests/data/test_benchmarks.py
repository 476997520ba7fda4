"""Benchmarks: every reader gives what was published, on a miniature in the published layout and on the real thing."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from ohrwurm.data import benchmarks
from ohrwurm.data.benchmarks import NAMES, find, serving
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError

# Heads of the tables as published, with the rows that matter.
TABLES = {
    "anthems": """file,work,recording,status,source,full_length_s
ad_0.opus,ad,ad#0,verified,colorflags,52.0
ad_1.opus,ad,ad#1,verified,damir,157.1
ag_0.opus,ag,ag#0,single,colorflags,61.0
at_4.opus,at,at#4,verified,"navy, band",80.0
at_5.opus,at,at#5,verified,damir,80.5
""",
    "emotify": """file,genre,track_id,n_raters,amazement,clip_start_s
001.opus,classical,1,48,0.146,10.06
101.opus,rock,101,46,0.174,10.06
301.opus,pop,301,46,0.174,10.06
201.opus,electronic,201,46,0.174,10.06
""",
    "recordings": """file,collection,title,artist,licence,description,clip_start_s,full_length_s
tuxemon__town.opus,tuxemon,Town,Eric Skiff,CC-BY-SA 4.0,,28.05,114.2
librosa__dance.opus,librosa_examples,Dance,,CC0,"lively dance, classical",5.28,45.8
""",
}


def write(root: Path, name: str, table: str | None = None) -> Path:
    """A miniature of a benchmark as published; the audio is not looked at by the readers."""
    folder = root / find(name).folder
    folder.mkdir(parents=True)
    text = TABLES[name] if table is None else table
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    for line in text.splitlines()[1:]:
        (folder / line.split(",")[0]).write_bytes(b"")
    return folder


def read(root: Path, name: str) -> list[Track]:
    return list(find(name).read(root))


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_is_complete(name: str, tmp_path: Path) -> None:
    known = find(name)
    assert known.name == name
    assert known.title
    assert known.citation
    assert known.licence
    assert known.caveats
    assert known.tasks
    assert known.evaluation_only
    folder = write(tmp_path, name)
    tracks = read(tmp_path, name)
    assert len(tracks) == len(TABLES[name].splitlines()) - 1
    assert len({t.track_id for t in tracks}) == len(tracks)
    for track in tracks:
        assert track.track_id.startswith(f"{name}/")
        assert Path(track.path).parent == folder
        assert Path(track.path).is_file()
        assert track.split == "test"  # never train


def test_every_file_of_the_folder_is_listed() -> None:
    here = Path(benchmarks.__file__).parent
    assert {p.stem for p in here.glob("*.py")} - {"__init__", "base"} == set(NAMES)


def test_every_task_has_a_benchmark() -> None:
    from ohrwurm.evaluation.tasks import TASKS

    assert {task: serving(task) for task in TASKS} == {
        "versions": ["anthems"],
        "probe": ["emotify"],
        "described": ["recordings"],
    }


def test_single_anthems_are_works_of_their_own(tmp_path: Path) -> None:
    """Also where the country of a single recording has verified ones: nobody checked that it is the same tune."""
    write(tmp_path, "anthems", TABLES["anthems"] + "at_9.opus,at,at#9,single,damir,80.5\n")
    works = Counter(t.work_id for t in read(tmp_path, "anthems"))
    assert sorted(works.values()) == [1, 1, 2, 2]
    assert works["anthems/at"] == 2


def test_emotify_genres_are_tags(tmp_path: Path) -> None:
    write(tmp_path, "emotify")
    assert [t.tags for t in read(tmp_path, "emotify")] == [("classical",), ("rock",), ("pop",), ("electronic",)]


def test_only_described_recordings_have_captions(tmp_path: Path) -> None:
    write(tmp_path, "recordings")
    town, dance = read(tmp_path, "recordings")
    assert (town.caption, dance.caption) == ("", "lively dance, classical")
    assert dance.annotations["licence"] == "CC0"


@pytest.mark.parametrize(
    "table, message",
    [
        ("file,genre\n1.opus,polka\n", "1.opus has genre 'polka'"),
        ("file,track_id\n1.opus,1\n", "no column genre"),
        ("file,genre\n1.opus\n", "line 2: not as many values"),
        ("file,genre\n1.opus,rock,pop\n", "line 2: not as many values"),
        ("file,genre\n1.opus,rock\n1.opus,pop\n", "line 3: 1.opus is named a second time"),
        ("", "no column file, genre"),
    ],
)
def test_a_damaged_table_is_told_with_its_place(tmp_path: Path, table: str, message: str) -> None:
    write(tmp_path, "emotify", table)
    with pytest.raises(DataError, match=message):
        read(tmp_path, "emotify")


def test_a_missing_set_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OHRWURM_DATA", raising=False)
    with pytest.raises(DataError, match="OHRWURM_DATA"):
        find("anthems").read()
    with pytest.raises(DataError, match="anthems_half"):
        find("anthems").read(tmp_path)
    (tmp_path / "anthems_half").mkdir()
    with pytest.raises(DataError, match=r"manifest\.csv: missing"):
        find("anthems").read(tmp_path)
    with pytest.raises(DataError, match="Known: anthems, emotify, recordings"):
        find("anthem")


@pytest.mark.skipif(not os.environ.get("OHRWURM_DATA"), reason="set OHRWURM_DATA to the folder of the data sets")
class TestPublished:
    """The real sets, where they are."""

    def test_anthems(self) -> None:
        tracks = list(find("anthems").read())
        works = Counter(t.work_id for t in tracks)
        several = [n for n in works.values() if n > 1]
        assert (sum(several), len(several), len(tracks) - sum(several)) == (87, 29, 86)

    def test_emotify(self) -> None:
        genres = Counter(t.tags for t in find("emotify").read())
        assert genres == {("classical",): 50, ("electronic",): 50, ("pop",): 50, ("rock",): 50}

    def test_recordings(self) -> None:
        tracks = list(find("recordings").read())
        assert (len(tracks), sum(bool(t.caption) for t in tracks)) == (232, 9)

    @pytest.mark.parametrize("name", NAMES)
    def test_every_recording_is_there(self, name: str) -> None:
        assert [t.path for t in find(name).read() if not Path(t.path).is_file()] == []
