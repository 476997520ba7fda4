"""Published results: every row is complete, the values are those of the papers, and differences are told."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from ohrwurm.data.benchmarks import NAMES, find
from ohrwurm.evaluation.protocols import captions, jukemir_task, labels, linear, ttmr_probing, versions
from ohrwurm.evaluation.references import CERTAINTIES, UNITS, Reference, beside, protocols, references
from ohrwurm.evaluation.report import Figure, Outcome, Report

ROWS = references()


@pytest.mark.parametrize("system", sorted({r.system for r in ROWS}))
def test_every_row_is_complete(system: str) -> None:
    for row in (r for r in ROWS if r.system == system):
        assert row.model, row
        assert row.benchmark, row
        assert row.split, row
        assert row.published_metric, row
        assert row.source, row
        assert row.protocol in protocols(), row
        assert row.certainty in CERTAINTIES, row
        assert row.unit in UNITS, row
        assert 0 < row.figure <= (1000 if row.unit == "rank" else 1), row


def test_no_figure_stands_twice() -> None:
    keys = Counter(
        (r.system, r.model, r.benchmark, r.variant, r.split, r.task, r.published_metric, r.protocol) for r in ROWS
    )
    assert [k for k, n in keys.items() if n > 1] == []


def test_every_protocol_is_used_and_says_what_it_is() -> None:
    assert set(protocols()) == {r.protocol for r in ROWS}
    for name, protocol in protocols().items():
        assert protocol.about.endswith("."), name
        assert protocol.differs == "" or protocol.differs.endswith("."), name


def test_names_are_those_of_the_benchmarks_and_protocols() -> None:
    """A row whose variant, task or protocol is called otherwise than in the code would never be set beside a report."""
    for benchmark, variant in {(r.benchmark, r.variant) for r in ROWS if r.benchmark in NAMES and r.variant}:
        assert variant in find(benchmark).variants, (benchmark, variant)
    said = [*captions.PUBLISHED.values(), *labels.PUBLISHED.values(), "the published accuracy",
            *(m.PUBLISHED_AS for m in (jukemir_task, linear, ttmr_probing, versions))]  # fmt: skip
    for name, protocol in protocols().items():
        assert not protocol.published or any(s.startswith(protocol.published) for s in said), name


# (system, model, benchmark, variant, published metric, protocol) → value as printed, read off the tables by eye.
PRINTED = {
    ("TTMR", "classification-binary-tag", "ecals", "ttmr-50", "macro_roc", "ttmr-tags-classifier"): 0.9023,
    ("TTMR", "classification-binary-tag", "ecals", "ttmr", "MedR", "ttmr-captions-classifier"): 86,
    ("TTMR", "contrastive-bert-stochastic", "ecals", "ttmr", "R@10", "ttmr-captions"): 0.428,
    ("TTMR", "contrastive-bert-stochastic", "ecals", "ttmr", "mAP@10", "ttmr-captions"): 0.1874,
    ("TTMR", "triplet-glove-stochastic", "ecals", "ttmr", "MedR", "ttmr-captions"): 19.5,
    ("TTMR", "triplet-glove-tag", "ecals", "ttmr", "macro_pr", "ttmr-tags"): 0.0606,
    ("TTMR", "contrastive-bert-stochastic", "emotify", "ttmr", "accuracy", "ttmr-zero-shot-classes"): 0.3375,
    ("TTMR", "contrastive-bert-tag", "gtzan", "filtered", "accuracy", "ttmr-zero-shot-classes"): 0.8931,
    ("TTMR", "triplet-bert-tag", "kvt", "ttmr", "macro_fl", "ttmr-f1-test-tuned"): 0.6914,
    ("TTMR", "triplet-glove-tag", "mtg_jamendo", "moodtheme", "macro_pr", "ttmr-zero-shot-tags"): 0.0642,
    ("TTMR", "contrastive-bert-caption", "magnatagatune", "minz", "avg_macro_f1", "ttmr-f1-at-half"): 0.5287,
    ("TTMR", "triplet-glove-caption", "mtg_jamendo", "genre", "avg_fscore_weighted", "ttmr-f1-at-half"): 0.9555,
    ("TTMR", "contrastive-bert-stochastic", "emotify", "ttmr", "accuracy", "ttmr-mlp"): 0.4875,
    ("TTMR", "contrastive-bert-stochastic", "fma", "small", "accuracy", "ttmr-mlp-norm"): 0.6,
    ("TTMR", "contrastive-bert-stochastic", "mtg_jamendo", "instrument", "macro_pr", "ttmr-mlp"): 0.18982,
    ("CLMR", "CLMR, 10000 epochs", "magnatagatune", "pons", "ROC-AUC", "clmr-mlp"): 89.3,
    ("CLMR", "CLMR, released, 1550 epochs", "magnatagatune", "pons", "PR-AUC", "clmr-linear"): 34.27,
    ("CLMR", "CLMR, 1000 epochs", "msd", "clmr", "PR-AUC", "clmr-linear"): 25.0,
    ("TUNe", "TUNe (Tail+5), 3000 epochs", "magnatagatune", "pons", "PR-AUC", "clmr-linear"): 36.9,
    ("TUNe", "TUNe+", "emomusic", "jukemir", "arousal_r2", "jukemir"): 64.7,
    ("jukemir", "Jukebox", "giantsteps", "clips", "score", "jukemir"): 66.7,
    ("jukemir", "chroma", "emomusic", "jukemir", "valence_r2", "jukemir"): 5.9,
    ("MOVE", "MOVE, d=16000", "da_tacos", "benchmark", "MAP", "move"): 0.507,
    ("Re-MOVE", "Re-MOVE, d=256", "da_tacos", "benchmark", "MR1", "move-mr1"): 38,
    ("Re-MOVE", "reconfigured, d=64", "da_tacos", "benchmark", "MAP", "move"): 0.298,
    ("MusicFM", "FM7-finetune", "unstated", "", "Chord acc", "musicfm-finetune"): 0.807,
    ("MusicFM", "FM9 (public FMA)", "magnatagatune", "", "mAP", "musicfm-probe"): 0.4726,
    ("MARBLE", "MusicFM (MSD)", "gtzan", "", "genre acc", "marble"): 83.8,
    ("MARBLE", "MERT (330M)", "emomusic", "", "R2 V", "marble"): 61.2,
    ("MARBLE", "MuQ", "nsynth", "pitch", "pitch acc", "marble"): 92.3,
}  # fmt: skip


@pytest.mark.parametrize("key", PRINTED, ids=lambda k: " ".join(k[1:5:2]))
def test_values_are_as_printed(key: tuple[str, ...]) -> None:
    names = ("system", "model", "benchmark", "variant", "published_metric", "protocol")
    (row,) = (r for r in ROWS if tuple(getattr(r, n) for n in names) == key)
    assert row.value == PRINTED[key]


def test_whole_tables_are_there() -> None:
    held = Counter((r.system, r.task) for r in ROWS)
    assert held["TTMR", "retrieval"] == 10 * 5
    assert held["TTMR", "tag-retrieval"] == 10 * 4
    assert held["TTMR", "zero-shot"] == 9 * (3 + 7 * 5)
    assert held["TTMR", "ttmr-probe"] == 3 + 7 * 5
    assert sum(n for (system, _), n in held.items() if system == "MusicFM") == 13 * 8
    assert sum(n for (system, _), n in held.items() if system == "MARBLE") == 5 * 12


def test_the_printed_averages_follow_from_the_printed_values() -> None:
    """A slip in copying a row of jukemir's table would show in its average."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for r in ROWS:
        if r.protocol in ("jukemir", "jukemir-average"):
            rows[r.model][f"{r.benchmark} {r.published_metric}"] = r.value
    assert len(rows) == 8
    averaged = {model: v for model, v in rows.items() if "jukemir average average" in v}
    assert rows.keys() - averaged.keys() == {"TUNe"}  # the one without an average of its own
    for model, v in averaged.items():
        tags = (v["magnatagatune auc_roc"] + v["magnatagatune ap"]) / 2
        emotion = (v["emomusic arousal_r2"] + v["emomusic valence_r2"]) / 2
        mean = np.mean([tags, v["gtzan accuracy"], v["giantsteps score"], emotion])
        assert mean == pytest.approx(v["jukemir average average"], abs=0.06), model


