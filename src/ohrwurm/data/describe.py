# ruff: noqa: E501
"""Words for a score: tags that follow from what is played, and captions made from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ohrwurm.data.grid import bar_size
from ohrwurm.data.harmonize import onsets_per_second
from ohrwurm.data.instruments import FAMILIES, PROGRAMS, words
from ohrwurm.data.score import DURATION, PITCH, Score

_TEMPO_WORDS = (
    (66.0, ("very slow", "slow", "slow tempo")),
    (88.0, ("slow", "slow tempo")),
    (124.0, ("medium tempo", "moderate")),
    (156.0, ("fast", "fast tempo", "upbeat")),
    (1e9, ("very fast", "fast", "fast tempo")),
)
_ENSEMBLES = {2: "duo", 3: "trio", 4: "quartet", 5: "quintet"}


def instruments_of(score: Score) -> list[str]:
    """Names of the instruments that play, the one that plays most first; ``drums`` last.

    Raises nothing; a score without parts has none.
    """
    played: dict[str, float] = {}
    for part in score.parts:
        if not part.is_drum and len(part.notes):
            name = PROGRAMS[part.program]
            lead = 1e6 if part.role == "melody" else 0.0
            played[name] = played.get(name, 0.0) + lead + float(part.notes[:, DURATION].sum())
    names = sorted(played, key=lambda n: -played[n])
    return names + (["drums"] if has_drums(score) else [])


def has_drums(score: Score) -> bool:
    """Whether a drum part has notes."""
    return any(p.is_drum and len(p.notes) for p in score.parts)


def tags_of(score: Score) -> list[str]:
    """Words that are true of the score as it is now: genre and style, instruments, tempo, mode, metre, forces.

    Instruments, tempo, key, metre and density are read off the notes; genre and mood come with the style or
    the source. Most specific first, without repeats.
    """
    tags: list[str] = list(score.tags)
    if score.style:
        tags.insert(0, score.style)
    names = instruments_of(score)
    pitched = [n for n in names if n != "drums"]
    families = []
    for name in pitched:
        program = PROGRAMS.index(name)
        tags.extend(words(program))
        families.append(FAMILIES[program // 8])
    tags.extend(["drums", "percussion", "with drums"] if has_drums(score) else ["no drums"])
    if len(names) == 1:
        tags.extend([f"solo {names[0]}", "solo", "solo instrument"])
    elif len(names) in _ENSEMBLES:
        tags.extend([_ENSEMBLES[len(names)], "small ensemble"])
    else:
        tags.append("large ensemble")
    tags.extend(next(found for limit, found in _TEMPO_WORDS if score.tempo < limit))
    if score.key:
        mode = "minor" if ":min" in score.key else "major"
        tags.extend([f"{mode} key", mode])
    if len(score.downbeats) > 2:
        if bar_size(score) == 3:
            tags.extend(["three-four", "triple metre", "waltz time"])
        elif bar_size(score) == 4:
            tags.append("four-four")
    density = onsets_per_second(score)
    if density > 7:
        tags.extend(["busy", "dense"])
    elif density < 2:
        tags.extend(["sparse", "minimal"])
    pitches = [p.notes[:, PITCH] for p in score.parts if not p.is_drum and len(p.notes)]
    if pitches:
        middle = float(np.median(np.concatenate(pitches)))
        tags.extend(["high pitched"] if middle > 74 else ["low pitched"] if middle < 50 else [])
    tags.append("instrumental")
    return list(dict.fromkeys(tags))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _article(phrase: str) -> str:
    return ("an " if phrase[:1] in "aeiou8" else "a ") + phrase


_FRAMES = (
    "{a_speed} {genre} with {players}",
    "{genre} for {players}",
    "{a_genre} piece, {mood}, played by {players}",
    "{players} playing {genre}",
    "{mood} {genre} featuring {lead}",
    "this is {a_speed} {genre} track with {players}. It sounds {mood}.",
    "{a_mood} instrumental with {players}, {speed} and {mode}",
    "{speed} {genre}, {lead} in front",
    "{lead} leads {a_genre} tune at {speed} tempo",
    "a recording of {genre}: {players}. The mood is {mood}.",
    "{genre}, {mood}, {lead}",
    "{a_speed}, {mood} {genre} arrangement",
)


def caption(tags: Sequence[str], rng: np.random.Generator, *, score: Score | None = None) -> str:
    """A sentence or phrase as a person might write it, from tags (and the score, where given, for its instruments).

    >>> tags = ["jazz", "cool", "vibraphone", "double bass", "drums", "fast"]
    >>> caption(tags, np.random.default_rng(3))  # doctest: +SKIP
    'a fast jazz with vibraphone, double bass and drums'
    """
    names = instruments_of(score) if score is not None else [t for t in tags if t in PROGRAMS or t == "drums"]
    names = names[:1] + [n for n in names[1:] if rng.random() < 0.85]
    names = list(dict.fromkeys(_loosely(n, rng) for n in names))[:5] or ["several instruments"]
    described = [t for t in tags if t not in names]
    fixed = set(_KNOWN)
    listed_instruments = {w for n in PROGRAMS for w in words(PROGRAMS.index(n))}
    free = [t for t in described if t not in fixed and t not in listed_instruments] or ["music"]
    genre = free[int(rng.integers(min(3, len(free))))]
    mood = free[int(rng.integers(len(free)))]
    if mood == genre and len(free) > 1:
        mood = free[(free.index(genre) + 1) % len(free)]
    speeds = [t for t in tags if t in _SPEEDS] or ["moderate"]
    speed = str(rng.choice(speeds))
    mode = next((f"in a {t}" for t in tags if t in ("minor key", "major key")), "tuneful")
    text = str(rng.choice(_FRAMES)).format(
        a_speed=_article(speed), speed=speed, genre=genre, a_genre=_article(genre), mood=mood, a_mood=_article(mood),
        players=_listed(names), lead=names[0], mode=mode,
    )  # fmt: skip
    extra = [t for t in described if t not in (genre, mood, speed)]
    if extra and rng.random() < 0.35:
        text += ", " + ", ".join(str(t) for t in rng.choice(extra, size=min(2, len(extra)), replace=False))
    return text


def _loosely(name: str, rng: np.random.Generator) -> str:
    """The instrument by its name, or now and then by a broader word."""
    if name not in PROGRAMS or rng.random() < 0.7:
        return name
    return str(rng.choice(words(PROGRAMS.index(name))))


_SPEEDS = {"very slow", "slow", "moderate", "fast", "upbeat", "very fast"}
_KNOWN = {
    *(w for _, found in _TEMPO_WORDS for w in found), *_ENSEMBLES.values(), "drums", "percussion", "with drums", "no drums",
    "solo", "solo instrument", "small ensemble", "large ensemble", "minor key", "minor", "major key", "major", "three-four",
    "triple metre", "waltz time", "four-four", "busy", "dense", "sparse", "minimal", "high pitched", "low pitched", "instrumental",
}  # fmt: skip
