"""What miniature data sets in a published layout are written with; each `test_<benchmark>.py` has its own `tree`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile


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
