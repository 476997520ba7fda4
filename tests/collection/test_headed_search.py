"""A model that hears beats and chords is searched with by sound, as its encoder is without heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ohrwurm.collection import Collection
from ohrwurm.embedding import embed
from ohrwurm.models import registry

Write = Callable[..., Path]


def test_headed_model_indexes_and_searches_by_sound(
    headed_folder: Path, write: Write, music: Path, tmp_path: Path
) -> None:  # fmt: skip
    low, high = write("low.wav", 0, seconds=8.0), write("high.wav", 7, seconds=8.0)
    query = write("query.wav", 0, seconds=7.0, peak=0.4)
    query = query.rename(tmp_path / "query.wav")
    collection = Collection(tmp_path / "collection", models=[str(headed_folder)])
    report = collection.index(music)
    assert (report.indexed, report.failures) == (2, [])
    found = collection.search(like=query)
    assert [Path(hit.path).name for hit in found] == ["low.wav", "high.wav"]
    (space,) = collection.store.spaces()
    assert space.provenance == registry.card(headed_folder).provenance
    stored = collection.store.vectors(space, [t.content for t in collection.tracks()])
    model = registry.load(headed_folder)
    for track in collection.tracks():
        file = low if Path(track.path).name == "low.wav" else high
        assert np.allclose(stored[track.content].track, embed(file, model).vector, atol=1e-6)
