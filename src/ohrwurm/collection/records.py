"""The plain values that travel inside the collection: tracks, failures, vector spaces, answers, reports."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ohrwurm.models.base import Precision

ID_LENGTH = 12  # hexadecimal digits of the content hash shown to people; 48 bits


@dataclass(frozen=True)
class Facts:
    """What `ohrwurm analyze` found in one recording, as far as one searches by it; see `Collection.add_analysis`.

    None stands for what was not asked for, or not found.

    Attributes:
        model: provenance of the model that listened.
        tasks: what it was asked for, a space between.
        error: why the analysis failed, ``word: detail``; empty if it did not.
        key: tonic and mode, as `ohrwurm.events.KEYS` spells them.
        tonic, mode: the two parts of `key`.
        bpm: beats a minute.
        metre: beats of most bars.
        tempo_stability: share of the time, in [0, 1], in which the tempo keeps near `bpm`.
        beats, downbeats: how many.
        chords: the different chords in the syntax of Harte, a space between, those that sound longest first.
        sections: how many.
        form: labels of the sections in their order, a space between.
        tags: a comma and a space between, the likeliest first.
        remarks: short words for what is uncertain, a space between.
    """

    model: str
    tasks: str = ""
    error: str = ""
    key: str | None = None
    tonic: str | None = None
    mode: str | None = None
    key_confidence: float | None = None
    bpm: float | None = None
    bpm_confidence: float | None = None
    metre: int | None = None
    tempo_stability: float | None = None
    beats: int | None = None
    downbeats: int | None = None
    chords: str | None = None
    sections: int | None = None
    form: str | None = None
    tags: str | None = None
    remarks: str | None = None


@dataclass(frozen=True)
class Track:
    """One file of the collection (one row per path).

    Attributes:
        path: absolute path.
        content: hash of the file's bytes; two copies of a file share it, and share their vectors.
        duration: seconds.
        status: ``present``, or ``missing`` when the last scan of its folder did not find the file.
        flags: comma-separated remarks of the embedding, e.g. ``silent`` or ``short``.
        added: when it was first indexed, ISO 8601 UTC.
        analysis: what was found in it, None before `ohrwurm analyze`.
    """

    path: str
    content: str
    title: str
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    number: int | None = None
    duration: float = 0.0
    size: int = 0
    mtime_ns: int = 0
    status: str = "present"
    flags: str = ""
    added: str = ""
    analysis: Facts | None = None

    @property
    def id(self) -> str:
        """Short stable name of the content: does not change when the file is moved or renamed."""
        return self.content[:ID_LENGTH]

    @property
    def listed(self) -> bool:
        """Whether it may be an answer: it is there, and not silent (silence would answer any query by chance)."""
        return self.status == "present" and "silent" not in self.flags


@dataclass(frozen=True)
class Failure:
    """A file that could not be indexed or analysed, and why.

    `reason` is one of the short words of `AudioError`, ``model`` (a model failed on it), or ``name`` (the file name is
    not valid Unicode). `stage` is ``index`` or ``analyze``, the command that failed.
    """

    path: str
    reason: str
    detail: str = ""
    content: str = ""
    size: int = 0
    mtime_ns: int = 0
    time: str = ""
    stage: str = "index"


@dataclass(frozen=True)
class Space:
    """The vectors of one model in this collection; vectors of two spaces are never compared.

    Attributes:
        name: the model's name.
        provenance: `ModelCard.provenance` of the vectors.
        source: what `ohrwurm.load` takes to get the model: a registered name or a folder.
        card: the card as JSON, as it was when the vectors were made.
    """

    name: str
    provenance: str
    source: str
    card: str

    # Read from the JSON rather than through ModelCard: `ohrwurm status` needs no torch.

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return int(json.loads(self.card)["dim"])

    @property
    def good_for(self) -> tuple[str, ...]:
        """Some of ``words``, ``sound``, ``versions``."""
        return tuple(json.loads(self.card)["good_for"])

    @property
    def joint(self) -> bool:
        """Whether the model embeds words into the same space."""
        return bool(json.loads(self.card)["joint"])

    @property
    def comparison(self) -> str:
        """``cosine``, or the name of a similarity that the model itself implements."""
        return str(json.loads(self.card)["comparison"])

    @property
    def aligns(self) -> bool:
        """Whether its vectors are sequences, which tell versions best and take long to compare."""
        return self.comparison == "cross-correlation"

    @property
    def precision(self) -> Precision:
        """What the network computed in."""
        precision: Precision = json.loads(self.card).get("precision", "fp32")
        return precision

    @property
    def version_threshold(self) -> float | None:
        """Similarity from which two tracks count as versions of one work, where the card states one."""
        value = json.loads(self.card)["features"].get("version_threshold")
        return None if value is None else float(value)

    @property
    def table(self) -> str:
        """Name of the table that holds the vectors.

        >>> Space("m", "m:0123456789abcdef", source="m", card="{}").table
        'vectors-m-0123456789abcdef'
        """
        name, _, digest = self.provenance.rpartition(":")
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        if not re.fullmatch(r"[0-9a-f]+", digest):
            digest = hashlib.sha256(self.provenance.encode()).hexdigest()[:16]
        return f"vectors-{safe}-{digest}"


@dataclass(frozen=True)
class Result:
    """One answer to a search or a version query.

    Attributes:
        score: similarity to the query, higher is nearer; comparable within one answer list.
        position: seconds into the track where it matches best, None if the model has no windows to tell.
        copies: other paths with the same content.
        analysis: what was found in it, None before `ohrwurm analyze`.
    """

    id: str
    path: str
    title: str
    artist: str
    album: str
    genre: str
    year: int | None
    duration: float
    score: float
    position: float | None = None
    copies: tuple[str, ...] = ()
    analysis: Facts | None = None


@dataclass
class Report:
    """What one run of `Collection.index` did.

    Attributes:
        files: audio files found.
        indexed: files embedded in this run (by any model).
        unchanged, moved, missing: files as they were, files found under a new name, files no longer found.
        skipped: files that failed before and did not change since.
        failures: files that failed in this run.
        audio_seconds: seconds of audio embedded.
        seconds: wall-clock time of the run.
    """

    files: int = 0
    indexed: int = 0
    unchanged: int = 0
    moved: int = 0
    missing: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    audio_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Progress:
    """Where a run of `Collection.index` stands.

    Attributes:
        phase: ``scan`` (reading and hashing files) or ``embed``.
        done, total: files (`total` is 0 while the scan is still counting).
        failed: files that failed so far.
        audio_seconds: seconds of audio embedded so far.
        seconds: wall-clock seconds since the phase began.
        fraction: share of the work done, by bytes, in [0, 1].
        path: the file just finished.
    """

    phase: str
    done: int
    total: int
    failed: int = 0
    audio_seconds: float = 0.0
    seconds: float = 0.0
    fraction: float = 0.0
    path: str = ""

    @property
    def rate(self) -> float:
        """Seconds of audio embedded per second."""
        return self.audio_seconds / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to the end of the phase, None while unknown."""
        return self.seconds * (1 - self.fraction) / self.fraction if self.fraction > 0 else None
