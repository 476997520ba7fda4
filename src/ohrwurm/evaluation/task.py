"""What a task of `ohrwurm evaluate` is, and the job it is given to do.

A task is one object, `TASK`, in the file of its protocol: what it needs, which options of its own it has, and how a
job becomes an outcome. Embedding, caching, missing files, splits that share recordings, the report and the command line
are the framework's (`ohrwurm.evaluation.tasks`).
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from ohrwurm.data.recordings import array_rate
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.evaluation.crops import crop_vectors
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.vectors import Rows, Vectors, track_vectors, window_vectors
from ohrwurm.models.base import AudioEncoder, JointModel

O = TypeVar("O")  # noqa: E741  # a task's own options
Other = TypeVar("Other")
Found = TypeVar("Found", Vectors, Rows)
Protocol = Literal["corrected", "published", "marble"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Recordings:
    """A manifest under the name, citation, licence and caveats that its results are reported with.

    Attributes:
        name: of the benchmark, ``name`` or ``name/variant``; or the manifest's path.
        labels: of the benchmark, in the published order; empty where it has none, or the manifest is one's own.
        counts: tracks in each split as published, "" where there are no splits; what differs is reported.
        benchmark, variant: where the recordings are a benchmark's.
    """

    manifest: Manifest
    name: str
    citation: str = ""
    licence: str = ""
    caveats: str = ""
    labels: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    benchmark: str = ""
    variant: str = ""


@dataclass(frozen=True)
class NoOptions:
    """A task without options of its own."""


def option(default: Any = dataclasses.MISSING, help: str = "", **more: Any) -> Any:
    """A field of a task's options with the help of the command line.

    Args:
        default: without one the option is required; tuples are options given several times.
        more: ``metavar``, ``min`` and ``max`` of the command line; ``argument=True`` for a positional argument.

    >>> @dataclass(frozen=True)
    ... class Options:
    ...     chunks: int = option(3, "Windows a track.", min=1)
    >>> Options().chunks
    3
    """
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True)
class Task(Generic[O]):
    """One thing that can be measured.

    Attributes:
        name: on the command line: ``ohrwurm evaluate NAME``.
        about: the question it answers, in one sentence of plain words; the first line of its help.
        needs: what a manifest must hold, in one sentence.
        example: a command that works.
        model: the default model.
        run: does it. May raise DataError and ModelError.
        check: refuses a model or recordings that the task cannot use, before anything is embedded.
        options: a frozen dataclass whose fields are made with `option`, all typed bool, int, float, str, Path, Literal,
            a tuple of these, or one of them or None.
        protocols: the first is the default. With "published" a job's vectors are cut as the model's card says its paper
            does it for this task.
        load: makes the model from its name (and `weights`, `layer`, `precision`, `device` where they are given), for a
            task that does not measure an encoder; what it returns has a `card`. By default `ohrwurm.load`.
        truth: which benchmarks it can take: those with the truth for one of these tasks; empty: for itself; None: all.
        source: makes the recordings from the options, for a task that does not take --benchmark or --manifest.
        exit_code: of the command line, by what was found; 0 unless the task says otherwise.
        details: more for the help: what is measured and how, with the paper.
    """

    name: str
    about: str
    needs: str
    example: str
    model: str
    run: Callable[[Job[O]], Outcome]
    check: Callable[[AudioEncoder, Recordings, O], None] = lambda model, recordings, options: None
    options: type[O] = NoOptions  # type: ignore[assignment]  # the default of a type variable
    protocols: tuple[Protocol, ...] = ("corrected",)
    load: Callable[..., Any] | None = None
    truth: tuple[str, ...] | None = ()
    source: Callable[[O], Recordings] | None = None
    exit_code: Callable[[Outcome], int] = lambda outcome: 0
    details: str = ""


@dataclass
class Job(Generic[O]):
    """One task on one model and one set of recordings.

    Attributes:
        options: of the task.
        protocol: "published": windows as the paper cuts them; what else differs is in every report in both forms.
        seed: of splits, draws and resampling.
        workers: files at a time, None for one a core.
        device: where a task trains what it trains, as `torch.device` takes it.
        cache: folder in which vectors are kept; None keeps nothing.
        work: folder for what a long task has to keep to go on after a kill; see `folder`.
        progress: called with the number of steps done and their total, or None.
        failures: path → reason of what could not be used; the framework reports them.
        warnings: what a reader of the figures has to know; `warn` adds to them.
        contents: track id → hash of its file, of all that were embedded.
        asked: ids of all tracks that were to be embedded.
    """

    task: str
    model: AudioEncoder
    recordings: Recordings
    options: O
    protocol: Protocol = "corrected"
    seed: int = 0
    workers: int | None = None
    device: str = "cpu"
    cache: Path | None = None
    work: Path | None = None
    progress: Progress | None = None
    failures: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    @property
    def tracks(self) -> list[Track]:
        """All recordings."""
        return list(self.recordings.manifest)

    @property
    def has_splits(self) -> bool:
        """Whether any recording names its split."""
        return any(t.split for t in self.recordings.manifest)

    def split(self, name: str) -> list[Track]:
        """The recordings of one split. In a manifest without any split all are ``test``.

        >>> from ohrwurm.models.registry import load
        >>> mine = Recordings(Manifest([Track("a", "a.wav")]), "mine")
        >>> len(Job("probe", load("mel-statistics"), mine, NoOptions()).split("test"))
        1
        """
        if not self.has_splits:
            return self.tracks if name == "test" else []
        return [t for t in self.recordings.manifest if t.split == name]

    def test(self) -> list[Track]:
        """The recordings that are measured: the split ``test``, or all where there are no splits.

        Raises:
            DataError: there are splits, and none of their recordings is for testing.
        """
        return measured(self.recordings)

    def vectors(self, tracks: Sequence[Track] | None = None, windowing: Mapping[str, Any] | None = None) -> Vectors:
        """Vectors of tracks, all by default, from the cache where they are; `rows` are places in `tracks`.

        Args:
            windowing: another way of cutting than the job's, in the words of `ModelCard.published`, such as
                ``{"place": "even", "count": 3, "pooling": "mean"}``.

        Raises:
            DataError: none of them could be used.
        """
        chosen, model = self._asked(tracks, windowing)
        return self._noted(
            chosen, track_vectors([t.path for t in chosen], model, sample_rates=_rates(chosen), **self._how)
        )

    def windows(self, tracks: Sequence[Track] | None = None, windowing: Mapping[str, Any] | None = None) -> Rows:
        """The vectors of every window of tracks, as the model returns them; otherwise as `vectors`."""
        chosen, model = self._asked(tracks, windowing)
        return self._noted(
            chosen, window_vectors([t.path for t in chosen], model, sample_rates=_rates(chosen), **self._how)
        )

    def crops(self, tracks: Sequence[Track] | None = None) -> Rows:
        """The vector of one window from anywhere in each track, drawn by the seed; otherwise as `vectors`.

        A track shorter than a window has none; that is no failure.
        """
        chosen, model = self._asked(tracks, None)
        found = crop_vectors(chosen, model, seed=self.seed, **self._how)
        failed = tuple(f for f in found.failures if f.reason != "too-short")
        return self._noted(chosen, dataclasses.replace(found, failures=failed))

    def _asked(
        self, tracks: Sequence[Track] | None, windowing: Mapping[str, Any] | None
    ) -> tuple[list[Track], AudioEncoder]:
        chosen = self.tracks if tracks is None else list(tracks)
        uncut(chosen)
        return chosen, self.model if windowing is None else windowed(self.model, windowing)

    @property
    def _how(self) -> dict[str, Any]:
        return {"cache": self.cache, "workers": self.workers, "progress": self.progress}

    def _noted(self, tracks: Sequence[Track], found: Found) -> Found:
        """`found`, after its failures and the contents of its files went into the report."""
        self.asked |= {t.track_id for t in tracks}
        self.failures |= {f.path: f.reason + (f" ({f.detail})" if f.detail else "") for f in found.failures}
        self.contents |= {tracks[row].track_id: c for row, c in zip(found.rows, found.contents, strict=True)}
        return found

    def warn(self, message: str) -> None:
        """Tell the reader of the report; the same message once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def asking(self, options: Other) -> Job[Other]:
        """The same job with the options of another task, which it hands over to; one report is made of both."""
        given: Any = self
        return dataclasses.replace(given, options=options)

    def folder(self, *key: Any) -> Path:
        """A folder for intermediate results of this very job: the same command finds it again after a kill.

        It depends on task, model, recordings (with size and time of their files), options, protocol and seed; `key`
        tells apart several in one job.
        """
        if self.work is None:
            raise ModelError(f"{self.task}: the job was given no folder for intermediate results")
        parts = [self.task, self.model.card.provenance, self.protocol, self.seed, settings(self.options), key]
        parts += [[dataclasses.asdict(t), _stamp(t.path)] for t in self.recordings.manifest]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]
        made = self.work / f"{self.task}-{digest}"
        made.mkdir(parents=True, exist_ok=True)
        return made


