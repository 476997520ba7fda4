"""Labels of tracks: scores that a model gives each label, against the truth.

For any model that scores labels: zero-shot transfer (scores are similarities of the track to the label's name, by
`words.label_scores`), tag retrieval, and heads trained on frozen vectors, such as CLMR's linear evaluation (scores
are mean probabilities over a track's chunks, by `metrics.ensembles.probabilities`).

Sources: TTMR (Doh et al. 2023), MusCALL (Manco et al. 2022), CLMR (Spijkervet and Burgoyne 2021).

What the papers do otherwise stands in `Outcome.published`:

* ``ttmr`` (`tags`): ``macro_fl`` is the mean F1 with thresholds chosen on the **test** tracks, and loses the track that
  gave the threshold; ``avg_macro_f1`` and ``avg_fscore_weighted`` take 0.5 for a threshold, whatever the scores are,
  and count the absence of a label as a class of its own. Here F1 takes thresholds chosen on validation tracks.
* ``muscall``, ``clmr``: the same areas under the curves; undefined where a label has no positives.
* `classes`: of equal highest scores the first class is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.metrics import classification, curves, tagging
from ohrwurm.evaluation.report import Figure, Items, Outcome

NAMED = 5  # labels in a sentence
Form = Literal["ttmr", "muscall", "clmr"]
PUBLISHED: dict[Form, str] = {
    "ttmr": "TTMR's tag metrics: macro_fl takes the thresholds that are best on the test tracks, and loses the track "
    "that gave each; avg_macro_f1 and avg_fscore_weighted cut at 0.5 and count the absence of a label as a class",
    "muscall": "MusCALL's zero-shot metrics: undefined where a label has no positives",
    "clmr": "CLMR's linear evaluation: undefined where a label has no positives",
}


def tags(
    scores: ArrayLike,
    truth: ArrayLike,
    names: Sequence[str],
    *,
    form: Form,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
) -> Outcome:
    """Several labels may hold: areas under the curves, and F1.

    Args:
        scores: `(tracks, labels)`, higher is likelier.
        truth: boolean, of the same shape.
        names: of the labels.
        validation: scores and truth of the validation tracks, which choose the thresholds of F1; without them no F1.

    Returns:
        Means over labels, their intervals drawn over labels; each label's figures, and the labels that could not be
        measured, in the details and the warnings.

    Raises:
        DataError: no track, wrong shapes, scores that are not finite, or no label that some but not all tracks have.

    >>> found = tags([[0.8, 0.3], [0.1, 0.4]], [[1, 0], [0, 0]], ["slow", "polka"], form="muscall")
    >>> found.figures["ROC-AUC"].value, found.warnings
    (1.0, ('1 of 2 labels have no track to be found, and are in no mean: polka',))
    """
    t, s = tagging.validate(truth, scores)
    empty = tagging.gaps(t, names)
    each: dict[str, NDArray[np.float64]] = tagging.per_label(t, s)
    if np.isnan(each["ROC-AUC"]).all():
        raise DataError(f"none of {t.shape[1]} labels is held by some but not all of {len(t)} tracks")
    chance = tagging.chance(t)
    if validation is not None:
        seen = tagging.validate(validation[1], validation[0])
        if seen[0].shape[1] != t.shape[1]:
            raise DataError(f"{t.shape[1]} labels in the test tracks but {seen[0].shape[1]} in the validation tracks")
        thresholds = curves.best_thresholds(*seen)
        each["F1"] = tagging.f1(t, tagging.decide(s, thresholds))
        share = t.mean(0)[t.any(0)]
        chance["F1"] = float((2 * share / (1 + share)).mean())  # of giving every track every label
        empty["labels without validation positives"] = [names[i] for i in np.flatnonzero(np.isnan(thresholds)).tolist()]
    figures = {n: Figure(float(np.nanmean(v)), *bootstrap(v, seed=seed), chance[n]) for n, v in each.items()}
    said = (
        _lacking(empty["labels without positives"], names, "no track to be found, and are in no mean"),
        _lacking(empty["labels without negatives"], names, "all tracks, and are in no mean of ROC-AUC"),
        _lacking(
            empty.get("labels without validation positives", ()),
            names,
            "no validation track to choose a threshold by, and count with an F1 of 0",
        ),
    )
    return Outcome(
        protocol="scores of labels against the truth, mean over labels that some but not all tracks have"
        + ("; thresholds of F1 from the validation tracks" if validation is not None else ""),
        interval="95 % bootstrap over labels, 2000 samples",
        figures=figures,
        counts={"tracks": len(t), "labels": t.shape[1], **{name: len(found) for name, found in empty.items()}},
        details={
            "each label": {name: {n: float(v[i]) for n, v in each.items()} for i, name in enumerate(names)},
            **empty,
        },
        seed=seed,
        published=_published_tags(t, s, each, form),
        published_as=PUBLISHED[form],
        warnings=tuple(filter(None, said)),
        items=(Items.of("labels", names, each),),
    )


def classes(
    scores: ArrayLike, truth: ArrayLike, names: Sequence[str], *, tracks: Sequence[str] = (), seed: int = 0
) -> Outcome:
    """One class holds: accuracy.

    Args:
        scores: `(tracks, classes)`, higher is likelier.
        truth: class number of each track.
        names: of the classes.
        tracks: their ids, under which reports keep what each got; without them their numbers.

    Raises:
        DataError: no track, wrong shapes, or scores that are not finite.

    >>> classes([[0.9, 0.1], [0.6, 0.4]], [0, 1], ["blues", "rock"]).figures["accuracy"].value
    0.5
    """
    t, s = classification.validate(truth, scores)
    if len(names) != s.shape[1]:
        raise DataError(f"{s.shape[1]} classes but {len(names)} names")
    if not len(t):
        raise DataError("no track to be measured")
    right, recall = classification.per_track(t, s), classification.per_class(t, s)
    counts = np.bincount(t, minlength=len(names))
    # Each track weighs as its class does in the mean over classes; the bootstrap then runs over the same tracks.
    weighted = right * len(t) / (np.count_nonzero(counts) * counts[t])
    chance, each = classification.chance(t), {"accuracy": right, "balanced accuracy": weighted}
    absent = [str(name) for name, n in zip(names, counts, strict=True) if not n]
    said = _lacking(absent, names, "no track to be found, and do not count in the balanced accuracy")
    return Outcome(
        protocol="the class of the highest score, equal ones in expectation",
        interval="95 % bootstrap over tracks, 2000 samples",
        figures={name: Figure(float(v.mean()), *bootstrap(v, seed=seed), chance[name]) for name, v in each.items()},
        counts={"tracks": len(t), "classes": len(names), "classes without tracks": int((counts == 0).sum())},
        details={"recall": {str(name): float(r) for name, r in zip(names, recall, strict=True)}},
        seed=seed,
        published={"accuracy": float((s.argmax(1) == t).mean())},
        published_as="the published accuracy: of equal highest scores the first class is the answer",
        warnings=(said,) if said else (),
        items=(Items.of("tracks", tracks or range(len(t)), each),),
    )


def _lacking(some: Sequence[str], names: Sequence[str], what: str) -> str:
    """Which labels lack what, in a sentence; empty if none does."""
    if not some:
        return ""
    return f"{len(some)} of {len(names)} labels have {what}: {', '.join(some[:NAMED])}{', ...' * (len(some) > NAMED)}"


def _published_tags(
    t: NDArray[np.bool_], s: NDArray[np.floating], each: dict[str, NDArray[np.float64]], form: Form
) -> dict[str, float]:
    roc, precision = float(each["ROC-AUC"].mean()), float(each["PR-AUC"].mean())
    if form != "ttmr":
        return {"ROC-AUC": roc, "mAP" if form == "muscall" else "PR-AUC": precision}
    tuned = tagging.decide(s, curves.best_thresholds(t, s), strict=True)
    # Published with scikit-learn, to which F1 is 0 where there is nothing to find.
    halves = np.array([_two_class_f1(t[:, i], s[:, i] >= 0.5) for i in range(t.shape[1])])
    return {
        "macro_roc": roc,
        "macro_pr": precision,
        "macro_fl": float(np.nan_to_num(tagging.f1(t, tuned)).mean()),
        "avg_macro_f1": float(halves[:, 0].mean()),
        "avg_fscore_weighted": float(halves[:, 1].mean()),
    }


def _two_class_f1(truth: NDArray[np.bool_], decided: NDArray[np.bool_]) -> tuple[float, float]:
    """F1 of having and of not having a label: their mean, and their mean weighted by how many tracks each has."""
    found, support = [], []
    for t, d in ((truth, decided), (~truth, ~decided)):
        if t.any() or d.any():  # a class that is neither there nor given is none
            found.append(2 * (t & d).sum() / (t.sum() + d.sum()))
            support.append(t.sum())
    return float(np.mean(found)), float(np.average(found, weights=support))
