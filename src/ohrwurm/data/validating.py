"""Whether a data set is whole: counts, files, contents, splits and labels, and what each gap does to the numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ohrwurm.audio.isolation import Decoder, decoding
from ohrwurm.checksums import sha256
from ohrwurm.data import benchmarks
from ohrwurm.data.benchmarks.base import PREPARED, Benchmark, read_json
from ohrwurm.data.gaps import Part, effects
from ohrwurm.data.preparing import CHECKSUMS
from ohrwurm.data.recordings import lengths_of, whole_array
from ohrwurm.data.sources import labels_of, manifest_of
from ohrwurm.data.tracks import SPLITS, Manifest, Track
from ohrwurm.errors import AudioError, DataError

Progress = Callable[[int, int], None]
Weight = Literal["gap", "fault", "note"]
FEATURES = (".h5", ".hdf5", ".pt", ".npz")  # profiles of songs whose audio is not published: never decoded


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        what: a short stable word.
        weight: ``gap``: something is missing; ``fault``: a number on the set means something else than it says;
            ``note``: to be known.
        text: a sentence.
        items: ids of tracks, names of files or labels that it is about.
    """

    what: str
    weight: Weight
    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Validation:
    """What was found of a data set.

    Attributes:
        name: of the benchmark and variant, or the path.
        place: its folder or file.
        parts: the splits, in order.
        findings: what is not as it should be.
        effects: what its gaps do to the numbers.
    """

    name: str
    place: str
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    effects: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is missing or faulty."""
        return all(finding.weight == "note" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "place": self.place,
            "whole": self.whole,
            "splits": {
                p.name: {"published": p.published, "listed": len(p.listed), "usable": len(p.there)} for p in self.parts
            },
            "findings": [
                {"what": f.what, "weight": f.weight, "text": f.text, "items": list(f.items)} for f in self.findings
            ],
            "effects": list(self.effects),
        }


def validate(
    what: Benchmark | str | Path,
    *,
    root: str | Path | None = None,
    variant: str = "",
    contents: bool = True,
    decode: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Validation:
    """Look whether a data set is whole.

    Args:
        what: a benchmark, its name (`name/variant`), a folder (prepared, or as published), or a manifest.
        root: where a benchmark lies, as `Benchmark.read` takes it.
        variant: of the benchmark.
        contents: compare checksums, and look for recordings of the same content.
        decode: decode every file from beginning to end; else its header is read.
        workers: decoding processes.
        progress: with `decode`: told (files, files in all).

    Raises:
        DataError: it is not there, or its table is damaged.
    """
    subject = _subject(what, root, variant)
    tracks = list(subject.manifest)
    failures = _failures(tracks, decode, workers, progress)
    parts = _parts(tracks, failures, subject.counts)
    findings = [
        *(
            []
            if tracks
            else [Finding("no tracks", "fault", "no recording is listed: nothing can be measured or trained")]
        ),
        *_counts(parts),
        *_unusable(tracks, failures, subject.reasons),
        *_shared(tracks),
        *_labels(parts, subject.labels),
    ]
    if contents:
        usable = [t for t in tracks if t.path not in failures]
        digests = _digests(usable, subject.checksums)
        findings += [*_changed(digests, subject), *_duplicates(usable, digests)]
    found = tuple(sentence for part in parts for sentence in effects(part, subject.labels))
    return Validation(subject.name, str(subject.place), parts, tuple(findings), found)


@dataclass(frozen=True)
class _Subject:
    name: str
    place: Path
    manifest: Manifest
    labels: Sequence[str]
    counts: Mapping[str, int]
    benchmark: Benchmark | None = None

    @property
    def checksums(self) -> dict[str, str]:
        """Path → SHA-256 as it was prepared."""
        file = self.place / CHECKSUMS
        if not file.is_file():
            return {}
        lines = (line.split("  ", 1) for line in file.read_text(encoding="utf-8").splitlines() if "  " in line)
        return {str(self.place / name): digest for digest, name in lines}

    @property
    def reasons(self) -> dict[str, str]:
        """Id → why there is no prepared audio of a track."""
        if not (self.place / PREPARED).is_file():
            return {}
        failed = read_json(self.place / PREPARED, dict).get("failed", [])
        return {entry["track_id"]: f"{entry['path']}: {entry['reason']}" for entry in failed}


def _subject(what: Benchmark | str | Path, root: str | Path | None, variant: str) -> _Subject:
    benchmark: Benchmark | None
    if isinstance(what, Benchmark):
        benchmark = what
    elif benchmarks.is_name(what):
        benchmark = benchmarks.find(str(what))
    else:
        root, benchmark, variant = what, *_recognised(Path(what), variant)
    if benchmark is None:
        path = Path(what)  # type: ignore[arg-type]
        return _Subject(str(path), path, manifest_of(path), labels_of(path) or (), {})
    name = variant or benchmark.default
    place = benchmark.place(root, name)
    return _Subject(
        f"{benchmark.name}/{name}",
        place,
        benchmark.read(place, name),
        benchmark.labels(place, name),
        benchmark.variant(name).counts,
        benchmark,
    )


def _recognised(path: Path, variant: str) -> tuple[Benchmark | None, str]:
    """The benchmark in a folder, and which variant of it; None for manifests and folders of anything else."""
    if (path / PREPARED).is_file():
        said = read_json(path / PREPARED, dict)
        if said.get("benchmark") in benchmarks.NAMES:
            return benchmarks.find(said["benchmark"]), variant or said.get("variant", "")
        return None, ""
    found = benchmarks.recognise(path) if path.is_dir() else None
    if found is None:
        if not path.exists():
            raise DataError(f"{path}: neither a benchmark (ohrwurm data list) nor a folder or manifest")
        return None, ""
    benchmark, layout = found
    return benchmark, variant or next(name for name in benchmark.variants if layout.gives(name))


def _failures(tracks: Sequence[Track], decode: bool, workers: int, progress: Progress | None) -> dict[str, str]:
    """Path → the reason why it cannot be used."""
    failures: dict[str, str] = {}
    audio = []
    for track in tracks:
        file = Path(track.path)
        if file.suffix not in FEATURES:
            audio.append(track)
        elif not file.is_file() or not file.stat().st_size:
            failures[track.path] = "empty" if file.is_file() else "missing"
    failures |= {path: found for path, found in lengths_of(audio).items() if isinstance(found, str)}
    if not decode:
        return failures
    todo = list({t.path: t for t in audio if t.path not in failures}.values())

    def one(decoder: Decoder, track: Track) -> str:
        try:
            if track.path.endswith(".npy"):
                return "" if len(whole_array(track, int(track.annotations["sample_rate"]))) else "empty"
            decoded = decoder.stream(track.path, [16000])
            for _ in decoded:
                pass
        except AudioError as error:
            return error.reason + (f" ({error.detail})" if error.detail else "")
        return ", ".join(flag for flag in decoded.flags if flag in ("truncated", "damaged"))

    for number, (track, reason) in enumerate(zip(todo, decoding(todo, one, workers), strict=True), 1):
        if reason:
            failures[track.path] = reason
        if progress is not None:
            progress(number, len(todo))
    return failures


def _parts(tracks: Sequence[Track], failures: Mapping[str, str], counts: Mapping[str, int]) -> tuple[Part, ...]:
    found = []
    for name in ("train", "validation", "test", ""):
        listed = [t for t in tracks if t.split == name]
        if listed or name in counts:
            there = [t for t in listed if t.path not in failures]
            found.append(Part(name, counts.get(name) if counts else None, listed, there))
    assert {p.name for p in found} <= set(SPLITS)
    return tuple(found)


def _counts(parts: Iterable[Part]) -> Iterable[Finding]:
    for part in parts:
        if part.published is not None and len(part.listed) != part.published:
            text = f"{part.title}: {len(part.listed):,} tracks are listed, {part.published:,} are published"
            yield Finding("count", "gap" if len(part.listed) < part.published else "fault", text)


def _unusable(tracks: Sequence[Track], failures: Mapping[str, str], reasons: Mapping[str, str]) -> Iterable[Finding]:
    by_kind: dict[str, list[Track]] = defaultdict(list)
    for track in tracks:
        if track.path in failures:
            by_kind[failures[track.path].split(" ")[0].strip(",")].append(track)
    for kind, found in sorted(by_kind.items()):
        shown = [reasons.get(t.track_id) or f"{t.path}: {failures[t.path]}" for t in found]
        yield Finding(
            kind, "gap", f"{len(found):,} tracks are {kind}, e.g. {shown[0]}", tuple(t.track_id for t in found)
        )


def _shared(tracks: Sequence[Track]) -> Iterable[Finding]:
    """Recordings, works and artists on both sides of a split."""
    kinds: dict[str, Callable[[Track], str]] = {
        "recording": lambda t: t.path,
        "work": lambda t: t.work_id,
        "artist": lambda t: str(t.annotations.get("artist", "")).strip().casefold(),
    }
    for kind, value in kinds.items():
        splits: dict[str, set[str]] = defaultdict(set)
        for track in tracks:
            if track.split and value(track):
                splits[value(track)].add(track.split)
        both = sorted(v for v, found in splits.items() if len(found) > 1)
        if not both:
            continue
        held = [t for t in tracks if t.split == "test" and "train" in splits.get(value(t), ())]
        tests = sum(t.split == "test" for t in tracks)
        text = f"{len(both):,} {kind}s are in more than one split, e.g. {both[0]}"
        if held:
            text += f"; {len(held):,} of {tests:,} test tracks have theirs in train: numbers come out too high"
        yield Finding(f"{kind} in two splits", "fault" if kind == "recording" else "note", text, tuple(both))


def _labels(parts: Sequence[Part], labels: Sequence[str]) -> Iterable[Finding]:
    if not labels:
        return
    tagged = [t for part in parts for t in part.listed]
    unknown = sorted({tag for t in tagged for tag in t.tags} - set(labels))
    if unknown:
        text = f"{len(unknown):,} labels of tracks are not in the list of {len(labels):,}, e.g. {unknown[0]!r}"
        yield Finding("unknown label", "fault", text, tuple(unknown))
    for part in parts:
        counts = Manifest(part.there).tag_counts()
        without = [label for label in labels if not counts[label]]
        if part.there and without:
            rest = len(labels) - len(without)
            what = (
                "nothing is learned of them"
                if part.name == "train"
                else f"ROC-AUC and average precision are not defined for them; an average is over {rest:,} labels"
            )
            text = (
                f"{part.title}: {len(without):,} of {len(labels):,} labels have no track, e.g. {without[0]!r}: {what}"
            )
            yield Finding("label without tracks", "fault", text, tuple(without))


def _digests(tracks: Sequence[Track], checksums: Mapping[str, str]) -> dict[str, str]:
    """Path → SHA-256, of files that have a known one, or another file of their size."""
    sizes: dict[int, set[str]] = defaultdict(set)
    for track in tracks:
        sizes[Path(track.path).stat().st_size].add(track.path)
    paths = {path for same in sizes.values() if len(same) > 1 for path in same} | {
        t.path for t in tracks if t.path in checksums
    }
    return {path: sha256(path) for path in sorted(paths)}


def _changed(digests: Mapping[str, str], subject: _Subject) -> Iterable[Finding]:
    changed = [path for path, known in subject.checksums.items() if digests.get(path, known) != known]
    if changed:
        text = f"{len(changed):,} files are not as they were prepared, e.g. {changed[0]}: remove and prepare them again"
        yield Finding("checksum", "fault", text, tuple(changed))
    for remote in subject.benchmark.remotes if subject.benchmark else ():
        file = subject.place / remote.name
        complaint = remote.known.complaint(file) if file.is_file() else ""
        if complaint:
            yield Finding("checksum", "fault", f"{file}: {complaint}, which is published", (remote.name,))


def _duplicates(tracks: Sequence[Track], digests: Mapping[str, str]) -> Iterable[Finding]:
    groups: dict[str, dict[str, Track]] = defaultdict(dict)
    for track in tracks:
        if track.path in digests:
            groups[digests[track.path]].setdefault(track.path, track)
    same = [list(group.values()) for group in groups.values() if len(group) > 1]
    if not same:
        return
    first = " = ".join(t.track_id for t in same[0][:2])
    ids = tuple(" = ".join(t.track_id for t in group) for group in same)
    yield Finding("same content", "note", f"{len(same):,} recordings are there more than once, e.g. {first}", ids)
    across = [group for group in same if len({t.split for t in group if t.split}) > 1]
    if across:
        first = " = ".join(f"{t.track_id} ({t.split})" for t in across[0][:2])
        text = f"{len(across):,} recordings are in more than one split under other names, e.g. {first}"
        yield Finding("same content in two splits", "fault", text, tuple(t.track_id for g in across for t in g))
