"""Versions among songs given as profiles: published and corrected numbers, short songs, kills, who asks whom."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.data.version_features import open_profiles
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation import profiles
from ohrwurm.evaluation.metrics import versions as metrics
from ohrwurm.evaluation.protocols import versions
from ohrwurm.evaluation.tasks import Recordings, run
from ohrwurm.models import registry
from ohrwurm.models.alignment import PitchAlignment
from ohrwurm.models.version_encoder import VersionEncoder

SONGS, WORKS = 12, ("w1", "w2", "w3", "w1", "w2", "w3", "w1", "w4", "w5", "w6", "w7", "w8")


def encoder(comparison: str = "euclidean", seed: int = 0) -> VersionEncoder:
    torch.manual_seed(seed)
    card = registry.card("move-4000")
    small = {"pitch": "none", "dim": 8, "channels": 6, "kernel_time": 20, "short_input": "repeat"}
    made = registry.build(dataclasses.replace(card, parameters=small, dim=8, comparison=comparison)).eval()
    assert isinstance(made, VersionEncoder)
    return made


def song(number: int) -> np.ndarray:
    frames = 50 if number == 9 else 170 + 10 * number  # one is shorter than the network sees
    return np.random.default_rng(number).random((12, frames), dtype=np.float32)


@pytest.fixture
def chunk(tmp_path: Path) -> Path:
    songs = [torch.from_numpy(np.concatenate([x, x[:11]])[None]) for x in map(song, range(SONGS))]
    (tmp_path / "files").mkdir()
    torch.save({"data": songs, "labels": list(WORKS)}, tmp_path / "files" / "benchmark_crema.pt")
    return tmp_path / "files"


def recordings(folder: Path) -> Recordings:
    return Recordings(Manifest(open_profiles(folder).tracks), "files")


def vectors(model: VersionEncoder) -> np.ndarray:
    with torch.inference_mode():
        made = [model.encode_features(torch.from_numpy(song(i))[None]).pooled[0].numpy() for i in range(SONGS)]
    return np.stack(made)


@pytest.mark.parametrize("comparison", ["euclidean", "cosine", "pearson"])
def test_both_numbers_of_a_file_of_profiles(chunk: Path, comparison: str) -> None:
    model = encoder(comparison)
    found = run("versions", model, recordings(chunk)).outcome
    x = vectors(model).astype(np.float64)
    near = {
        "euclidean": -np.square(x[:, None] - x).sum(-1),
        "cosine": x @ x.T / np.outer(*[np.linalg.norm(x, axis=1)] * 2),
        "pearson": np.corrcoef(x),
    }[comparison]
    expected = metrics.evaluate(near, WORKS)
    assert {name: f.value for name, f in found.figures.items()} == pytest.approx(expected)
    assert found.published == pytest.approx(metrics.evaluate(near, WORKS, legacy=True))
    assert found.published["MR1"] != pytest.approx(expected["MR1"])
    assert (found.counts["recordings"], found.counts["queries"]) == (12, 7)
    assert found.items[0].ids[3] == "benchmark_crema/3"
    assert found.items[0].groups == WORKS[:7]
    assert any("1 songs are shorter" in w for w in found.warnings)


def test_published_evaluation_takes_no_short_song(chunk: Path, tmp_path: Path) -> None:
    model = encoder()
    for cache in (tmp_path / "new", tmp_path / "kept", tmp_path / "kept"):  # and also after one that filled it up
        if cache.name == "kept":
            assert not run("versions", model, recordings(chunk), cache=cache).failures
        found = run("versions", model, recordings(chunk), protocol="published", cache=cache)
        assert list(found.failures) == ["benchmark_crema/9"]
        assert "50 frames; the published evaluation takes no song under" in found.failures["benchmark_crema/9"]
        assert found.outcome.counts["recordings"] == 11


def test_killed_it_goes_on_where_it_was(chunk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, monkeypatched = encoder(), profiles.SAVED_EVERY
    assert monkeypatched > 1
    monkeypatch.setattr(profiles, "SAVED_EVERY", 2)
    heard: list[int] = []
    real = profiles._embedded

    def embedded(*given, stop: int) -> tuple[np.ndarray, int]:
        heard.append(given[2])
        if given[2] == stop:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(profiles, "_embedded", lambda *a: embedded(*a, stop=7))
    with pytest.raises(KeyboardInterrupt):
        run("versions", model, recordings(chunk), cache=tmp_path)
    monkeypatch.setattr(profiles, "_embedded", lambda *a: embedded(*a, stop=-1))
    resumed = run("versions", model, recordings(chunk), cache=tmp_path)
    assert heard == [*range(8), *range(6, 12)]  # the two after the last save are made again
    assert resumed.outcome.figures == run("versions", model, recordings(chunk)).outcome.figures
    heard.clear()
    run("versions", model, recordings(chunk), cache=tmp_path)
    assert heard == []
    run("versions", encoder(seed=1), recordings(chunk), cache=tmp_path)  # other weights
    assert len(heard) == SONGS


def test_some_ask_among_others(chunk: Path, tmp_path: Path) -> None:
    model = encoder()
    queries, references = tmp_path / "queries.csv", tmp_path / "references.csv"
    queries.write_text("1\n2\n3\n8\n")
    references.write_text("4,5,6,7,1\n")  # the first is among both, and never finds itself
    found = run("versions", model, recordings(chunk), queries=queries, references=references).outcome
    x = vectors(model)
    near = -np.square(x[[0, 1, 2, 7]][:, None] - x[[3, 4, 5, 6, 0]]).sum(-1)
    near[0, 4] = -1e9
    alone = metrics.per_query(near, ["w1", "w2", "w3", "w4"], ["w1", "w2", "w3", "w1", "itself"])
    assert found.figures["MAP"].value == pytest.approx(np.nanmean(alone["MAP"]))
    assert (found.counts["recordings"], found.counts["recordings searched"], found.counts["queries"]) == (4, 5, 3)
    for text, message in (
        ("1\n99", "99 is no place"),
        ("a", "not a table"),
        ("1,1", "place 1 stands twice"),
        ("", "no"),
    ):
        references.write_text(text)
        with pytest.raises(DataError, match=message):
            run("versions", model, recordings(chunk), queries=queries, references=references)
    with pytest.raises(DataError, match="go together"):
        run("versions", model, recordings(chunk), queries=queries)


def test_profiles_are_for_version_encoders(chunk: Path) -> None:
    with pytest.raises(ModelError, match="takes waveforms, and these are pitch-class profiles"):
        run("versions", registry.load("mel-statistics"), recordings(chunk))


def test_sequences_are_aligned_whole(chunk: Path) -> None:
    model = registry.load("ohrwurm-alignment")
    assert isinstance(model, PitchAlignment)
    found = run("versions", model, recordings(chunk)).outcome
    with torch.inference_mode():
        made = torch.cat([model.encode_features(torch.from_numpy(song(i))[None]).pooled for i in range(SONGS)])
        near = torch.stack([model.similarity(one, made) for one in made]).numpy()
    assert found.figures["MAP"].value == pytest.approx(metrics.evaluate(near, WORKS)["MAP"])
    assert any("crema" in w and "pitchnet" in w for w in found.warnings)
    assert not any("shorter" in w for w in found.warnings)


def test_damaged_and_missing_songs_are_left_out_by_name(tmp_path: Path) -> None:
    tracks = []
    for number, work in enumerate(WORKS[:6]):
        file = tmp_path / f"{number}.npz"
        np.savez(file, profile=song(number))
        tracks.append(Track(str(number), str(file), work_id=work))
    (tmp_path / "1.npz").unlink()
    (tmp_path / "2.npz").write_bytes(b"torn")
    found = run("versions", encoder(), Recordings(Manifest(tracks), "mine"))
    assert set(found.failures) == {str(tmp_path / "1.npz"), str(tmp_path / "2.npz")}
    assert found.outcome.counts["recordings"] == 4
    assert found.outcome.counts["queries"] == 2


def test_without_a_matrix_the_numbers_of_the_matrix() -> None:
    model = encoder("cosine")
    x = vectors(model)
    near = versions.similarities(model, x)
    assert isinstance(near, metrics.Compared)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    plain, streamed = versions.evaluate(unit @ unit.T, WORKS), versions.evaluate(near, WORKS)
    assert plain == streamed
