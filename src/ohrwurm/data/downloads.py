"""The files of a benchmark that can be fetched, put where its readers look for them.

What has arrived is noted in `.fetched.json` of the folder, so that nothing is fetched, hashed or unpacked twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohrwurm.atomic import write_text
from ohrwurm.checksums import sha256
from ohrwurm.data.archives import unpack
from ohrwurm.data.benchmarks.base import Benchmark, Remote
from ohrwurm.errors import DataError, TransferError
from ohrwurm.transfer import fetch

NOTES = ".fetched.json"
_PART = re.compile(r"\.\d{3}$")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Arrived:
    """One file of a benchmark that is there.

    Attributes:
        name: relative to the set's folder.
        url: where it came from.
        sha256: of the file.
        checked: whether its author's checksum is known, and is the same.
        new: whether this call fetched it.
    """

    name: str
    url: str
    sha256: str
    checked: bool
    new: bool


def download(benchmark: Benchmark, folder: str | Path, progress: Progress | None = None) -> list[Arrived]:
    """Fetch all files of a benchmark into `folder`, and unpack its archives there. Killed, the same call goes on.

    A file that is there with the right size and checksum is kept, whoever put it there. One that cannot be fetched
    does not keep the others from arriving.

    Args:
        progress: called with (bytes, total bytes or 0).

    Raises:
        DataError: nothing of it can be fetched, or an archive is damaged.
        TransferError: files that could not be fetched: each with its address, what it is, and what to do without it.
    """
    folder = Path(folder)
    if not benchmark.remotes:
        raise DataError(
            f"{benchmark.name}: nothing of it can be fetched by a program. {benchmark.advice or benchmark.citation} "
            f"Then: ohrwurm data prepare {benchmark.name} --source FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    notes = _Notes(folder)
    arrived, failed = [], []
    sizes = [remote.size for remote in benchmark.remotes]
    total = sum(size or 0 for size in sizes) if all(sizes) else 0
    before = 0
    for remote in benchmark.remotes:
        shown = None if progress is None else lambda done, of, at=before: progress(at + done, total or of)
        try:
            arrived.append(_one(remote, folder, notes, shown))
        except TransferError as error:
            failed.append(f"{remote.name} ({remote.about or 'no description'}): {error}")
        before += remote.size or 0
    for first, parts in archives(benchmark.remotes).items():
        if all(map(notes.holds, parts)) and notes.unpacked.get(first) != notes.sha256(parts):
            unpack([folder / part for part in parts], (folder / first).parent)
            notes.unpacked[first] = notes.sha256(parts)
            notes.write()
    if failed:
        raise TransferError(
            f"{len(failed)} of {len(benchmark.remotes)} files of {benchmark.name} could not be fetched:\n  "
            + "\n  ".join(failed)
            + "\nAn address that is dead stays dead: get the file another way, put it under its name into "
            f"{folder} and run the same again, or give a folder that has all of the set: "
            f"ohrwurm data prepare {benchmark.name} --source FOLDER. {benchmark.advice}"
        )
    return arrived


def archives(remotes: tuple[Remote, ...]) -> dict[str, list[str]]:
    """First part → all parts, in order, of each archive that is to be unpacked.

    >>> archives((Remote("u", "a.zip.002", unpack=True), Remote("u", "a.zip.001", unpack=True), Remote("u", "b.csv")))
    {'a.zip.001': ['a.zip.001', 'a.zip.002']}
    """
    whole: dict[str, list[str]] = {}
    for name in sorted(remote.name for remote in remotes if remote.unpack):
        whole.setdefault(_PART.sub("", name), []).append(name)
    return {parts[0]: parts for parts in whole.values()}


def _one(remote: Remote, folder: Path, notes: _Notes, progress: Progress | None) -> Arrived:
    file, known = folder / remote.name, remote.known
    if notes.holds(remote.name) and notes.files[remote.name]["url"] == remote.url:
        noted = notes.files[remote.name]
        return Arrived(remote.name, remote.url, noted["sha256"], noted["checked"], new=False)
    if file.is_file() and not known.complaint(file):
        arrived = Arrived(remote.name, remote.url, sha256(file), bool(known.checksum), new=False)
    else:
        fetched = fetch(
            remote.url,
            file,
            sha256=remote.sha256,
            md5=remote.md5,
            sha1=remote.sha1,
            size=remote.size,
            local=True,
            progress=progress,
        )
        arrived = Arrived(remote.name, remote.url, fetched.sha256, fetched.checked, new=True)
    status = file.stat()
    notes.files[remote.name] = {
        "url": remote.url,
        "sha256": arrived.sha256,
        "checked": arrived.checked,
        "size": status.st_size,
        "time": status.st_mtime_ns,
    }
    notes.write()
    return arrived


class _Notes:
    """What is known of the files in a folder; an archive that was unpacked need not be kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            content = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = {}
        self.files: dict[str, dict[str, Any]] = content.get("files", {})
        self.unpacked: dict[str, list[str]] = content.get("unpacked", {})  # first part → SHA-256 of all parts

    def holds(self, name: str) -> bool:
        """Whether the file is as it was when it was noted, or what is in it lies unpacked beside it."""
        if name not in self.files:
            return False
        noted = self.files[name]
        try:
            status = (self._folder / name).stat()
        except OSError:
            return any(noted["sha256"] in parts for parts in self.unpacked.values())
        return (status.st_size, status.st_mtime_ns) == (noted["size"], noted["time"])

    def sha256(self, names: list[str]) -> list[str]:
        return [self.files[name]["sha256"] for name in names]

    def write(self) -> None:
        write_text(self._folder / NOTES, json.dumps({"files": self.files, "unpacked": self.unpacked}, indent=1))