def test_what_is_remembered_is_marked() -> None:
    for model in ("chroma", "MFCC", "Choi", "musicnn"):
        assert {r.certainty for r in ROWS if r.model == model} == {"memory"}
    assert {r.certainty for r in ROWS if r.system == "MOVE"} == {"memory"}
    assert {r.certainty for r in ROWS if r.system == "TTMR"} == {"read"}


# Beside one's own -----------------------------------------------------------------------------------------------------


def measured(task: str, data: str, metrics: dict[str, float], **more: object) -> Report:
    figures = {name: Figure(v, v, v, 0.1) for name, v in metrics.items()}
    outcome = Outcome("p", "i", figures, {}, **more)  # type: ignore[arg-type]
    return Report(task, data, "", "", "", "m", "", "m-1", outcome, {}, {}, settings={"protocol": "published"})


def test_a_corrected_figure_is_set_beside_with_what_differs() -> None:
    found = beside(measured("retrieval", "ecals/ttmr", {"R@1": 0.1, "MedR": 14.0}))
    assert len(found) == 20
    ranks = [b for b in found if b.metric == "MedR"]
    assert all(any("ranks from 0" in w or "unstable sort" in w for w in b.warnings) for b in ranks)


def test_a_published_number_is_set_beside_without_that_warning() -> None:
    report = measured(
        "retrieval", "ecals/ttmr", {"MedR": 14.0}, published={"MedR": 13.0},
        published_as="TTMR's retrieval by captions: as theirs",
    )  # fmt: skip
    found = [b for b in beside(report) if b.reference.model == "contrastive-bert-stochastic"]
    assert [(b.own, b.published, b.warnings) for b in found] == [(13.0, True, ())]


