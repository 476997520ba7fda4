"""Compares the answers with the truth: every answer is right or not, every question has its figures and its chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ohrwurm.demo.questions import Question
from ohrwurm.errors import DataError
from ohrwurm.evaluation.metrics.ranking import chance_standing, standing


@dataclass(frozen=True)
class Answer:
    """One found clip: its name, score (higher is nearer) and, where the model tells, the matching second."""

    clip: str
    score: float
    position: float | None = None


@dataclass(frozen=True)
class Judged:
    """A question with its ranked answers and what they are worth.

    Attributes:
        answers: best first, all clips that were ranked.
        correct: for each answer, whether it is right.
        first: rank of the first right answer, 1 is best (a tie counts as the mean over its orders).
        average_precision: over the whole ranking.
        found_first: 1.0 if the first answer is right (R@1 of this question).
        chance_first, chance_average_precision: expected of a random order.
    """

    question: Question
    answers: tuple[Answer, ...]
    correct: tuple[bool, ...]
    first: float
    average_precision: float
    found_first: float
    chance_first: float
    chance_average_precision: float


@dataclass(frozen=True)
class Summary:
    """Means over the questions of one kind."""

    questions: int
    recall_at_1: float
    mean_average_precision: float
    chance_recall_at_1: float
    chance_mean_average_precision: float


def judge(question: Question, answers: Sequence[Answer], candidates: int) -> Judged:
    """Compare a full ranking with the truth.

    Args:
        answers: all candidates, best first.
        candidates: how many clips there are to be found; a ranking that lost some would flatter itself.

    Raises:
        DataError: a candidate is missing from the ranking, or a clip is there twice.
    """
    names = [answer.clip for answer in answers]
    if len(set(names)) != len(names) or len(names) != candidates or not question.right <= set(names):
        raise DataError(
            f"{question.text or question.clip}: {len(names)} answers, but {candidates} clips can be found. "
            "Another program may have changed the demo's collection; try another folder with --dir."
        )
    correct = np.array([name in question.right for name in names])
    found = standing(np.array([[answer.score for answer in answers]]), lambda _: correct[None], (1,))
    chance = chance_standing([candidates], [int(correct.sum())], (1,))
    return Judged(
        question=question,
        answers=tuple(answers),
        correct=tuple(bool(c) for c in correct),
        first=float(found.first[0]) + 1,
        average_precision=float(found.average_precision[0]),
        found_first=float(found.any_at[1][0]),
        chance_first=float(chance.any_at[1][0]),
        chance_average_precision=float(chance.average_precision[0]),
    )


def summarise(judged: Sequence[Judged]) -> Summary:
    """Means over questions; there must be one at least."""
    return Summary(
        questions=len(judged),
        recall_at_1=float(np.mean([j.found_first for j in judged])),
        mean_average_precision=float(np.mean([j.average_precision for j in judged])),
        chance_recall_at_1=float(np.mean([j.chance_first for j in judged])),
        chance_mean_average_precision=float(np.mean([j.chance_average_precision for j in judged])),
    )
