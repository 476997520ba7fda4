"""The annotations that a manifest names: where they are looked for, and what the keys of a track's parts are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ohrwurm.data.annotations import Kind
from ohrwurm.data.annotations.jams import write_jams
from ohrwurm.data.annotations.references import keys, located, reference
from ohrwurm.data.annotations.rendered import NothingKnown
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.events import Spans


def track(folder: Path, **annotations: str) -> Track:
    return Track("a", str(folder / "audio" / "a.flac"), annotations=dict(annotations))


def test_keys_of_parts_stay_and_one_key_holds_everywhere(tmp_path: Path) -> None:
    (tmp_path / "parts.lab").write_text("0.0 10.0 Key C\n10.0 20.0 Key A:minor\n")
    (tmp_path / "one.key").write_text("F# minor\n")
    spans = Spans(np.array([[0.0, 4.0], [4.0, 9.0]]), ("D major", "B minor"))
    write_jams(tmp_path / "parts.jams", duration=9.0, keys=spans)
    for name, labels in (
        ("parts.lab", ("C major", "A minor")), ("parts.jams", ("D major", "B minor")), ("one.key", ("Gb minor",)),
        ("Eb:maj", ("Eb major",)),
    ):  # fmt: skip
        found = keys(track(tmp_path, key=name))
        assert found is not None
        assert found.value.labels == labels
    assert keys(track(tmp_path)) is None
    with pytest.raises(DataError, match=r"gone\.key: missing"):
        keys(track(tmp_path, key="gone.key"))


def test_what_the_truth_of_a_rendition_does_not_know_is_no_damage(tmp_path: Path) -> None:
    truth = {"score_id": "s", "seconds": 9.0, "beats": [], "downbeats": [], "chords": [], "key": None}
    (tmp_path / "a.json").write_text(json.dumps(truth))
    (tmp_path / "b.json").write_text("{")
    kinds: tuple[Kind, ...] = ("beats", "chords", "key")
    for kind in kinds:
        with pytest.raises(NothingKnown):
            reference(kind, track(tmp_path, truth="a.json"))
        with pytest.raises(DataError, match=r"b\.json") as damaged:
            reference(kind, track(tmp_path, truth="b.json"))
        assert not isinstance(damaged.value, NothingKnown)
    assert reference("sections", track(tmp_path, truth="a.json")) is None


def test_an_annotation_is_looked_for_beside_the_audio_and_above(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.json").write_text("{}")
    assert located(track(tmp_path), "truth/a.json") == str(tmp_path / "truth" / "a.json")
    assert located(track(tmp_path), "truth/a.json#2") == str(tmp_path / "truth" / "a.json") + "#2"
    assert located(track(tmp_path), "/elsewhere/a.json") == "/elsewhere/a.json"