def test_other_splits_tasks_and_memory_are_told() -> None:
    (row,) = (
        b for b in beside(measured("versions", "da_tacos/benchmark", {"MR1": 45.0})) if b.reference.model[-3:] == "256"
    )
    assert any("rank 1" in w for w in row.warnings)
    assert "from memory, and doubtful" in row.warnings
    found = beside(measured("jukemir", "magnatagatune/jukemir", {"ROC-AUC": 0.9}))
    assert found[0].reference.task == "jukemir"
    others = [b for b in found if b.reference.protocol == "clmr-linear"]
    assert others
    assert all(any("variant pons, not jukemir" in w for w in b.warnings) for b in others)
    assert all(any("measured otherwise" in w for w in b.warnings) for b in others)


@pytest.mark.parametrize(
    ("task", "data", "metric", "printed"),
    [
        ("beats", "gtzan_rhythm", "F-measure", 0.868),
        ("beats", "gtzan_rhythm", "downbeat F-measure", 0.804),
        ("structure", "harmonix/all", "ACC", 0.726),
        ("structure", "harmonix/all", "HR.5F", 0.699),
        ("key", "giantsteps/key", "accuracy", 0.674),
        ("tagging", "magnatagatune/pons", "PR-AUC", 0.4883),
        ("tagging", "magnatagatune/pons", "ROC-AUC", 0.9235),
    ],
)
def test_what_musicfm_published_stands_beside_every_task_with_heads(
    task: str, data: str, metric: str, printed: float
) -> None:
    found = [b for b in beside(measured(task, data, {metric: 0.5})) if b.reference.model.startswith("FM7 (")]
    assert [(b.metric, b.reference.figure) for b in found] == [(metric, printed)]
    assert any("6 s (beats, 50 Hz)" in warning for warning in found[0].warnings)


def test_nothing_is_set_beside_another_benchmark() -> None:
    assert beside(measured("versions", "anthems", {"MAP": 0.5})) == []
    assert all(isinstance(b.reference, Reference) for b in beside(measured("zero-shot", "gtzan", {"accuracy": 0.5})))
