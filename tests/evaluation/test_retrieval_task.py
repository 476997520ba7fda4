"""Retrieval with captions from files to report: both directions, drawn pairs, tags as captions, TTMR's classifier."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hearing import TONES, Brightness, tone

from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.metrics import curves, tagging
from ohrwurm.evaluation.protocols import retrieval, words
from ohrwurm.evaluation.protocols.retrieval import Options, cosine_statistics, queries
from ohrwurm.evaluation.task import Job
from ohrwurm.evaluation.tasks import Recordings, recordings_of, run
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.ttmr import TTMRClassifier


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Track]:
    """A low, a middle and a high tone, and a low one that is called high."""
    folder = tmp_path_factory.mktemp("songs")
    tracks = [
        Track(name, str(tone(folder / f"{name}.wav", pitch)), "test", (name, "tone"), f"a {name} tone")
        for name, pitch in TONES.items()
    ]
    wrong = Track("wrong", str(tone(folder / "wrong.wav", 210)), "test", ("high",), "a quite high tone")
    return [*tracks, wrong]


def test_captions_and_tracks_ask_for_each_other(songs: list[Track]) -> None:
    report = run("retrieval", Brightness(), Recordings(Manifest(songs), "tones"))
    found = report.outcome
    # "high" and "quite high" are one vector here: tied in expectation where the true tracks differ.
    assert found.figures["R@1"].value == pytest.approx(3 / 4)  # the wrong one is asked for and not found
    assert found.figures["R@1 (audio to text)"].value == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert found.counts["pairs"] == 4
    assert set(found.published) == {"R@1", "R@5", "R@10", "mAP@10", "MedR"}
    assert found.published["MedR"] == pytest.approx(found.figures["MedR"].value - 1)
    assert found.items[0].ids == ("low", "middle", "high", "wrong")
    as_muscall = run("retrieval", Brightness(), Recordings(Manifest(songs), "tones"), form="muscall").outcome
    assert as_muscall.published["R@1"] == pytest.approx(100 * found.figures["R@1 (audio to text)"].value)
    assert as_muscall.published["R@1 (validation, text to audio)"] == pytest.approx(75)


def test_captions_of_the_same_words_are_answered_by_any_of_their_tracks(songs: list[Track]) -> None:
    alike = [*songs[:3], dataclasses.replace(songs[0], track_id="again")]
    found = run("retrieval", Brightness(), Recordings(Manifest(alike), "tones")).outcome
    assert found.figures["R@1"].value == 1.0
    assert found.published["R@1"] == pytest.approx((2 + 2 * 0.5) / 4)
    assert found.counts["captions"] == 3
    assert found.counts["copies of another recording"] == 1


def test_pairs_are_drawn_by_the_seed(songs: list[Track], tmp_path: Path) -> None:
    copies = [dataclasses.replace(t, track_id=f"{t.track_id}{i}") for i in range(5) for t in songs]
    mine = Recordings(Manifest(copies), "tones")
    drawn = [
        run("retrieval", Brightness(), mine, pairs=6, seed=s, cache=tmp_path).outcome.items[0].ids for s in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 6
    assert run("retrieval", Brightness(), mine, cache=tmp_path).outcome.counts["pairs"] == 20


def test_muscall_as_published_draws_a_thousand_pairs_before_it_listens(
    songs: list[Track], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert retrieval.PAIRS == 1000
    monkeypatch.setattr(retrieval, "PAIRS", 5)
    many = [dataclasses.replace(songs[i % 4], track_id=str(i)) for i in range(9)]
    card = registry.card("muscall")
    model = Brightness(architecture=card.architecture, published=card.published)
    report = run("retrieval", model, Recordings(Manifest(many), "m"), protocol="published", cache=tmp_path)
    assert report.outcome.counts["pairs"] == 5
    assert report.outcome.published_as.startswith("MusCALL")
    heard: list[str] = []
    monkeypatch.setattr(Job, "vectors", lambda job, tracks: heard.extend(t.track_id for t in tracks) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("retrieval", model, Recordings(Manifest(many), "m"), protocol="published")
    assert heard == list(report.outcome.items[0].ids)


def test_of_ecals_the_tags_ask_for_the_tracks_that_ttmr_asks_for(songs: list[Track]) -> None:
    tracks = [dataclasses.replace(t, caption="") for t in songs]
    tracks[1] = dataclasses.replace(tracks[1], annotations={"multi_query": "tone, middle"})
    tracks[2] = dataclasses.replace(tracks[2], annotations={"multi_query": "high, tone"})
    mine = Recordings(Manifest(tracks), "ecals", labels=(*TONES, "tone"))
    assert [(t.track_id, text) for t, text in queries(mine)] == [("middle", "middle, tone"), ("high", "high, tone")]
    found = run("retrieval", Brightness(), mine).outcome
    assert found.counts["pairs"] == 2
    assert set(found.details["cosines"]) == {"caption_stat", "audio_stat", "tag_stat"}
    assert any("2 of 4 test recordings have no text" in w for w in found.warnings)


def test_cosine_statistics_equal_ttmr(golden, golden_fill) -> None:
    g, fill = golden("ttmr_muscall/ttmr_metrics_caption"), golden_fill("ttmr_muscall")
    seeds, n, k = [int(s) for s in g["seeds"]], int(g["n"]), int(g["k"])
    audio = fill.normal(seeds[0], (n, 64))
    text = np.float32(0.12) * audio + fill.normal(seeds[1], (n, 64))
    tags = fill.normal(seeds[2], (k, 64))
    for name, pair in (("tag", (tags, tags)), ("caption", (text, text)), ("audio", (text, audio))):
        expected = float(g[f"{name}_stat_mean"]), float(g[f"{name}_stat_std"])
        assert cosine_statistics(*pair) == pytest.approx(expected, abs=1e-6)


def test_a_tagger_ranks_by_the_tags_it_gives(songs: list[Track], tmp_path: Path) -> None:
    torch.manual_seed(3)
    names = (*TONES, "tone")
    model = TTMRClassifier(names, channels=(8, 8, 8, 8), attention_dim=32, layers=1, dim=16).eval()
    model.card = ModelCard("tagger", "ttmr-classification", 16000, 0.5, 0.5, 16, ("sound",), "", minimum=0.3)
    seen = [
        Track(f"v{name}", str(tone(tmp_path / f"{name}.wav", pitch * 1.2)), "validation", (name, "tone"))
        for name, pitch in TONES.items()
    ]
    mine = Recordings(Manifest([*songs, *seen]), "tones", labels=names)
    found = run("retrieval", model, mine).outcome
    job = Job("retrieval", model, mine, Options())
    test, scores = words.label_scores(job, songs, names)
    held = np.array([[n in t.tags for n in names] for t in test])
    others, validation = words.label_scores(job, seen, names)
    thresholds = curves.best_thresholds(np.array([[n in t.tags for n in names] for t in others]), validation)
    counts = held.astype(int) @ tagging.decide(scores, thresholds).T
    best = counts == counts.max(1, keepdims=True)
    assert found.figures["R@1"].value == pytest.approx(np.mean(np.diag(best) / best.sum(1)))
    tuned = held.astype(int) @ tagging.decide(scores, curves.best_thresholds(held, scores), strict=True).T
    best = tuned == tuned.max(1, keepdims=True)
    assert found.published["R@1"] == pytest.approx(np.mean(np.diag(best) / best.sum(1)))
    assert "unstable sort" in found.published_as
    alone = run("retrieval", model, Recordings(Manifest(songs), "tones", labels=names)).outcome
    assert any("thresholds are chosen on the test recordings" in w for w in alone.warnings)


def test_what_cannot_be_measured_is_refused(songs: list[Track]) -> None:
    bare = Recordings(Manifest([dataclasses.replace(t, caption="", tags=()) for t in songs]), "bare")
    with pytest.raises(DataError, match="fill the column caption or tags"):
        run("retrieval", Brightness(), bare)
    with pytest.raises(ModelError, match="does not know words"):
        run("retrieval", registry.load("mel-statistics"), Recordings(Manifest(songs), "m"))


def test_audiocaption_as_published_from_its_arrays(tmp_path: Path) -> None:
    """MusCALL's own layout: JSON and arrays; the window is the one in the middle."""
    folder = tmp_path / "audiocaption"
    (folder / "audio").mkdir(parents=True)
    rows = []
    for i, (name, pitch) in enumerate(TONES.items()):
        t = np.arange(3 * 8000) / 8000
        sound = np.sin(2 * np.pi * np.where((t > 1) & (t < 2), pitch, 100) * t).astype(
            np.float32
        )  # in the middle alone
        np.save(folder / "audio" / f"{i}.npy", np.repeat(sound, 2))  # at 16 kHz
        rows.append({"audio_id": i, "caption": f"a {name} tone", "audio_path": f"{i}.npy"})
    for split in ("train", "val"):
        (folder / f"dataset_{split}.json").write_text("[]")
    (folder / "dataset_test.json").write_text(json.dumps(rows))
    card = registry.card("muscall")
    model = Brightness(architecture=card.architecture, published=card.published, window=1.0, hop=1.0)
    mine = recordings_of("audiocaption", "retrieval", tmp_path)
    report = run("retrieval", model, mine, protocol="published", cache=tmp_path / "cache")
    assert report.failures == {}
    assert report.outcome.figures["R@1"].value == 1.0
    assert report.outcome.published["R@1"] == 100.0
