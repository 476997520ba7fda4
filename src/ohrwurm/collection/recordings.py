"""Track of the collection → its recording, to be listened to.

Only the very bytes that were indexed are given out. They passed an isolated decoder then, so that none is needed now;
and a file that was put in their place (a link to something private, say) is not opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohrwurm.audio.files import AudioInfo, probe, stream
from ohrwurm.checksums import content_hash
from ohrwurm.collection.records import Track
from ohrwurm.errors import AudioError, CollectionError


@dataclass(frozen=True)
class Recording:
    """The file of a track, unchanged since it was indexed.

    Attributes:
        frames: samples per channel, as far as known; an estimate where the file does not state it exactly.
    """

    path: str
    info: AudioInfo
    frames: int

    def blocks(self, first: int, stop: int) -> Iterator[np.ndarray]:
        """Float32 `(channels, n)` pieces of the samples `[first, stop)` at the native rate; fewer if the file ends."""
        return stream(self.path, start_sample=first, stop_sample=stop)


def open_recording(track: Track) -> Recording:
    """The recording of a track.

    Raises:
        AudioError: its file is gone (``missing``) or cannot be read.
        CollectionError: its file was changed since it was indexed.
    """
    again = f"Run `ohrwurm index {Path(track.path).parent}` to bring the collection up to date."
    try:
        stat = os.stat(track.path)
        same = stat.st_size == track.size and (
            # Copying and restoring a file change its time but not its content.
            stat.st_mtime_ns == track.mtime_ns or content_hash(track.path) == track.content
        )
    except OSError as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        raise AudioError(track.path, reason, f"{error.strerror}. {again}") from error
    if not same:
        raise CollectionError(f"{track.path} was changed since it was indexed. {again}")
    info = probe(track.path)
    # What indexing counted, where the header only estimates.
    exact = info.exact and info.samples is not None
    return Recording(track.path, info, (info.samples or 0) if exact else round(track.duration * info.sample_rate))
