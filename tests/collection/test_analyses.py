"""What `ohrwurm analyze` found, in the collection: searched, replaced, moved, removed; old collections; kills."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest

from ohrwurm.checksums import content_hash
from ohrwurm.collection import Collection, Facts, Track
from ohrwurm.collection.analyses import Analyses
from ohrwurm.collection.conditions import narrowed
from ohrwurm.collection.records import Space
from ohrwurm.collection.store import Store
from ohrwurm.collection.tables import DESCRIPTION, Vectors
from ohrwurm.errors import CollectionError
from ohrwurm.models import registry

Write = Callable[..., Path]
MODEL, NEWER = "frames:0123456789abcdef", "frames:fedcba9876543210"


def found(key: str = "D minor", bpm: float = 120.0, model: str = MODEL, **more: Any) -> dict[str, Any]:
    """Facts as `ohrwurm.analysis.facts` makes them."""
    tonic, mode = key.split()
    facts = {
        "model": model, "tasks": "beats chords key", "key": key, "tonic": tonic, "mode": mode, "key_confidence": 0.8,
        "bpm": bpm, "bpm_confidence": 0.9, "metre": 4, "beats": 8, "downbeats": 2, "chords": "D:min A:min G:maj",
        "document": {"model": model, "key": {"label": key, "confidence": 0.8}, "beats": [{"time": 0.5, "position": 1}]},
    }  # fmt: skip
    return facts | more


@pytest.fixture
def songs(collection: Collection, write: Write) -> Collection:
    """Three tracks, of bands 1, 3 and 6, as an index run would leave them, without one."""
    card = registry.card("test-bands")
    space = Space(card.name, card.provenance, card.name, card.to_json())
    store = Store.create(collection.path)
    store.activate([space])
    tracks, vectors = [], []
    for name, band in (("low", 1), ("middle", 3), ("high", 6)):
        file = write(f"{name}.wav", band)
        tracks.append(as_indexed(file))
        vector = np.eye(8, dtype=np.float32)[band] + np.float32(0.01 * (8 - band))
        window = np.zeros(1, np.float32), np.ones(1, np.float32)
        vectors.append(Vectors(tracks[-1].content, vector, vector[None], *window))
    store.put(vectors=[(space, space.provenance, vectors)], tracks=tracks)
    return collection


def as_indexed(file: Path) -> Track:
    """The row of a file."""
    stat = file.stat()
    row = Track(str(file), content_hash(str(file)), file.stem, duration=2.0, size=stat.st_size)
    return dataclasses.replace(row, mtime_ns=stat.st_mtime_ns, added="2026-01-01T00:00:00+00:00")


def path(songs: Collection, name: str) -> str:
    return next(t.path for t in songs.tracks() if t.title == name)


def titles(results: list) -> list[str]:
    return [r.title for r in results]


def test_words_sound_and_versions_are_narrowed_by_what_was_heard(songs: Collection) -> None:
    songs.add_analysis(path(songs, "low"), found("D minor", 119.6))
    songs.add_analysis(path(songs, "middle"), found("D minor", 90.0, metre=3, chords="F:maj D:min7"))
    songs.add_analysis(path(songs, "high"), found("Eb major", 121.0, form="intro verse chorus", sections=3))
    low, middle, high = "low", "middle", "high"
    for where, expected in (
        ("key = 'D minor' and bpm between 118 and 122", [low]),
        ("metre = 3", [middle]),
        ("mode = 'minor'", [low, middle]),
        ("tonic = 'Eb' OR bpm < 100", [middle, high]),
        ("chords like '%A:min%'", [low, high]),
        ("downbeats >= 2 and beats = 8", [low, middle, high]),
        ("form like '%verse chorus%' and sections = 3", [high]),
        ("key_confidence > 0.5 and duration > 1 and year is null", [low, middle, high]),
        ("analysis_model like 'frames:%'", [low, middle, high]),
    ):
        assert sorted(titles(songs.search("low", where=where))) == sorted(expected), where
        assert sorted(titles(songs.search(like=path(songs, low), where=where))) == sorted({*expected} - {low}), where
    assert titles(songs.search("low", where="bpm > 100", key="Dm")) == [low]
    assert titles(songs.search("low", bpm="118-122"))[0] == low
    best = songs.search("low")[0]
    assert best.analysis is not None
    assert (best.analysis.key, best.analysis.bpm, best.analysis.metre) == ("D minor", 119.6, 4)
    assert [t.title for t in songs.analyses("mode = 'major'")] == [high]


def test_versions_are_narrowed_too(songs: Collection) -> None:
    (space,) = songs.store.spaces()
    card = registry.card("test-versions")
    versions = Space(card.name, card.provenance, card.name, card.to_json())
    songs.store.activate([versions])
    vectors = list(songs.store.vectors(space, [t.content for t in songs.tracks()]).values())
    same = [dataclasses.replace(v, track=v.track + 10) for v in vectors]
    songs.store.put(vectors=[(versions, versions.provenance, same)])
    songs.add_analysis(path(songs, "middle"), found(bpm=100))
    songs.add_analysis(path(songs, "high"), found(bpm=140))
    assert titles(songs.versions(path(songs, "low"), where="bpm > 120")) == ["high"]
    assert titles(songs.versions(path(songs, "low"), bpm=(90, 110), key="minor")) == ["middle"]
    (group,) = songs.version_groups(where="bpm > 0")
    assert sorted(titles(list(group.tracks))) == ["high", "middle"]


def test_the_whole_analysis_comes_back(songs: Collection) -> None:
    document = {"beats": [{"time": 0.1 + 0.2, "position": 1}], "remarks": ["short: 2 s"], "chords": None}
    songs.add_analysis(path(songs, "low"), found(document=document))
    assert Collection(songs.path).analysis(path(songs, "low")) == document
    assert songs.analysis(songs.track(path(songs, "low")).id) == document
    with pytest.raises(CollectionError, match="ohrwurm analyze --collection"):
        songs.analysis(path(songs, "high"))


def test_where_nothing_was_analysed_the_command_is_named(songs: Collection) -> None:
    for where in ("bpm > 100", "year > 1990 OR KEY = 'D minor'", '"metre" = 3'):
        with pytest.raises(CollectionError, match="Run: ohrwurm analyze --collection"):
            songs.search("low", where=where)
    with pytest.raises(CollectionError, match="ohrwurm analyze"):
        songs.search("low", bpm="100-120")
    assert len(songs.search("low", where="title != 'bpm' AND analysis_model IS NULL")) == 3


def test_unknown_columns_and_foreign_spellings_are_told(songs: Collection) -> None:
    songs.add_analysis(path(songs, "low"), found("Db minor"))
    with pytest.raises(CollectionError, match=r"Columns: .*artist.*bpm.*chords"):
        songs.search("low", where="beats_per_minute > 100")
    with pytest.raises(CollectionError, match="'Db minor' for 'C# minor'"):
        songs.search("low", where="key = 'C# minor'")
    assert titles(songs.search("low", key="C#m")) == ["low"]
    assert songs.search("low", where="key = 'E minor'") == []


@pytest.mark.parametrize("wrong", ["H minor", "D dorian", "", "D'; DROP TABLE tracks"])
def test_no_such_key_is_refused(wrong: str) -> None:
    with pytest.raises(CollectionError, match="no key"):
        narrowed(key=wrong)


@pytest.mark.parametrize("wrong", ["fast", "", "-", "120-100", "1; DROP"])
def test_no_such_range_is_refused(wrong: str) -> None:
    with pytest.raises(CollectionError):
        narrowed(bpm=wrong)


def test_every_spelling_of_a_key_is_the_same_key() -> None:
    for text in ("Db minor", "C# minor", "c#m", "Dbm", " C# min ", "db MINOR"):
        assert narrowed(key=text) == "key = 'Db minor'", text
    assert narrowed(key="CM") == narrowed(key="c maj") == "key = 'C major'"
    assert narrowed(key="bb") == "tonic = 'Bb'"
    assert narrowed(bpm="–122") == narrowed(bpm="-122") == "bpm <= 122"
    assert narrowed("year = 1 OR year = 2", bpm=(100, 110)) == "(year = 1 OR year = 2) AND (bpm BETWEEN 100 AND 110)"


def test_pending_are_contents_that_this_model_has_not_heard(songs: Collection) -> None:
    low, middle, high = (path(songs, name) for name in ("low", "middle", "high"))
    shutil.copy(low, Path(low).with_name("copy of low.wav"))
    songs.index(Path(low).parent)
    assert len(songs.pending_analyses(MODEL)) == 3
    songs.add_analysis(low, found())
    assert songs.track(Path(low).with_name("copy of low.wav")).analysis == songs.track(low).analysis
    assert songs.pending_analyses(MODEL) == [high, middle]
    assert len(songs.pending_analyses(NEWER)) == 3
    assert songs.pending_analyses(MODEL, where="title = 'high'") == [high]
    assert len(songs.pending_analyses(MODEL, tasks=["key", "tags"])) == 3
    assert songs.pending_analyses(MODEL, tasks=["key"]) == [high, middle]


def test_another_model_replaces_and_the_same_one_adds(songs: Collection) -> None:
    low = path(songs, "low")
    songs.add_analysis(low, found("D minor", 100))
    only_tags = {"model": MODEL, "tasks": "tags", "tags": "piano, slow", "document": {"tags": ["piano"], "key": None}}
    songs.add_analysis(low, only_tags)
    facts = songs.track(low).analysis
    assert facts is not None
    assert (facts.key, facts.tags, facts.tasks) == ("D minor", "piano, slow", "beats chords key tags")
    assert songs.analysis(low)["key"] == {"label": "D minor", "confidence": 0.8}
    assert songs.analysis(low)["tags"] == ["piano"]
    songs.add_analysis(low, {"model": NEWER, "tasks": "beats", "bpm": 50.0, "document": {"beats": []}})
    assert songs.track(low).analysis == Facts(NEWER, tasks="beats", bpm=50.0)
    assert songs.analysis(low) == {"beats": []}
    assert len(list((songs.path / "analyses").rglob("*.json"))) == 1


def test_moved_files_keep_changed_ones_lose_and_removed_ones_take_theirs_along(
    songs: Collection, music: Path, write: Write
) -> None:
    for name in ("low", "middle", "high"):
        songs.add_analysis(path(songs, name), found(bpm=100 + len(name)))
    before = songs.track(music / "low.wav").analysis
    (music / "sub").mkdir()
    (music / "low.wav").rename(music / "sub" / "new name.wav")
    write("middle.wav", 5)
    songs.index(music)
    assert songs.track(music / "sub" / "new name.wav").analysis == before
    assert songs.analysis(music / "sub" / "new name.wav")["model"] == MODEL
    assert songs.track(music / "middle.wav").analysis is None
    assert songs.pending_analyses(MODEL) == [str(music / "middle.wav")]
    songs.remove(music / "high.wav")
    assert len(list((songs.path / "analyses").rglob("*.json"))) == 1
    assert [t.title for t in songs.analyses()] == ["new name"]


def test_a_file_that_changed_since_it_was_indexed_keeps_no_wrong_analysis(songs: Collection, write: Write) -> None:
    low = path(songs, "low")
    write("low.wav", 7)
    with pytest.raises(CollectionError, match="changed since it was indexed"):
        songs.add_analysis(low, found())
    with songs.analyzing() as analyses:
        analyses.add(low, found())
        analyses.add(path(songs, "high"), found())
    assert analyses.changed == [low]
    assert [t.title for t in songs.analyses()] == ["high"]


def test_failures_are_listed_wait_and_go(songs: Collection) -> None:
    low = path(songs, "low")
    with songs.analyzing() as analyses:
        analyses.fail(low, MODEL, "timeout", "more than\n60 s: given up")
    (failure,) = songs.errors()
    assert (failure.path, failure.stage, failure.reason) == (low, "analyze", "timeout")
    assert failure.detail == "more than 60 s: given up"
    assert low not in songs.pending_analyses(MODEL)
    assert low in songs.pending_analyses(MODEL, retry=True)
    assert low in songs.pending_analyses(NEWER)
    status = songs.status()
    assert (status.analysed, status.analysis_failures) == ({}, 1)
    songs.index(Path(low).parent)
    assert len(songs.errors()) == 1
    songs.add_analysis(low, found())
    assert songs.errors() == []
    assert songs.status().analysed == {MODEL: 1}
    with songs.analyzing() as analyses:
        analyses.fail(path(songs, "high"), MODEL, "crashed")
    songs.remove(path(songs, "high"))
    assert songs.errors() == []


def test_facts_that_are_none_are_refused(songs: Collection) -> None:
    low = path(songs, "low")
    for facts, why in (({"model": MODEL, "tempo": 1}, "tempo"), ({"bpm": 100.0}, "which model")):
        with pytest.raises(CollectionError, match=why):
            songs.add_analysis(low, facts)
    with pytest.raises(CollectionError, match="not in the collection"):
        songs.add_analysis(Path(low).with_name("other.wav"), found())
    assert songs.analyses() == []


def test_only_one_writes(songs: Collection) -> None:
    with songs.analyzing(), pytest.raises(CollectionError, match="another run is writing"):
        songs.add_analysis(path(songs, "low"), found())


def test_a_batch_is_one_commit(songs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = []
    merge = Store._merge
    monkeypatch.setattr(Store, "_merge", lambda self, *a: (commits.append(a[0]), merge(self, *a)))
    with songs.analyzing() as analyses:
        for name in ("low", "middle", "high"):
            analyses.add(path(songs, name), found())
    assert commits == ["tracks"]


# Collections of before


def of_old(folder: Path, tracks: list[Track]) -> Collection:
    """A collection as it was made before there were analyses: a table of tracks without their columns."""
    store = Store.create(folder)
    db = lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
    db.drop_table("tracks")
    table = db.create_table("tracks", schema=DESCRIPTION)
    table.add([{name: getattr(track, name) for name in DESCRIPTION.names} for track in tracks])
    return Collection(store.folder)


def test_an_old_collection_opens_answers_and_takes_analyses(tmp_path: Path, songs: Collection) -> None:
    tracks = songs.tracks()
    vectors = songs.store.vectors(songs.store.spaces()[0], [t.content for t in tracks])
    old = of_old(tmp_path / "old", tracks)
    old.store.activate(songs.store.spaces())
    old.store.put(vectors=[(s, s.provenance, list(vectors.values())) for s in songs.store.spaces()])
    reader = Collection(old.path)  # as another process that has it open
    before = sorted(p for p in old.path.rglob("tracks.lance/**/*") if p.is_file())
    assert titles(reader.search("low")) == titles(songs.search("low"))
    assert reader.tracks() == tracks
    assert (reader.errors(), reader.status().analysed) == ([], {})
    assert len(reader.pending_analyses(MODEL)) == 3
    with pytest.raises(CollectionError, match="ohrwurm analyze --collection"):
        reader.search("low", where="bpm > 100")
    assert sorted(p for p in old.path.rglob("tracks.lance/**/*") if p.is_file()) == before  # reading wrote nothing
    old.add_analysis(tracks[0].path, found(bpm=111))
    for one in (old, reader, Collection(old.path)):
        assert [t.path for t in one.tracks("bpm = 111")] == [tracks[0].path]
        assert [(t.path, t.added, t.mtime_ns) for t in one.tracks()] == [(t.path, t.added, t.mtime_ns) for t in tracks]
        assert titles(one.search("low")) == titles(songs.search("low"))


def test_indexing_an_old_collection_embeds_nothing_again(tmp_path: Path, songs: Collection, write: Write) -> None:
    old = of_old(tmp_path / "old", songs.tracks())
    spaces = songs.store.spaces()
    vectors = songs.store.vectors(spaces[0], [t.content for t in songs.tracks()])
    old.store.activate(spaces)
    old.store.put(vectors=[(spaces[0], spaces[0].provenance, list(vectors.values()))])
    write("new.wav", 4)
    report = old.index(tmp_path / "music")
    assert (report.indexed, report.unchanged) == (1, 3)
    old.add_analysis(path(old, "new"), found())
    assert titles(old.search("middle", where="key = 'D minor'")) == ["new"]


# Kills

ANALYZE = """
import json, sys
from ohrwurm import atomic
from ohrwurm.collection import Collection, analyses, store
analyses.BATCH_FILES = 3
analyses.COMPACT_EVERY = 2
def announced(write):
    def announce(*arguments):
        print("write", flush=True)
        return write(*arguments)
    return announce
