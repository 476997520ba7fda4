"""From a card to the windows of its model, by our own rule or by that of its paper."""

from __future__ import annotations

import dataclasses
from typing import Any

from ohrwurm.audio.windows import Protocol, Rule, Windowing
from ohrwurm.errors import ModelError
from ohrwurm.models.base import ModelCard

_WORDS = frozenset({"window", "hop", "minimum", "pooling", "place", "count", "remainder", "short", "note", "tasks"})


def under(card: ModelCard, protocol: Protocol | None) -> ModelCard:
    """The card of vectors made under a protocol, which is part of their provenance; None leaves it as it is.

    Raises:
        ModelError: the card names no published windowing.

    >>> card = ModelCard("m", "a", 10, 2.0, 1.0, 4, (), "", published={"hop": 2.0, "remainder": "drop"})
    >>> under(card, "published").provenance == card.provenance
    False
    """
    if protocol is None or protocol == card.protocol:
        return card
    if protocol == "published" and not card.published:
        raise ModelError(f"{card.name}: its card names no published windowing. Leave the protocol at ohrwurm.")
    return dataclasses.replace(card, protocol=protocol)


def for_task(card: ModelCard, task: str) -> ModelCard:
    """The card with the published windowing as its paper has it for an evaluation, where that is another one.

    >>> published = {"hop": 2.0, "tasks": {"retrieval": {"place": "even", "count": 3}}}
    >>> card = ModelCard("m", "a", 10, 2.0, 1.0, 4, (), "", published=published)
    >>> for_task(card, "retrieval").published, for_task(card, "probe").published
    ({'hop': 2.0, 'place': 'even', 'count': 3}, {'hop': 2.0})
    """
    published = {k: v for k, v in card.published.items() if k != "tasks"}
    return dataclasses.replace(card, published={**published, **card.published.get("tasks", {}).get(task, {})})


def windowing(card: ModelCard) -> Windowing:
    """How a track is cut for the card's model, under the card's protocol.

    Raises:
        ModelError: the card's published windowing makes no sense.

    >>> card = ModelCard("m", "a", 10, 2.0, 1.0, 4, (), "", published={"hop": 2.0, "remainder": "drop"})
    >>> windowing(card).hop, windowing(under(card, "published")).hop
    (10, 20)
    """
    given = _published(card)
    window = round(given.get("window", card.window) * card.sample_rate)
    shortest = given.get("minimum", card.minimum)
    minimum = window if shortest is None else min(window, round(shortest * card.sample_rate))
    remainder = given.get("remainder", "align")
    short = given.get("short", "pad" if remainder == "pad" else "keep")
    try:
        if given.keys() - _WORDS or short not in ("keep", "pad", "refuse"):
            raise ValueError(f"unknown: {', '.join(sorted(given.keys() - _WORDS)) or short!r}")
        return Windowing(
            window,
            max(1, round(given.get("hop", card.hop) * card.sample_rate)),
            minimum=window if short == "pad" else minimum,
            place=given.get("place", "all"),
            remainder=remainder,
            count=given.get("count", 0),
            refuse_short=short == "refuse",
        )
    except ValueError as error:
        raise ModelError(f"{card.name}: the published windowing on its card does not hold together: {error}") from error


def pooling(card: ModelCard) -> Rule:
    """How window vectors become the track's, under the card's protocol."""
    rule: Rule = _published(card).get("pooling", card.pooling)
    return rule


def _published(card: ModelCard) -> dict[str, Any]:
    return card.published if card.protocol == "published" else {}
