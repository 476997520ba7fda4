"""MusicCaps: 10 s of AudioSet clips, described by musicians in a caption and a list of aspects.

    musiccaps-public.csv        ytid, start_s, end_s, audioset_positive_labels, aspect_list, caption, author_id,
                                is_balanced_subset, is_audioset_eval
    audio/                      -0Gj8-vB1q4.wav, [-0Gj8-vB1q4].wav, or -0Gj8-vB1q4_30-40.wav; any folder and ending

No audio is published; people cut it from YouTube under these names. `musiccaps.jsonl.xz` holds the same texts with
ytid, start_s, aspects, caption, audioset_eval in each line.

Source: Agostinelli et al., "MusicLM: generating music from text", 2023.
"""

from __future__ import annotations

import ast
import json
import lzma
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant, one_of, rows
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

TABLE, LINES = "musiccaps-public.csv", "musiccaps.jsonl.xz"
SECONDS = 10
COLUMNS = ("ytid", "start_s", "aspect_list", "caption", "is_audioset_eval")
ENDINGS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".npy")
PLACES = (".", "audio", "wav")
NAME = re.compile(r"\[?(?P<ytid>[\w-]{11})\]?(?:_\d+(?:\.\d+)?-\d+(?:\.\d+)?)?")
SAMPLE_RATE = 16000  # of .npy files, which do not say theirs


@dataclass(frozen=True)
class Clip:
    """One row of the table."""

    ytid: str
    start: float
    aspects: tuple[str, ...]
    caption: str
    evaluation: bool  # whether it comes from AudioSet's evaluation set
    balanced: bool  # whether it is one of the 1,000 that are balanced by genre


def read(folder: Path, variant: str) -> Manifest:
    """All clips as test split, one caption each; aspects are the tags. Annotation `start_s`: where in the video.

    Variant ``eval`` has the clips of AudioSet's evaluation set alone, ``balanced`` the subset that is balanced by
    genre, ``audioset`` all, those of AudioSet's training set as training split.

    Raises:
        DataError: the table is missing or damaged.
    """
    return _manifest(folder, variant, _table(folder))


def read_within(folder: Path, variant: str) -> Manifest:
    """The table of the folder `musiccaps`: where both are there, it is the one with the audio."""
    return read(folder / "musiccaps", variant)


def read_lines(folder: Path, variant: str) -> Manifest:
    """The same from `musiccaps.jsonl.xz`, which does not name the balanced subset.

    Raises:
        DataError: the file is damaged.
    """
    return _manifest(folder, variant, _lines(folder / LINES))


def _manifest(folder: Path, variant: str, clips: Iterator[Clip]) -> Manifest:
    audio = _audio(folder)
    tracks = []
    for clip in clips:
        if (variant == "eval" and not clip.evaluation) or (variant == "balanced" and not clip.balanced):
            continue
        split = "train" if variant == "audioset" and not clip.evaluation else "test"
        path = audio.get(clip.ytid, folder / "audio" / f"{clip.ytid}.wav")
        annotations: dict[str, Any] = {"start_s": clip.start}
        if path.suffix == ".npy":
            annotations["sample_rate"] = SAMPLE_RATE
        tags = tuple(dict.fromkeys(clip.aspects))
        tracks.append(Track(clip.ytid, str(path), split, tags, clip.caption, annotations=annotations))
    return Manifest(tracks)


def _audio(folder: Path) -> dict[str, Path]:
    """Video → audio file, of all files in the usual places."""
    found: dict[str, Path] = {}
    for place in PLACES:
        for path in sorted((folder / place).glob("*.*")):
            match = NAME.fullmatch(path.stem)
            if match and path.suffix.lower() in ENDINGS:
                found.setdefault(match["ytid"], path)
    return found


def _table(folder: Path) -> Iterator[Clip]:
    balanced = None
    for row in rows(folder, COLUMNS, TABLE, "ytid"):
        where = f"{folder / TABLE}, clip {row['ytid']}"
        if balanced is None:
            balanced = "is_balanced_subset" in row
        yield Clip(
            row["ytid"],
            _seconds(row["start_s"], where),
            _aspects(row["aspect_list"], where),
            row["caption"].strip(),
            one_of(row, "is_audioset_eval", ("True", "False"), folder, TABLE) == "True",
            balanced and one_of(row, "is_balanced_subset", ("True", "False"), folder, TABLE) == "True",
        )


def _lines(file: Path) -> Iterator[Clip]:
    try:
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                where = f"{file}, row {number}"
                entry = json.loads(line)
                missing = [
                    key for key in ("ytid", "start_s", "aspects", "caption", "audioset_eval") if key not in entry
                ]
                if missing:
                    raise DataError(f"{where}: no {missing[0]}")
                yield _entry(entry, where)
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise DataError(f"{file}: not lines of JSON in xz ({error}); get it again") from error


def _entry(entry: Mapping[str, Any], where: str) -> Clip:
    aspects = tuple(str(aspect).strip() for aspect in entry["aspects"])
    start, evaluation = _seconds(entry["start_s"], where), str(entry["audioset_eval"]) == "True"
    return Clip(str(entry["ytid"]), start, aspects, str(entry["caption"]).strip(), evaluation, False)


def _seconds(value: object, where: str) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise DataError(f"{where}: start_s is {value!r}, not a number") from error


def _aspects(text: str, where: str) -> tuple[str, ...]:
    """The words of a list as Python writes it."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list) or not all(isinstance(aspect, str) for aspect in found):
        raise DataError(f"{where}: aspect_list is not a list of words: {text[:40]!r}")
    return tuple(aspect.strip().replace(";", ",") for aspect in found if aspect.strip())


BENCHMARK = Benchmark(
    name="musiccaps",
    title="MusicCaps: 5,521 clips of 10 s with captions and aspects by musicians.",
    citation="Agostinelli et al.: MusicLM: generating music from text, 2023",
    licence="texts CC-BY-SA 4.0; the recordings belong to whoever put them on YouTube",
    layouts=(
        Layout("the table as published, with audio by video", (f"{TABLE}:{','.join(COLUMNS)}",), read),
        Layout("the table in a folder, beside the texts alone", (f"musiccaps/{TABLE}", LINES), read_within),
        Layout("the texts as lines of JSON", (LINES,), read_lines, ("all", "eval", "audioset")),
    ),
    variants={
        "all": Variant("All clips, to be found by their captions.", ("retrieval", "described"), {"test": 5521}),
        "eval": Variant(
            "The clips of AudioSet's evaluation set, which models trained on AudioSet have not heard.",
            ("retrieval", "described"),
            {"test": 2858},
        ),
        "balanced": Variant("The subset balanced by genre.", ("retrieval", "described"), {"test": 1000}),
        "audioset": Variant(
            "AudioSet's training and evaluation sets as training and test splits.",
            ("retrieval", "described"),
            {"train": 2663, "test": 2858},
        ),
    },
    remotes=(
        Remote(
            f"https://huggingface.co/datasets/google/MusicCaps/resolve/main/{TABLE}",
            TABLE,
            about="captions and aspects",
        ),
    ),
    advice=(
        "Cut 10 s from start_s of each video into audio/, named by its ytid, e.g. audio/-0Gj8-vB1q4.wav. Videos "
        "disappear: state how many were left."
    ),
    caveats=(
        "Whoever collects the audio gets another subset, and fewer clips are easier to tell apart: compare results on "
        "the same clips alone."
    ),
    evaluation_only=False,
)
