"""Zero-shot transfer and tag retrieval from files to report: label order, thresholds, published windows, bad labels."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hearing import RATE, TONES, Brightness, tone

from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.metrics import curves, tagging
from ohrwurm.evaluation.protocols import words
from ohrwurm.evaluation.protocols.zero_shot import label_names
from ohrwurm.evaluation.tasks import Recordings, run
from ohrwurm.models import registry
from ohrwurm.models.base import Encoded, ModelCard
from ohrwurm.models.ttmr import TTMRClassifier


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Four recordings of each tone; the last low one is in truth a high one."""
    folder = tmp_path_factory.mktemp("songs")
    made = {n: [tone(folder / f"{n}{i}.wav", p * 1.05**i, seed=i) for i in range(4)] for n, p in TONES.items()}
    tone(made["low"][3], TONES["high"])
    return made


def classes(songs: dict[str, list[Path]], split: str = "") -> list[Track]:
    return [
        Track(f"{split}{name}{i}", str(file), split, (name,))
        for name, files in songs.items()
        for i, file in enumerate(files)
    ]


def test_one_label_a_track_is_told_by_its_name(songs: dict[str, list[Path]]) -> None:
    found = run("zero-shot", Brightness(), Recordings(Manifest(classes(songs)), "tones")).outcome
    assert found.figures["accuracy"].value == pytest.approx(11 / 12)
    assert found.details["recall"] == pytest.approx({"high": 1.0, "low": 0.75, "middle": 1.0})
    assert found.published == pytest.approx({"accuracy": 11 / 12})
    assert found.items[0].ids[:2] == ("low0", "low1")
    assert found.protocol.startswith("cosine of the name of each label")


def test_labels_come_in_the_order_of_the_benchmark(songs: dict[str, list[Path]]) -> None:
    mine = Recordings(Manifest(classes(songs)), "tones", labels=("middle", "low", "high", "none at all"))
    found = run("zero-shot", Brightness(), mine).outcome
    assert list(found.details["recall"]) == ["middle", "low", "high", "none at all"]
    assert "1 of 4 labels have no track to be found, and do not count in the balanced accuracy: none at all" in (
        found.warnings
    )
    assert found.counts["classes without tracks"] == 1


def test_a_prompt_is_said_around_each_label(songs: dict[str, list[Path]]) -> None:
    said: list[str] = []

    class Listening(Brightness):
        def encode_text(self, texts: list[str]) -> torch.Tensor:
            said.extend(texts)
            return super().encode_text(texts)

    mine = Recordings(Manifest(classes(songs)), "tones", labels=tuple(TONES))
    report = run("zero-shot", Listening(), mine, prompt="A {label} track")
    assert said == ["A low track", "A middle track", "A high track"]
    assert "'A {label} track'" in report.outcome.protocol
    assert report.settings["prompt"] == "A {label} track"
    with pytest.raises(DataError, match="no place for the label"):
        run("zero-shot", Brightness(), mine, prompt="A track")


def several(songs: dict[str, list[Path]]) -> list[Track]:
    """Test and validation tracks that carry their tone, and "tonal" all of them."""
    return [
        dataclasses.replace(t, track_id=f"{split} {t.track_id}", split=split, tags=(*t.tags, "tonal"))
        for split, files in (("test", 0), ("validation", 2))
        for t in classes({name: rows[files : files + 2] for name, rows in songs.items()})
    ]


