from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ohrwurm.collection import Collection
from ohrwurm.collection.ranking import best_by_cosine
from ohrwurm.collection.records import Space, Track
from ohrwurm.collection.search import WITHOUT_WEIGHT
from ohrwurm.collection.store import Store
from ohrwurm.collection.tables import Vectors
from ohrwurm.errors import AudioError, CollectionError

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bass (bands 0 and 1), Middle (3), Treble (6 and 7), Mixed (2 s of band 1, then 6), indexed in `collection`."""
    import mutagen

    root = tmp_path_factory.mktemp("search")
    music = root / "music"
    music.mkdir()
    time = np.arange(8000) / 8000
    bands = {"Bass": ((0, 1),) * 2, "Middle": ((3,),) * 2, "Treble": ((6, 7),) * 2, "Mixed": ((1,), (1,), (6,))}
    for name, seconds in bands.items():
        pieces = [sum(np.sin(2 * np.pi * (500 * band + 250) * time) / 4 for band in second) for second in seconds]
        soundfile.write(music / f"{name}.flac", np.concatenate(pieces), 8000)
    for name, artist, year in (("Bass", "Low Lowe", 1920), ("Middle", "M. Iddle", 1950), ("Treble", "Hi Hat", 1990)):
        file = mutagen.File(music / f"{name}.flac", easy=True)
        file["artist"], file["date"] = artist, str(year)
        file.save()
    Collection(root / "collection", models=["test-bands"]).index(music)
    return music


@pytest.fixture
def indexed(music: Path) -> Collection:
    """The collection, opened anew; tests leave it as it is."""
    return Collection(music.parent / "collection")


def titles(results: list) -> list[str]:
    return [r.title for r in results]


def test_words_find_the_sound_and_the_place(indexed: Collection) -> None:
    best = indexed.search("middle")[0]
    assert (best.title, best.artist, best.year) == ("Middle", "M. Iddle", 1950)
    assert best.score == pytest.approx(1.0, abs=0.01)
    assert titles(indexed.search("low"))[0] == "Mixed"
    mixed = {word: next(r for r in indexed.search(word) if r.title == "Mixed") for word in ("low", "higher")}
    assert mixed["low"].position == 0.0
    assert mixed["higher"].position == 2.0


def test_scores_are_cosines_of_the_stored_vectors(indexed: Collection) -> None:
    (space,) = indexed.store.spaces()
    query = np.zeros(8, np.float32)
    query[1] = 1
    for result in indexed.search("low"):
        vector = indexed.store.vectors(space, [indexed.track(result.id).content])[
            indexed.track(result.id).content
        ].track
        assert result.score == pytest.approx(float(vector @ query / np.linalg.norm(vector)), abs=1e-5)


def test_titles_and_file_names_do_not_influence_the_order(indexed: Collection, tmp_path: Path, music: Path) -> None:
    import mutagen

    before = {word: [r.score for r in indexed.search(word)] for word in ("low", "middle", "higher")}
    other = tmp_path / "shuffled"
    other.mkdir()
    for name, lie in (("Bass", "highest"), ("Middle", "low"), ("Treble", "lowest"), ("Mixed", "middle")):
        path = shutil.copy(music / f"{name}.flac", other / f"{lie}.flac")
        file = mutagen.File(path, easy=True)
        file["title"], file["artist"], file["genre"] = lie, lie, lie
        file.save()
    lied = Collection(tmp_path / "c2", models=["test-bands"])
    lied.index(other)
    assert {word: [r.score for r in lied.search(word)] for word in before} == before
    assert titles(lied.search("middle"))[0] == "low"


def test_like_a_track_by_path_or_id_leaves_itself_out(indexed: Collection, music: Path) -> None:
    found = indexed.search(like=music / "Bass.flac")
    assert titles(found)[0] == "Mixed"
    assert "Bass" not in titles(found)
    assert indexed.search(like=indexed.track(music / "Bass.flac").id) == found
    assert indexed.search(like=indexed.track(music / "Bass.flac").id[:6]) == found


def test_like_a_file_outside_the_collection(
    indexed: Collection, tmp_path: Path, sound: Callable[..., np.ndarray]
) -> None:
    outside = tmp_path / "outside.ogg"
    soundfile.write(outside, sound(7), 8000)
    count = len(indexed.tracks())
    assert titles(indexed.search(like=outside))[0] == "Treble"
    assert len(indexed.tracks()) == count
    copy = Path(shutil.copy(indexed.tracks()[0].path, tmp_path / "copy.flac"))  # the same content: itself again
    assert indexed.tracks()[0].title not in titles(indexed.search(like=copy))


def test_like_works_where_the_file_is_gone_and_no_model_is_needed(indexed: Collection, music: Path) -> None:
    expected = indexed.search(like=music / "Bass.flac")
    again = Collection(indexed.path)
    (music / "Bass.flac").rename(music / "away")
    try:
        assert again.search(like=music / "Bass.flac") == expected
    finally:
        (music / "away").rename(music / "Bass.flac")
    assert again._loaded == {}


def test_several_wishes_are_averaged(indexed: Collection) -> None:
    single = [{r.title: r.score for r in indexed.search(word)} for word in ("low", "higher")]
    both = {r.title: r.score for r in indexed.search(["low", "higher"])}
    for title, score in both.items():
        assert score == pytest.approx((single[0][title] + single[1][title]) / 2, abs=1e-5)
    assert max(both, key=both.__getitem__) == "Mixed"


def test_words_and_sound_together(indexed: Collection, music: Path) -> None:
    found = indexed.search("highest", like=music / "Middle.flac")
    assert titles(found)[0] == "Treble"
    assert "Middle" not in titles(found)


def test_without_pushes_away(indexed: Collection) -> None:
    wish = {r.title: r.score for r in indexed.search(["low", "lowest"])}
    refused = {r.title: r.score for r in indexed.search("higher")}
    found = {r.title: r.score for r in indexed.search(["low", "lowest"], without="higher")}
    for title, score in found.items():
        assert score == pytest.approx(wish[title] - WITHOUT_WEIGHT * refused[title], abs=1e-5)
    assert found["Mixed"] < wish["Mixed"]
    assert found["Bass"] == pytest.approx(wish["Bass"], abs=0.01)


def test_where_filters_by_metadata(indexed: Collection) -> None:
    assert titles(indexed.search("low", where="year < 1960")) == ["Bass", "Middle"]
    assert titles(indexed.search("low", where="artist = 'Hi Hat'")) == ["Treble"]
    assert titles(indexed.search("low", where="title LIKE 'M%' AND duration > 2.5")) == ["Mixed"]
    assert indexed.search("low", where="year = 1800") == []
    with pytest.raises(CollectionError, match="Columns"):
        indexed.search("low", where="singer = 'x'")


def test_k_and_what_is_asked(indexed: Collection) -> None:
    assert len(indexed.search("low", k=2)) == 2
    assert len(indexed.search("low", k=100)) == 4
    for call in (
        lambda: indexed.search(),
        lambda: indexed.search("low", k=0),
        lambda: indexed.search("   "),
        lambda: indexed.search("zxqwv"),
        lambda: indexed.search(without="low"),
        lambda: indexed.search("low", model="no-such"),
        lambda: indexed.search(like="0000"),
    ):
        with pytest.raises(CollectionError):
            call()
    with pytest.raises(AudioError):
        indexed.search(like=__file__)


def test_an_ambiguous_id_is_refused(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "c")
    store.put(tracks=[Track("/a", "abcd1" + "0" * 27, "a"), Track("/b", "abcd2" + "0" * 27, "b")])
    with pytest.raises(CollectionError, match="beginning of several"):
        Collection(tmp_path / "c").track("abcd")
    assert Collection(tmp_path / "c").track("abcd2").path == "/b"


def test_words_without_a_joint_model_say_how_to_get_one(tmp_path: Path, write: Write) -> None:
    music = write("a.wav", 1).parent
    write("b.wav", 2)
    plain = Collection(tmp_path / "c", models=["mel-statistics"])
    plain.index(music)
    with pytest.raises(CollectionError, match="ohrwurm index --model"):
        plain.search("piano")
    with pytest.raises(CollectionError, match="does not understand words"):
        plain.search("piano", model="mel-statistics")
    with pytest.raises(CollectionError, match="ohrwurm index --model"):
        plain.versions(music / "a.wav")
    assert titles(plain.search(like=music / "a.wav")) == ["b"]


def many(tmp_path: Path, n: int) -> tuple[Store, Space, np.ndarray]:
    """A store of n random unit vectors; every tenth track is of 1999, every hundredth missing, every 50th silent."""
    from ohrwurm.models import registry

    card = dataclasses.replace(registry.card("test-bands"), dim=16)
    space = Space("r", card.provenance, "r", card.to_json())
    store = Store.create(tmp_path / "many")
    store.activate([space])
    x = np.random.default_rng(0).standard_normal((n, 16)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    rows = [Vectors(f"{i:032x}", v, v[None], np.zeros(1, np.float32), np.ones(1, np.float32)) for i, v in enumerate(x)]
    tracks = [
        Track(
            f"/m/{i}.wav", f"{i:032x}", str(i), year=1999 if i % 10 == 0 else 2000,
            status="missing" if i % 100 == 1 else "present", flags="decoder:av,silent" if i % 50 == 2 else "",
        )
        for i in range(n)
    ]  # fmt: skip
    store.put(vectors=[(space, space.provenance, rows)], tracks=tracks)
    return store, space, x


def test_filtered_search_is_exact_however_much_is_filtered(tmp_path: Path) -> None:
    n = 3000
    store, space, x = many(tmp_path, n)
    i = np.arange(n)
    listed = (i % 100 != 1) & (i % 50 != 2)
    query = x[7] + 0.1
    order = np.argsort(-(x @ query))
    for where, allowed in (
        ("", listed),
        ("year = 2000", listed & (i % 10 != 0)),  # many: searched around
        ("year = 1999", listed & (i % 10 == 0)),  # few: searched directly
        ("title = '12'", i == 12),
        ("year = 1700", i < 0),
    ):
        for k in (1, 10, 200):
            exclude = {f"{7:032x}"}
            expected = [j for j in order if allowed[j] and j != 7][:k]
            found = best_by_cosine(store, space, query, k, where=where, exclude=exclude)
            assert [int(r.title) for r in found] == expected, (where, k)
            np.testing.assert_allclose([r.score for r in found], (x @ query)[expected], atol=1e-5)


def test_all_excluded_but_the_last(tmp_path: Path) -> None:
    store, space, x = many(tmp_path, 300)
    order = np.argsort(-(x @ x[0]))
    last = int(order[-1])
    exclude = {f"{j:032x}" for j in range(300) if j != last}
    found = best_by_cosine(store, space, x[0], 5, exclude=exclude)
    assert [r.title for r in found] == [str(last)]


def test_a_condition_cannot_bring_back_what_is_gone(tmp_path: Path) -> None:
    store, space, x = many(tmp_path, 300)
    for where in ("true OR true", "status = 'missing' OR year > 0"):
        found = best_by_cosine(store, space, x[0], 300, where=where)
        assert len(found) == 291  # 3 missing and 6 silent
    everything = best_by_cosine(store, space, x[0], 300)
    for where in ("true) OR (true", "true OR true"):  # SQL that tries to climb out of its parentheses
        assert best_by_cosine(store, space, x[0], 300, where=where) == everything
