"""mirdata's data sets as manifests: with mirdata itself where it is installed, and with a stand-in of its surface."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from ohrwurm.data import mirdata_sets
from ohrwurm.data.benchmarks import find, recognise
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError


class Song:
    """What mirdata's tracks look like: attributes, properties that read files, None where the set has nothing."""

    def __init__(self, name: str) -> None:
        self.track_id, self.audio_path, self.genre, self.title = name, f"/home/{name}.wav", "hip-hop", None

    @property
    def instruments(self) -> dict[str, float]:
        return {"piano": 0.9, "flute": 0.2, "drums; kit": 0.5}

    @property
    def genres(self) -> dict[str, list[str]]:
        return {"genres": ["House"], "sub_genres": ["hip-hop"]}

    @property
    def artists(self) -> list[str]:
        return ["A", "B"]

    @property
    def split(self) -> str:
        return {"1": "split01_train", "2": "valid"}.get(self.track_id, "other")

    @property
    def key(self) -> str:
        metadata: Any = float("nan")  # a track of which the set's table says nothing
        return str(metadata["key"])

    @property
    def tempo(self) -> float:
        if self.track_id == "damaged":
            raise FileNotFoundError("meta/damaged.json")
        return 120.5


def stand_in(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def initialize(name: str, data_home: str, version: str) -> Any:
        if name == "without_index":
            raise FileNotFoundError("This dataset's index must be downloaded.")
        return SimpleNamespace(track_ids=list(names), track=Song)

    module = SimpleNamespace(list_datasets=lambda: ["songs", "without_index"], initialize=initialize)
    monkeypatch.setitem(sys.modules, "mirdata", module)  # type: ignore[arg-type]


def test_what_mirdata_knows_becomes_tags_annotations_and_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "1", "2", "3")
    first, second, third = mirdata_sets.read("songs", "/home")
    assert (first.track_id, first.path) == ("1", "/home/1.wav")
    assert first.tags == ("hip-hop", "House", "piano", "drums, kit")
    assert first.annotations == {"artists": "A; B", "tempo": 120.5}
    assert [t.split for t in (first, second, third)] == ["train", "validation", ""]


def test_what_is_missing_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "1", "damaged")
    for name, message in (
        ("songs", r"songs, track damaged: tempo cannot be read.*meta/damaged\.json.*is the set complete"),
        ("without_index", r"index must be downloaded.*mirdata\.initialize\('without_index'\)\.download"),
        ("song", "mirdata has no data set 'song'. It has: songs, without_index"),
    ):
        with pytest.raises(DataError, match=message):
            mirdata_sets.read(name, "/home")
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with pytest.raises(DataError, match=r"pip install 'ohrwurm\[datasets\]'"):
        mirdata_sets.names()


def test_the_command_writes_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ohrwurm.cli import app

    stand_in(monkeypatch, "1", "2")
    out = tmp_path / "songs.csv"
    made = CliRunner().invoke(app, ["data", "mirdata", "songs", str(tmp_path), "--out", str(out), "--json"])
    assert json.loads(made.output) == {
        "manifest": str(out), "tracks": 2, "splits": {"train": 1, "validation": 1}, "missing files": 2
    }  # fmt: skip
    assert [t.tags[0] for t in Manifest.read(out)] == ["hip-hop", "hip-hop"]


def plus(folder: Path, keys: str = "keys_gs+") -> dict[str, Any]:
    """A miniature of mirdata's home of GiantSteps+ or Beatport key, and its index."""
    index = {}
    for number, key in (("10089", "D major"), ("5061", "d# minor"), ("7", "C minor / F minor"), ("8", "-")):
        name = f"{number} Artist - Title (Original Mix)"
        files = {"audio": f"audio/{name}.mp3", "key": f"{keys}/{name}.txt", "meta": f"meta/{name}.json"}
        for kind, text in (
            ("audio", ""),
            ("key", f"{key}\n"),
            (
                "meta",
                json.dumps(
                    {"artists": [{"name": "Artist"}], "genres": [{"name": "House"}], "sub_genres": [], "bpm": 1}
                ),
            ),
        ):
            (folder / files[kind]).parent.mkdir(parents=True, exist_ok=True)
            (folder / files[kind]).write_text(text)
        index[number] = {kind: [path, None] for kind, path in files.items()}
    return {"version": "1", "tracks": index}


@pytest.mark.parametrize("variant, keys", [("plus", "keys_gs+"), ("beatport", "keys")])
def test_giantsteps_is_read_by_mirdata(
    variant: str, keys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = pytest.importorskip("mirdata.core", reason="mirdata is not installed: pip install 'ohrwurm[datasets]'")
    (tmp_path / "index.json").write_text(json.dumps(plus(tmp_path / "home", keys)))
    monkeypatch.setattr(core.Index, "get_path", lambda self: str(tmp_path / "index.json"))
    recognised = recognise(tmp_path / "home")
    assert recognised is not None
    assert recognised[0].name == "giantsteps"
    tracks = list(find(f"giantsteps/{variant}").read(tmp_path / "home"))
    assert [(t.track_id, t.annotations["key"], t.annotations["artist"]) for t in tracks] == [
        ("0005061", "Eb minor", "Artist"),
        ("0010089", "D major", "Artist"),
    ]
    assert Path(tracks[0].path).is_file()


def test_gtzan_is_read_by_mirdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = pytest.importorskip("mirdata.core", reason="mirdata is not installed: pip install 'ohrwurm[datasets]'")
    entry = {
        "audio": ["gtzan_genre/genres/hiphop/hiphop.00000.wav", None],
        "beats": [None, None],
        "tempo": [None, None],
    }
    (tmp_path / "index.json").write_text(json.dumps({"version": "1.0", "tracks": {"hiphop.00000": entry}}))
    monkeypatch.setattr(core.Index, "get_path", lambda self: str(tmp_path / "index.json"))
    (track,) = mirdata_sets.read("gtzan_genre", tmp_path)
    assert (track.track_id, track.tags, Path(track.path).name) == ("hiphop.00000", ("hip-hop",), "hiphop.00000.wav")
