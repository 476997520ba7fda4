"""Data sets as published: miniature trees give the manifest that the published code would train on."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ohrwurm.audio.windows import Windowing, plan
from ohrwurm.data import layouts
from ohrwurm.data.layouts.magnatagatune import TAGS
from ohrwurm.data.packs import Pack, pack
from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.sources import labels_of, manifest_of
from ohrwurm.data.splits import train_and_validation
from ohrwurm.errors import DataError

GOLDEN = Path(__file__).parents[1] / "golden" / "ttmr_muscall" / "muscall_dataset.npz"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))


def write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def write_array(file: Path, seconds: float = 0.1, number: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, np.full(round(16000 * seconds), 0.01 * number, np.float32))


def write_audio(file: Path, seconds: float = 0.1) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.zeros(round(22050 * seconds)), 22050, format="WAV")


def ecals(folder: Path) -> Path:
    """Six tracks as in TTMR's golden data set, of which the last has no audio."""
    names = [f"TR{i}" for i in range(6)]
    split = {"train_track": names[:2], "extra_track": names[2:3], "valid_track": names[3:5], "test_track": names[5:]}
    tags = {name: [f"t{j}" for j in range(12) if (i + j) % 3 == 0] for i, name in enumerate(names)}
    write_json(folder / "ecals_annotation" / "ecals_track_split.json", split)
    annotation = {name: {"track_id": name, "tag": tags[name], "artist": f"a{name}", "x": [1]} for name in names}
    write_json(folder / "ecals_annotation" / "annotation.json", annotation)
    write_json(folder / "ecals_annotation" / "ecals_tags.json", [f"t{j}" for j in reversed(range(12))])
    write_json(folder / "ecals_annotation" / "multiquery_samples.json", {"TR5": "t1, t4"})
    (folder / "lastfm_annotation").mkdir()
    for name, table in {
        "MSD_id_to_7D_id.pkl": {name: str(100 + i) for i, name in enumerate(names)},
        "7D_id_to_path.pkl": {str(100 + i): f"1/{i}/{100 + i}.clip.mp3" for i in range(6)},
    }.items():
        (folder / "lastfm_annotation" / name).write_bytes(pickle.dumps(table, 2))
    for i in range(5):
        write_array(folder / "npy" / "1" / str(i) / f"{100 + i}.clip.npy", number=i)
    return folder


def audiocaption(folder: Path) -> Path:
    """The three recordings of the published example, the same ones in all splits; the last is stereo."""
    items = [{"audio_id": i, "caption": f" Caption {i}. ", "audio_path": f"{i}.npy"} for i in (1, 2, 3)]
    for part in ("train", "val", "test"):
        write_json(folder / f"dataset_{part}.json", items)
    for i in (1, 2):
        write_array(folder / "audio" / f"{i}.npy", number=i)
    np.save(folder / "audio" / "3.npy", np.stack([np.full(800, 0.25), np.full(800, 0.75)]))
    return folder


def magnatagatune(folder: Path) -> Path:
    clips = {"2": "f/loud.mp3", "6": "0/slow.mp3", "10": "c/none.mp3"}
    folder.mkdir(parents=True)
    (folder / "index_mtt.tsv").write_text("".join(f"{k}\t{path}\n" for k, path in clips.items()))
    for part, name, tags in (("train", "6", (0, 2)), ("val", "10", (49,)), ("test", "2", (23,))):
        row = [int(i in tags) for i in range(50)]
        (folder / f"{part}_gt_mtt.tsv").write_text(f"{name}\t{row}\n")
    write_audio(folder / "0" / "slow.wav")  # resampled beside where the .mp3 was
    write_audio(folder / "f" / "loud.mp3")
    return folder


def msd(folder: Path) -> Path:
    tables = folder / "processed_annotations"
    tables.mkdir(parents=True)
    for number, part in enumerate(("train", "val", "test")):
        (tables / f"{part}_gt_msd.tsv").write_text(f"TR{number}\t{[[0, 1], [1, 1], [1, 0]][number]}\n")
    (tables / "output_labels_msd.txt").write_text("# tags\ntags = ['rock', 'hip hop']\n")
    (folder / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps({f"TR{i}": 4560 + i for i in range(3)}))
    for number in range(3):
        write_audio(folder / "preprocessed" / "4" / "5" / f"456{number}.clip.mp3")
    return folder


def gtzan(folder: Path, lists: bool = True) -> Path:
    for genre in layouts.find("gtzan").labels(folder) or ():  # type: ignore[misc]
        for number in range(3):
            write_audio(folder / "genres" / genre / f"{genre}.{number:05d}.wav")
    if lists:
        for number, part in enumerate(("train", "valid", "test")):
            (folder / f"{part}_filtered.txt").write_text(f"blues/blues.{number:05d}.wav\nrock/rock.{number:05d}.au\n")
    return folder


TREES = {
    "ecals": ecals, "audiocaption": audiocaption, "magnatagatune": magnatagatune, "msd": msd, "gtzan": gtzan
}  # fmt: skip


