"""Many recordings → a folder of files, whatever interrupts it.

What was heard in each recording is kept beside the files that are made of it (`FOLDER/.ohrwurm/`), with what the
recording and the model were. Run again, the same job listens to what is new, was changed, or failed; another format is
made of what was heard before; other tasks are heard together with those of before. Every file is complete or absent.
"""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ohrwurm.analysis.formats import checked, files_of, write
from ohrwurm.analysis.formats.json import plain, restored
from ohrwurm.analysis.recording import HEADS, TASKS, Analysis, analyze_with, listening
from ohrwurm.atomic import remove_unfinished, write_bytes
from ohrwurm.audio.isolation import Decoder
from ohrwurm.checksums import content_hash
from ohrwurm.embedding.files import of_one_file, shared_lock
from ohrwurm.embedding.workers import in_order, run
from ohrwurm.errors import AudioError, DataError
from ohrwurm.locks import holding
from ohrwurm.models.headed import HeadedEncoder

HIDDEN = ".ohrwurm"


@dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    Attributes:
        file: as it was named.
        analysis: None where it failed.
        error: why it failed; None where it did not.
        written: files made now.
        reused: whether it had been listened to before.
    """

    file: str
    analysis: Analysis | None = None
    error: AudioError | None = None
    written: tuple[str, ...] = ()
    reused: bool = False


@dataclass(frozen=True)
class Place:
    """Where the files of a recording go.

    Attributes:
        base: folder and name, without an ending.
        kept: what was heard.
    """

    base: Path
    kept: Path


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Have a folder of analyses to oneself, without what killed runs left unfinished.

    Raises:
        DataError: another run writes there, or the disk refuses.
    """
    hidden = folder / HIDDEN
    with _disk(folder):
        hidden.mkdir(parents=True, exist_ok=True)
    with holding(hidden / ".lock") as mine:
        if not mine:
            raise DataError(f"{folder}: another run is writing there. Wait for it, or name another folder.")
        remove_unfinished(folder)
        yield


def places(files: Sequence[str], folder: Path, tops: Sequence[str | Path]) -> dict[str, Place]:
    """A place in `folder` for each recording, in the tree of folders in which they are.

    Args:
        files: the recordings.
        folder: where to.
        tops: folders in which they are, where the tree begins; of several, it begins where they part.

    Recordings of one folder that differ in their ending alone keep it.

    Raises:
        DataError: the recordings have no folder in common, as on several drives.

    >>> [str(p.base) for p in places(["m/a/x.mp3", "m/b/x.mp3", "m/b/x.wav"], Path("out"), ["m"]).values()]
    ['out/a/x', 'out/b/x.mp3', 'out/b/x.wav']
    >>> [str(p.base) for p in places(["m/a/x.mp3", "n/x.mp3"], Path("out"), ["m/a", "n"]).values()]
    ['out/m/a/x', 'out/n/x']
    """
    if not files:
        return {}
    absolute = {file: os.path.abspath(file) for file in files}
    try:
        top = os.path.commonpath([os.path.abspath(top) for top in tops])
        names = {file: os.path.relpath(path, top) for file, path in absolute.items()}
    except ValueError as error:
        raise DataError("the recordings lie on several drives; analyze one after the other") from error
    same = Counter(os.path.splitext(name)[0] for name in names.values())
    found = {}
    for file, name in names.items():
        stem = os.path.splitext(name)[0]
        base = folder / (stem if same[stem] == 1 else name)
        found[file] = Place(base, folder / HIDDEN / f"{name}.json.gz")
    return found


def tasks_of(model: HeadedEncoder, tasks: Sequence[str] | None = None) -> tuple[str, ...]:
    """The tasks, or all that a model can do.

    Raises:
        ModelError: no such task, or the model has no head for it.
    """
    listening(model, tasks)
    if tasks is not None:
        return tuple(task for task in TASKS if task in tasks)
    return tuple(task for task in TASKS if task == "sections" or model.specs.keys() & set(HEADS[task]))


