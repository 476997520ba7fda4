"""POP909: in the time of the MIDI files or of the recordings, with the house's splits."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import sets_at_hand, write_lines

from ohrwurm.data import annotations
from ohrwurm.data.benchmarks import find
from ohrwurm.errors import DataError


def tree(folder: Path) -> Path:
    for song in ("001", "660", "710"):
        base = folder / "POP909" / song
        write_lines(base / "beat_midi.txt", "0.5 1.0 1.0", "1.0 0.0 0.0", "1.5 1.0 0.0", "2.0 0.0 0.0", "2.5 1.0 1.0")
        write_lines(base / "beat_audio.txt", "0.7\t1.0", "1.2\t2.0")
        for time in ("midi", "audio"):
            write_lines(base / f"chord_{time}.txt", "0.5\t2.5\tGb:maj7/3")
        write_lines(base / "key_audio.txt", "0.5\t2.5\tGb:maj")
    return folder


def test_two_times_and_the_splits_of_the_house(tmp_path: Path) -> None:
    found = find("pop909").read(tree(tmp_path))
    assert [(t.track_id, t.split) for t in found] == [("001", "train"), ("660", "validation"), ("710", "test")]
    assert annotations.read_beats(found[0].annotations["beats"]).value.positions.tolist() == [1, 2, 3, 4, 1]
    assert annotations.read(found[0].annotations["chords"], "chords").value.labels == ("Gb:maj7/3",)
    assert annotations.read(found[0].annotations["key"], "key").value.label == "Gb major"
    audio = find("pop909/audio").read(tmp_path)
    assert annotations.read_beats(audio[0].annotations["beats"]).value.times.tolist() == [0.7, 1.2]


def test_as_published() -> None:
    root = sets_at_hand()
    try:
        found = find("pop909").read(root)
    except DataError:
        pytest.skip("OHRWURM_DATA holds no pop909")
    assert len(found) == 809
    assert {s: len(found.split(s)) for s in ("train", "validation", "test")} == {
        "train": 659,
        "validation": 50,
        "test": 100,
    }
    assert all(Path(t.annotations[name]).is_file() for t in found for name in ("beats", "chords", "key"))
