from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ohrwurm.collection import Collection
from ohrwurm.collection.versions import DEFAULT_THRESHOLD, default_threshold, group_by_similarity
from ohrwurm.errors import CollectionError

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Three songs of different bands, in two, three and one versions, with the cosine test model."""
    root = tmp_path_factory.mktemp("versions")
    (root / "music").mkdir()
    time = np.arange(16000) / 8000
    for song, band, count in (("a", 1, 2), ("b", 4, 3), ("c", 6, 1)):
        for version in range(count):
            main, other = (np.sin(2 * np.pi * (500 * x + 250) * time) for x in (band, (band + version) % 8))
            soundfile.write(root / "music" / f"{song}{version}.wav", 0.6 * main + 0.1 * version * other, 8000)
    soundfile.write(root / "music" / "silent.wav", np.zeros(16000), 8000)
    collection = Collection(root / "collection", models=["test-versions"])
    collection.index(root / "music")
    return collection


def names(results: object) -> list[str]:
    return [r.title for r in results]  # type: ignore[attr-defined]


def test_versions_of_a_track_come_first(songs: Collection) -> None:
    music = songs.path.parent / "music"
    assert set(names(songs.versions(music / "b0.wav"))[:2]) == {"b1", "b2"}
    assert names(songs.versions(songs.track(music / "a1.wav").id, k=1)) == ["a0"]
    assert names(songs.versions(music / "a1.wav", where="title LIKE 'c%'")) == ["c0"]


def test_versions_of_a_file_outside(songs: Collection, tmp_path: Path, sound: Callable[..., np.ndarray]) -> None:
    soundfile.write(tmp_path / "new.wav", sound(4, seconds=3), 8000)
    assert set(names(songs.versions(tmp_path / "new.wav", k=3))) == {"b0", "b1", "b2"}


def test_groups_use_the_threshold_of_the_card(songs: Collection) -> None:
    groups = songs.version_groups()
    assert sorted(sorted(names(g.tracks)) for g in groups) == [["a0", "a1"], ["b0", "b1", "b2"]]
    assert all(g.similarity >= 0.8 for g in groups)
    assert groups == sorted(groups, key=lambda g: -g.similarity)
    (space,) = songs.store.spaces()
    assert default_threshold(space) == 0.8
    assert songs.version_groups(threshold=1.5) == []
    assert len(songs.version_groups(threshold=-1.0)[0].tracks) == 6  # all but the silent one
    assert [sorted(names(g.tracks)) for g in songs.version_groups(where="title LIKE 'a%'")] == [["a0", "a1"]]


def sing(notes: np.ndarray, transpose: int, harmonics: int, rate: int = 22050) -> np.ndarray:
    time = np.arange(rate // 2) / rate
    pieces = []
    for note in notes:
        pitch = 220 * 2 ** ((note + transpose) / 12)
        pieces.append(sum(np.sin(2 * np.pi * pitch * h * time) / h for h in range(1, harmonics + 1)))
    return 0.2 * np.concatenate(pieces)


def test_a_model_with_its_own_similarity(tmp_path: Path, music: Path) -> None:
    """The baseline finds a melody again in another key and as another waveform."""
    rng = np.random.default_rng(0)
    for song in range(3):
        notes = rng.integers(0, 12, 40)
        soundfile.write(music / f"{song}-first.wav", sing(notes, 0, 1), 22050)
        soundfile.write(music / f"{song}-second.wav", sing(notes, 5, 4), 22050)
    collection = Collection(tmp_path / "c", models=["chroma-cross-correlation"])
    collection.index(music)
    for song in range(3):
        best = collection.versions(music / f"{song}-first.wav")[0]
        assert best.title == f"{song}-second"
        assert best.position is None
        assert collection.search(like=music / f"{song}-first.wav", model="chroma-cross-correlation")[0] == best
    groups = collection.version_groups(threshold=0.5)
    assert sorted(sorted(names(g.tracks)) for g in groups) == [[f"{s}-first", f"{s}-second"] for s in range(3)]


def test_in_a_large_collection_vectors_say_what_is_aligned(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sequences decide among what the vectors find near; to these a tune three octaves up is another thing."""
    rng = np.random.default_rng(0)
    for song in ("a", "b"):
        notes = rng.integers(0, 12, 40)
        for version, transpose in (("low", 0), ("deep", 4), ("high", 36), ("shrill", 38)):
            soundfile.write(music / f"{song}-{version}.wav", sing(notes, transpose, 1), 22050)
    collection = Collection(tmp_path / "c", models=["test-versions", "chroma-cross-correlation"])
    collection.index(music)

    def groups(threshold: float) -> list[list[str]]:
        return sorted(sorted(names(group.tracks)) for group in collection.version_groups(threshold=threshold))

    assert set(names(collection.versions(music / "a-low.wav"))[:3]) == {"a-deep", "a-high", "a-shrill"}
    assert groups(0.3) == [[f"{s}-{v}" for v in ("deep", "high", "low", "shrill")] for s in ("a", "b")]

    monkeypatch.setattr("ohrwurm.collection.versions.SHORTLIST", 3)
    monkeypatch.setattr("ohrwurm.collection.versions.NEIGHBOURS", 4)
    assert names(collection.versions(music / "a-low.wav", k=1)) == ["a-deep"]
    assert set(names(collection.versions(music / "a-low.wav", k=3))) == {"a-deep", "b-low", "b-deep"}
    assert names(collection.versions(music / "a-low.wav", k=3, where="title LIKE '%high'"))[0] == "a-high"
    assert groups(0.5) == [["a-deep", "a-low"], ["a-high", "a-shrill"], ["b-deep", "b-low"], ["b-high", "b-shrill"]]
    soundfile.write(tmp_path / "outside.wav", sing(notes, 2, 1), 22050)  # the tune of b
    assert names(collection.versions(tmp_path / "outside.wav", k=1))[0] in ("b-low", "b-deep")