@pytest.mark.parametrize("name", layouts.NAMES)
def test_every_layout_is_recognised_by_its_own_tree_alone_and_can_train(name: str, tmp_path: Path) -> None:
    folder = TREES[name](tmp_path / "data")
    assert [other for other in layouts.NAMES if layouts.find(other).fits(folder)] == [name]
    assert layouts.find(name).title
    manifest = manifest_of(folder)
    assert {track.split for track in manifest} == {"train", "validation", "test"}
    labels = labels_of(folder)
    assert labels is None or {tag for track in manifest for tag in track.tags} <= set(labels)
    recordings = open_recordings(folder, 16000)
    assert len(recordings.tracks) + len(recordings.failed) == len(manifest)
    assert recordings.read(0, 0, 100).shape == (100,)
    manifest.write(tmp_path / "copy.csv")
    assert [t.path for t in manifest_of(tmp_path / "copy.csv")] == [t.path for t in manifest]


def test_every_file_of_the_folder_is_listed() -> None:
    here = Path(layouts.__file__).parent
    assert {p.stem for p in here.glob("*.py")} - {"__init__", "base"} == set(layouts.NAMES)


# The layouts, one by one ---------------------------------------------------------------------------------------------


def test_ecals_trains_on_train_and_extra_with_the_published_tags(tmp_path: Path) -> None:
    recordings = open_recordings(ecals(tmp_path / "msd"), 16000)
    train, validation = train_and_validation(recordings.tracks)
    assert [recordings.tracks[i].track_id for i in train] == ["TR0", "TR1", "TR2"]
    assert [recordings.tracks[i].track_id for i in validation] == ["TR3", "TR4"]
    assert recordings.tracks[0].tags == ("t0", "t3", "t6", "t9")
    assert recordings.tracks[0].annotations == {"artist": "aTR0", "sample_rate": 16000}
    assert labels_of(tmp_path / "msd") == [f"t{j}" for j in reversed(range(12))]
    assert recordings.read(2, 0, 2).tolist() == pytest.approx([0.02, 0.02])
    assert recordings.failed == [(str(tmp_path / "msd" / "npy" / "1" / "5" / "105.clip.npy"), "missing")]
    queries = {t.track_id: t.annotations["multi_query"] for t in manifest_of(tmp_path / "msd", "test")}
    assert queries == {"TR5": "t1, t4"}


def test_ecals_that_is_damaged_is_told_with_its_file(tmp_path: Path) -> None:
    folder = ecals(tmp_path / "msd")

    class Call:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "owned",)

    table = folder / "lastfm_annotation" / "7D_id_to_path.pkl"
    whole = table.read_bytes()
    table.write_bytes(pickle.dumps({"100": Call()}))
    with pytest.raises(DataError, match=r"7D_id_to_path\.pkl: holds code"):
        manifest_of(folder)
    assert not (tmp_path / "owned").exists()
    table.write_bytes(pickle.dumps({"100": "a.mp3"}))
    with pytest.raises(DataError, match=r"lastfm_annotation lacks 5 of 6 tracks of the split: TR1"):
        manifest_of(folder)
    table.write_bytes(whole)
    write_json(folder / "ecals_annotation" / "annotation.json", {"TR0": {"tag": ["t0"]}})
    with pytest.raises(DataError, match=r"annotation\.json lacks 5 of 6"):
        manifest_of(folder)
    (folder / "ecals_annotation" / "annotation.json").unlink()
    with pytest.raises(DataError, match=r"annotation\.json: missing"):
        manifest_of(folder)
    write_json(folder / "ecals_annotation" / "ecals_track_split.json", {"train_track": []})
    with pytest.raises(DataError, match="no list 'extra_track'"):
        manifest_of(folder)


def test_audiocaption_has_a_track_for_each_caption(tmp_path: Path) -> None:
    folder = audiocaption(tmp_path)
    tracks = list(manifest_of(folder))
    assert [t.track_id for t in tracks[:4]] == ["train/1", "train/2", "train/3", "val/1"]
    assert tracks[3].split == "validation"
    assert tracks[3].caption == "Caption 1."
    recordings = open_recordings(folder, 16000, "train")
    assert recordings.read(2, 798, 4).tolist() == [0.5, 0.5, 0.0, 0.0]
    write_json(folder / "dataset_val.json", [{"audio_id": 1, "caption": c, "audio_path": "1.npy"} for c in "ab"])
    (folder / "dataset_test.json").unlink()
    assert [t.track_id for t in manifest_of(folder)][3:] == ["val/1", "val/1/2"]
    write_json(folder / "dataset_val.json", [{"audio_id": 1, "audio_path": "1.npy"}])
    with pytest.raises(DataError, match=r"dataset_val\.json, item 1: no caption"):
        manifest_of(folder)
    for content, message in (("[", "not readable as JSON"), ("{}", "not a list")):
        (folder / "dataset_val.json").write_text(content)
        with pytest.raises(DataError, match=message):
            manifest_of(folder)