def test_several_labels_rank_the_tracks_and_thresholds_come_from_validation(songs: dict[str, list[Path]]) -> None:
    labels = ("low", "middle", "high", "tonal", "polka")
    mine = Recordings(Manifest(several(songs)), "tones", labels=labels)
    report = run("zero-shot", Brightness(), mine)
    found = report.outcome
    kept, scores = [t for t in mine.manifest if t.split == "test"], {}
    for split in ("test", "validation"):
        tracks = [t for t in mine.manifest if t.split == split]
        vectors = [words.cosines(words.text_vectors(Brightness(), labels), vector(t))[:, 0] for t in tracks]
        truth = np.array([[name in t.tags for name in labels] for t in tracks])
        scores[split] = np.array(vectors), truth
    s, t = scores["test"]
    each = tagging.per_label(t, s)
    assert found.figures["ROC-AUC"].value == pytest.approx(np.nanmean(each["ROC-AUC"]))
    assert found.figures["PR-AUC"].value == pytest.approx(np.nanmean(each["PR-AUC"]))
    thresholds = curves.best_thresholds(scores["validation"][1], scores["validation"][0])
    assert found.figures["F1"].value == pytest.approx(np.nanmean(tagging.f1(t, tagging.decide(s, thresholds))))
    assert set(found.published) == {"macro_roc", "macro_pr", "macro_fl", "avg_macro_f1", "avg_fscore_weighted"}
    assert math.isnan(found.published["macro_roc"])  # scikit-learn's mean over labels of which one has no curve
    said = " | ".join(found.warnings)
    assert "1 of 5 labels have no track to be found, and are in no mean: polka" in said
    assert "1 of 5 labels have all tracks, and are in no mean of ROC-AUC: tonal" in said
    assert found.counts["tracks"] == len(kept) == 6
    assert run("zero-shot", Brightness(), mine, form="muscall").outcome.published.keys() == {"ROC-AUC", "mAP"}


def vector(track: Track) -> np.ndarray:
    from ohrwurm.embedding import embed

    return embed(track.path, Brightness()).vector[None]


def test_without_validation_there_is_no_f1_and_it_is_said(songs: dict[str, list[Path]]) -> None:
    tracks = [t for t in several(songs) if t.split == "test"]
    found = run("zero-shot", Brightness(), Recordings(Manifest(tracks), "tones")).outcome
    assert "F1" not in found.figures
    assert any("no recording is marked for validation, so there is no F1" in w for w in found.warnings)


def test_tags_that_are_no_label_are_told(songs: dict[str, list[Path]]) -> None:
    found = run("zero-shot", Brightness(), Recordings(Manifest(several(songs)), "tones", labels=tuple(TONES))).outcome
    assert any("1 tags of the recordings are no label of tones, and not asked: tonal (6)" in w for w in found.warnings)


def test_a_text_that_becomes_nan_is_an_error_that_names_it(songs: dict[str, list[Path]]) -> None:
    mine = Recordings(Manifest(classes(songs)), "tones", labels=(*TONES, "nonsense"))
    with pytest.raises(DataError, match="brightness gives NaN or infinity for 4 of 4 texts, first for 'low'"):
        run("zero-shot", Brightness(), mine)


def test_what_cannot_be_measured_is_refused(songs: dict[str, list[Path]]) -> None:
    mine = classes(songs)
    two = [dataclasses.replace(mine[0], tags=("low", "slow")), *mine[1:]]
    with pytest.raises(DataError, match=r"low0: its tags \(low, slow\) are not one of the 3 classes"):
        run("zero-shot", Brightness(), Recordings(Manifest(two), "m", labels=tuple(TONES)), target="class")
    with pytest.raises(DataError, match="has a tag"):
        run("zero-shot", Brightness(), Recordings(Manifest([Track("a", "a.wav")]), "m"))
    with pytest.raises(ModelError, match="does not know words"):
        run("zero-shot", registry.load("mel-statistics"), Recordings(Manifest(mine), "m"))


def published(model: str) -> dict[str, object]:
    return dict(registry.card(model).published)


