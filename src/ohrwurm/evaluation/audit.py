"""Leak audit: what of a test set has been seen in training already?

Leaks, by what is sure: the same file (content), the same recording (acoustic fingerprint, `evaluation.fingerprints`),
the same track id, the same work (`work_id`), the same artist and the same album (the manifest's annotations, else what
the files say of themselves). Hints, which are to be listened to: recordings nearer to each other by the model than a
test set's own recordings are, and likely versions where the model's card states from where on it takes two for one.

The training set is read file by file against an index of the test set, and vectors are compared in blocks, so that
memory grows with the test set alone (and with one vector a training track).
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohrwurm.audio.tags import read_tags
from ohrwurm.data.tracks import SPLITS, Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.fingerprints import BASIS, Index, fingerprints
from ohrwurm.evaluation.report import Figure, Items, Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, option

FILES = 256  # of the training set whose fingerprints are in memory at a time
BLOCK = 4096  # training vectors compared at a time
FALSE = 0.01  # share of test tracks that may be as near to another test track as a pair that is called alike
LEAKS = ("same file", "same recording", "same id", "same work", "same artist", "same album")
HINTS = ("sounds alike", "likely a version")


@dataclass(frozen=True)
class Options:
    """What is compared, and by which means."""

    train: str = option(
        help="Manifest, folder, or benchmark under OHRWURM_DATA; NAME:SPLIT for one split.",
        metavar="TRAIN",
        argument=True,
    )
    test: str = option(help="The same of what is tested on.", metavar="TEST", argument=True)
    sound: bool = option(True, "Compare vectors of the model too: what sounds alike, likely versions.")
    near: float | None = option(None, "Similarity from which two sound alike; by default what TEST itself suggests.")
    ignore: tuple[str, ...] = option((), f"Kinds that are no leak here: {', '.join(LEAKS)}.", metavar="KIND")


@dataclass(frozen=True)
class Pair:
    """A training track, a test track, and how sure it is (a share of landmarks, a similarity, or 1 for names)."""

    train: str
    test: str
    strength: float


@dataclass(frozen=True)
class Group:
    """Training and test tracks that carry the same name (id, work, artist, album)."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


def same_names(
    train: Sequence[Track], test: Sequence[Track], name: Callable[[Track], str], value: str = ""
) -> list[Group]:
    """Names that stand on both sides, compared without case and without what is neither letter nor digit.

    Args:
        name: of a track; empty: it has none.

    >>> mine = [Track("a", "a.wav", annotations={"artist": "The Beatles"})]
    >>> theirs = [Track("b", "b.wav", annotations={"artist": "the beatles "})]
    >>> same_names(mine, theirs, lambda t: t.annotations["artist"])[0].name
    'The Beatles'
    """
    sides: list[dict[str, list[str]]] = []
    shown: dict[str, str] = {}
    for tracks in (train, test):
        found: dict[str, list[str]] = defaultdict(list)
        for track in tracks:
            plain = _plain(name(track))
            if plain:
                found[plain].append(track.track_id)
                shown.setdefault(plain, name(track).strip())
        sides.append(found)
    both = [plain for plain in sides[1] if plain in sides[0]]
    return [Group(shown[p], tuple(sides[0][p]), tuple(sides[1][p])) for p in both]


def nearest(
    train: NDArray[np.float32], test: NDArray[np.float32], threshold: float, *, block: int = BLOCK
) -> Iterator[tuple[int, int, float]]:
    """Pairs (row of `train (n, dim)`, row of `test (m, dim)`, cosine) at or above a threshold, block by block.

    >>> rows = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    >>> list(nearest(rows, rows[1:], 0.9))
    [(1, 0, 1.0)]
    """
    unit = _unit(test).T
    for start in range(0, len(train), block):
        cosine = _unit(train[start : start + block]) @ unit
        for i, j in zip(*np.nonzero(cosine >= threshold), strict=True):
            yield start + int(i), int(j), round(float(cosine[i, j]), 4)


