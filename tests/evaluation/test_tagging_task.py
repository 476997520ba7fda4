"""A model's own tags: figures against scikit-learn's on probabilities that were heard apart, names that differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from small_headed import SPECS, small_headed

from ohrwurm.analysis.hearing import heard, heard_in
from ohrwurm.data.benchmarks.magnatagatune import TAGS
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.tasks import Recordings, run
from ohrwurm.models import registry
from ohrwurm.models.frame_heads import HeadSpec
from ohrwurm.models.heads import EvaluationHead, save_head

RATE = 24000
HELD = (("piano",), ("guitar", "piano"), ("drums", "polka"), ("guitar",), (), ("piano", "drums"))


def written(folder: Path, seconds: float, held: Any = HELD) -> Recordings:
    tracks = []
    for number, tags in enumerate(held):
        rng = np.random.default_rng(number)
        t = np.arange(int(RATE * seconds)) / RATE
        x = rng.uniform(0.05, 0.4) * np.sin(2 * np.pi * 110 * 2 ** (number / 2) * t) + 0.02 * rng.normal(size=len(t))
        soundfile.write(folder / f"{number}.wav", x.astype(np.float32), RATE)
        tracks.append(Track(str(number), str(folder / f"{number}.wav"), tags=tags))
    return Recordings(Manifest(tracks), "mine")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return written(tmp_path_factory.mktemp("tagged"), 4.0)


def test_figures_are_those_of_the_probabilities(recordings: Recordings, headed: Any, tmp_path: Path) -> None:
    found = run("tagging", headed, recordings, cache=tmp_path, workers=1).outcome
    names = ("drums", "guitar", "piano")  # in order; polka is unknown to the model
    places = [headed.specs["tags"].classes.index(name) for name in names]
    scores = np.stack(
        [heard(track.path, headed).probabilities["tags"]["tags"][places] for track in recordings.manifest]
    )
    has = np.array([[name in tags for name in names] for tags in HELD])
    for name, of in (("ROC-AUC", roc_auc_score), ("PR-AUC", average_precision_score)):
        assert found.figures[name].value == pytest.approx(of(has, scores, average="macro"), abs=1e-6)
        assert found.figures[f"{name} (micro)"].value == pytest.approx(of(has, scores, average="micro"), abs=1e-6)
        assert found.figures[f"{name} (micro)"].low <= found.figures[f"{name} (micro)"].value
    assert found.details["labels not known to the model"] == ["polka"]
    assert found.counts["labels not known to the model"] == 1
    assert any("does not know 1 of 4 labels, which are in no figure: polka" in w for w in found.warnings)
    assert list(found.details["each label"]) == list(names)
    assert found.items[0].ids == names


def test_labels_in_their_published_order_and_without_positives(headed: Any, tmp_path: Path) -> None:
    mine = written(tmp_path, 1.0)
    published = Recordings(mine.manifest, "magnatagatune/pons", labels=("sitar", "piano", "guitar", "silence"))
    model: Any = small_headed((HeadSpec("tags", classes=("guitar", "piano", "sitar", "jazz")),), name="tagger")
    found = run("tagging", model, published, cache=tmp_path / "c", workers=1).outcome
    assert list(found.details["each label"]) == ["sitar", "piano", "guitar"]
    assert found.details["labels without positives"] == ["sitar"]
    assert found.details["tags that are no label"] == ["jazz"]
    assert found.details["labels not known to the model"] == ["silence"]
    assert set(TAGS) > {"sitar", "piano", "guitar"}


def test_marble_averages_clips_that_are_heard_alone(headed: Any, tmp_path: Path) -> None:
    mine = written(tmp_path, 63.0, HELD[:3])
    found = run("tagging", headed, mine, cache=tmp_path / "c", workers=1, protocol="marble").outcome
    scores = []
    for track in mine.manifest:
        x, _ = soundfile.read(track.path, dtype="float32")
        parts = [heard_in(x[i : i + 30 * RATE], RATE, headed) for i in (0, 30 * RATE)]  # what is left is left out
        scores.append(np.mean([part.probabilities["tags"]["tags"] for part in parts], 0))
    place = headed.specs["tags"].classes.index("piano")
    wanted = roc_auc_score([True, True, False], np.stack(scores)[:, place])
    assert found.details["each label"]["piano"]["ROC-AUC"] == pytest.approx(wanted)
    assert "clips of 30 s heard alone" in found.protocol
    (tmp_path / "short").mkdir()
    short = written(tmp_path / "short", 2.0)
    plain, clips = (
        run("tagging", headed, short, cache=tmp_path / "c", workers=1, protocol=protocol).outcome.figures
        for protocol in ("corrected", "marble")
    )
    assert clips == plain  # all there is of them is one clip


def test_what_was_trained_on_labels_tells_those_on_its_card(recordings: Recordings, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        card = registry.card("samplecnn")
        small = {"widths": [8] * 11, "n_classes": 2, "projection": 0}
        features = {**card.features, "labels": ["piano", "guitar"]}
        model: Any = registry.build(replace(card, parameters=small, features=features, dim=8, sha256="of a test"))
    found = run("tagging", model, recordings, cache=tmp_path, workers=1).outcome
    assert list(found.details["each label"]) == ["guitar", "piano"]
    with pytest.raises(ModelError, match="samplecnn has windows of its own; --protocol marble is for models with head"):
        run("tagging", model, recordings, cache=tmp_path, workers=1, protocol="marble")
    # The same head in a file of its own, on a model that has none, tells the same.
    head = EvaluationHead(8, 2)
    head[0].load_state_dict(model.fc.state_dict())
    save_head(head, tmp_path / "head.safetensors")
    model.fc = None
    again = run(
        "tagging", model, recordings, cache=tmp_path, workers=1, head_weights=tmp_path / "head.safetensors"
    ).outcome
    assert again.figures == found.figures


def test_what_cannot_be_measured_is_refused(recordings: Recordings, headed: Any, tmp_path: Path) -> None:
    bare = Recordings(Manifest([Track("a", "a.wav")]), "bare")
    with pytest.raises(DataError, match="no recording of the test set has a tag"):
        run("tagging", headed, bare)
    with pytest.raises(ModelError, match="mel-statistics tells no tags of its own"):
        run("tagging", registry.load("mel-statistics"), recordings)
    with pytest.raises(ModelError, match="beats has no head for tags, but for beats"):
        run("tagging", small_headed(SPECS[:1], name="beats"), recordings)
    other = Recordings(Manifest([Track("a", "a.wav", tags=("polka",))]), "other")
    with pytest.raises(ModelError, match="tells none of the 1 labels of other"):
        run("tagging", headed, other)
    lost = Recordings(Manifest([Track("a", str(tmp_path / "no.wav"), tags=("piano",))]), "lost")
    with pytest.raises(DataError, match="none of 1 recordings can be used"):
        run("tagging", headed, lost)
