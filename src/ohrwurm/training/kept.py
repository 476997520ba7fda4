"""Arrays that take long to make, one a recording: made once, kept in a file each, gone on with after a kill."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ohrwurm.atomic import replacing
from ohrwurm.data.tracks import Track
from ohrwurm.embedding.workers import torch_threads
from ohrwurm.errors import AudioError, DataError

log = logging.getLogger(__name__)
LINE_EVERY = 60.0  # seconds


def key_of(track: Track) -> str:
    """What a recording is kept under: its name, and its file's place, size and time of change."""
    try:
        status = Path(track.path).stat()
        facts = f"{track.track_id}|{track.path}|{status.st_size}|{status.st_mtime_ns}"
    except OSError:  # in a pack, the file itself may be gone
        facts = f"{track.track_id}|{track.path}"
    return hashlib.sha256(facts.encode()).hexdigest()[:24]


def place_of(folder: Path, track: Track) -> Path:
    """The file that a recording's array is kept in."""
    key = key_of(track)
    return folder / key[:2] / f"{key}.npy"


def make_kept(
    folder: Path,
    tracks: Sequence[Track],
    make: Callable[[int], np.ndarray],
    workers: int,
    what: str,
    places: Sequence[Path] | None = None,
) -> dict[int, str]:
    """Make and keep the arrays that `folder` does not have yet.

    Args:
        folder: one for each way of making them.
        tracks: the recordings.
        make: from the number of a recording to its array.
        workers: recordings at a time; with any number of them torch uses one thread each, so that the numbers are the
            same.
        what: is made, in a word or two, for the log.
        places: the file of each recording's array; `place_of` in `folder` unless given.

    Returns:
        The recordings that failed, with the reason.

    >>> import tempfile
    >>> folder, tracks = Path(tempfile.mkdtemp()), [Track("a", "a.wav"), Track("b", "b.wav")]
    >>> make_kept(folder, tracks, lambda i: np.full(3, i), 1, "threes")
    {}
    >>> np.load(place_of(folder, tracks[1])).tolist()
    [1, 1, 1]
    """
    places = [place_of(folder, track) for track in tracks] if places is None else places
    waiting = [i for i, place in enumerate(places) if not place.is_file()]
    failed: dict[int, str] = {}
    if not waiting:
        return failed
    log.info("making %s of %d recordings (%d are there)", what, len(waiting), len(tracks) - len(waiting))

    def one(i: int) -> str:
        try:
            array = make(i)
        except (AudioError, DataError) as error:
            return str(error)
        with replacing(places[i]) as temporary:
            np.save(temporary, array, allow_pickle=False)
        return ""

    began = told = time.monotonic()
    with torch_threads(1), ThreadPoolExecutor(max(1, workers)) as pool:
        for done, (i, reason) in enumerate(zip(waiting, pool.map(one, waiting), strict=True), 1):
            if reason:
                failed[i] = reason
                log.warning("left out: %s", reason)
            if time.monotonic() - told > LINE_EVERY:
                told = time.monotonic()
                left = (told - began) / done * (len(waiting) - done) / 60
                log.info("%s: %d of %d, about %.1f min left", what, done, len(waiting), left)
    return failed
