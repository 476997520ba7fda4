from __future__ import annotations

import dataclasses
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohrwurm.collection.records import Failure, Space, Track
from ohrwurm.collection.store import Store
from ohrwurm.collection.tables import Vectors
from ohrwurm.errors import CollectionError, ProvenanceError

CARD = json.dumps({"dim": 4, "good_for": ["sound"], "joint": False, "comparison": "cosine", "features": {}})
SPACE = Space("m", "m:0123456789abcdef", "m", CARD)


def vectors(content: str, seed: int, windows: int = 3) -> Vectors:
    rng = np.random.default_rng(seed)
    track, parts = rng.standard_normal(4), rng.standard_normal((windows, 4))
    starts = np.arange(windows)
    return Vectors(content, *(x.astype(np.float32) for x in (track, parts, starts, np.ones(windows))))


def track(path: str, content: str, **values: Any) -> Track:
    return Track(path, content, title=path, **values)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "c")
    store.activate([SPACE])
    return store


def test_what_was_put_is_read_back_bit_by_bit(store: Store) -> None:
    rows = [vectors(f"{i:032x}", i, windows=i) for i in range(5)]
    tracks = [track(f"/m/{i}.wav", r.content, year=1900 + i, duration=0.1 * i) for i, r in enumerate(rows)]
    store.put(vectors=[(SPACE, SPACE.provenance, rows)], tracks=tracks)
    again = Store.open(store.folder)
    assert again.tracks() == tracks
    back = again.vectors(SPACE, [r.content for r in rows] + ["absent"])
    assert len(back) == 5
    for row in rows:
        for name in ("track", "windows", "starts", "valid"):
            one, other = getattr(row, name), getattr(back[row.content], name)
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes()
    contents, matrix = again.track_vectors(SPACE)
    assert contents == sorted(r.content for r in rows)
    assert matrix.tobytes() == np.stack([back[c].track for c in contents]).tobytes()


def test_putting_twice_duplicates_nothing(store: Store) -> None:
    for _ in range(2):
        store.put(
            vectors=[(SPACE, SPACE.provenance, [vectors("a", 1), vectors("b", 2)])],
            tracks=[track("/x", "a"), track("/y", "b")],
            failures=[Failure("/z", "empty")],
        )
    assert store.count(SPACE) == 2
    assert len(store.tracks()) == 2
    assert len(store.failures()) == 1


def test_vectors_of_another_provenance_are_refused(store: Store) -> None:
    with pytest.raises(ProvenanceError, match="index"):
        store.put(vectors=[(SPACE, "m:fedcba9876543210", [vectors("a", 1)])])
    assert store.count(SPACE) == 0


def test_nearest_is_exact_and_cosine(store: Store) -> None:
    rows = [vectors(f"{i:04x}", i) for i in range(50)]
    store.put(vectors=[(SPACE, SPACE.provenance, rows)])
    query = np.random.default_rng(99).standard_normal(4).astype(np.float32)
    cosine = {r.content: r.track @ query / np.linalg.norm(r.track) / np.linalg.norm(query) for r in rows}
    expected = sorted(cosine, key=cosine.__getitem__, reverse=True)
    found = store.nearest(SPACE, query, 10)
    assert [c for c, _ in found] == expected[:10]
    np.testing.assert_allclose([s for _, s in found], [cosine[c] for c in expected[:10]], atol=1e-6)
    some = set(expected[20:30])
    assert [c for c, _ in store.nearest(SPACE, query, 10, some)] == expected[20:30]


def test_orphans_go_and_the_rest_stays(store: Store) -> None:
    store.put(vectors=[(SPACE, SPACE.provenance, [vectors("a", 1), vectors("b", 2)])], tracks=[track("/x", "a")])
    assert store.drop_orphans() == 1
    assert store.contents(SPACE) == {"a"}


def test_replaced_model_keeps_its_vectors_until_all_are_replaced(store: Store) -> None:
    store.put(vectors=[(SPACE, SPACE.provenance, [vectors("a", 1)])], tracks=[track("/x", "a")])
    newer = dataclasses.replace(SPACE, provenance="m:aaaaaaaaaaaaaaaa")
    store.activate([newer])
    assert store.spaces() == [newer]
    store.drop_stale()
    assert store.count(SPACE) == 1
    store.put(vectors=[(newer, newer.provenance, [vectors("a", 3)])])
    store.drop_stale()
    assert SPACE.table not in store._tables()


def test_quotes_and_unicode_in_paths(store: Store) -> None:
    path = "/m/Don't \"stop\" – ''; DROP TABLE tracks; 音楽.wav"
    store.put(tracks=[track(path, "a"), track("/other", "b")])
    assert [t.path for t in store.tracks_at([path])] == [path]
    store.put(forget_tracks=[path])
    assert [t.path for t in store.tracks()] == ["/other"]


def test_thousands_of_paths_at_once(store: Store) -> None:
    store.put(tracks=[track(f"/m/{i:05}", f"{i:032x}") for i in range(2500)])
    assert len(store.tracks_at(f"/m/{i:05}" for i in range(2500))) == 2500
    store.put(forget_tracks=[f"/m/{i:05}" for i in range(2400)])
    assert len(store.tracks()) == 100


def test_a_wrong_condition_names_the_columns(store: Store) -> None:
    with pytest.raises(CollectionError, match="artist"):
        store.tracks("singer = 'x'")
    with pytest.raises(CollectionError, match="not understood"):
        store.tracks("year >")


def test_opening_what_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="ohrwurm index"):
        Store.open(tmp_path / "nothing")
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(CollectionError, match=r"photo\.jpg"):
        Store.create(tmp_path)
    with pytest.raises(CollectionError, match="is a file"):
        Store.create(tmp_path / "photo.jpg")


def test_a_collection_of_another_format_is_refused(store: Store) -> None:
    store._set_meta("format", 99)
    with pytest.raises(CollectionError, match="format 99"):
        Store.open(store.folder)


def test_compacting_keeps_the_rows_and_shrinks_the_folder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(30):
        store.put(vectors=[(SPACE, SPACE.provenance, [vectors(f"{i:04x}", i)])], tracks=[track(f"/{i:02}", f"{i:04x}")])
    before, files = store.tracks(), sum(1 for _ in store.folder.rglob("*"))
    monkeypatch.setattr("ohrwurm.collection.store.KEEP_VERSIONS", timedelta(milliseconds=1))
    time.sleep(0.01)
    store.compact()
    assert store.tracks() == before
    assert store.count(SPACE) == 30
    assert sum(1 for _ in store.folder.rglob("*")) < files / 3


def test_another_reader_sees_a_commit_at_once(store: Store) -> None:
    reader = Store.open(store.folder)
    assert reader.tracks() == []
    store.put(tracks=[track("/x", "a")])
    assert [t.path for t in reader.tracks()] == ["/x"]
