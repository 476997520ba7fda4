"""Training and validation parts of a manifest: as it says, or a tenth held out by what must not be split."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError

SHARE = 10  # one in so many groups is held out


def train_and_validation(tracks: Sequence[Track], minimum: int = 2) -> tuple[list[int], list[int]]:
    """Indices of the tracks to train on and to validate on.

    Where the manifest marks validation tracks, they are those, and the rest without the test tracks trains. Where it
    does not, a tenth is held out: whole works, or whole artists (annotation ``artist``), or else single tracks,
    chosen by a hash of their name, so that adding tracks moves none of the others.

    Raises:
        DataError: fewer than `minimum` tracks in one of the two.

    >>> tracks = [Track(str(i), f"{i}.wav") for i in range(100)]
    >>> train, validation = train_and_validation(tracks)
    >>> len(train) + len(validation), 5 <= len(validation) <= 15
    (100, True)
    """
    marked = any(t.split == "validation" for t in tracks)
    train: list[int] = []
    validation: list[int] = []
    for index, track in enumerate(tracks):
        if track.split == "test":
            continue
        group = track.work_id or str(track.annotations.get("artist", "")) or track.track_id
        held_out = zlib.crc32(group.encode()) % SHARE == 0
        (validation if (track.split == "validation" if marked else held_out) else train).append(index)
    if not marked and len(validation) < minimum <= len(train) // 2:  # few groups: the hash may have met none
        by_hash = sorted(train, key=lambda i: (zlib.crc32(tracks[i].track_id.encode()), i))
        validation = sorted({*validation, *by_hash[: minimum - len(validation)]})
        train = [i for i in train if i not in set(validation)]
    for name, part in (("training", train), ("validation", validation)):
        if len(part) < minimum:
            raise DataError(
                f"{len(part)} {name} tracks of {len(tracks)}; at least {minimum} are needed. "
                "Add recordings, or mark them in the manifest's column split (train, validation, test)."
            )
    return train, validation