def threshold_of(test: NDArray[np.float32], *, block: int = BLOCK) -> float:
    """Cosine that no more than `FALSE` of the test tracks reach with any other test track, copies apart.

    NaN for fewer than a hundred tracks: they say too little about how near strangers can be.
    """
    if len(test) < 1 / FALSE:
        return float("nan")
    unit, best = _unit(test), np.full(len(test), -1.0, np.float32)
    for start in range(0, len(test), block):
        cosine = unit[start : start + block] @ unit.T
        cosine[np.arange(len(cosine)), np.arange(start, start + len(cosine))] = -1.0
        cosine[cosine > 0.9999] = -1.0  # the same recording twice
        best[start : start + block] = cosine.max(1)
    return float(np.quantile(best, 1 - FALSE))


def audit(
    train: Sequence[Track],
    test: Sequence[Track],
    found: dict[str, list[Pair] | list[Group]],
    *,
    heard: frozenset[str] = frozenset(),
    ignore: Iterable[str] = (),
    seed: int = 0,
) -> Outcome:
    """Figures and details of what was found: for each kind the share of the test set that is touched.

    Args:
        train, test: all tracks.
        found: kind → pairs or groups.
        heard: ids of test tracks whose audio could be compared.
        ignore: kinds that do not count as leaks.

    >>> one, other = [Track("a", "a.wav")], [Track("b", "b.wav"), Track("c", "c.wav")]
    >>> outcome = audit(one, other, {"same recording": [Pair("a", "b", 0.5)]})
    >>> outcome.figures["leaks"].value, leaks(outcome)
    (0.5, ['same recording'])
    """
    unknown = sorted(set(ignore) - set(LEAKS))
    if unknown:
        raise DataError(f"no kind of leak is named {unknown[0]!r}. Known: {', '.join(LEAKS)}.")
    ids = [t.track_id for t in test]
    touched = {kind: _touched(found.get(kind, [])) for kind in (*LEAKS, *HINTS) if kind in found}
    counted = [kind for kind in touched if kind in LEAKS and kind not in set(ignore)]
    touched = {"leaks": set[str]().union(*(touched[k] for k in counted)), **touched}
    each = {kind: np.array([i in of for i in ids], float) for kind, of in touched.items()}
    return Outcome(
        protocol="the share of the test set that the training set has in common with it, by what they share",
        interval="95 % bootstrap over test tracks, 2000 samples",
        figures={kind: Figure(float(v.mean()), *bootstrap(v, seed=seed), 0.0) for kind, v in each.items()},
        counts={
            "training tracks": len(train),
            "test tracks": len(test),
            "test tracks whose audio was compared": len(heard),
            **{f"{kind}: pairs" if kind in PAIRED else f"{kind}: names": len(of) for kind, of in found.items()},
        },
        details={
            "counted": counted,
            "found": {kind: [dataclasses.asdict(x) for x in of] for kind, of in found.items()},
        },
        seed=seed,
        items=(Items.of("tracks", ids, each),),
    )


PAIRED = ("same file", "same recording", *HINTS)


def leaks(outcome: Outcome) -> list[str]:
    """Kinds of leaks that were found and are not ignored."""
    return [kind for kind in outcome.details["counted"] if outcome.details["found"][kind]]


def run(job: Job[Options]) -> Outcome:
    """The task: names first, then files and fingerprints, then vectors."""
    train, test = (_side(job, name) for name in ("train", "test"))
    plain = [[_own(t) for t in side] for side in (train, test)]
    found: dict[str, list[Pair] | list[Group]] = {}
    same, alike, heard, read = _recordings(job, train, test)
    if read:
        found["same file"], found["same recording"] = same, alike
    else:
        job.warn("no audio could be read on one of the sides; only names were compared")
    for kind, name in _names(plain):
        groups = same_names(plain[0], plain[1], name)
        if kind == "same id":  # two sets may count their tracks alike: an id says nothing where the audio differs
            groups = [g for g in groups if not _refuted(g, heard, read, same, alike)]
        found[kind] = groups
    if read and job.options.sound:
        kind, pairs = _by_sound(job, train, test, {(p.train, p.test) for p in (*same, *alike)})
        found[kind] = pairs
    job.warn(f"same recording: {BASIS}. Copies in another key or tempo are not found")
    return audit(plain[0], plain[1], found, heard=heard, ignore=job.options.ignore, seed=job.seed)


