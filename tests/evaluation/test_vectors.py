"""Vectors kept between evaluations: never stale, never of another model, one bad file costs only itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ohrwurm.data.tracks import Track
from ohrwurm.embedding import embed
from ohrwurm.errors import DataError
from ohrwurm.evaluation import vector_store, vectors
from ohrwurm.evaluation.crops import crop_vectors
from ohrwurm.evaluation.vectors import track_vectors, window_vectors
from ohrwurm.models import registry

MODEL = registry.load("mel-statistics")


def tone(path: Path, pitch: float) -> Path:
    """Half a second of a tone with a few partials."""
    t = np.arange(8000) / 16000
    soundfile.write(path, sum(0.2 / k * np.sin(2 * np.pi * k * pitch * t) for k in (1, 2, 3)), 16000)
    return path


@pytest.fixture
def songs(tmp_path: Path) -> list[Path]:
    return [tone(tmp_path / f"{pitch}.wav", pitch) for pitch in (220, 330, 440)]


def test_a_second_evaluation_computes_nothing(
    songs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[int, int]] = []
    first = track_vectors(songs, MODEL, cache=tmp_path / "cache", progress=lambda *now: steps.append(now))
    assert steps == [(0, 3), (3, 3)]
    np.testing.assert_array_equal(first.values[1], embed(songs[1], MODEL).vector)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(vectors, "embed", never)
    songs[0] = songs[0].rename(tmp_path / "another name.wav")  # the content counts, not the name
    second = track_vectors(songs, MODEL, cache=tmp_path / "cache")
    np.testing.assert_array_equal(first.values, second.values)
    assert first.contents == second.contents


def test_many_vectors_lie_in_a_file_and_are_the_same(
    songs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "gone.wav", songs[0], tmp_path / "gone too.wav", *songs[1:]]
    plain = track_vectors(paths, MODEL)
    monkeypatch.setattr(vector_store, "MAPPED", 0)
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        mapped = track_vectors(paths, MODEL, cache=cache)
        assert isinstance(mapped.values, np.memmap)
        np.testing.assert_array_equal(mapped.values, plain.values)
        assert (mapped.rows, len(mapped.failures)) == ((1, 3, 4), 2)
    left = {file.suffix for file in (tmp_path / "cache").rglob("*") if file.is_file()}
    assert left == {".npy"}


def test_a_changed_file_and_another_model_are_computed_anew(songs: list[Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = track_vectors(songs, MODEL, cache=cache)
    tone(songs[0], 550)
    changed = track_vectors(songs, MODEL, cache=cache)
    assert np.abs(changed.values[0] - first.values[0]).max() > 0.01
    np.testing.assert_array_equal(changed.values[1:], first.values[1:])
    other = registry.load("mel-statistics", window=0.3, hop=0.3, minimum=0.3)
    windowed = track_vectors(songs, other, cache=cache)
    np.testing.assert_array_equal(windowed.values[1], embed(songs[1], other).vector)


def test_a_damaged_cache_is_made_again(songs: list[Path], tmp_path: Path) -> None:
    first = track_vectors(songs, MODEL, cache=tmp_path / "cache")
    kept = sorted((tmp_path / "cache").rglob("*.npy"))
    assert len(kept) == 3
    kept[0].write_bytes(b"not numbers")
    np.save(kept[1], np.zeros(7, np.float32))
    kept[2].write_bytes(b"")
    again = track_vectors(songs, MODEL, cache=tmp_path / "cache")
    np.testing.assert_array_equal(first.values, again.values)
    assert all(np.load(file).shape == (MODEL.card.dim,) for file in kept)


def test_bad_files_are_listed_and_cost_nothing_else(songs: list[Path], tmp_path: Path) -> None:
    noise = tmp_path / "text.wav"
    noise.write_text("no music in here")
    found = track_vectors([songs[0], noise, tmp_path / "gone.wav", songs[1]], MODEL)
    assert found.rows == (0, 3)
    np.testing.assert_array_equal(found.values[1], embed(songs[1], MODEL).vector)
    assert [(Path(f.path).name, f.reason) for f in found.failures] == [
        ("text.wav", "unreadable"),
        ("gone.wav", "missing"),
    ]


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of 1 recordings could be used.*gone\.wav: missing"):
        track_vectors([tmp_path / "gone.wav"], MODEL)
    with pytest.raises(DataError, match="none of 0"):
        track_vectors([], MODEL)


def test_windows_are_those_of_the_embedding_and_kept(songs: list[Path], tmp_path: Path, monkeypatch) -> None:
    model = registry.load("mel-statistics", window=0.2, hop=0.2, minimum=0.1)
    first = window_vectors([*songs, tmp_path / "gone.wav"], model, cache=tmp_path / "cache")
    assert [w.shape for w in first.values] == [(3, model.card.dim)] * 3  # 0.5 s: the last one is aligned to the end
    np.testing.assert_array_equal(first.values[2], embed(songs[2], model).windows)
    assert first.failures[0].reason == "missing"
    monkeypatch.setattr(vectors, "embed", None)
    again = window_vectors(songs, model, cache=tmp_path / "cache")
    assert all(np.array_equal(a, b) for a, b in zip(first.values, again.values, strict=True))


def test_a_crop_is_a_window_from_somewhere_and_the_same_again(songs: list[Path], tmp_path: Path) -> None:
    model = registry.load("mel-statistics", window=0.2, hop=0.2, minimum=0.1)
    short = tmp_path / "short.wav"
    soundfile.write(short, np.ones(1600), 16000)
    tracks = [Track(p.stem, str(p)) for p in (*songs, short, tmp_path / "gone.wav")]
    found = crop_vectors(tracks, model, cache=tmp_path / "cache", workers=2)
    assert found.rows == (0, 1, 2)
    assert [f.reason for f in found.failures] == ["too-short", "missing"]
    tracks[0] = Track("renamed", str(songs[0].rename(tmp_path / "renamed.wav")))  # the content counts
    for again in (crop_vectors(tracks[:3], model), crop_vectors(tracks[:3], model, cache=tmp_path / "cache")):
        assert all(np.array_equal(a, b) for a, b in zip(found.values, again.values, strict=True))
    other = crop_vectors(tracks[:3], model, seed=1, cache=tmp_path / "cache")
    assert not any(np.array_equal(a, b) for a, b in zip(found.values, other.values, strict=True))
    start = int(np.random.default_rng((0, int(found.contents[1], 16))).integers(8000 - 3200 + 1))
    heard = torch.from_numpy(soundfile.read(songs[1], dtype="float32")[0][start : start + 3200])
    np.testing.assert_array_equal(found.values[1], model(heard[None]).pooled.numpy())


def test_arrays_are_kept_by_their_rate(tmp_path: Path) -> None:
    """A rate put right in the manifest is another sound, although the file is the same."""
    np.save(tmp_path / "a.npy", np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32))
    made = [
        track_vectors([tmp_path / "a.npy"], MODEL, cache=tmp_path, sample_rates={str(tmp_path / "a.npy"): rate}).values
        for rate in (16000, 8000, 16000)
    ]
    np.testing.assert_array_equal(made[0], made[2])
    assert np.abs(made[0] - made[1]).max() > 0.01
