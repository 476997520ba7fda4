"""A benchmark as published → a folder of our own: a manifest, its labels, and audio in the form that results rest on.

manifest.csv         all tracks of the variant, with all that is known of them
labels.json          its labels in the published order, where it has any
audio/               the recordings, converted; not there where they are kept as they are
checksums.sha256     of all of them, as `sha256sum --check` reads it
prepared.json        what it was made from, its counts, and what could not be used; written last
.converted.jsonl     one line a recording that is done, by which a killed preparation goes on
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from ohrwurm import __version__
from ohrwurm.atomic import replacing, write_text
from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.checksums import sha256
from ohrwurm.data.benchmarks.base import LABELS, MANIFEST, PREPARED, AudioForm, Benchmark
from ohrwurm.data.conversion import Cut, convert, native_rate
from ohrwurm.data.downloads import Arrived
from ohrwurm.data.downloads import download as download_files
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import AudioError, DataError

FORMAT = 1
PLAN, JOURNAL, CHECKSUMS = "preparing.json", ".converted.jsonl", "checksums.sha256"
PUBLISHED = "published"  # where what is fetched goes, unless a source is named
Audio = AudioForm | Literal["published", "keep"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Failure:
    """A track that is not there, or not usable, and why."""

    track_id: str
    path: str
    reason: str


@dataclass(frozen=True)
class Prepared:
    """What preparing made.

    Attributes:
        manifest: of all tracks; the paths of those that failed lead nowhere.
        converted: recordings that this call converted.
        kept: that were there before.
        failed: tracks without audio.
        counts: split → tracks.
    """

    folder: Path
    manifest: Manifest
    converted: int
    kept: int
    failed: tuple[Failure, ...]
    counts: dict[str, int]


def prepare(
    benchmark: Benchmark,
    variant: str,
    out: str | Path,
    *,
    source: str | Path | None = None,
    download: bool = False,
    audio: Audio = "published",
    workers: int = 1,
    progress: Progress | None = None,
    fetching: Progress | None = None,
) -> Prepared:
    """Make the folder `out` of a benchmark. Killed at any moment, the same call goes on where it was.

    A recording that is missing or cannot be decoded is listed and tried again by the next call; it never ends the
    job.

    Args:
        benchmark, variant: what to prepare; the default variant where none is named.
        source: the set as published, or the folder of data sets; by default what OHRWURM_DATA names, or with
            `download` a folder within `out`.
        download: fetch what can be fetched into `source` first.
        audio: ``published`` converts as the first of `benchmark.audio`, ``keep`` leaves the files where they are.
        workers: decoding processes.
        progress: told (recordings done, recordings in all).
        fetching: told (bytes, total bytes or 0).

    Raises:
        DataError: the set is not there or not as published, or `out` holds something else.
        TransferError: something could not be fetched.
    """
    out, name = Path(out), variant or benchmark.default
    benchmark = benchmark.narrowed(name)
    form = _form(benchmark, audio)
    _claim(out, benchmark, form)
    arrived: list[Arrived] = []
    if download:
        arrived = fetch(benchmark, name, out, source=source, audio=audio, progress=fetching)
        source = source or out / PUBLISHED
    place = _source(benchmark, source)
    if place.resolve() == out.resolve():
        raise DataError(
            f"{out}: holds the set as published, which stays as it is. Give another folder to prepare it in."
        )
    published = benchmark.read(place)
    labels = benchmark.labels(place)
    if form is None:
        failed = [Failure(t.track_id, t.path, "missing") for t in published if not Path(t.path).is_file()]
        manifest, converted, kept, sums = published, 0, 0, {}
    else:
        done = _Journal(out)
        jobs = _jobs(published, place, form)
        kept = len(jobs) - len(todo := [job for job in jobs.values() if not done.holds(job.file)])
        reasons = _convert(todo, form, out, done, workers, kept, progress)
        converted = len(todo) - len(reasons)
        failed = [
            Failure(t.track_id, t.path, reasons[job.file]) for t in published if (job := jobs[_key(t)]).file in reasons
        ]
        manifest = Manifest(_moved(t, jobs[_key(t)].file, out, form, done) for t in published)
        sums = {job.file: done.entries[job.file]["sha256"] for job in jobs.values() if job.file not in reasons}
    if not len(manifest) or len(failed) == len(manifest):
        first = f", e.g. {failed[0].path}: {failed[0].reason}" if failed else ""
        raise DataError(f"{place}: none of {len(manifest)} recordings could be used{first}. Is the audio there?")
    manifest.write(out / MANIFEST)
    if labels:
        write_text(out / LABELS, json.dumps(labels, ensure_ascii=False, indent=0))
    if sums:
        write_text(out / CHECKSUMS, "".join(f"{digest}  {file}\n" for file, digest in sums.items()))
    counts = dict(Counter(t.split for t in manifest))
    said = {
        "format": FORMAT,
        "benchmark": benchmark.name,
        "variant": name,
        "title": benchmark.title,
        "citation": benchmark.citation,
        "licence": benchmark.licence,
        "caveats": " ".join(filter(None, (benchmark.caveats, benchmark.variant().caveats))),
        "audio": dataclasses.asdict(form) if form else "keep",
        "source": str(place),
        "fetched": [dataclasses.asdict(a) for a in arrived],
        "counts": counts,
        "failed": [dataclasses.asdict(f) for f in failed],
        "annotations": _kinds(manifest),
        "ohrwurm": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(out / PREPARED, json.dumps(said, ensure_ascii=False, indent=1))
    return Prepared(out, manifest, converted, kept, tuple(failed), counts)


def fetch(
    benchmark: Benchmark,
    variant: str,
    out: str | Path,
    *,
    source: str | Path | None = None,
    audio: Audio = "published",
    progress: Progress | None = None,
) -> list[Arrived]:
    """The first step of `prepare` with `download`, for those who want to show it by itself.

    Args:
        benchmark, variant, out, source, audio: as `prepare` takes them.
        progress: told (bytes, total bytes or 0).

    Raises:
        DataError, TransferError: as `prepare` does.
    """
    benchmark = benchmark.narrowed(variant)
    _claim(Path(out), benchmark, _form(benchmark, audio))
    return download_files(benchmark, source or Path(out) / PUBLISHED, progress)


def parse_form(text: str, published: Sequence[AudioForm] = ()) -> Audio:
    """`published`, `keep`, a form as `wav`, `wav:22050`, `npy:16000`, or the source of one of the `published` forms.

    Raises:
        DataError: none of these.

    >>> parse_form("npy:16000")
    AudioForm(sample_rate=16000, format='npy', mono=True, source='')
    >>> parse_form("ttmr", (AudioForm(None, "wav", source="jukemir"), AudioForm(16000, "npy", source="TTMR"))).format
    'npy'
    """
    if text == "published":
        return "published"
    if text == "keep":
        return "keep"
    by_source = next((form for form in published if form.source and form.source.lower() == text.lower()), None)
    if by_source is not None:
        return by_source
    found = re.fullmatch(r"(wav|npy|flac)(?::([1-9]\d{3,5}))?", text)
    if found is None:
        sources = "".join(f", {form.source}" for form in published if form.source)
        raise DataError(
            f"audio {text!r}: published, keep{sources}, or one of wav, flac, npy with a rate in Hz, as wav:22050"
        )
    return AudioForm(int(found[2]) if found[2] else None, found[1])  # type: ignore[arg-type]


def _form(benchmark: Benchmark, audio: Audio) -> AudioForm | None:
    if isinstance(audio, AudioForm):
        return audio
    if audio not in get_args(Literal["published", "keep"]):
        raise ValueError(f"audio is an AudioForm, 'published' or 'keep', not {audio!r}")
    return benchmark.audio[0] if audio == "published" and benchmark.audio else None


def _claim(out: Path, benchmark: Benchmark, form: AudioForm | None) -> None:
    """Mark the folder with what is prepared in it, or check that it is the same."""
    plan = json.dumps([FORMAT, benchmark.name, benchmark.default, dataclasses.asdict(form) if form else "keep"])
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: no folder can be made there ({error.strerror or error}); give another one") from error
    file = out / PLAN
    if file.is_file():
        if file.read_text(encoding="utf-8") != plan:
            raise DataError(f"{out}: holds a preparation of another set, variant or form of audio; give another folder")
        return
    taken = next((other for other in (MANIFEST, LABELS, "audio") if (out / other).exists()), None)
    if taken is not None:
        raise DataError(f"{out / taken}: is no part of a preparation. Give {benchmark.name} a folder of its own.")
    write_text(file, plan)


def _source(benchmark: Benchmark, source: str | Path | None) -> Path:
    try:
        place = benchmark.place(source, prepared=False)
    except DataError as error:
        way = f"It can be fetched ({_amount(benchmark)}): --download. " if benchmark.remotes else ""
        raise DataError(f"{error} {way}Where you have it: --source FOLDER.") from error
    if (place / PREPARED).is_file():
        raise DataError(f"{place}: is prepared already; prepare from the set as published")
    return place


def _amount(benchmark: Benchmark) -> str:
    known = sum(remote.size or 0 for remote in benchmark.remotes)
    return f"{len(benchmark.remotes)} files" + (f", {known / 1e9:.2f} GB" if known else "")


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
        jobs[key] = _Job(track, f"audio/{name}.{form.format}")
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
    progress: Progress | None,
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


def _kinds(manifest: Iterable[Track]) -> dict[str, str]:
    """Annotation → what a CSV cell of it is to be read as: ``int``, ``float``, ``bool``, ``json``; texts are left out.

    >>> _kinds([Track("a", "a", annotations={"year": 1999, "key": "Eb minor", "valence": 0.5, "beats": [1, 2]})])
    {'year': 'int', 'valence': 'float', 'beats': 'json'}
    """
    types: dict[str, set[type]] = {}
    for track in manifest:
        for name, value in track.annotations.items():
            if value != "":
                types.setdefault(name, set()).add(type(value))
    kinds = {}
    for name, found in types.items():
        if str not in found:
            single = next((kind for kind in (bool, int) if found == {kind}), None)
            kinds[name] = single.__name__ if single else "float" if found <= {int, float} else "json"
    return kinds
