"""KVT: TTMR's folder and its 42 vocal tags."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import golden_labels, known_as, write_array, write_json, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.kvt import LABELS
from ohrwurm.errors import DataError

KVT = find("kvt")


def tree(folder: Path) -> Path:
    tracks = {
        "7_2": {"tag": ["low-range", "soulful/r&b"], "singer": "A", "scores": [0.5]},
        "8_0": {"tag": ["whisper/quiet"], "singer": "B"},
        "9_1": {"tag": [], "singer": "C"},
    }
    write_array(folder / "npy" / "7_2.npy")
    return write_ttmr(folder, "kvt", LABELS, tracks)


def test_ttmrs_folder(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    assert known_as(folder) == "kvt"
    found = list(KVT.read(folder))
    assert [(t.track_id, t.split, t.tags) for t in found] == [
        ("7_2", "train", ("low-range", "soulful/r&b")),
        ("8_0", "validation", ("whisper/quiet",)),
        ("9_1", "test", ()),
    ]
    assert found[0].annotations == {"singer": "A", "sample_rate": 16000}
    assert [Path(t.path).is_file() for t in found] == [True, False, False]


def test_labels_have_ttmrs_order(tmp_path: Path) -> None:
    assert list(LABELS) == golden_labels("kvt_42")
    folder = tree(tmp_path)
    for damaged, message in ((LABELS[1:], "'low-range' is missing from"), ((*LABELS, "x"), "'x' does not belong to")):
        write_json(folder / "kvt_tags.json", list(damaged))
        with pytest.raises(DataError, match=rf"kvt_tags\.json: {message} the 42 published labels"):
            KVT.read(folder)
