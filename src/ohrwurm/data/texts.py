"""Texts about music: how people describe it (MusicCaps) and a composer's catalogue (Incompetech). No audio."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ohrwurm.data.archives import data_root
from ohrwurm.errors import DataError


@dataclass(frozen=True)
class Description:
    """One description: free text, and the tags that belong to it (may be empty)."""

    text: str
    tags: tuple[str, ...]


def _records(file: Path) -> Iterator[dict]:
    if not file.is_file():
        raise DataError(f"{file}: missing; docs/data.md says where it comes from")
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{file}, line {number}: not JSON ({error})") from error


def read_musiccaps(root: str | Path | None = None) -> list[Description]:
    """MusicCaps (Agostinelli et al. 2023): 5,521 captions with their aspect lists, in file order."""
    file = data_root(root) / "musiccaps.jsonl.xz"
    return [Description(r["caption"], tuple(a.lower() for a in r["aspects"])) for r in _records(file)]


def read_incompetech(root: str | Path | None = None) -> list[Description]:
    """Kevin MacLeod's catalogue: genre, feel and instruments as tags, the first paragraph as text."""
    file = data_root(root) / "incompetech_catalogue.jsonl.xz"
    found = []
    for r in _records(file):
        tags = [r.get("genre") or ""]
        for name in ("feel", "instruments"):
            tags += (r.get(name) or "").split(",")
        text = (r.get("description") or "").split("\n")[0].strip()
        found.append(Description(text, tuple(t.strip().lower() for t in tags if t.strip())))
    return found
