"""A benchmark as published → a folder of our own: a manifest, its labels, and audio in the form that results rest on.

    manifest.csv         all tracks of the variant, with all that is known of them
    labels.json          its labels in the published order, where it has any
    audio/               the recordings, converted; not there where they are kept as they are
    checksums.sha256     of all of them, as `sha256sum --check` reads it
    prepared.json        what it was made from, its counts, and what could not be used; written last

How a killed preparation goes on is said in `ohrwurm.data.converted` and `ohrwurm.data.downloads`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from ohrwurm import __version__
from ohrwurm.atomic import write_text
from ohrwurm.data.benchmarks.base import LABELS, MANIFEST, PREPARED, AudioForm, Benchmark
from ohrwurm.data.converted import Converted, Failure, convert_all
from ohrwurm.data.downloads import Arrived
from ohrwurm.data.downloads import download as download_files
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError
from ohrwurm.locks import holding

FORMAT = 1
PLAN, CHECKSUMS, LOCK = "preparing.json", "checksums.sha256", ".preparing.lock"
PUBLISHED = "published"  # where what is fetched goes, unless a source is named
Audio = AudioForm | Literal["published", "keep"]
Progress = Callable[[int, int], None]


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
    with holding(out / LOCK) as mine:
        if not mine:
            raise DataError(f"{out}: another process prepares this folder; wait for it, or give another one")
        arrived: list[Arrived] = []
        if download:
            arrived = fetch(benchmark, name, out, source=source, audio=audio, progress=fetching)
            source = source or out / PUBLISHED
        place = _source(benchmark, source, out)
        published = benchmark.read(place)
        made = (
            convert_all(published, place, form, out, workers=workers, progress=progress) if form else _kept(published)
        )
        if len(made.failed) == len(published):
            first = f", e.g. {made.failed[0].path}: {made.failed[0].reason}" if made.failed else ""
            raise DataError(f"{place}: none of {len(published)} recordings could be used{first}. Is the audio there?")
        _write(benchmark, form, out, place, arrived, made)
    counts = dict(Counter(t.split for t in made.manifest))
    return Prepared(out, made.manifest, made.new, made.kept, made.failed, counts)


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


def _source(benchmark: Benchmark, source: str | Path | None, out: Path) -> Path:
    try:
        place = benchmark.place(source, prepared=False)
    except DataError as error:
        way = f"It can be fetched ({_amount(benchmark)}): --download. " if benchmark.remotes else ""
        raise DataError(f"{error} {way}Where you have it: --source FOLDER.") from error
    if (place / PREPARED).is_file():
        raise DataError(f"{place}: is prepared already; prepare from the set as published")
    if place.resolve() == out.resolve():
        raise DataError(f"{out}: holds the set as published, which stays as it is. Give another folder.")
    return place


def _amount(benchmark: Benchmark) -> str:
    known = sum(remote.size or 0 for remote in benchmark.remotes)
    count = len(benchmark.remotes)
    return f"{count} file{'s' * (count > 1)}" + (f", {known / 1e9:.2f} GB" if known else "")


def _kept(published: Manifest) -> Converted:
    """All files where they are."""
    failed = tuple(Failure(t.track_id, t.path, "missing") for t in published if not Path(t.path).is_file())
    return Converted(published, 0, len(published) - len(failed), failed, {})


def _write(
    benchmark: Benchmark, form: AudioForm | None, out: Path, place: Path, arrived: Sequence[Arrived], made: Converted
) -> None:
    """The tables, and last of all what makes the folder a prepared one."""
    made.manifest.write(out / MANIFEST)
    labels = benchmark.labels(place)
    if labels:
        write_text(out / LABELS, json.dumps(labels, ensure_ascii=False, indent=0))
    if made.checksums:
        write_text(out / CHECKSUMS, "".join(f"{digest}  {file}\n" for file, digest in made.checksums.items()))
    said = {
        "format": FORMAT,
        "benchmark": benchmark.name,
        "variant": benchmark.default,
        "title": benchmark.title,
        "citation": benchmark.citation,
        "licence": benchmark.licence,
        "caveats": " ".join(filter(None, (benchmark.caveats, benchmark.variant().caveats))),
        "audio": dataclasses.asdict(form) if form else "keep",
        "source": str(place),
        "fetched": [dataclasses.asdict(a) for a in arrived],
        "counts": dict(Counter(t.split for t in made.manifest)),
        "failed": [dataclasses.asdict(f) for f in made.failed],
        "annotations": _kinds(made.manifest),
        "ohrwurm": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(out / PREPARED, json.dumps(said, ensure_ascii=False, indent=1))


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
