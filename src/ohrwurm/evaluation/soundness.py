"""What is wrong with the recordings of an evaluation, in words for the reader of its report: nothing goes unsaid.

Sentences, not errors: the figures stand, and the sentences say what they are worth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ohrwurm.data.tracks import SPLITS, Track

NAMED = 3  # examples in a sentence


def findings(
    tracks: Sequence[Track],
    *,
    asked: Collection[str],
    contents: Mapping[str, str],
    failed: Collection[str],
    counts: Mapping[str, int],
) -> list[str]:
    """All of them.

    Args:
        tracks: the recordings.
        asked: ids of those that were to be embedded.
        contents: track id → hash of its file, as far as files were read.
        failed: paths that could not be used.
        counts: tracks in each split as published, as far as that is known.
    """
    return [
        *left_out([t for t in tracks if t.track_id in asked], failed),
        *other_counts(tracks, counts),
        *shared(tracks, contents),
    ]


def left_out(tracks: Sequence[Track], failed: Collection[str]) -> Iterator[str]:
    """Recordings that could not be used, and how far a mean over the recordings of their split can be off for it.

    >>> next(left_out([Track("a", "a.wav"), Track("b", "b.wav")], {"b.wav"}))
    '1 of 2 recordings left out (see failures): a mean over all of them could differ by up to 0.500'
    """
    for split, members in _by_split(tracks).items():
        lost = sum(t.path in failed for t in members)
        if lost:
            where = f" of {split}" if split else ""
            worst = lost / len(members)
            yield (
                f"{lost} of {len(members)} recordings{where} left out (see failures): "
                f"a mean over all of them could differ by up to {worst:.3f}"
            )


def other_counts(tracks: Sequence[Track], counts: Mapping[str, int]) -> Iterator[str]:
    """Splits that are not as large as published.

    >>> list(other_counts([Track("a", "a.wav", "test")], {"test": 290}))
    ['test has 1 recordings where 290 were published: not comparable with published figures as it is']
    """
    found = Counter(t.split for t in tracks)
    for name, published in counts.items():
        if found[name] != published:
            yield (
                f"{name or 'the set'} has {found[name]} recordings where {published} were published: "
                "not comparable with published figures as it is"
            )


def shared(tracks: Iterable[Track], contents: Mapping[str, str]) -> Iterator[str]:
    """The same file, by its path or by its content, in two splits: what is tested was seen before.

    >>> both = [Track("a", "x.wav", "train"), Track("b", "x.wav", "test")]
    >>> next(shared(both, {}))
    '1 recording stands in train and in test (a = b): figures on test flatter. Take it out of one of them'
    """
    tracks = [t for t in tracks if t.split]
    at = {t.path: contents[t.track_id] for t in tracks if t.track_id in contents}  # also where an id was not read
    same: dict[str, list[Track]] = defaultdict(list)
    for track in tracks:
        same[at.get(track.path, track.path)].append(track)
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group in same.values():
        first = {t.split: t.track_id for t in reversed(group)}
        splits = [name for name in SPLITS if name in first]
        for i, one in enumerate(splits):
            for other in splits[i + 1 :]:
                pairs[one, other].append(f"{first[one]} = {first[other]}")
    for (one, other), examples in pairs.items():
        n, more = len(examples), ", ..." if len(examples) > NAMED else ""
        named = ", ".join(examples[:NAMED]) + more
        what, out = ("recording stands", "it") if n == 1 else ("recordings stand", "them")
        yield f"{n} {what} in {one} and in {other} ({named}): figures on {other} flatter. Take {out} out of one of them"


def _by_split(tracks: Iterable[Track]) -> dict[str, list[Track]]:
    groups: dict[str, list[Track]] = defaultdict(list)
    for track in tracks:
        groups[track.split].append(track)
    return groups
