"""The audio of a whole manifest → a folder, in the form of a published preparation.

Each recording is one file, complete or absent, with a line in `.converted.jsonl` that is written once it is in place:
by these lines a killed conversion goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohrwurm.atomic import remove_unfinished, replacing
from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.checksums import sha256
from ohrwurm.data.benchmarks.base import AudioForm
from ohrwurm.data.conversion import Cut, convert, native_rate
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import AudioError

AUDIO, JOURNAL = "audio", ".converted.jsonl"


@dataclass(frozen=True)
class Failure:
    """A track that is not there, or not usable, and why."""

    track_id: str
    path: str
    reason: str


@dataclass(frozen=True)
class Converted:
    """What became of a manifest's audio.

    Attributes:
        manifest: the same tracks with their new files; the paths of those that failed lead nowhere.
        new: recordings that this call converted.
        kept: that were there before.
        failed: tracks without audio.
        checksums: file, relative to the folder → SHA-256.
    """

    manifest: Manifest
    new: int
    kept: int
    failed: tuple[Failure, ...]
    checksums: dict[str, str]


def convert_all(
    manifest: Manifest,
    base: Path,
    form: AudioForm,
    out: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Converted:
    """Write all recordings of a manifest below `out / "audio"` in `form`. Killed, the same call goes on; nobody else
    may write there at the time.

    One that is missing or cannot be decoded is listed and tried again by the next call; it never ends the job.

    Args:
        base: the folder of the published set; files keep the names that they have below it.
        workers: decoding processes.
        progress: told (recordings done, recordings in all).

    Raises:
        DataError: a track's `clip_offset` and `clip_duration` are not seconds.
    """
    done = _Journal(out)
    jobs = _jobs(manifest, base, form)
    todo = [job for job in jobs.values() if not done.holds(job.file)]
    kept = len(jobs) - len(todo)
    remove_unfinished(out / AUDIO)
    reasons = _convert(todo, form, out, done, workers, kept, progress)
    files = {t.track_id: jobs[_key(t)].file for t in manifest}
    return Converted(
        Manifest(_moved(t, files[t.track_id], out, form, done) for t in manifest),
        len(todo) - len(reasons),
        kept,
        tuple(Failure(t.track_id, t.path, reasons[file]) for t in manifest if (file := files[t.track_id]) in reasons),
        {job.file: done.entries[job.file]["sha256"] for job in jobs.values() if job.file not in reasons},
    )


@dataclass(frozen=True)
class _Job:
    """One recording to convert: the first of the tracks that are it, and its file relative to the folder."""

    track: Track
    file: str


def _key(track: Track) -> tuple[str, Cut]:
    return track.path, Cut.of(track)


def _jobs(manifest: Manifest, place: Path, form: AudioForm) -> dict[tuple[str, Cut], _Job]:
    """Several tracks may be one recording (captions of it); each is converted once, under a name of its own."""
    jobs: dict[tuple[str, Cut], _Job] = {}
    taken: set[str] = set()
    for track in manifest:
        key = _key(track)
        if key in jobs:
            continue
        path = Path(track.path)
        whole = key[1].duration is None and path.is_relative_to(place)
        name = _safe(path.relative_to(place).with_suffix("").as_posix() if whole else track.track_id)
        if name.lower() in taken:  # also where two names differ in case alone
            name += "-" + hashlib.sha256(repr(key).encode()).hexdigest()[:8]
        taken.add(name.lower())
        jobs[key] = _Job(track, f"{AUDIO}/{name}.{form.format}")
    return jobs


def _safe(name: str) -> str:
    """A relative path of plain letters that stays below where it begins.

    >>> _safe("../a b/c:d"), _safe("")
    ('a_b/c_d', 'track')
    """
    parts = [re.sub(r"[^\w.-]", "_", part) for part in name.replace("\\", "/").split("/")]
    return "/".join(part for part in parts if part.strip(".")) or "track"


def _convert(
    todo: Sequence[_Job],
    form: AudioForm,
    out: Path,
    done: _Journal,
    workers: int,
    kept: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, str]:
    """File → the reason why it could not be made."""

    def one(decoder: Decoder, job: _Job) -> dict[str, Any] | str:
        target = out / job.file
        try:
            rate = form.sample_rate or (native_rate(job.track) if Path(job.track.path).is_file() else 0)
            with replacing(target) as temporary:
                samples = convert(job.track, form, temporary, decoder)
                digest, size = sha256(temporary), temporary.stat().st_size
        except AudioError as error:
            return error.reason + (f" ({error.detail})" if error.detail else "")
        return {"file": job.file, "sha256": digest, "size": size, "samples": samples, "rate": rate}

    reasons: dict[str, str] = {}
    for number, (job, found) in enumerate(zip(todo, decoding(todo, one, workers), strict=True), kept + 1):
        if isinstance(found, str):
            reasons[job.file] = found
        else:
            done.write(found)
        if progress is not None:
            progress(number, kept + len(todo))
    return reasons


class _Journal:
    """The recordings that are done: a line each, written after the file is in place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.entries: dict[str, dict[str, Any]] = {}
        if not (folder / JOURNAL).is_file():
            return
        lines = (folder / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:  # cut short when the process was killed
                continue
            self.entries[entry["file"]] = entry
        if lines and not lines[-1].endswith("\n"):
            self._append("\n")

    def holds(self, file: str) -> bool:
        """Whether the file is there as it was written."""
        try:
            return file in self.entries and (self._folder / file).stat().st_size == self.entries[file]["size"]
        except OSError:
            return False

    def write(self, entry: dict[str, Any]) -> None:
        self.entries[entry["file"]] = entry
        self._append(json.dumps(entry) + "\n")

    def _append(self, text: str) -> None:
        with open(self._folder / JOURNAL, "a", encoding="utf-8") as out:
            out.write(text)


def _moved(track: Track, file: str, out: Path, form: AudioForm, done: _Journal) -> Track:
    """The track with its converted file: what it says of its part of another file does not hold any more."""
    annotations = dict(track.annotations)
    if annotations.get("clip_duration", "") != "":
        annotations.pop("clip_offset", None)
        annotations.pop("clip_duration", None)
    annotations.pop("sample_rate", None)
    if form.format == "npy":  # which does not say its rate
        annotations["sample_rate"] = form.sample_rate or done.entries.get(file, {}).get("rate", "")
    return dataclasses.replace(track, path=str(out / file), annotations=annotations)