def test_without_a_model_for_versions(collection: Collection, write: Write, music: Path) -> None:
    write("a.wav", 1)
    collection.index(music)
    with pytest.raises(CollectionError, match="ohrwurm index --model"):
        collection.version_groups()
    assert default_threshold(collection.store.spaces()[0]) == DEFAULT_THRESHOLD


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 0.9])
def test_groups_are_those_of_average_linkage_over_everything(threshold: float) -> None:
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((12, 6))
    x = np.concatenate([c + 0.6 * rng.standard_normal((rng.integers(1, 9), 6)) for c in centres])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    similarity = x @ x.T
    distances = 1 - similarity
    np.fill_diagonal(distances, 0)
    label = fcluster(linkage(squareform(distances, checks=False), "average"), 1 - threshold, "distance")
    expected = {frozenset(np.flatnonzero(label == k).tolist()) for k in set(label) if (label == k).sum() > 1}
    found = list(group_by_similarity(lambda a, b: x[a] @ x[b].T, len(x), threshold))
    assert {frozenset(m.tolist()) for m, _ in found} == expected
    for members, pairs in found:
        np.testing.assert_allclose(pairs, similarity[np.ix_(members, members)])


def test_a_chain_of_near_pairs_does_not_become_one_group() -> None:
    angles = np.arange(12) * 0.5
    x = np.stack([np.cos(angles), np.sin(angles)], 1)
    groups = list(group_by_similarity(lambda a, b: x[a] @ x[b].T, 12, 0.85))
    assert len(groups) > 1
    assert max(len(members) for members, _ in groups) <= 3


def test_groups_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = np.eye(50)[rng.permutation(np.repeat(np.arange(50), 2))]
    whole = {frozenset(m.tolist()) for m, _ in group_by_similarity(lambda a, b: x[a] @ x[b].T, 100, 0.5)}
    monkeypatch.setattr("ohrwurm.collection.versions.BLOCK", 7)
    blocks = {frozenset(m.tolist()) for m, _ in group_by_similarity(lambda a, b: x[a] @ x[b].T, 100, 0.5)}
    assert blocks == whole
    assert len(whole) == 50


def test_an_empty_collection_has_no_groups() -> None:
    assert list(group_by_similarity(lambda a, b: np.zeros((len(a), len(b))), 0, 0.5)) == []