def recordings(options: Options) -> Recordings:
    """Both sides as one manifest; ids carry their side, and the split says which it is."""
    sides = [_read(side) for side in (options.train, options.test)]
    tracks = [
        dataclasses.replace(
            t, track_id=f"{name}:{t.track_id}", split=name, annotations=t.annotations | {"own_id": t.track_id}
        )
        for name, side in zip(("train", "test"), sides, strict=True)
        for t in side.manifest
    ]
    for side in sides:
        if not len(side.manifest):
            raise DataError(f"{side.name}: holds no recordings")
    first, second = sides
    return Recordings(
        Manifest(tracks),
        f"{options.train} against {options.test}",
        "; ".join(dict.fromkeys(filter(None, (first.citation, second.citation)))),
        "; ".join(dict.fromkeys(filter(None, (first.licence, second.licence)))),
    )


def _read(name: str) -> Recordings:
    """A manifest, benchmark or folder, one split of it where the name ends so."""
    from ohrwurm.evaluation.tasks import recordings_of

    base, _, split = name.rpartition(":")
    if not base or split not in SPLITS[1:] or Path(name).exists():
        return recordings_of(name, TASK.name)
    held = recordings_of(base, TASK.name)
    return dataclasses.replace(held, manifest=held.manifest.split(split), name=name)


def _side(job: Job[Options], name: str) -> list[Track]:
    return [t for t in job.recordings.manifest if t.split == name]


def _own(track: Track) -> Track:
    """A track under its own id again."""
    return dataclasses.replace(track, track_id=str(track.annotations["own_id"]))


def _names(sides: list[list[Track]]) -> Iterator[tuple[str, Callable[[Track], str]]]:
    """Kinds that are told by names, and how; what a table does not say, the files may."""
    said = {
        t.path: read_tags(t.path)
        for side in sides
        for t in side
        if not (t.annotations.get("artist") and t.annotations.get("album"))
    }

    def fact(track: Track, name: str) -> str:
        stated = str(track.annotations.get(name) or track.annotations.get(f"perf_{name}") or "")
        return stated or (getattr(said[track.path], name) if track.path in said else "")

    yield "same id", lambda t: t.track_id
    yield "same work", lambda t: t.work_id
    yield "same artist", lambda t: fact(t, "artist")
    # Albums of one name by different artists ("Greatest Hits") are different albums.
    yield "same album", lambda t: f"{fact(t, 'artist')} - {fact(t, 'album')}" if fact(t, "album") else ""