def test_magnatagatune_rows_are_the_published_tags(tmp_path: Path) -> None:
    slow, none, loud = manifest_of(magnatagatune(tmp_path / "mtt"))
    assert (slow.tags, none.tags, loud.tags) == (("guitar", "slow"), ("choral",), ("loud",))
    assert len(set(TAGS)) == 50
    assert Path(slow.path).suffix == ".wav"
    assert Path(loud.path).suffix == ".mp3"
    assert not Path(none.path).exists()
    table = tmp_path / "mtt" / "test_gt_mtt.tsv"
    for text, message in (
        ("2\t[1, 0]\n", r"test_gt_mtt\.tsv, row 1: not a list of 50 zeros and ones"),
        ("2\t__import__('os').abort()\n", "not a list of 50"),
        ("7\t[]\n", "clip 7 is not in index_mtt"),
        ("2\n", "1 values separated by tabs, not 2"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            manifest_of(tmp_path / "mtt")


def test_million_songs_are_found_by_their_7digital_numbers(tmp_path: Path) -> None:
    train, validation, test = manifest_of(msd(tmp_path / "msd"))
    assert (train.tags, validation.tags, test.tags) == (("hip hop",), ("rock", "hip hop"), ("rock",))
    assert train.path == str(tmp_path / "msd" / "preprocessed" / "4" / "5" / "4560.clip.mp3")
    (tmp_path / "msd" / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps({"TR0": 1}))
    with pytest.raises(DataError, match=r"val_gt_msd\.tsv, row 1: TR1 has no 7digital id"):
        manifest_of(tmp_path / "msd")
    (tmp_path / "msd" / "processed_annotations" / "output_labels_msd.txt").write_text("one line")
    with pytest.raises(DataError, match="second line holds no list of tags"):
        manifest_of(tmp_path / "msd")


def test_gtzan_follows_the_filtered_lists_where_they_are(tmp_path: Path) -> None:
    tracks = list(manifest_of(gtzan(tmp_path / "with")))
    assert [t.track_id for t in tracks] == [f"{g}.0000{n}" for n in range(3) for g in ("blues", "rock")]
    assert tracks[1].tags == ("rock",)
    assert tracks[1].annotations == {"genre": "rock"}
    without = manifest_of(gtzan(tmp_path / "without", lists=False))
    assert len(without) == 30
    assert {t.split for t in without} == {""}
    (tmp_path / "with" / "test_filtered.txt").write_text("jazz/jazz.00099.wav\n")
    with pytest.raises(DataError, match=r"test_filtered\.txt: jazz/jazz\.00099\.wav is not in"):
        manifest_of(tmp_path / "with")
    (tmp_path / "with" / "test_filtered.txt").unlink()
    with pytest.raises(DataError, match=r"test_filtered\.txt is missing beside"):
        manifest_of(tmp_path / "with")


# Sources -------------------------------------------------------------------------------------------------------------


def test_folder_of_audio_trains_without_labels(tmp_path: Path) -> None:
    for name in ("b.wav", "a/x.wav", "a/notes.txt", ".hidden/y.wav"):
        write_audio(tmp_path / name) if name.endswith(".wav") else (tmp_path / name).write_text("words")
    tracks = list(manifest_of(tmp_path))
    assert [t.track_id for t in tracks] == ["a/x.wav", "b.wav"]
    assert {(t.split, t.tags, t.caption) for t in tracks} == {("", (), "")}
    assert labels_of(tmp_path) is None
    assert len(open_recordings(tmp_path, 16000).tracks) == 2


def test_folder_with_a_manifest_is_that_manifest(tmp_path: Path) -> None:
    write_audio(tmp_path / "x.wav")
    write_audio(tmp_path / "not-listed.wav")
    (tmp_path / "manifest.csv").write_text("path,tags\nx.wav,jazz\n")
    assert [(t.path, t.tags) for t in manifest_of(tmp_path)] == [(str(tmp_path / "x.wav"), ("jazz",))]


def test_folder_of_nothing_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no recordings here.*manifest\.csv.*ecals_track_split\.json.*audio files"):
        manifest_of(tmp_path)
    with pytest.raises(DataError, match="no such manifest"):
        manifest_of(tmp_path / "nowhere")


def test_arrays_are_packed_as_audio_is(tmp_path: Path) -> None:
    folder = audiocaption(tmp_path / "data")
    made = pack(manifest_of(folder, "train"), tmp_path / "packed", 8000)
    assert (made.tracks, made.failed) == (3, [])
    found = Pack(tmp_path / "packed")
    assert found.lengths.tolist() == [800, 800, 400]
    assert found.read(2, 100, 50) == pytest.approx(np.full(50, 0.5), abs=2e-3)


def test_commands_take_a_data_set_as_published(tmp_path: Path) -> None:
    from ohrwurm.cli import app

    folder = audiocaption(tmp_path / "data")
    told = CliRunner().invoke(app, ["data", "describe", str(folder), "--json"])
    assert json.loads(told.output)["captions"] == 9
    made = CliRunner().invoke(app, ["data", "pack", str(folder), "--out", str(tmp_path / "p"), "--json"])
    assert json.loads(made.output)["tracks"] == 9


# Crops ---------------------------------------------------------------------------------------------------------------


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