def uncut(tracks: Sequence[Track]) -> None:
    """Refuse tracks whose files hold more than the track.

    Raises:
        DataError: there is one.
    """
    part = next((t for t in tracks if t.annotations.get("clip_duration", "") != ""), None)
    if part is not None:
        raise DataError(
            f"track {part.track_id!r} is a part of {part.path}; cut all such tracks into files of their own first: "
            "ohrwurm data prepare"
        )


def measured(recordings: Recordings) -> list[Track]:
    """See `Job.test`."""
    tracks = list(recordings.manifest)
    chosen = [t for t in tracks if t.split == "test"] if any(t.split for t in tracks) else tracks
    if not chosen:
        held = ", ".join(sorted({t.split or "no split" for t in tracks})) or "no recordings at all"
        raise DataError(f"{recordings.name}: the test set is empty (there is {held}). Mark recordings with split test.")
    return chosen


def windowed(model: AudioEncoder, windowing: Mapping[str, Any]) -> AudioEncoder:
    """The same network under a card that cuts tracks otherwise; vectors of the two are never mixed up.

    >>> from ohrwurm.models.registry import load
    >>> model = load("mel-statistics")
    >>> windowed(model, {"place": "centre"}).card.provenance == model.card.provenance
    False
    """
    other = copy.copy(model)  # shares the weights
    other.card = dataclasses.replace(model.card, protocol="published", published=dict(windowing))
    return other


def knows_words(model: AudioEncoder) -> None:
    """Refuse a model without words.

    Raises:
        ModelError: it is no joint model.
    """
    if not isinstance(model, JointModel):
        raise ModelError(f"{model.card.name} does not know words; take a model that is good for words")


def settings(options: Any) -> dict[str, Any]:
    """A task's options as plain values, for the report.

    >>> settings(NoOptions())
    {}
    """
    return {
        name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        for name, value in ((f.name, getattr(options, f.name)) for f in dataclasses.fields(options))
    }


def _rates(tracks: Sequence[Track]) -> dict[str, int]:
    """Path → Hz of those tracks that are arrays."""
    return {str(Path(t.path)): rate for t in tracks if (rate := array_rate(t)) is not None}


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
