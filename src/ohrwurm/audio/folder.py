"""Folder → audio files: which files count as audio, by their names and first bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

# fmt: off
AUDIO_SUFFIXES = frozenset({
    ".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".au", ".caf", ".flac", ".m4a", ".m4b",
    ".mka", ".mp2", ".mp3", ".mp4", ".mpc", ".oga", ".ogg", ".opus", ".snd", ".tta", ".w64", ".wav", ".wave", ".weba",
    ".webm", ".wma", ".wv",
})
# fmt: on


def walk(roots: Iterable[str | Path], *, skip: Iterable[str | Path] = ()) -> Iterator[tuple[str, str]]:
    """Yield `(path, error)` of the audio files under `roots`, in sorted order, each once.

    A file counts as audio by its suffix, or, whatever its suffix, by its first bytes. Hidden files and folders are
    left out. Links are followed, each real folder only once, so that loops end. Folders in `skip` (the collection
    itself) are left out. A folder that cannot be listed is yielded with a non-empty `error`.
    """
    skipped = {os.path.realpath(s) for s in skip}
    visited: set[tuple[int, int]] = set()
    seen: set[str] = set()

    def listed(path: str) -> Iterator[tuple[str, str]]:
        if os.path.realpath(path) in skipped:
            return
        try:
            stat = os.stat(path)
            entries = sorted(os.scandir(path), key=lambda e: e.name)
        except OSError as error:
            yield path, error.strerror or str(error)
            return
        if (stat.st_dev, stat.st_ino) in visited:
            return
        visited.add((stat.st_dev, stat.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                folder, regular = entry.is_dir(), entry.is_file()
            except OSError:  # a link that points at itself
                continue
            if folder:
                yield from listed(entry.path)
            elif regular and entry.path not in seen and is_audio(entry.path):
                seen.add(entry.path)
                yield entry.path, ""

    for root in roots:
        absolute = os.path.abspath(root)
        if os.path.isdir(absolute):
            yield from listed(absolute)
        elif absolute not in seen:
            seen.add(absolute)
            yield absolute, ""


def is_audio(path: str) -> bool:
    """Whether a file is worth trying to decode: an audio suffix, or the first bytes of an audio format."""
    if os.path.splitext(path)[1].lower() in AUDIO_SUFFIXES:
        return True
    try:
        with open(path, "rb") as stream:
            return sniff(stream.read(16))
    except OSError:
        return False


def sniff(head: bytes) -> bool:
    """Whether `head` (16 bytes) begins an audio file.

    Containers that usually hold video (MP4, Matroska) count only when they declare themselves audio, or by suffix.

    >>> sniff(b"fLaC" + bytes(12)), sniff(b"%PDF-1.7" + bytes(8))
    (True, False)
    """
    if head[:4] in (b"fLaC", b"OggS", b"caff", b"MAC ", b"wvpk") or head[:3] == b"ID3":
        return True
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return True
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return True
    if head[4:8] == b"ftyp" and head[8:11] in (b"M4A", b"M4B"):
        return True
    # MPEG layer III frame header: sync and layer bits, a valid bit rate, a valid sampling rate.
    mpeg = len(head) >= 4 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    return mpeg and head[2] >> 4 not in (0, 15) and head[2] & 12 != 12
