"""Validation: every fault of a set is found and named, and a set without faults has none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ohrwurm.data import benchmarks
from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant
from ohrwurm.data.preparing import prepare
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.data.validating import Validation, validate
from ohrwurm.errors import DataError

LABELS = ("rock", "pop", "jazz")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OHRWURM_DATA", raising=False)


def write_noise(file: Path, seed: int, samples: int = 800) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.random.default_rng(seed).uniform(-0.5, 0.5, samples), 8000)


@pytest.fixture
def table(tmp_path: Path) -> list[dict[str, str]]:
    """A sound set of nine: in each split one of each label, all of other artists."""
    found = []
    for number in range(9):
        write_noise(tmp_path / "set" / f"{number}.wav", number)
        split = ("train", "validation", "test")[number // 3]
        found.append(
            {
                "path": f"{number}.wav",
                "split": split,
                "tags": LABELS[number % 3],
                "artist": f"A {number}",
                "work_id": "",
            }
        )
    return found


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Validation]:
    def run(rows: list[dict[str, str]], **options: bool) -> Validation:
        file = tmp_path / "set" / "manifest.csv"
        names = list(rows[0])
        lines = [",".join(names), *(",".join(row[n] for n in names) for row in rows)]
        file.write_text("\n".join(lines))
        return validate(_set(file), root=tmp_path / "set", **options)

    return run


def _set(file: Path) -> Benchmark:
    return Benchmark(
        name="clips",
        title="Clips.",
        citation="nobody",
        licence="none",
        layouts=(Layout("a table", ("manifest.csv",), lambda folder, variant: Manifest.read(folder / "manifest.csv")),),
        variants={"all": Variant("All.", ("probe",), {"train": 3, "validation": 3, "test": 3}, labels=LABELS)},
    )


def found(validation: Validation) -> dict[str, str]:
    return {finding.what: finding.text for finding in validation.findings}


def test_a_whole_set_has_no_findings(table, check) -> None:  # type: ignore[no-untyped-def]
    sound = check(table, decode=True)
    assert sound.findings == ()
    assert sound.effects == ()
    assert sound.whole
    assert sound.as_dict()["splits"]["test"] == {"published": 3, "listed": 3, "usable": 3}
    assert sound.name == "clips/all"


def test_missing_empty_and_unreadable_files_are_told_apart(table, check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "set" / "8.wav").unlink()
    (tmp_path / "set" / "7.wav").write_bytes(b"")
    (tmp_path / "set" / "1.wav").write_bytes(b"words")
    seen = check(table)
    assert {(f.what, f.items) for f in seen.findings if f.weight == "gap"} == {
        ("missing", ("8.wav",)),
        ("empty", ("7.wav",)),
        ("unreadable", ("1.wav",)),
    }
    assert not seen.whole
    assert [s.split(";")[0] for s in seen.effects] == [
        "train: 2 of 3 tracks (67 %) to learn from: nothing bounds what that does",
        "test: 1 of 3 tracks",
    ]
    assert "2 of 3 labels have no track, e.g. 'pop'" in found(seen)["label without tracks"]


def test_decoding_finds_what_headers_hide(table, check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    whole = tmp_path / "set" / "0.flac"
    write_noise(whole, 0, 8000)
    whole.write_bytes(whole.read_bytes()[:6000])
    table[0]["path"] = "0.flac"
    assert check(table).whole
    seen = check(table, decode=True)
    assert not seen.whole
    assert seen.findings[0].items == ("0.flac",)


def test_lines_that_lack_or_are_too_many_are_counted(table, check) -> None:  # type: ignore[no-untyped-def]
    seen = check(table[:-1])
    assert found(seen)["count"] == "test: 2 tracks are listed, 3 are published"
    assert not seen.whole
    table[0]["split"] = "test"
    seen = check(table)
    assert [f.text for f in seen.findings if f.what == "count"] == [
        "train: 2 tracks are listed, 3 are published",
        "test: 4 tracks are listed, 3 are published",
    ]
    assert any("4 tracks where 3 are published" in sentence for sentence in seen.effects)


def test_a_recording_in_two_splits_is_found_by_path_and_by_content(table, check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "set" / "8.wav").write_bytes((tmp_path / "set" / "0.wav").read_bytes())
    seen = found(check(table))
    assert seen["same content"] == "1 recordings are there more than once, e.g. 0.wav = 8.wav"
    assert "0.wav (train) = 8.wav (test)" in seen["same content in two splits"]
    assert "same content" not in found(check(table, contents=False))
    for row, name in zip(table, "abcdefghi", strict=True):
        row["track_id"] = name
    table[8]["path"] = "0.wav"
    assert "1 of 3 test tracks have theirs in train" in found(check(table))["recording in two splits"]


def test_artists_and_works_across_splits_are_noted_not_condemned(table, check) -> None:  # type: ignore[no-untyped-def]
    table[0]["artist"], table[7]["artist"], table[8]["artist"] = "Nina", " nina ", "NINA"
    table[3]["work_id"] = table[6]["work_id"] = "w"
    seen = check(table)
    assert found(seen)["artist in two splits"].endswith(
        "e.g. nina; 2 of 3 test tracks have theirs in train: numbers come out too high"
    )
    assert found(seen)["work in two splits"] == "1 works are in more than one split, e.g. w"
    assert seen.whole


def test_labels_that_nobody_listed_and_that_nobody_has(table, check) -> None:  # type: ignore[no-untyped-def]
    table[8]["tags"] = "polka"
    seen = found(check(table))
    assert "1 labels of tracks are not in the list of 3, e.g. 'polka'" in seen["unknown label"]
    assert "test: 1 of 3 labels have no track, e.g. 'jazz'" in seen["label without tracks"]
    assert "an average is over 2 labels" in seen["label without tracks"]


def test_a_prepared_folder_is_checked_against_what_it_was(table, check, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "set" / "5.wav").unlink()
    check(table)
    benchmark = _set(tmp_path)
    benchmark = dataclasses.replace(benchmark, audio=(benchmarks.AudioForm(4000, "wav", source="a paper"),))
    prepare(benchmark, "", tmp_path / "out", source=tmp_path / "set")
    seen = validate(benchmark, root=tmp_path / "out")
    assert [f.what for f in seen.findings] == ["missing", "label without tracks"]
    assert str(tmp_path / "set" / "5.wav") in found(seen)["missing"]  # what was missing then, not what would be made
    file = tmp_path / "out" / "audio" / "0.wav"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "1 files are not as they were prepared" in found(validate(benchmark, root=tmp_path / "out"))["checksum"]


def test_a_published_file_that_was_changed_is_found(table, check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    check(table)
    (tmp_path / "set" / "tags.txt").write_text("rock")
    remotes = (Remote("https://x", "tags.txt", md5="0" * 32), Remote("https://x", "not-fetched.zip", size=5))
    seen = validate(dataclasses.replace(_set(tmp_path), remotes=remotes), root=tmp_path / "set")
    assert [f.items for f in seen.findings] == [("tags.txt",)]
    assert "MD5" in seen.findings[0].text


def test_manifests_and_folders_of_ones_own_are_validated_too(table, check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    check(table)
    (tmp_path / "set" / "8.wav").unlink()
    for what in (tmp_path / "set", tmp_path / "set" / "manifest.csv"):
        seen = validate(what)
        assert seen.name == str(what)
        assert found(seen)["missing"].startswith("1 tracks are missing")
        assert [s.split(";")[0] for s in seen.effects] == ["test: 2 of 3 tracks"]
    with pytest.raises(DataError, match="neither a benchmark"):
        validate(tmp_path / "nowhere")


def test_a_folder_as_published_is_recognised(tmp_path: Path) -> None:
    folder = tmp_path / "emotify_half"
    folder.mkdir()
    (folder / "manifest.csv").write_text("file,genre,track_id\n001.opus,rock,1\n")
    for what in (folder, str(folder)):
        seen = validate(what)
        assert seen.name.startswith("emotify/")
        assert found(seen)["missing"].startswith("1 tracks are missing")


def test_arrays_without_a_rate_cannot_be_used(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(800, np.float32))
    file = tmp_path / "mine.csv"
    Manifest([Track("a", str(tmp_path / "a.npy"))]).write(file)
    assert "unreadable" in found(validate(file))
    Manifest([Track("a", str(tmp_path / "a.npy"), annotations={"sample_rate": 8000})]).write(file)
    assert validate(file, decode=True).whole


def test_sets_of_features_are_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"features")
    (tmp_path / "b.h5").write_bytes(b"")
    tracks = [Track(name, str(tmp_path / f"{name}.h5"), "test", work_id="w") for name in "abc"]
    Manifest(tracks).write(tmp_path / "mine.csv")
    seen = validate(tmp_path / "mine.csv", decode=True)
    assert [(f.what, f.items) for f in seen.findings] == [("empty", ("b",)), ("missing", ("c",))]
    assert "3 of 3 queries are gone or have fewer versions to find" in seen.effects[0]


def test_a_table_without_tracks_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("path,tags\n")
    seen = validate(tmp_path / "mine.csv")
    assert [f.what for f in seen.findings] == ["no tracks"]
    assert not seen.whole
