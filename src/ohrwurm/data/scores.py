"""Readers of score collections, and which works may train.

>>> import os
>>> songs = read_pop909(os.environ["OHRWURM_DATA"], versions=False)  # doctest: +SKIP
>>> len(songs)  # doctest: +SKIP
809
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from ohrwurm.data.abc import abc_tunes, read_abc
from ohrwurm.data.annotations.keys import signature_number
from ohrwurm.data.archives import data_root, unpacked
from ohrwurm.data.midi import asap_performance, asap_titles, band_file, pop909_song
from ohrwurm.data.musicxml import read_musicxml
from ohrwurm.data.score import Notes, Part, Score, Span, make_notes
from ohrwurm.data.score_cache import cached
from ohrwurm.errors import DataError
from ohrwurm.events import pitch_class

__all__ = [
    "EVALUATION_ONLY", "SOURCES", "Notes", "Part", "Score", "Span", "make_notes", "read_abc", "read_asap",
    "read_folk_versions", "read_freedoom", "read_openewld", "read_openmsx", "read_pop909", "read_scores", "split_of",
    "training_scores",
]  # fmt: skip

Split = Literal["train", "validation", "test"]
Root = str | Path | None

# Licences that forbid training weights that ship (see the data cards): never train, never validate.
EVALUATION_ONLY = frozenset({"openmsx", "asap", "folk_versions"})
log = logging.getLogger(__name__)


def split_of(score: Score) -> Split:
    """The split of a score, by its work: all settings of a tune fall on one side.

    POP909 songs up to 659 train, 660-709 validation, 710-809 test; evaluation-only sources are test; all others
    by a fixed hash of the work id (80 / 10 / 10).
    """
    if score.source in EVALUATION_ONLY:
        return "test"
    if score.source == "pop909":
        number = int(score.work_id.rsplit("/", 1)[1])
        return "train" if number <= 659 else "validation" if number <= 709 else "test"
    bucket = int.from_bytes(hashlib.sha256(score.work_id.encode()).digest()[:4], "big") % 10
    return "train" if bucket < 8 else "validation" if bucket == 8 else "test"


def training_scores(scores: Iterable[Score]) -> list[Score]:
    """Those of the train split.

    Raises:
        DataError: a score comes from an evaluation-only source; such scores must not even be offered.
    """
    scores = list(scores)
    for score in scores:
        if score.source in EVALUATION_ONLY:
            raise DataError(f"{score.score_id}: {score.source} is evaluation-only and never trains; leave it out")
    return [s for s in scores if split_of(s) == "train"]


def _readable(items: Iterable[tuple[Path, Callable[[], Iterable[Score]]]]) -> Iterator[Score]:
    """The scores of every file that can be read; a bad one is logged with its reason and skipped."""
    for path, read in items:
        try:
            yield from read()
        except (DataError, OSError, ValueError, KeyError, IndexError) as error:
            message = str(error) if str(path) in str(error) else f"{path}: {error!r}"
            log.warning("skipped %s", message)


def read_pop909(root: Root = None, *, versions: bool = True) -> list[Score]:
    """POP909 (Wang et al., ISMIR 2020): 809 songs as piano arrangements, with their alternative arrangements."""

    def read(folder: Path) -> Iterator[Score]:
        base = next((p for p in (folder / "POP909", folder) if (p / "001").is_dir()), None)
        if base is None:
            raise DataError(f"{folder}: not POP909; expected numbered folders, POP909/001 and on")
        songs = sorted(p for p in base.iterdir() if p.is_dir() and p.name.isdigit())
        return _readable((p, lambda p=p: pop909_song(p)) for p in songs)  # type: ignore[misc]

    scores = cached(_folder(root, "pop909"), "pop909", read)
    return scores if versions else [s for s in scores if s.score_id == s.work_id]


def read_openewld(root: Root = None) -> list[Score]:
    """OpenEWLD (Simonetta et al., 2018): 502 lead sheets in the public domain; genre and style of each as tags.

    Of their keys the signature is known: all but two call themselves major, the minor tunes among them too.
    """

    def read(folder: Path) -> Iterator[Score]:
        database = folder / "OpenEWLD.db"
        if not database.is_file():
            raise DataError(f"{folder}: not OpenEWLD; OpenEWLD.db is missing")
        with sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True) as connection:
            works = connection.execute(
                "SELECT MIN(id), title, path_leadsheet FROM works GROUP BY path_leadsheet ORDER BY 1"
            ).fetchall()
            tags: dict[int, list[str]] = {}
            for table, column in (("work_genres", "genre"), ("work_style", "style")):
                query = f"SELECT id, {column} FROM {table} ORDER BY id, occurrences DESC"
                for work, word in connection.execute(query):
                    tags.setdefault(work, []).append(str(word).lower())

        def sheet(path: Path, work: int, title: str) -> Iterator[Score]:
            name = f"openewld/{work}"
            words = tuple(dict.fromkeys(tags.get(work, [])))
            yield _key_as_signed(
                read_musicxml(path, score_id=name, work_id=name, source="openewld", title=title, tags=words)
            )

        return _readable(
            (folder / leadsheet, lambda p=folder / leadsheet, w=work, t=str(title): sheet(p, w, t))  # type: ignore[misc]
            for work, title, leadsheet in works
        )

    return cached(_folder(root, "openewld"), "openewld", read)


def _bands(root: Root, name: str, source: str, tags: tuple[str, ...]) -> list[Score]:
    def read(folder: Path) -> Iterator[Score]:
        paths = sorted(folder.rglob("*.mid"))
        return _readable((p, lambda p=p: iter([band_file(p, source, tags)])) for p in paths)  # type: ignore[misc]

    return cached(_folder(root, name), source, read)


def read_freedoom(root: Root = None) -> list[Score]:
    """The music of Freedoom: rock, metal and ambient for several instruments."""
    return _bands(root, "freedoom_midi", "freedoom", ("video game", "video game music"))


def read_openmsx(root: Root = None) -> list[Score]:
    """OpenMSX: jazz, blues, funk and rock bands. Evaluation only (GPL-2)."""
    return _bands(root, "openmsx_midi", "openmsx", ("video game music",))


def read_asap(root: Root = None) -> list[Score]:
    """ASAP (Foscarin et al., ISMIR 2020): piano performances with beats. Evaluation only (non-commercial licence)."""

    def read(folder: Path) -> Iterator[Score]:
        titles = asap_titles(folder)

        def piece(path: Path) -> Iterator[Score]:
            work = path.parent.relative_to(folder).as_posix()
            composer, title = titles.get(work, (work.split("/")[0], work))
            yield asap_performance(path, composer, title.replace("_", " "), work)

        paths = sorted(
            p
            for p in folder.rglob("*.mid")
            if p.name != "midi_score.mid" and p.with_name(f"{p.stem}_annotations.txt").is_file()
        )
        return _readable((p, lambda p=p: piece(p)) for p in paths)  # type: ignore[misc]

    return cached(_folder(root, "asap_half"), "asap", read)


def read_folk_versions(root: Root = None) -> list[Score]:
    """Folk tunes in ABC, grouped: settings of a tune share their `work_id`. Evaluation only."""

    def read(folder: Path) -> Iterator[Score]:
        index = folder / "index.csv"
        if not index.is_file():
            raise DataError(f"{folder}: index.csv is missing")
        with open(index, newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))

        def tune(row: dict[str, str]) -> Iterator[Score]:
            path = folder / row["file"]
            name = f"folk_versions/{row['file'].removesuffix('.abc')}"
            first = abc_tunes(path, source="folk_versions", tags=("folk",))[0]
            yield _renamed(first, name, f"folk_versions/{row['work']}", row["title"])

        return _readable((folder / r["file"], lambda r=r: tune(r)) for r in rows)  # type: ignore[misc]

    return cached(_folder(root, "folk_versions"), "folk_versions", read)


def _key_as_signed(score: Score) -> Score:
    """The score with the signatures of its major keys in the place of keys; a minor one was meant."""
    if any(span.label.endswith(":min") for span in score.keys):
        return score
    signed = (Span(s.start, s.end, str(signature_number(7 * pitch_class(s.label[:-4])))) for s in score.keys)
    return dataclasses.replace(score, keys=(), signatures=tuple(signed))


def _renamed(score: Score, score_id: str, work_id: str, title: str) -> Score:
    return dataclasses.replace(score, score_id=score_id, work_id=work_id, title=title)


def _folder(root: Root, name: str) -> Path:
    """The data set's folder under `root`, or `root` itself where it is that folder."""
    base = data_root(root)
    if base.name == name and not (base / name).exists():
        return base
    return unpacked(base, name)


SOURCES: dict[str, Callable[..., list[Score]]] = {
    "pop909": read_pop909,
    "openewld": read_openewld,
    "freedoom": read_freedoom,
    "openmsx": read_openmsx,
    "asap": read_asap,
    "folk_versions": read_folk_versions,
}


def read_scores(names: Iterable[str], root: Root = None, *, split: Split | None = None) -> list[Score]:
    """The scores of several sources, in the order given; of one split where asked.

    Raises:
        DataError: an unknown source, a missing data set, or training scores asked of an evaluation-only source.
    """
    chosen: list[Score] = []
    for name in names:
        if name not in SOURCES:
            raise DataError(f"no score source {name!r}; sources: {', '.join(SOURCES)}")
        if split in ("train", "validation") and name in EVALUATION_ONLY:
            raise DataError(f"{name} is evaluation-only: it has no {split} split; leave it out")
        chosen += [s for s in SOURCES[name](root) if split is None or split_of(s) == split]
    return chosen