store.Store._merge = announced(store.Store._merge)
store.Store.compact = announced(store.Store.compact)
analyses.Analyses._write = announced(analyses.Analyses._write)
music = Collection(sys.argv[1])
with music.analyzing() as batch:
    for path in music.pending_analyses(sys.argv[2]):
        facts = {"model": sys.argv[2], "tasks": "beats", "bpm": float(path[-7:-4])}
        batch.add(path, facts | {"document": {"bpm": facts["bpm"], "model": sys.argv[2]}})
print("done", flush=True)
"""


def analyze(folder: Path, model: str, writes: int | None) -> bool:
    """Analyse all that is pending, killed after some writes; whether it came to its end."""
    command = [sys.executable, "-c", ANALYZE, str(folder), model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            if line.strip() == "done":
                process.wait()
                return process.returncode == 0
            if count == writes:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return False


@pytest.mark.parametrize("kills", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_killed_anywhere_the_same_run_goes_on(tmp_path: Path, kills: int) -> None:
    songs = Collection(tmp_path / "c")
    store = Store.create(songs.path)
    tracks = []
    for i in range(20):
        file = tmp_path / f"{i:03}.wav"
        file.write_text(str(i))
        tracks.append(as_indexed(file))
    store.put(tracks=tracks)
    chance = random.Random(0)
    for model in (MODEL, NEWER):  # the second takes the place of the first, killed just as often
        for _ in range(kills):
            if analyze(songs.path, model, chance.randrange(1, 24)):
                break
            for track in songs.analyses():  # whatever a row says is there in full, and of one model
                assert track.analysis is not None
                assert songs.analysis(track.path) == {"bpm": track.analysis.bpm, "model": track.analysis.model}
        assert analyze(songs.path, model, None)
        after = songs.tracks()
        assert [(t.path, t.content, t.title, t.mtime_ns) for t in after] == [
            (t.path, t.content, t.title, t.mtime_ns) for t in tracks
        ]
        assert [t.analysis for t in after] == [Facts(model, "beats", bpm=float(i)) for i in range(20)]
        store.drop_orphans()
        files = [p for p in (songs.path / "analyses").rglob("*") if p.is_file()]
        assert sorted(json.loads(p.read_text())["bpm"] for p in files) == list(range(20))
        assert songs.pending_analyses(model) == []


def test_a_damaged_document_is_told_and_made_again(songs: Collection) -> None:
    low = path(songs, "low")
    songs.add_analysis(low, found())
    (file,) = (songs.path / "analyses").rglob("*.json")
    file.write_text("{")
    with pytest.raises(CollectionError, match="Make it again"):
        songs.analysis(low)
    songs.add_analysis(low, found())
    assert songs.analysis(low)["model"] == MODEL


def test_an_error_in_the_run_keeps_what_was_given(songs: Collection) -> None:
    def interrupted(analyses: Analyses) -> None:
        analyses.add(path(songs, "low"), found())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), songs.analyzing() as analyses:
        interrupted(analyses)
    assert [t.title for t in songs.analyses()] == ["low"]