def analyze_files(
    files: Sequence[str],
    model: HeadedEncoder,
    *,
    tasks: Sequence[str] | None = None,
    where: dict[str, Place] | None = None,
    formats: Sequence[str] = ("json",),
    overwrite: bool = False,
    workers: int | None = None,
) -> Generator[Outcome, None, None]:
    """Analyse recordings, and write the files of each as soon as it is done; outcomes come in the order of `files`.

    Args:
        model: with heads (`ohrwurm.analysis.hearing.with_heads`).
        tasks: some of `TASKS`; by default all that the model can.
        where: the places of the files; by default nothing is written or kept.
        formats: some of `ohrwurm.analysis.formats.FORMATS`.
        overwrite: listen to everything again.
        workers: files at a time; by default one a core.

    Raises:
        ModelError: the model lacks a head; before the first file.
        DataError: no such format, or the disk refuses.
    """
    formats, asked = checked(formats), tasks_of(model, tasks)
    lock = shared_lock(model)

    def one(item: tuple[int, str], decoder: Decoder) -> tuple[int, Outcome]:
        number, file = item
        try:
            file.encode()
        except UnicodeEncodeError:
            name = os.fsencode(file).decode("utf-8", "backslashreplace")
            error = AudioError(name, "name", "the file name is not UTF-8; rename the file")
            return number, Outcome(name, error=error)
        try:
            if where is None:
                return number, Outcome(file, analyze_with(decoder, file, model, tasks=asked, lock=lock))
            work = _Work(decoder, model, asked, formats, overwrite, lock)
            with _disk(where[file].base):
                return number, work.done(file, where[file])
        except Exception as error:
            return number, Outcome(file, error=of_one_file(file, error))

    return in_order(run(list(enumerate(files)), one, workers=workers))


@dataclass(frozen=True)
class _Kept:
    """What was heard in a recording, and what it was made of.

    Attributes:
        tasks: that were asked for.
        formats: that were written of it.
    """

    analysis: Analysis
    size: int
    modified: int
    content: str
    tasks: tuple[str, ...]
    formats: tuple[str, ...]

    def to_bytes(self) -> bytes:
        record: dict[str, Any] = vars(self) | {"analysis": plain(self.analysis)}
        return gzip.compress(json.dumps(record, ensure_ascii=False).encode(), mtime=0)


@dataclass(frozen=True)
class _Work:
    """One recording's way to its files."""

    decoder: Decoder
    model: HeadedEncoder
    tasks: tuple[str, ...]
    formats: tuple[str, ...]
    overwrite: bool
    lock: threading.Lock | None

    def done(self, file: str, place: Place) -> Outcome:
        before = None if self.overwrite else self._before(file, place)
        reused = before is not None and set(self.tasks) <= set(before.tasks)
        heard = before if before is not None and reused else self._heard(file, before)
        there = tuple(name for name in heard.formats if _is_there(heard.analysis, place.base, name))
        missing = tuple(name for name in self.formats if name not in there)
        made = write(heard.analysis, place.base, missing)
        if not reused or missing:  # last: whoever is killed before makes the files again
            write_bytes(place.kept, replace(heard, formats=(*there, *missing)).to_bytes())
        return Outcome(file, heard.analysis, None, tuple(map(str, made)), reused)

    def _before(self, file: str, place: Place) -> _Kept | None:
        """What an earlier run heard in this very recording with this very model."""
        kept = _kept(place.kept)
        if kept is None or kept.analysis.model != self.model.card.provenance:
            return None
        size, modified = _state(file)
        if size != kept.size or (modified != kept.modified and _content(file) != kept.content):
            return None
        return replace(kept, analysis=replace(kept.analysis, file=file))

    def _heard(self, file: str, before: _Kept | None) -> _Kept:
        tasks = self.tasks if before is None else tuple(t for t in TASKS if t in self.tasks or t in before.tasks)
        state, content = _state(file), _content(file)
        analysis = analyze_with(self.decoder, file, self.model, tasks=tasks, lock=self.lock)
        return _Kept(analysis, *state, content, tasks, ())


def _state(file: str) -> tuple[int, int]:
    """Size, and time of the last change."""
    try:
        stat = os.stat(file)
    except OSError as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        raise AudioError(file, reason, error.strerror or str(error)) from error
    return stat.st_size, stat.st_mtime_ns


def _content(file: str) -> str:
    try:
        return content_hash(file)
    except OSError as error:
        raise AudioError(file, "unreadable", error.strerror or str(error)) from error


def _kept(file: Path) -> _Kept | None:
    try:
        record = json.loads(gzip.decompress(file.read_bytes()))
        lists = {"tasks": tuple(record["tasks"]), "formats": tuple(record["formats"])}
        return _Kept(**record | lists | {"analysis": restored(record["analysis"])})
    except (OSError, EOFError, ValueError, KeyError, TypeError, DataError):  # none, damaged, or of another version
        return None


def _is_there(analysis: Analysis, base: Path, name: str) -> bool:
    return all(file.is_file() for file in files_of(analysis, base, [name]))


@contextmanager
def _disk(base: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{base}: cannot be written ({error.strerror or error}). What was done is kept: run again when it can."
        ) from error
