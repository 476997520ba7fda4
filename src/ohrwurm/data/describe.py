"""Words for a score: tags that follow from what is played, and captions made from them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ohrwurm.data.grid import bar_size
from ohrwurm.data.instruments import FAMILIES, PROGRAMS, words
from ohrwurm.data.score import DURATION, ONSET, PITCH, Score
from ohrwurm.data.styles import BY_NAME, STYLES

_TEMPO_WORDS = (
    (66.0, ("very slow", "slow", "slow tempo")),
    (88.0, ("slow", "slow tempo")),
    (124.0, ("medium tempo", "moderate")),
    (156.0, ("fast", "fast tempo", "upbeat")),
    (1e9, ("very fast", "fast", "fast tempo")),
)
_ENSEMBLES = {2: "duo", 3: "trio", 4: "quartet", 5: "quintet"}
# Moods that a style may promise but a minor key denies.
_MAJOR_MOODS = frozenset(
    {"happy", "cheerful", "sunny", "joyful", "jolly", "feel good", "bright", "euphoric", "uplifting"}
)


@functools.cache
def _instrument_words() -> frozenset[str]:
    return frozenset(word for program in range(128) for word in words(program))


def instruments_of(score: Score) -> list[str]:
    """Names of the instruments that play: the one with the tune first, then by sounding time; ``drums`` last."""
    played: dict[str, float] = {}
    for part in score.parts:
        if not part.is_drum and len(part.notes):
            name = PROGRAMS[part.program]
            lead = 1e6 if part.role == "melody" else 0.0
            played[name] = played.get(name, 0.0) + lead + float(part.notes[:, DURATION].sum())
    names = sorted(played, key=lambda n: -played[n])
    return names + (["drums"] if any(p.is_drum and len(p.notes) for p in score.parts) else [])


def onsets_per_second(score: Score) -> float:
    """Distinct onsets per second over all pitched parts: how dense the music is."""
    onsets = [np.round(p.notes[:, ONSET], 2) for p in score.parts if not p.is_drum]
    if not onsets or score.seconds <= 0:
        return 0.0
    return len(np.unique(np.concatenate(onsets))) / score.seconds


def tags_of(score: Score) -> list[str]:
    """Words that are true of the score as it is now: genre and mood, instruments, tempo, mode, metre, forces.

    Instruments, tempo, key, metre and density are read off the notes. Genre and mood come with the style or the
    source; of them, words for instruments that do not play and moods that the key denies are left out. The most
    telling come first, none twice.
    """
    names = instruments_of(score)
    pitched = [n for n in names if n != "drums"]
    playing = [word for name in pitched for word in words(PROGRAMS.index(name))]
    minor = score.key is not None and ":min" in score.key
    absent = _instrument_words() - set(playing)
    tags = [t for t in score.tags if t not in absent and not (minor and t in _MAJOR_MOODS)]
    tags += playing
    tags += ["drums", "percussion", "with drums"] if "drums" in names else ["no drums"]
    if len(names) == 1:
        tags += [f"solo {names[0]}", "solo", "solo instrument"]
    elif len(names) in _ENSEMBLES:
        ensemble = _ENSEMBLES[len(names)]
        tags += [ensemble, "small ensemble"]
        if "jazz" in tags:
            tags.append(f"jazz {ensemble}")
    else:
        tags.append("large ensemble")
    tags += next(found for limit, found in _TEMPO_WORDS if score.tempo < limit)
    if score.key:
        mode = "minor" if minor else "major"
        tags += [f"{mode} key", mode]
        if minor and score.tempo < 92:
            tags += ["melancholic", "sad"]
        elif not minor and score.tempo > 118:
            tags.append("cheerful")
    if len(score.downbeats) > 2:
        size = bar_size(score)
        tags += ["three-four", "triple metre", "waltz time"] if size == 3 else ["four-four"] if size == 4 else []
    density = onsets_per_second(score)
    tags += ["busy", "dense"] if density > 7 else ["sparse", "minimal"] if density < 2 else []
    pitches = [p.notes[:, PITCH] for p in score.parts if not p.is_drum and len(p.notes)]
    if pitches:
        middle = float(np.median(np.concatenate(pitches)))
        tags += ["high pitched"] if middle > 74 else ["low pitched"] if middle < 50 else []
    tags.append("instrumental")
    return list(dict.fromkeys(tags))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _article(phrase: str) -> str:
    return ("an " if phrase[:1] in "aeiou8" and not phrase.startswith("eu") else "a ") + phrase


# {genre} is used as an adjective or noun before "music", "piece", "track", so that any genre word fits.
_FRAMES = (
    "{a_speed} {genre} {thing} with {players}",
    "{genre} music for {players}",
    "{a_mood} {genre} {thing} played by {players}",
    "{players} playing {genre} music",
    "{mood} {genre} music featuring {lead}",
    "This is {a_speed} {genre} {thing} with {players}. It sounds {mood}.",
    "{a_mood} instrumental with {players}, {speed} and {mode}",
    "{speed} {genre} music, {lead} in front",
    "{lead} leads {a_genre} tune at {speed} tempo",
    "The recording is {a_genre} instrumental: {players}. The mood is {mood}.",
    "{genre}, {mood}, {lead}",
    "{a_speed}, {mood} {genre} {thing}",
    "{mood} and {speed}, {players}",
    "{a_genre} {thing} that would suit {a_scene} scene, with {players}",
    "{a_speed} {genre} {thing} with {feature} and {lead}",
)
_THINGS = ("piece", "track", "tune", "song", "instrumental", "arrangement")


@functools.cache
def _vocabulary() -> dict[str, frozenset[str]]:
    """Style words by kind."""
    listed = {
        kind: frozenset(word for style in STYLES for word in getattr(style, kind))
        for kind in ("genres", "moods", "scenes", "features")
    }
    listed["genres"] |= frozenset(BY_NAME)
    listed["moods"] |= {"melancholic", "sad", "cheerful"}
    listed["other"] = frozenset(
        {word for _, found in _TEMPO_WORDS for word in found}
        | {
            "drums",
            "percussion",
            "with drums",
            "no drums",
            "solo",
            "solo instrument",
            "small ensemble",
            "large ensemble",
        }
        | {"minor key", "minor", "major key", "major", "three-four", "triple metre", "waltz time", "four-four", "busy"}
        | {"dense", "sparse", "minimal", "high pitched", "low pitched", "instrumental"}
        | set(_ENSEMBLES.values())
    )
    return listed


def caption(tags: Sequence[str], rng: np.random.Generator, *, score: Score | None = None) -> str:
    """A sentence or phrase as a person might write it, from tags (and the score, where given, for its instruments).

    >>> tags = ["bebop", "jazz", "lively", "alto saxophone", "double bass", "drums", "fast"]
    >>> caption(tags, np.random.default_rng(1))
    'This is a fast bebop track with alto saxophone and double bass. It sounds lively.'
    """
    names = instruments_of(score) if score is not None else [t for t in tags if t in PROGRAMS or t == "drums"]
    names = names[:1] + [n for n in names[1:] if rng.random() < 0.85]
    names = list(dict.fromkeys(_loosely(n, rng) for n in names))[:5] or ["several instruments"]
    kinds = _vocabulary()
    known = frozenset().union(*kinds.values()) | _instrument_words()
    of = {kind: [t for t in tags if t in listed and t not in names] for kind, listed in kinds.items()}
    genres = of["genres"] or [t for t in tags if t not in known and not t.startswith("solo ")] or ["instrumental"]
    genre = genres[int(min(rng.integers(len(genres)), rng.integers(len(genres))))]  # the first are the most telling
    frames = [
        frame
        for frame in _FRAMES
        if all(of[kind] or f"{kind[:-1]}}}" not in frame for kind in ("moods", "scenes", "features"))
    ]
    mood, scene, feature = (str(rng.choice(of[kind] or [""])) for kind in ("moods", "scenes", "features"))
    speed = str(rng.choice([t for t in tags if t in _SPEEDS] or ["moderate"]))
    mode = next((f"in a {t}" for t in tags if t in ("minor key", "major key")), "tuneful")
    text = str(rng.choice(frames)).format(
        a_speed=_article(speed), speed=speed, genre=genre, a_genre=_article(genre), mood=mood, a_mood=_article(mood),
        players=_listed(names), lead=names[0], mode=mode, a_scene=_article(scene), feature=feature,
        thing=str(rng.choice(_THINGS)),
    )  # fmt: skip
    text = text.replace("music music", "music")
    extra = [t for t in tags if t not in (genre, mood, speed, scene, feature) and t not in text]
    if extra and rng.random() < 0.3:
        text += ", " + ", ".join(str(t) for t in rng.choice(extra, size=min(2, len(extra)), replace=False))
    return text


def _loosely(name: str, rng: np.random.Generator) -> str:
    """The instrument by its name, or now and then by a broader word."""
    if name not in PROGRAMS or rng.random() < 0.7:
        return name
    broader = [w for w in words(PROGRAMS.index(name)) if w not in FAMILIES]
    return str(rng.choice(broader or [name]))


_SPEEDS = frozenset({"very slow", "slow", "moderate", "fast", "upbeat", "very fast"})
