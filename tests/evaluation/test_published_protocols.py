"""Captions, tags and classes: the published numbers stand beside the corrected ones, and both are right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import curves, ensembles, retrieval, tagging
from ohrwurm.evaluation.protocols import captions, labels

NAMES = [f"label {i}" for i in range(30)]


@pytest.fixture
def ttmr(golden, golden_fill):
    """The published metrics with their truth and scores `(100, 30)`."""
    g, fill = golden("ttmr_muscall/ttmr_metrics_tags"), golden_fill("ttmr_muscall")
    shape = int(g["n"]), int(g["k"])
    truth = fill.binary_labels(int(g["seeds"][0]), *shape, 0.15)
    return g, truth, fill.normal(int(g["seeds"][1]), shape) + np.float32(0.9) * truth


def test_captions_equal_ttmr(golden) -> None:
    g = golden("ttmr_muscall/ttmr_metrics_caption")
    words = [f"caption {i}" for i in range(int(g["n"]))]
    found = captions.evaluate(g["similarity"], words, form="ttmr")
    published = found.published
    for k in (1, 5, 10):
        assert published[f"R@{k}"] == pytest.approx(float(g[f"R_at_{k}"]), abs=1e-6)
        assert found.figures[f"R@{k}"].value == pytest.approx(float(g[f"R_at_{k}"]), abs=1e-6)
    assert published["mAP@10"] == pytest.approx(float(g["mAP_at_10"]), abs=1e-6)
    assert published["MedR"] == float(g["medRank"])
    assert found.figures["MedR"].value == published["MedR"] + 1  # an even number of captions: no correction


def test_captions_equal_muscall_in_its_swapped_direction(golden) -> None:
    g = golden("ttmr_muscall/muscall_metrics_retrieval")
    similarity = g["validation_text_to_audio_sim"]
    np.testing.assert_allclose(similarity, g["test_as_published_sim"].T, atol=1e-6)
    found = captions.evaluate(similarity, [str(i) for i in range(len(similarity))], form="muscall")
    published = found.published
    for of, end in (("test_as_published", ""), ("validation_text_to_audio", " (validation, text to audio)")):
        assert [published[f"R@{k}{end}"] for k in (1, 5, 10)] == [float(g[f"{of}_R{k}"]) for k in (1, 5, 10)]
        assert published[f"MedR{end}"] == float(g[f"{of}_MedR"])
    assert 100 * found.figures["R@1"].value == pytest.approx(float(g["validation_text_to_audio_R1"]))
    assert 100 * found.figures["R@1 (audio to text)"].value == pytest.approx(float(g["test_as_published_R1"]))


def test_captions_of_the_same_words_are_answered_by_any_of_their_tracks() -> None:
    similarity = np.array([[0.1, 0.9, 0.0], [0.1, 0.9, 0.0], [0.0, 0.2, 0.8]])
    found = captions.evaluate(similarity, ["waltz", "waltz", "polka"], form="ttmr")
    assert found.figures["R@1"].value == 1.0
    assert found.published["R@1"] == pytest.approx(2 / 3)
    assert found.counts == {"pairs": 3, "captions": 2}


def test_tag_overlap_is_ranked_in_expectation(golden) -> None:
    g, published = golden("ttmr_muscall/ttmr_metrics_tags"), golden("ttmr_muscall/ttmr_metrics_overlap")
    tracks = [int(name.removeprefix("id")) for name in published["caption_track"]]
    queries = np.zeros((len(tracks), 30), bool)
    for row, caption in zip(queries, published["captions"], strict=True):
        row[[int(tag.removeprefix("tag")) for tag in caption.split(", ")]] = True
    counts = captions.overlap(queries, g["best_decisions"][tracks])
    found = captions.evaluate(counts, published["captions"].tolist(), form="ttmr")
    column = {track: i for i, track in enumerate(tracks)}
    order = np.array([[column[i] for i in row] for row in published["ranking"]])
    ranked = -np.argsort(order, axis=1).astype(float)  # the one order that was published
    assert (np.diff(np.take_along_axis(counts, order, 1)) <= 0).all()
    one = retrieval.evaluate(ranked, np.eye(len(tracks), dtype=bool), legacy="ttmr")
    same = np.eye(len(tracks), dtype=bool)
    worst, best = (retrieval.evaluate(counts + sign * same / 2, same) for sign in (-1, 1))
    for k in (1, 5, 10):
        assert one[f"R@{k}"] == pytest.approx(float(published[f"R_at_{k}"]), abs=1e-6)
        assert worst[f"R@{k}"] < found.figures[f"R@{k}"].value < best[f"R@{k}"]
    assert one["MedR"] == float(published["medRank"])


def test_pairs_are_drawn_once_and_again_the_same() -> None:
    drawn = captions.draw(5000, seed=3)
    assert len(np.unique(drawn)) == 1000
    np.testing.assert_array_equal(drawn, captions.draw(5000, seed=3))
    np.testing.assert_array_equal(captions.draw(7), np.arange(7))


def test_tags_equal_ttmr(ttmr) -> None:
    g, truth, logits = ttmr
    for scores, prefix in ((1 / (1 + np.exp(-logits)), ""), (logits, "raw_")):
        published = labels.tags(scores, truth, NAMES, form="ttmr").published
        assert published["macro_roc"] == pytest.approx(float(g["roc_auc"]), abs=1e-6)
        assert published["macro_pr"] == pytest.approx(float(g["pr_auc"]), abs=1e-6)
        assert published["macro_fl"] == pytest.approx(float(g[f"{prefix}macro_f1_best"]), abs=1e-6)
        assert published["avg_macro_f1"] == pytest.approx(float(g[f"{prefix}avg_macro_f1"]), abs=1e-6)
        assert published["avg_fscore_weighted"] == pytest.approx(float(g[f"{prefix}avg_weighted_f1"]), abs=1e-6)


def test_thresholds_come_from_the_validation_tracks(ttmr) -> None:
    _, truth, scores = ttmr
    found = labels.tags(scores[:50], truth[:50], NAMES, form="ttmr", validation=(scores[50:], truth[50:]))
    decided = scores[:50] >= curves.best_thresholds(truth[50:], scores[50:])
    expected = np.nanmean(tagging.f1(truth[:50], decided))
    assert found.figures["F1"].value == pytest.approx(expected)
    assert expected == pytest.approx(f1_score(truth[:50], decided, average="macro"))
    tuned = labels.tags(scores[:50], truth[:50], NAMES, form="ttmr", validation=(scores[:50], truth[:50]))
    assert found.figures["F1"].value < tuned.figures["F1"].value  # how much choosing on the test tracks flatters
    every = labels.tags(np.ones((50, 30)), truth[:50], NAMES, form="ttmr", validation=(np.ones((50, 30)), truth[50:]))
    assert every.figures["F1"].value == pytest.approx(every.figures["F1"].chance)
    assert "F1" not in labels.tags(scores, truth, NAMES, form="ttmr").figures


def test_labels_that_cannot_be_measured_are_named(ttmr) -> None:
    _, truth, scores = ttmr
    truth = truth.copy()
    truth[:, 3], truth[:, 4], truth[50:, 5] = 0, 1, 0
    found = labels.tags(scores[:50], truth[:50], NAMES, form="ttmr", validation=(scores[50:], truth[50:]))
    assert found.details["labels without positives"] == ["label 3"]
    assert found.details["labels without negatives"] == ["label 4"]
    assert found.details["labels without validation positives"] == ["label 3", "label 5"]
    assert found.counts["labels without positives"] == 1
    assert math.isnan(found.details["each label"]["label 3"]["ROC-AUC"])
    assert math.isnan(found.published["macro_roc"])
    assert all(np.isfinite([f.value, f.low, f.high, f.chance]).all() for f in found.figures.values())


def test_zero_shot_equals_muscall(golden, golden_fill) -> None:
    g, fill = golden("ttmr_muscall/muscall_metrics_zeroshot"), golden_fill("ttmr_muscall")
    n, seeds = int(g["n"]), [int(s) for s in g["seeds"]]
    truth = fill.binary_labels(seeds[0], n, 9, 0.3)
    found = labels.tags(fill.normal(seeds[1], truth.shape) + np.float32(0.8) * truth, truth, NAMES[:9], form="muscall")
    published = {"ROC-AUC": float(g["roc"]), "mAP": float(g["ap"])}
    assert found.published == pytest.approx(published, abs=1e-6)
    one = fill.rng(seeds[2]).integers(0, 10, n)
    scores = fill.normal(seeds[3], (n, 10)) + 1.3 * np.eye(10)[one]
    found = labels.classes(scores, one, NAMES[:10])
    assert found.published["accuracy"] == pytest.approx(float(g["gtzan_acc"]), abs=1e-6)
    assert found.figures["accuracy"].value == pytest.approx(float(g["gtzan_acc"]), abs=1e-6)


@pytest.mark.parametrize("name", ["magnatagatune", "gtzan"])
def test_mean_probabilities_of_chunks_equal_clmr(golden, name: str) -> None:
    g = {key.removeprefix(f"{name}/"): v for key, v in golden("tune/clmr_evaluate").items() if key.startswith(name)}
    chunk, count, several = int(g["chunk"]), int(g["n_classes"]), name == "magnatagatune"
    logits, tracks = [], []
    for i, audio in enumerate(np.split(g["audio_concat"], np.cumsum(g["audio_len"])[:-1])):
        whole = -(-len(audio) // chunk) - 1  # the last chunk is dropped, complete or not
        logits.append(audio[: whole * chunk].reshape(whole, chunk)[:, :count])
        tracks += [i] * whole
    scores = ensembles.probabilities(np.concatenate(logits), tracks, several=several)
    names = [f"label {i}" for i in range(count)]
    if several:
        published = labels.tags(scores, g["labels"], names, form="clmr").published
        assert published == pytest.approx({n: float(g[n]) for n in ("ROC-AUC", "PR-AUC")}, abs=1e-6)
    else:
        published = labels.classes(scores, g["labels"], names).published
        assert published["accuracy"] == pytest.approx(float(g["Accuracy"]), abs=1e-6)


def test_balanced_accuracy_is_the_mean_over_classes_with_tracks() -> None:
    found = labels.classes(np.eye(3)[[0, 0, 0, 1]], [0, 0, 1, 1], ["a", "b", "c"])
    assert found.figures["balanced accuracy"].value == pytest.approx((1 + 0.5) / 2)
    assert found.counts["classes without tracks"] == 1
    assert math.isnan(found.details["recall"]["c"])


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="pairs"):
        captions.evaluate(np.zeros((2, 3)), ["a", "b"], form="ttmr")
    with pytest.raises(DataError, match="pairs"):
        captions.evaluate(np.zeros((0, 0)), [], form="ttmr")
    with pytest.raises(DataError, match="none of 1 labels"):
        labels.tags([[0.5]], [[1]], ["a"], form="ttmr")
    with pytest.raises(DataError, match="validation"):
        labels.tags([[0.5], [0.1]], [[1], [0]], ["a"], form="ttmr", validation=([[0.5, 0.1]], [[1, 0]]))
    with pytest.raises(DataError, match="no track"):
        labels.classes(np.zeros((0, 2)), np.zeros(0, int), ["a", "b"])
    with pytest.raises(DataError, match="names"):
        labels.classes([[0.5, 0.1]], [0], ["a"])
