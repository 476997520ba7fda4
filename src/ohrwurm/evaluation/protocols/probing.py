"""Linear probing: how much of a label a logistic regression reads from frozen track vectors.

Stratified cross-validation, so that every track is predicted by a probe that has not seen it. The strength of the
regularisation is chosen on inner folds of the training part, never on the test fold. With a few hundred tracks one
split is a matter of luck (several points of accuracy); the splits are drawn several times and averaged per track.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ohrwurm.errors import DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.report import Figure, Items, Outcome
from ohrwurm.evaluation.task import Job, NoOptions, Recordings, Task
from ohrwurm.models.base import AudioEncoder

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of C, the inverse of the L2 penalty, on standardised vectors


def evaluate(
    vectors: NDArray[np.float32],
    labels: Sequence[str],
    tracks: Sequence[str],
    *,
    folds: int = 5,
    repeats: int = 5,
    seed: int = 0,
) -> Outcome:
    """Accuracy of a linear probe on vectors `(n, dim)`.

    Args:
        labels: one class a track.
        tracks: one id a track; splits follow from the ids and the seed, not from the order of the rows.
        folds, repeats: of the cross-validation; `folds` also inside.

    Returns:
        `accuracy` over all held-out predictions, its chance level the share of the largest class, and
        `balanced accuracy`, the mean over classes; the interval is a bootstrap over tracks.

    Raises:
        DataError: fewer than two classes, or a class too small to be split.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = np.argsort(np.asarray(tracks), kind="stable")
    x, truth = np.asarray(vectors)[order], np.asarray(labels)[order]
    classes, counts = np.unique(truth, return_counts=True)
    fewest = 2 * folds  # so that every inner fold holds one of each class
    if len(classes) < 2 or counts.min() < fewest:
        held = ", ".join(f"{c} {n}" for c, n in zip(classes, counts, strict=True))
        raise DataError(f"a probe with {folds} folds needs two classes of at least {fewest} tracks each, not: {held}")

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    right = np.zeros((repeats, len(truth)))
    for repeat in range(repeats):
        split = StratifiedKFold(folds, shuffle=True, random_state=seed + repeat)
        for train, test in split.split(x, truth):
            search = GridSearchCV(probe, {"logisticregression__C": list(STRENGTHS)}, cv=split)
            right[repeat, test] = search.fit(x[train], truth[train]).predict(x[test]) == truth[test]
    share = right.mean(0)  # (n,), how often each track was told rightly

    recall = {str(c): float(share[truth == c].mean()) for c in classes}
    # Each track weighs as its class does in the mean over classes; the bootstrap then runs over the same tracks.
    weighted = share * len(truth) / (len(classes) * counts[np.searchsorted(classes, truth)])
    each = {"accuracy": share, "balanced accuracy": weighted}
    return Outcome(
        protocol=(
            f"logistic regression on frozen vectors, {folds}-fold stratified cross-validation drawn {repeats} times, "
            f"C chosen by {folds} inner folds"
        ),
        interval="95 % bootstrap over tracks, 2000 samples",
        figures={
            "accuracy": Figure(float(share.mean()), *bootstrap(share, seed=seed), float(counts.max() / len(truth))),
            "balanced accuracy": Figure(float(weighted.mean()), *bootstrap(weighted, seed=seed), 1 / len(classes)),
        },
        counts={"tracks": len(truth), "classes": len(classes)},
        details={"recall": recall, "accuracy of each repeat": [round(float(r), 4) for r in right.mean(1)]},
        seed=seed,
        items=(Items.of("tracks", np.asarray(tracks)[order], each),),
    )


def run(job: Job[NoOptions]) -> Outcome:
    """The task: splits are drawn here, so those of the manifest have no say."""
    tracks = job.tracks
    if len({t.split for t in tracks}) > 1:
        job.warn("the splits of the recordings have no say: all are probed, in folds drawn here (linear keeps splits)")
    vectors = job.vectors(tracks)
    kept = [tracks[row] for row in vectors.rows]
    return evaluate(vectors.values, [t.tags[0] for t in kept], [t.track_id for t in kept], seed=job.seed)


def check(model: AudioEncoder, recordings: Recordings, options: NoOptions) -> None:
    """Refuse a recording without exactly one tag."""
    wrong = next((t for t in recordings.manifest if len(t.tags) != 1), None)
    if wrong is not None:
        raise DataError(
            f"{wrong.track_id}: a probe needs exactly one tag a recording (its class), not {len(wrong.tags)}"
        )


TASK = Task(
    name="probe",
    about="Does a linear classifier read the class from frozen vectors?",
    needs="one tag a recording, its class.",
    example="ohrwurm evaluate probe --model mel-statistics --benchmark emotify --data ~/data",
    model="ohrwurm-text",
    run=run,
    check=check,
    protocols=("corrected", "published"),
    details="Logistic regression, cross-validated over all recordings; its strength is chosen on inner folds.",
)