@pytest.mark.parametrize("task, count", [("zero-shot", 8), ("tag-retrieval", 3)])
def test_published_windows_are_those_of_ttmr(tmp_path: Path, task: str, count: int) -> None:
    """Chunk k starts at k times (length - window) // count; the track's vector is the plain mean of theirs."""
    model = Brightness(window=1.0, hop=1.0, published=published("ttmr-contrastive-bert-stochastic"))
    rng = np.random.default_rng(0)
    tracks = []
    for name, pitch in TONES.items():
        steps = np.repeat(pitch * rng.uniform(0.7, 1.4, 20), RATE // 5)  # wanders, so that the windows matter
        soundfile.write(tmp_path / f"{name}.wav", 0.4 * np.sin(2 * np.pi * np.cumsum(steps) / RATE), RATE)
        tracks.append(Track(name, str(tmp_path / f"{name}.wav"), tags=(name,)))
    seen: dict[str, torch.Tensor] = {}
    plain = Brightness.forward

    def listen(self: Brightness, waveform: torch.Tensor) -> Encoded:
        encoded = plain(self, waveform)
        seen.setdefault("windows", torch.zeros(0, 2))
        seen["windows"] = torch.cat([seen["windows"], encoded.pooled])
        return encoded

    Brightness.forward = listen  # type: ignore[method-assign]
    try:
        report = run(task, model, Recordings(Manifest(tracks), "t"), protocol="published", workers=1)
    finally:
        Brightness.forward = plain  # type: ignore[method-assign]
    expected = []
    for track in tracks:
        audio = torch.from_numpy(soundfile.read(track.path, dtype="float32")[0])
        hop = (len(audio) - RATE) // count
        expected += [plain(model, audio[None, k * hop : k * hop + RATE]).pooled for k in range(count)]
    assert seen["windows"].shape == (3 * count, 2)
    torch.testing.assert_close(seen["windows"], torch.cat(expected), atol=1e-6, rtol=0)
    assert report.settings["protocol"] == "published"
    assert report.provenance != model.card.provenance


def test_tag_retrieval_asks_by_each_tag(songs: dict[str, list[Path]]) -> None:
    found = run(
        "tag-retrieval", Brightness(), Recordings(Manifest(several(songs)), "tones", labels=tuple(TONES))
    ).outcome
    assert found.counts["tracks"] == 6
    assert found.counts["labels"] == 3
    assert "F1" not in found.figures
    assert found.figures["ROC-AUC"].value == 1.0  # the wrong one is a validation track


def test_a_tagger_answers_tag_retrieval_with_its_own_layer(songs: dict[str, list[Path]]) -> None:
    torch.manual_seed(0)
    tags = ("high", "low", "middle", "other")
    model = TTMRClassifier(tags, channels=(8, 8, 8, 8), attention_dim=32, layers=1, dim=16).eval()
    model.card = ModelCard("tagger", "ttmr-classification", 16000, 0.5, 0.5, 16, ("sound",), "", minimum=0.3)
    mine = Recordings(Manifest(several(songs)), "tones", labels=("low", "high"))
    found = run("tag-retrieval", model, mine).outcome
    tracks = [t for t in mine.manifest if t.split == "test"]
    by_hand = []
    for track in tracks:
        audio = torch.from_numpy(soundfile.read(track.path, dtype="float32")[0])
        audio = torch.nn.functional.interpolate(audio[None, None], scale_factor=2, mode="linear")[0]
        with torch.inference_mode():
            by_hand.append(
                torch.cat([model.classify(piece) for piece in audio.split(8000, dim=1)]).mean(0)[[1, 0]].numpy()
            )
    _, scores = words.label_scores(job_of(model, mine), tracks, ("low", "high"))
    np.testing.assert_allclose(scores, by_hand, atol=0.02)  # resampled otherwise
    assert found.counts["labels"] == 2
    with pytest.raises(ModelError, match=r"2 of 3 labels are none of them, e\.g\. 'polka'"):
        run("tag-retrieval", model, dataclasses.replace(mine, labels=("low", "polka", "waltz")))


def job_of(model: object, recordings: Recordings):  # type: ignore[no-untyped-def]
    from ohrwurm.evaluation.protocols.tag_retrieval import Options
    from ohrwurm.evaluation.task import Job

    return Job("tag-retrieval", model, recordings, Options())  # type: ignore[arg-type]


def test_of_ones_own_tags_the_most_frequent() -> None:
    tracks = [Track(str(i), f"{i}.wav", tags=("rock", "live", "b")[: i + 1]) for i in range(3)]
    mine = Recordings(Manifest(tracks), "m")
    assert label_names(mine) == ("b", "live", "rock")
    assert label_names(mine, 2) == ("rock", "live")


def test_the_report_is_plain_json(songs: dict[str, list[Path]]) -> None:
    report = run("zero-shot", Brightness(), Recordings(Manifest(several(songs)), "tones", labels=tuple(TONES)))
    read = json.loads(report.to_json())
    assert read["outcome"]["warnings"]
    assert read["settings"]["target"] == "auto"
