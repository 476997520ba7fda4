"""Retrieval with captions: each caption asks for its track among all, and each track for its caption.

Sources: TTMR (Doh et al. 2023): test tracks of ECALS; the caption of a track is its tags, joined by commas; its vector
the mean of three windows. Its classifier, which reads no text, ranks by how many of the asked tags it gives a track.
MusCALL (Manco et al. 2022): 1,000 pairs drawn from the test set, the 20 s in the middle. Metrics: `captions`.

Corrected, all pairs of the test set are measured, tied tracks count in expectation, and the classifier's thresholds
come from validation tracks; with ``--protocol published`` windows and drawn pairs are those of the paper.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics import curves, tagging
from ohrwurm.evaluation.protocols import captions, words
from ohrwurm.evaluation.protocols.zero_shot import Form, label_names, paper, truth
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, measured, option
from ohrwurm.models.base import AudioEncoder, JointModel

PAIRS = 1000  # that MusCALL draws
QUERY = "multi_query"  # annotation of the ECALS tracks that captions ask for


@dataclass(frozen=True)
class Options:
    """Which texts ask, and for how many tracks."""

    text: Literal["auto", "caption", "tags"] = option(
        "auto", "What asks: the caption, or the tags joined by commas; by default captions where there are any."
    )
    pairs: int = option(0, "Draw so many pairs; 0: all, or with --protocol published as many as the paper.", min=0)
    form: Form = option("auto", "Whose published numbers stand beside; by default those of the model's paper.")


def queries(recordings: Recordings, text: str = "auto") -> list[tuple[Track, str]]:
    """The test tracks that are asked for, each with its text.

    Of ECALS these are the tracks that TTMR asks for (annotation `QUERY`); elsewhere all that have a text.

    >>> from ohrwurm.data.tracks import Manifest
    >>> mine = Manifest([Track("a", "a.wav", tags=("rock", "live")), Track("b", "b.wav")])
    >>> [text for _, text in queries(Recordings(mine, "mine"))]
    ['rock, live']
    """
    tracks = measured(recordings)
    if text == "auto":
        text = "caption" if any(t.caption for t in tracks) else "tags"
    if text == "tags" and any(QUERY in t.annotations for t in tracks):
        tracks = [t for t in tracks if t.annotations.get(QUERY)]
    pairs = [(t, t.caption if text == "caption" else ", ".join(t.tags)) for t in tracks]
    return [(track, said) for track, said in pairs if said]


def cosine_statistics(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Mean and deviation (unbiased) of all cosines between rows of `a (n, dim)` and of `b (m, dim)`, without a matrix.

    TTMR's measure of how far a space is spread; of a set with itself the ones on the diagonal count too.

    >>> cosine_statistics([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0]])
    (0.5, 0.7071067811865476)
    """
    x, y = _unit(a), _unit(b)
    pairs = len(x) * len(y)
    mean = float(x.sum(0) @ y.sum(0)) / pairs
    squares = float(((x.T @ x) * (y.T @ y)).sum())
    return mean, float(np.sqrt(max(squares - pairs * mean**2, 0.0) / max(pairs - 1, 1)))


def _unit(a: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(a, np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def run(job: Job[Options]) -> Outcome:
    """The task, by words or, for a tagger, by tags."""
    form = paper(job.model, job.options.form)
    asked = queries(job.recordings, _text(job.model, job.options))
    silent = len(job.test()) - len(asked)
    if silent:
        job.warn(f"{silent} of {len(job.test())} test recordings have no text that asks for them, and stand in no pair")
    size = job.options.pairs or (PAIRS if job.protocol == "published" and form == "muscall" else 0)
    if size:
        asked = [asked[i] for i in captions.draw(len(asked), size, seed=job.seed)]
    said = {t.track_id: text for t, text in asked}
    if isinstance(job.model, JointModel):
        return _by_words(job, job.model, asked, said, form)
    return _by_tags(job, [t for t, _ in asked], said)


def _by_words(
    job: Job[Options], model: JointModel, asked: Sequence[tuple[Track, str]], said: dict[str, str], form: Any
) -> Outcome:
    found = job.vectors([t for t, _ in asked])
    kept = [asked[row][0].track_id for row in found.rows]
    texts = [said[i] for i in kept]
    text = words.text_vectors(model, texts)
    outcome = captions.evaluate(words.cosines(text, found.values), texts, form=form, tracks=kept, seed=job.seed)
    spread = {"caption_stat": cosine_statistics(text, text), "audio_stat": cosine_statistics(text, found.values)}
    labels = label_names(job.recordings)
    if labels:
        tags = words.text_vectors(model, labels)
        spread["tag_stat"] = cosine_statistics(tags, tags)
    cosines = {name: {"mean": mean, "std": std} for name, (mean, std) in spread.items()}
    return dataclasses.replace(outcome, details={**outcome.details, "cosines": cosines})


def _by_tags(job: Job[Options], pool: Sequence[Track], said: dict[str, str]) -> Outcome:
    """TTMR's classifier: thresholds of its tags, chosen on validation tracks and, as published, on all test tracks."""
    names = label_names(job.recordings)
    kept, scores = words.label_scores(job, job.test(), names)
    held = truth(kept, names)
    ids = {t.track_id for t in pool}
    rows = [i for i, t in enumerate(kept) if t.track_id in ids]
    texts, wanted = [said[kept[i].track_id] for i in rows], held[rows]
    published = curves.best_thresholds(held, scores)
    seen = job.split("validation")
    if seen:
        others, validation = words.label_scores(job, seen, names)
        thresholds = curves.best_thresholds(truth(others, names), validation)
    else:
        thresholds = published
        job.warn("no recording is marked for validation: thresholds are chosen on the test recordings, which flatters")
    tracks = [kept[i].track_id for i in rows]

    def measure(given: NDArray[np.bool_]) -> Outcome:
        return captions.evaluate(captions.overlap(wanted, given), texts, form="ttmr", tracks=tracks, seed=job.seed)

    outcome = measure(tagging.decide(scores[rows], thresholds))
    as_published = measure(tagging.decide(scores[rows], published, strict=True))
    return dataclasses.replace(
        outcome,
        protocol=f"{outcome.protocol}, by the number of asked tags that a track is given",
        published=as_published.published,
        published_as=f"{as_published.published_as}; thresholds chosen on the test tracks, tied tracks in expectation "
        "where the published order among them is that of an unstable sort",
    )


def _text(model: AudioEncoder, options: Options) -> str:
    """What asks: of a tagger, which reads no captions, the tags."""
    return options.text if isinstance(model, JointModel) else "tags"


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without texts, and a model without words or these tags."""
    if not queries(recordings, _text(model, options)):
        column = "tags" if options.text == "tags" else "caption or tags"
        raise DataError(f"no recording of the test set has a text that could ask for it; fill the column {column}")
    words.knows(model, label_names(recordings))


TASK = Task(
    name="retrieval",
    about="Do captions find their tracks, and tracks their captions?",
    needs="captions, or tags, which are joined by commas; splits, if only some recordings are for testing.",
    example="ohrwurm evaluate retrieval --model ohrwurm-text --manifest mine.csv",
    model="ohrwurm-text",
    run=run,
    check=check,
    options=Options,
    protocols=("corrected", "published"),
    details="R@1, R@5, R@10, mAP@10 and MedR in both directions, as in TTMR and MusCALL; with --protocol published "
    "tracks are cut, and pairs drawn, as in the model's paper.",
)
