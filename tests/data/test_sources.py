"""Whatever holds recordings becomes a manifest: manifests, data sets, folders of audio; else a clear word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.sources import labels_of, manifest_of
from ohrwurm.errors import DataError


def write_audio(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.zeros(2205), 22050)


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
    with pytest.raises(DataError, match=r"no recordings here: no manifest\.csv, no audio files, .*ohrwurm data list"):
        manifest_of(tmp_path)
    with pytest.raises(DataError, match="no such manifest"):
        manifest_of(tmp_path / "nowhere")
