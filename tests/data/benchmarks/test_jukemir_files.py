"""jukemir's files: what is written is read again by the layouts, and the other way round."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import test_emomusic
import test_giantsteps

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.forms.jukemir_files import read_vectors, write_metadata, write_vectors
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError

TREES = {"emomusic": ("emomusic", test_emomusic.tree), "giantsteps": ("giantsteps_clips", test_giantsteps.tree)}


@pytest.mark.parametrize("name", TREES)
def test_metadata_written_from_a_published_set_is_read_as_that_set(name: str, tmp_path: Path) -> None:
    dataset, tree = TREES[name]
    tracks = list(find(name).read(tree(tmp_path / "published")))
    file = write_metadata(tmp_path, dataset, tracks)
    again = {t.track_id: t for t in find(name).read(file.parent)}
    assert set(again) == {t.track_id for t in tracks}
    for track in tracks:
        kept = again[track.track_id]
        assert kept.split == track.split
        for what in ("arousal", "valence", "key", "song", "uid"):
            assert kept.annotations.get(what) == track.annotations.get(what)


def test_metadata_has_the_published_form(tmp_path: Path) -> None:
    said = {"y_all": "rock;odd", "artist": "A", "clip_offset": 30.0, "clip_idx": 1, "uid": "00002"}
    file = write_metadata(tmp_path, "magnatagatune", [Track("2", "a.mp3", "", ("rock",), annotations=said)])
    entry = {
        "split": None, "y": ["rock"], "y_all": ["rock", "odd"], "extra": {"artist": "A"},
        "clip": {"clip_offset": 30.0, "clip_idx": 1},
    }  # fmt: skip
    assert json.loads(file.read_text()) == {"00002": entry}
    assert file.read_text() == json.dumps({"00002": entry}, indent=2, sort_keys=True)
    for dataset, track, message in (
        ("gtzan", Track("a", "a.wav"), "no data set 'gtzan'. It has: gtzan_ff"),
        ("gtzan_ff", Track("a", "a.wav"), "track 'a': lacks what gtzan_ff is about"),
        ("gtzan_ff", Track("a/b", "a.wav", tags=("rock",)), "jukemir names files after tracks"),
    ):
        with pytest.raises(DataError, match=message):
            write_metadata(tmp_path, dataset, [track])


def test_vectors_come_back_in_any_order_and_go_on_after_a_kill(tmp_path: Path) -> None:
    tracks = [Track(f"{i:04d}", f"{i}.mp3") for i in range(4)]
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    folder = write_vectors(tmp_path, "emomusic", "mine", tracks, vectors)
    assert folder == tmp_path / "representations" / "emomusic" / "mine"
    assert np.load(folder / "0002.npy").dtype == np.float32
    assert read_vectors(tmp_path, "emomusic", "mine", tracks[::-1]).tolist() == vectors[::-1].tolist()
    (folder / "0001.npy").unlink()
    with pytest.raises(DataError, match=r"0001\.npy: missing, and 0 more of 4"):
        read_vectors(tmp_path, "emomusic", "mine", tracks)
    kept = (folder / "0002.npy").stat().st_mtime_ns
    write_vectors(tmp_path, "emomusic", "mine", tracks, vectors)
    assert read_vectors(tmp_path, "emomusic", "mine", tracks).tolist() == vectors.tolist()
    assert (folder / "0002.npy").stat().st_mtime_ns == kept


def test_vectors_that_are_none_are_refused(tmp_path: Path) -> None:
    tracks = [Track("a", "a.wav"), Track("b", "b.wav")]
    with pytest.raises(DataError, match="2 tracks need one vector each"):
        write_vectors(tmp_path, "d", "r", tracks, np.zeros((3, 2)))
    with pytest.raises(DataError, match="track 'b': its vector holds NaN"):
        write_vectors(tmp_path, "d", "r", tracks, [[0, 1], [np.nan, 1]])
    folder = write_vectors(tmp_path, "d", "r", tracks, np.zeros((2, 2)))
    np.save(folder / "b.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"b\.npy: \(3,\) values, not \(2,\)"):
        read_vectors(tmp_path, "d", "r", tracks)
    (folder / "b.npy").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"b\.npy: not a readable array"):
        read_vectors(tmp_path, "d", "r", tracks)
