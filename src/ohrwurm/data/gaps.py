"""What recordings that are missing do to a number: bounds where there are any, a plain word where there are none.

With `n` published tracks of which `k` are missing, a share of right answers (accuracy, R@k) moves by at most `k / n`:
if none, or all, of the missing ones had been right. Of a label with `P` positives and `N` negatives, `p` and `q` of
them missing, ROC-AUC is a share of `P N` pairs, so it moves by at most `1 - (1 - p / P)(1 - q / N)`; the macro average
by the mean of that over labels. MAP, average precision and R² have no such bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ohrwurm.data.tracks import Track

TARGETS = ("arousal", "valence")


@dataclass(frozen=True)
class Part:
    """One split.

    Attributes:
        name: ``train``, ``validation``, ``test``, or empty.
        published: tracks that the published number rests on; None where nobody says.
        listed: the tracks of the table.
        there: those of them that can be used.
    """

    name: str
    published: int | None
    listed: Sequence[Track]
    there: Sequence[Track]

    @property
    def expected(self) -> int:
        """Tracks that there should be."""
        return len(self.listed) if self.published is None else self.published

    @property
    def missing(self) -> int:
        """Tracks too few; never below 0."""
        return max(0, self.expected - len(self.there))

    @property
    def title(self) -> str:
        return self.name or "without a split"

    def counted(self) -> str:
        """
        >>> Part("test", 290, (), ()).counted()
        'test: 0 of 290 tracks'
        """
        return f"{self.title}: {len(self.there):,} of {self.expected:,} tracks"


def effects(part: Part, labels: Sequence[str] = ()) -> list[str]:
    """What the gap of a split does to numbers on it, a sentence each; nothing where nothing is missing.

    Args:
        labels: of the set, in any order; empty: those that its tracks have.

    >>> tracks = [Track(str(i), f"{i}.wav", tags=("rock",)) for i in range(290)]
    >>> effects(Part("test", 290, tracks, tracks[3:]))[0]
    'test: 287 of 290 tracks; each missing track can move accuracy by at most 0.34 points, together ±1.0'
    """
    if part.published is not None and len(part.there) > part.published:
        return [
            f"{part.title}: {len(part.there):,} tracks where {part.published:,} are published: another edition or "
            "split of the set, so that numbers on it are not the published ones"
        ]
    if not part.missing:
        return []
    if part.name == "train":
        share = 100 * len(part.there) / part.expected
        return [
            f"{part.counted()} ({share:.0f} %) to learn from: nothing bounds what that does; numbers tend to be lower"
        ]
    if part.name == "validation":
        return [f"{part.counted()} to choose by: another epoch, threshold or configuration may be chosen than with all"]
    found = []
    per_track = 100 / part.expected
    if any(t.tags for t in part.listed):
        if all(len(t.tags) <= 1 for t in part.listed):
            found.append(_share(part, "accuracy"))
        else:
            found += _ranking(part, labels)
    works = _works(part)
    if works:
        found.append(works)
    if any(t.caption for t in part.listed):
        before, after = (min(100.0, 1000 / max(n, 1)) for n in (part.expected, len(part.there)))
        found.append(
            f"{_share(part, 'R@k')}; the others have fewer to be found among, "
            f"so that R@10 by chance is {after:.2f} % instead of {before:.2f} %"
        )
    if any(name in t.annotations for t in part.listed for name in TARGETS):
        found.append(
            f"{part.counted()}; each is {per_track:.2f} % of the errors, but R² has no bound: one outlier can decide it"
        )
    return found or [f"{part.counted()}; each missing one is {per_track:.2f} % of what a number rests on"]


def _share(part: Part, metric: str) -> str:
    each, together = 100 / part.expected, 100 * part.missing / part.expected
    return (
        f"{part.counted()}; each missing track can move {metric} by at most {each:.2f} points, together ±{together:.1f}"
    )


def _ranking(part: Part, labels: Sequence[str]) -> list[str]:
    """Of several labels a track: ROC-AUC by pairs, and the label that lost most."""
    unlisted = part.expected - len(part.listed)
    if unlisted > 0:
        return [f"{part.counted()}; {unlisted:,} of them are not even listed, so that nothing bounds ROC-AUC"]
    listed = Counter(tag for t in part.listed for tag in set(t.tags))
    there = Counter(tag for t in part.there for tag in set(t.tags))
    names = [label for label in (labels or sorted(listed)) if 0 < listed[label] < len(part.listed)]
    if not names:
        return []
    bounds = {}
    for name in names:
        negatives = len(part.listed) - listed[name]
        kept = there[name] / listed[name] * (len(part.there) - there[name]) / negatives
        bounds[name] = 100 * (1 - kept)
    worst, macro = max(names, key=lambda name: bounds[name]), sum(bounds.values()) / len(names)
    return [
        f"{part.counted()}; the missing ones can move macro ROC-AUC by at most ±{macro:.1f} points, and most of all "
        f"that of {worst!r}, of which {there[worst]:,} of {listed[worst]:,} are there, by ±{bounds[worst]:.1f}; "
        "average precision has no bound"
    ]


def _works(part: Part) -> str:
    """Versions: queries that are gone, and queries that have fewer versions to find."""
    sizes = Counter(t.work_id for t in part.listed if t.work_id)
    queries = sum(n for n in sizes.values() if n > 1)
    if not queries:
        return ""
    there = {t.track_id for t in part.there}
    gone = [t for t in part.listed if t.track_id not in there]
    touched = {t.work_id for t in gone if sizes[t.work_id] > 1}
    if not gone:
        return f"{part.counted()}; those that are missing are not listed, so that nothing bounds MAP"
    affected = sum(sizes[work] for work in touched)
    return (
        f"{part.counted()}; {affected:,} of {queries:,} queries are gone or have fewer versions to find, "
        f"and all have {len(gone):,} fewer to be mistaken for: MAP has no bound, and tends to be higher"
    )
