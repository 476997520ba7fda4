"""The annotation files themselves, as published: Harmonix, SALAMI, POP909, half of ASAP."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ohrwurm.analysis.section_classes import section_class
from ohrwurm.data import annotations
from ohrwurm.data.annotations.reading import Reading
from ohrwurm.data.archives import unpacked
from ohrwurm.events import Spans


def at_hand(name: str, below: str = "") -> Path:
    root = Path(os.environ.get("OHRWURM_DATA") or "/nowhere")
    if not any((root / below / f"{name}{ending}").exists() for ending in ("", ".tar.xz")):
        pytest.skip(f"OHRWURM_DATA holds no {name}")
    return unpacked(root / below, name)


def some(files: Sequence[Path], count: int = 60) -> list[Path]:
    """Files spread evenly over all, so that `make test` stays short."""
    assert files
    return [files[i] for i in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]


def test_harmonix() -> None:
    folder = at_hand("harmonix", "annotations") / "dataset"
    segments = sorted((folder / "segments").glob("*.txt"))
    assert len(segments) == 912
    read: list[Reading[Spans]] = [annotations.read(file, "sections") for file in segments]
    names = Counter(label for found in read for label in found.value.labels)
    assert {name: names[name] for name in ("chorus", "verse", "intro", "prechorus")} == {
        "chorus": 3093, "verse": 2082, "intro": 848, "prechorus": 726,
    }  # fmt: skip
    left_open = [file.stem for file, found in zip(segments, read, strict=True) if found.remarks]
    assert left_open == ["0539_youandi", "0603_breaktheicejasonnevinsmix"]  # their last row is no end
    unknown = Counter(label for found in read for label in found.value.labels if section_class(label) is None)
    assert sum(unknown.values()) < 0.01 * sum(names.values())
    for file in some(sorted((folder / "beats_and_downbeats").glob("*.txt"))):
        found = annotations.read_beats(file)
        assert found.remarks == ()
        assert len(found.value) > 50
        assert set(found.value.positions.tolist()) <= set(range(1, 13))
        assert len(found.value.downbeats) > 10


def test_salami() -> None:
    folder = at_hand("salami", "annotations") / "annotations"
    functions = sorted(folder.glob("*/parsed/textfile?_functions.txt"))
    assert len(functions) == 2243
    double = 0
    for file in some(functions):
        found = annotations.read(file, "sections")
        assert found.value.labels
        assert (found.value.intervals[1:, 0] == found.value.intervals[:-1, 1]).all()
        double += any("several labels" in remark for remark in found.remarks)
        letters = annotations.read(file.with_name(file.name.replace("functions", "uppercase")), "sections")
        assert letters.value.intervals[-1, 1] == pytest.approx(found.value.intervals[-1, 1])
    assert double > 0


def test_pop909() -> None:
    folder = at_hand("pop909") / "POP909"
    songs = sorted(p for p in folder.iterdir() if p.is_dir())
    assert len(songs) == 809
    for song in some(songs, 30):
        beats = annotations.read_beats(song / "beat_midi.txt")
        assert beats.remarks == ()
        gaps = np.diff(np.flatnonzero(beats.value.positions == 1))
        assert int(np.median(gaps)) in (2, 3, 4)
        chords = annotations.read(song / "chord_midi.txt", "chords")
        assert chords.remarks == ()
        assert "X" not in chords.value.labels
        assert annotations.read(song / "key_audio.txt", "key").value.confidence > 0.3


def test_asap() -> None:
    folder = at_hand("asap_half")
    files = sorted(folder.glob("**/*_annotations.txt"))
    for file in some(files, 40):
        beats = annotations.read_beats(file).value
        assert len(beats) > 20
        assert len(beats.downbeats) > 5
        signatures = annotations.read_signatures(file).value
        assert all(-7 <= int(label) <= 7 for label in signatures.labels)
