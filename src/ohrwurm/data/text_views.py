"""A track's tags and caption as the text of one training example, drawn anew at each access.

Source: Doh, Won, Choi, Nam, "Toward universal text-to-music retrieval", ICASSP 2023, section 2.3.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, get_args

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError

Representation = Literal["tag", "caption", "stochastic", "sentence", "mixed"]


def tag_view(tags: Sequence[str], representation: Representation, draw: random.Random | None) -> list[str]:
    """Some of a track's tags: one (``tag``), all (``caption``), or a random number of them (``stochastic``).

    Args:
        tags: of the track.
        representation: as TTMR names them.
        draw: for training; with None (validation texts, evaluation) all tags in their order, or the first one.

    >>> tag_view(["jazz", "slow", "piano"], "stochastic", random.Random(1))
    ['piano']
    >>> tag_view(["jazz", "slow"], "caption", None)
    ['jazz', 'slow']
    """
    chosen = list(tags)
    if draw is None:
        return chosen[:1] if representation == "tag" else chosen
    if representation == "tag":
        return [draw.choice(chosen)]
    if representation == "caption":
        draw.shuffle(chosen)
        return chosen
    return draw.sample(chosen, draw.randint(1, len(chosen)))


def text_view(track: Track, representation: Representation, draw: random.Random | None = None) -> str:
    """The text of a track: tags joined by ", " as `tag_view` draws them, or its caption.

    ``sentence`` is the caption; ``mixed`` the caption or stochastic tags with equal chance, whatever a track has.

    >>> text_view(Track("a", "a.wav", tags=("jazz", "slow"), caption="Slow jazz."), "sentence")
    'Slow jazz.'
    """
    if representation == "sentence":
        return track.caption
    if representation == "mixed":
        if track.caption and (not track.tags or draw is None or draw.random() < 0.5):
            return track.caption
        representation = "stochastic"
    return ", ".join(tag_view(track.tags, representation, draw))


def check_texts(tracks: Sequence[Track], representation: Representation, source: str) -> None:
    """Refuse tracks without what their text is made of.

    Raises:
        DataError: an unknown representation, or tracks without tags or caption; the first ones are named.
    """
    if representation not in get_args(Representation):
        raise DataError(f"no text representation {representation!r}; known: {', '.join(get_args(Representation))}")
    needs = {"sentence": "caption", "mixed": "tags or caption"}.get(representation, "tags")
    without = [
        t.track_id for t in tracks
        if not (t.caption if needs == "caption" else t.tags if needs == "tags" else t.tags or t.caption)
    ]  # fmt: skip
    if without:
        raise DataError(
            f"{source}: {len(without)} of {len(tracks)} tracks have no {needs}, which representation="
            f"{representation} needs: {', '.join(without[:3])}{', ...' if len(without) > 3 else ''}. "
            "Fill the column, leave them out, or choose another representation."
        )
