"""MusCALL's data set: a track for each caption, arrays of one or two channels, its own crops."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from trees import write_array, write_json
from typer.testing import CliRunner

from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.data.packs import Pack, pack
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.sources import manifest_of
from ohrwurm.errors import DataError

GOLDEN = Path(__file__).parents[2] / "golden" / "ttmr_muscall" / "muscall_dataset.npz"


def tree(folder: Path) -> Path:
    """The three recordings of the published example, the same ones in all splits; the last is stereo."""
    items = [{"audio_id": i, "caption": f" Caption {i}. ", "audio_path": f"{i}.npy"} for i in (1, 2, 3)]
    for part in ("train", "val", "test"):
        write_json(folder / f"dataset_{part}.json", items)
    for i in (1, 2):
        write_array(folder / "audio" / f"{i}.npy", number=i)
    np.save(folder / "audio" / "3.npy", np.stack([np.full(800, 0.25), np.full(800, 0.75)]))
    return folder


def test_audiocaption_has_a_track_for_each_caption(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    tracks = list(manifest_of(folder))
    assert [t.track_id for t in tracks[:4]] == ["train/1", "train/2", "train/3", "val/1"]
    assert tracks[3].split == "validation"
    assert tracks[3].caption == "Caption 1."
    assert tracks[3].annotations == {"song": "1", "sample_rate": 16000}
    recordings = open_recordings(folder, 16000, "train")
    assert recordings.read(2, 798, 4).tolist() == [0.5, 0.5, 0.0, 0.0]
    write_json(folder / "dataset_val.json", [{"audio_id": 1, "caption": c, "audio_path": "1.npy"} for c in "ab"])
    (folder / "dataset_test.json").unlink()
    assert [t.track_id for t in manifest_of(folder)][3:] == ["val/1", "val/1/2"]
    write_json(folder / "dataset_val.json", [{"audio_id": 1, "audio_path": "1.npy"}])
    with pytest.raises(DataError, match=r"dataset_val\.json, item 1: no caption"):
        manifest_of(folder)
    for content, message in (
        ("[", "not readable as JSON"),
        ("{}", "not a list"),
        ('["a"]', r"dataset_val\.json, item 1: not an object with audio_id"),
        ('[{"audio_id": 1, "caption": "a", "audio_path": ""}]', "item 1: no audio_path"),
    ):
        (folder / "dataset_val.json").write_text(content)
        with pytest.raises(DataError, match=message):
            manifest_of(folder)


def test_arrays_are_packed_as_audio_is(tmp_path: Path) -> None:
    folder = tree(tmp_path / "data")
    made = pack(manifest_of(folder, "train"), tmp_path / "packed", 8000)
    assert (made.tracks, made.failed) == (3, [])
    found = Pack(tmp_path / "packed")
    assert found.lengths.tolist() == [800, 800, 400]
    assert found.read(2, 100, 50) == pytest.approx(np.full(50, 0.5), abs=2e-3)


def test_commands_take_a_data_set_as_published(tmp_path: Path) -> None:
    from ohrwurm.cli import app

    folder = tree(tmp_path / "data")
    told = CliRunner().invoke(app, ["data", "describe", str(folder), "--json"])
    assert json.loads(told.output)["captions"] == 9
    made = CliRunner().invoke(app, ["data", "pack", str(folder), "--out", str(tmp_path / "p"), "--json"])
    assert json.loads(made.output)["tracks"] == 9


def test_centre_crops_and_padding_equal_muscalls(tmp_path: Path) -> None:
    """Its data set on ramps: i / 1e6, the last one stereo, [i, 3 i]."""
    golden = np.load(GOLDEN)
    items = []
    for i, length in enumerate(golden["lengths"].tolist()):
        ramp = np.arange(length, dtype=np.float32)
        audio = np.stack([ramp, 3 * ramp]) if i == 4 else ramp / np.float32(1e6)
        (tmp_path / "audio").mkdir(exist_ok=True)
        np.save(tmp_path / "audio" / f"{i}.npy", audio)
        items.append({"audio_id": i, "caption": "a", "audio_path": f"{i}.npy"})
    write_json(tmp_path / "dataset_train.json", items)
    recordings = open_recordings(tmp_path, 16000)
    for i, size in enumerate(golden["val_len"].tolist()):
        (window,) = plan(int(recordings.lengths[i]), Windowing(size, size, place="centre"))
        crop = recordings.read(i, window.start, size)
        assert crop.shape == (size,)
        assert crop[0] == np.float32(golden["val_first"][i])
        assert crop[-1] == np.float32(golden["val_last"][i])
