"""OpenMIC-2018: labels as a table and as arrays give the same; what nobody judged is neither heard nor absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trees import known_as, write_audio, write_json, write_ttmr

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.openmic import ARRAYS, INSTRUMENTS, LABELS
from ohrwurm.errors import DataError

OPENMIC = find("openmic")
JUDGED = {
    "000046_3840": {"voice": 0.9, "accordion": 0.25},
    "000135_483840": {"flute": 0.5},
    "000139_119040": {"drums": 0.0},
}


def tree(folder: Path, arrays: bool = False, base: str = "") -> Path:
    place = folder / base
    (place / "partitions").mkdir(parents=True)
    (place / "partitions" / "split01_train.csv").write_text("000046_3840\n000139_119040\n")
    (place / "partitions" / "split01_test.csv").write_text("000135_483840\n")
    if arrays:
        truth, mask = np.full((3, 20), 0.5), np.zeros((3, 20), bool)
        for number, said in enumerate(JUDGED.values()):
            for name, relevance in said.items():
                truth[number, INSTRUMENTS.index(name)] = relevance
                mask[number, INSTRUMENTS.index(name)] = True
        np.savez(place / ARRAYS, X=np.zeros((3, 10, 128)), Y_true=truth, Y_mask=mask, sample_key=np.array(list(JUDGED)))
    else:
        lines = [f"{key},{name},{value},3" for key, said in JUDGED.items() for name, value in said.items()]
        (place / LABELS).write_text("\n".join(["sample_key,instrument,relevance,num_responses", *lines]) + "\n")
    write_audio(place / "audio" / "000" / "000046_3840.ogg")
    return folder


@pytest.mark.parametrize("base", ["", "openmic-2018"])
@pytest.mark.parametrize("arrays", [False, True])
def test_what_was_not_judged_is_neither_heard_nor_absent(tmp_path: Path, arrays: bool, base: str) -> None:
    folder = tree(tmp_path, arrays, base)
    assert known_as(folder) == "openmic"
    found = list(OPENMIC.read(folder))
    assert [(t.track_id, t.split, t.tags) for t in found] == [
        ("000046_3840", "train", ("voice",)),
        ("000139_119040", "train", ()),
        ("000135_483840", "test", ("flute",)),
    ]
    assert found[0].annotations == {"judged": "accordion;voice", "accordion": 0.25, "voice": 0.9}
    assert found[1].annotations == {"judged": "drums", "drums": 0.0}
    assert [Path(t.path).is_file() for t in found] == [True, False, False]


@pytest.mark.parametrize(
    "row, message",
    [
        ("000046_3840,kazoo,1,3", "000046_3840: 'kazoo' is none of the 20 instruments"),
        ("000046_3840,voice,1,3", "'voice' is none of the 20 instruments, or judged twice"),
        ("000046_3840,flute,2,3", "'2' is no number from 0 to 1"),
        ("000046_3840,flute,nan,3", "'nan' is no number"),
        ("000046_3840,flute", "line 6: not as many values as columns"),
    ],
)
def test_damaged_labels_are_told(tmp_path: Path, row: str, message: str) -> None:
    folder = tree(tmp_path)
    with (folder / LABELS).open("a") as table:
        table.write(row + "\n")
    with pytest.raises(DataError, match=rf"aggregated-labels\.csv, .*{message}"):
        OPENMIC.read(folder)


def test_damaged_partitions_are_told(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    test = folder / "partitions" / "split01_test.csv"
    for text, message in (
        ("000001_1\n", r"split01_test\.csv, row 1: 000001_1 has no judgement"),
        ("000046_3840\n", r"split01_test\.csv, row 1: 000046_3840 stands in the partition train already"),
    ):
        test.write_text(text)
        with pytest.raises(DataError, match=message):
            OPENMIC.read(folder)
    test.unlink()
    with pytest.raises(DataError, match=r"split01_test\.csv: missing"):
        OPENMIC.read(folder)


def test_arrays_are_read_without_running_code(tmp_path: Path) -> None:
    folder = tree(tmp_path, arrays=True)
    with np.load(folder / ARRAYS) as whole:
        arrays = dict(whole)
    for changed, message in (
        ({"sample_key": arrays["sample_key"].astype(object)}, "not readable without running code"),
        ({"Y_true": arrays["Y_true"][:2]}, "do not have a row a key"),
        ({"Y_true": arrays["Y_true"] + 1}, r"npz, 000046_3840: .* is no number from 0 to 1"),
    ):
        np.savez(folder / ARRAYS, **{**arrays, **changed})
        with pytest.raises(DataError, match=message):
            OPENMIC.read(folder)
    np.savez(folder / ARRAYS, X=arrays["X"])
    with pytest.raises(DataError, match=r"no array .*sample_key"):
        OPENMIC.read(folder)
    (folder / ARRAYS).write_bytes(b"text")
    with pytest.raises(DataError, match="not readable"):
        OPENMIC.read(folder)
    (folder / ARRAYS).unlink()
    with pytest.raises(DataError, match=r"missing, and so is openmic-2018-aggregated-labels\.csv"):
        OPENMIC.layouts[0].read(folder, "split01")


def test_ttmrs_folder(tmp_path: Path) -> None:
    tracks = {key: {"tag": list(said)} for key, said in JUDGED.items()}
    folder = write_ttmr(tmp_path, "openmic", INSTRUMENTS, tracks)
    write_audio(folder / "wav" / "000046_3840.wav")
    assert known_as(folder) == "openmic"
    found = list(OPENMIC.read(folder, "ttmr"))
    assert [t.split for t in found] == ["train", "validation", "test"]
    assert Path(found[0].path).is_file()
    assert OPENMIC.labels(folder, "ttmr") == list(INSTRUMENTS)
    write_json(folder / "annotation.json", {})
    with pytest.raises(DataError, match=r"annotation\.json: no entry for '000046_3840'"):
        OPENMIC.read(folder, "ttmr")