def _recordings(
    job: Job[Options], train: Sequence[Track], test: Sequence[Track]
) -> tuple[list[Pair], list[Pair], frozenset[str], frozenset[str]]:
    """Same files, same recordings, and the own ids of the test and of the training tracks whose audio was read."""
    how: dict[str, Any] = {"cache": job.cache, "workers": job.workers}
    total, done = len(train) + len(test), 0

    def listen(tracks: Sequence[Track]) -> tuple[list[Track], tuple[NDArray[np.float32], ...]]:
        nonlocal done
        before = done
        tell = job.progress
        step = None if tell is None else lambda now, _: tell(before + now, total)
        try:
            made = fingerprints([t.path for t in tracks], progress=step, **how)
        except DataError:  # not one of these files
            job.failures.update({t.path: "missing or unreadable" for t in tracks})
            return [], ()
        finally:
            done += len(tracks)
        job.failures.update({f.path: f.reason + (f" ({f.detail})" if f.detail else "") for f in made.failures})
        kept = [tracks[row] for row in made.rows]
        job.contents.update({t.track_id: c for t, c in zip(kept, made.contents, strict=True)})
        return kept, made.values

    tested, values = listen(test)
    if not tested:
        return [], [], frozenset(), frozenset()
    index = Index(values)
    contents: dict[str, list[Track]] = defaultdict(list)
    for t in tested:
        contents[job.contents[t.track_id]].append(t)
    same: list[Pair] = []
    alike: list[Pair] = []
    read: set[str] = set()
    for start in range(0, len(train), FILES):
        kept, rows = listen(train[start : start + FILES])
        for track, landmarks in zip(kept, rows, strict=True):
            own = _own(track).track_id
            read.add(own)
            copies = contents.get(job.contents[track.track_id], [])
            same += [Pair(own, _own(t).track_id, 1.0) for t in copies]
            exact = {t.track_id for t in copies}
            alike += [
                Pair(own, _own(tested[m.indexed]).track_id, round(m.share, 4))
                for m in index.find(landmarks)
                if tested[m.indexed].track_id not in exact
            ]
    return same, alike, frozenset(_own(t).track_id for t in tested), frozenset(read)


def _refuted(
    group: Group, heard: frozenset[str], read: frozenset[str], same: Sequence[Pair], alike: Sequence[Pair]
) -> bool:
    """Whether both tracks of one id were heard, and are different recordings."""
    train, test = group.train[0], group.test[0]
    known = {(p.train, p.test) for p in (*same, *alike)}
    return test in heard and train in read and (train, test) not in known


def _by_sound(
    job: Job[Options], train: Sequence[Track], test: Sequence[Track], known: set[tuple[str, str]]
) -> tuple[str, list[Pair]]:
    """Pairs that are near by the model and no known copies, and which kind of hint that is."""
    first, second = job.vectors(train), job.vectors(test)
    stated = job.model.card.features.get("version_threshold") if "versions" in job.model.card.good_for else None
    kind = HINTS[0] if stated is None else HINTS[1]
    if job.model.card.comparison != "cosine":
        job.warn(f"{job.model.card.name} compares otherwise than by cosine, so its vectors were left out of the audit")
        return kind, []
    threshold = job.options.near
    if threshold is None:
        threshold = float(stated) if stated is not None else threshold_of(second.values)
        basis = "its card's threshold for versions" if stated is not None else (
            f"no more than {FALSE:.0%} of the test tracks are as near to any other test track"
        )  # fmt: skip
        if np.isnan(threshold):
            job.warn("fewer than 100 test tracks say too little about what is near; give --near to compare vectors")
            return kind, []
        job.warn(f"{kind}: cosine of {threshold:.4f} or more by {job.model.card.name}; {basis}. Hints, no leaks")
    pairs = []
    for i, j, cosine in nearest(first.values, second.values, threshold):
        ids = _own(train[first.rows[i]]).track_id, _own(test[second.rows[j]]).track_id
        if ids not in known:
            pairs.append(Pair(*ids, cosine))
    return kind, sorted(pairs, key=lambda p: -p.strength)


def _touched(found: Sequence[Pair] | Sequence[Group]) -> set[str]:
    return {i for x in found for i in ((x.test,) if isinstance(x, Pair) else x.test)}


def _plain(name: str) -> str:
    """What two spellings of a name have in common."""
    import unicodedata

    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", str(name)).casefold()).strip()


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


TASK = Task(
    name="audit",
    about="What of a test set has been seen in training already?",
    needs="paths; and track_id, work_id, artist and album as far as they are known.",
    example="ohrwurm evaluate audit gtzan:train gtzan:test",
    model="ohrwurm-text",
    run=run,
    options=Options,
    truth=None,
    source=recordings,
    exit_code=lambda outcome: 3 if leaks(outcome) else 0,
    details=(
        "Leaks: the same file, recording (acoustic fingerprint), id, work, artist, album. Hints: what the model finds "
        "alike. Exit code 3 when leaks are found."
    ),
)
