"""Retrieval metrics are the published ones, and defined at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import retrieval


def test_equals_published_caption_retrieval(golden) -> None:
    g = golden("ttmr_muscall/ttmr_metrics_caption")
    found = retrieval.evaluate(g["similarity"], np.eye(int(g["n"]), dtype=bool))
    for k in (1, 5, 10):
        assert found[f"R@{k}"] == pytest.approx(float(g[f"R_at_{k}"]), abs=1e-9)
    assert found["mAP@10"] == pytest.approx(float(g["mAP_at_10"]), abs=1e-9)
    assert found["MedR (0-based)"] == float(g["medRank"])
    assert found["MedR"] == float(g["medRank"]) + 1


def test_legacy_equals_published_jackknifed_median(golden) -> None:
    g = golden("ttmr_muscall/ttmr_metrics_caption")
    found = retrieval.evaluate(g["similarity"], np.eye(int(g["n"]), dtype=bool), legacy="ttmr")
    published = {**{f"R@{k}": g[f"R_at_{k}"] for k in (1, 5, 10)}, "mAP@10": g["mAP_at_10"], "MedR": g["medRank"]}
    assert found == pytest.approx({name: float(v) for name, v in published.items()}, abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 10, 31])
def test_jackknifed_median_is_its_definition(count: int) -> None:
    ranks = np.random.default_rng(count).integers(9, size=count)
    plain = float(np.median(ranks))
    if count > 1:
        others = [np.median(np.delete(ranks, i)) for i in range(count)]
        plain = count * plain - (count - 1) * float(np.mean(others))
    assert retrieval.jackknifed_median(ranks) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("of", "direction"), [("validation_text_to_audio", "text to audio"), ("test_as_published", "audio to text")]
)
def test_legacy_equals_published_in_both_directions(golden, golden_fill, of: str, direction: str) -> None:
    g, fill = golden("ttmr_muscall/muscall_metrics_retrieval"), golden_fill("ttmr_muscall")
    shape = int(g["n"]), 512
    audio = fill.normal(int(g["seeds"][0]), shape)
    text = np.float32(0.06) * audio + fill.normal(int(g["seeds"][1]), shape)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (text, audio)]
    found = retrieval.directions(unit[0] @ unit[1].T, np.eye(shape[0], dtype=bool), legacy="muscall")[direction]
    published = {**{f"R@{k}": float(g[f"{of}_R{k}"]) for k in (1, 5, 10)}, "MedR": float(g[f"{of}_MedR"])}
    assert found == published
    assert retrieval.evaluate(g[f"{of}_sim"], np.eye(shape[0], dtype=bool), legacy="muscall") == published


def test_legacy_is_refused_where_the_paper_does_not_define_it() -> None:
    with pytest.raises(DataError, match="query 1 has 2"):
        retrieval.evaluate(np.zeros((2, 3)), [[1, 0, 0], [0, 1, 1]], legacy="ttmr")
    with pytest.raises(ValueError, match="muscall"):
        retrieval.evaluate(np.zeros((1, 1)), [[1]], legacy="clip")  # type: ignore[arg-type]


def test_cut_offs_of_ones_own() -> None:
    found = retrieval.evaluate([[0.9, 0.5, 0.1]], [[False, True, True]], ks=(2,), depths=(1, 3))
    assert found["R@2"] == 1.0
    assert found["mAP@1"] == 0.0
    assert found["mAP@3"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert "R@10" not in found


def test_does_not_depend_on_the_order_of_queries_or_items() -> None:
    rng = np.random.default_rng(0)
    scores, relevant = rng.integers(4, size=(15, 25)).astype(float), rng.random((15, 25)) < 0.2
    rows, columns = rng.permutation(15), rng.permutation(25)
    shuffled = retrieval.evaluate(scores[rows][:, columns], relevant[rows][:, columns])
    assert shuffled == pytest.approx(retrieval.evaluate(scores, relevant))


def test_any_of_several_relevant_items_counts() -> None:
    found = retrieval.evaluate([[0.1, 0.9, 0.5]], [[True, False, True]])
    assert found["R@1"] == 0.0
    assert found["R@5"] == 1.0
    assert found["MedR"] == 2.0
    assert found["mAP@10"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_queries_without_a_relevant_item_are_left_out() -> None:
    found = retrieval.evaluate([[0.9, 0.1], [0.9, 0.1]], [[True, False], [False, False]])
    assert found["R@1"] == 1.0


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (3, 0), (2, 4)])
def test_nothing_to_find_is_not_a_number(shape: tuple[int, int]) -> None:
    for found in (retrieval.evaluate(np.zeros(shape), np.zeros(shape, bool)), retrieval.chance(np.zeros(shape, bool))):
        assert all(math.isnan(v) for v in found.values())


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        retrieval.evaluate(np.zeros((2, 3)), np.zeros((3, 2), bool))
    with pytest.raises(DataError, match="NaN"):
        retrieval.evaluate([[math.nan, 1.0]], [[True, False]])


def test_chance_equals_the_mean_of_random_rankings() -> None:
    rng = np.random.default_rng(0)
    relevant = rng.random((400, 30)) < 0.1
    runs = [retrieval.evaluate(rng.random(relevant.shape), relevant) for _ in range(40)]
    expected = retrieval.chance(relevant)
    for name in ("R@1", "R@5", "R@10", "mAP@10"):
        values = [r[name] for r in runs]
        assert expected[name] == pytest.approx(np.mean(values), abs=5 * np.std(values) / math.sqrt(len(values)))
