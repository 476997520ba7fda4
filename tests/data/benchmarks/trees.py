"""What miniature data sets in a published layout are written with; each `test_<benchmark>.py` has its own `tree`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ohrwurm.data.benchmarks import recognise


def write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def write_array(file: Path, seconds: float = 0.1, number: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, np.full(round(16000 * seconds), 0.01 * number, np.float32))


def write_audio(file: Path, seconds: float = 0.1) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.zeros(round(22050 * seconds)), 22050, format="WAV")


def write_table(folder: Path, table: str) -> Path:
    """A `manifest.csv`, and an empty file for each that its first column names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text(table, encoding="utf-8")
    for line in table.splitlines()[1:]:
        (folder / line.split(",")[0]).write_bytes(b"")
    return folder


def golden_labels(name: str) -> list[str]:
    """A published list of labels, as the published code ordered them."""
    file = Path(__file__).parents[2] / "golden" / "ttmr_muscall" / "labels" / f"{name}.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return found


def write_ttmr(
    folder: Path,
    name: str,
    labels: Sequence[str],
    tracks: Mapping[str, Mapping[str, Any]],
    split: str = "track_split.json",
    annotation: str = "annotation.json",
    tags: str = "",
) -> Path:
    """A benchmark as TTMR keeps it: the tracks go in turn to train, valid and test."""
    parts: dict[str, list[str]] = {"train_track": [], "valid_track": [], "test_track": []}
    for number, identity in enumerate(tracks):
        list(parts.values())[number % 3].append(identity)
    write_json(folder / split, parts)
    write_json(folder / annotation, {k.rpartition("/")[2] if name == "gtzan" else k: v for k, v in tracks.items()})
    write_json(folder / (tags or f"{name}_tags.json"), list(labels))
    return folder


def annotations_at_hand(name: str) -> Path:
    """A real annotation file below OHRWURM_DATA; the test skips where it is not there."""
    root = os.environ.get("OHRWURM_DATA")
    if not root:
        pytest.skip("set OHRWURM_DATA to the folder of the data sets")
    file = Path(root) / "annotations" / name
    if not file.is_file():
        pytest.skip(f"no annotations/{name} in OHRWURM_DATA")
    return file


def known_as(folder: Path) -> str:
    """The benchmark as which a folder is recognised; empty where it is none."""
    found = recognise(folder)
    return found[0].name if found else ""


def write_lines(file: Path, *lines: str) -> Path:
    """A text file of these lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def sets_at_hand() -> Path:
    """The folder that OHRWURM_DATA names; skips where there is none."""
    root = Path(os.environ.get("OHRWURM_DATA") or "/nowhere")
    if not root.is_dir():
        pytest.skip("OHRWURM_DATA is not set")
    return root


def write_beat_this(folder: Path, *names: str) -> Path:
    """A set as "Beat This!" keeps its annotations; the tracks go in turn to the eight folds."""
    for name in names:
        write_lines(folder / "annotations" / "beats" / f"{name}.beats", "0.5\t4", "1.0\t1")
    write_lines(folder / "8-fold.folds", *(f"{name}\t{number % 8}" for number, name in enumerate(names)))
    return folder
