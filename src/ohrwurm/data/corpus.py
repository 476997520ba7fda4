"""A folder of renditions: audio files, their truth as JSON, a manifest. Resumable; equal however often it is run."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.atomic import replacing, write_text
from ohrwurm.audio.writing import write_audio
from ohrwurm.data.render import Failure, RenderSpec, Rendition, render_many
from ohrwurm.data.score import Score
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

FORMATS = {"flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"), "wav": ("WAV", "PCM_16")}
MANIFEST, SETTINGS = "manifest.csv", "render.json"


@dataclass(frozen=True)
class Corpus:
    """What a finished run made, and what it could not make."""

    manifest: Manifest
    failures: tuple[Failure, ...]
    made: int
    kept: int


def plan_renditions(
    scores: Iterable[Score], count: int, *, per_work: int = 1, seed: int = 0, **fields: Any
) -> list[RenderSpec]:
    """`count` renditions of works in random order, `per_work` of each in a row (other settings where there are some).

    Where the works do not suffice, they come again with other seeds. `fields` go to `RenderSpec`.

    Raises:
        DataError: there are no scores.
    """
    works: dict[str, list[Score]] = {}
    for score in scores:
        works.setdefault(score.work_id, []).append(score)
    if not works:
        raise DataError("no scores to render; choose other sources or another split")
    rng = np.random.default_rng(seed)
    specs: list[RenderSpec] = []
    while len(specs) < count:
        for work in rng.permutation(sorted(works)):
            settings = works[str(work)]
            order = rng.permutation(len(settings))
            for i in range(per_work):
                specs.append(RenderSpec(settings[order[i % len(order)]], seed=int(rng.integers(2**31)), **fields))
    return specs[:count]


def render_corpus(
    specs: Sequence[RenderSpec],
    folder: str | Path,
    *,
    audio_format: str = "flac",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Render `specs` into `folder`: `audio/NAME.flac`, `truth/NAME.json` for each, and at the end `manifest.csv`.

    A run that was killed goes on where it was: what has its truth file is complete and is kept. Files are written
    atomically. Failures stop nothing; they are returned, and the next run tries them again.

    Raises:
        DataError: an unknown format, or the folder holds renditions of another plan.
    """
    if audio_format not in FORMATS:
        raise DataError(f"no audio format {audio_format!r}; formats: {', '.join(FORMATS)}")
    folder = Path(folder)
    _claim(folder, specs, audio_format)
    names = [_name(s.score.score_id, s.seed) for s in specs]
    todo = [spec for spec, name in zip(specs, names, strict=True) if not _truth_path(folder, name).is_file()]
    kept = len(specs) - len(todo)
    failures = []
    write = functools.partial(_write, folder=folder, audio_format=audio_format)
    for done, result in enumerate(render_many(todo, write, workers), kept + 1):
        if isinstance(result, Failure):
            failures.append(result)
        if progress is not None:
            progress(done, len(specs))
    tracks = [_track(folder, name) for name in names if _truth_path(folder, name).is_file()]
    manifest = Manifest(tracks)
    manifest.write(folder / MANIFEST)
    return Corpus(manifest, tuple(failures), len(todo) - len(failures), kept)


def is_rendered(tracks: Iterable[Track]) -> bool:
    """Whether all of them are renditions: each names the SoundFont that it was made with.

    >>> is_rendered([Track("a", "a.flac", annotations={"soundfont": "TimGM6mb.sf2"}), Track("b", "b.wav")])
    False
    """
    return all(track.annotations.get("soundfont") for track in tracks)


def truth_of(rendition: Rendition) -> dict[str, Any]:
    """What is true of a rendition, as JSON can hold it: times in seconds from the beginning of the audio."""
    score = rendition.score
    return {
        "score_id": score.score_id,
        "work_id": score.work_id,
        "title": score.title,
        "split": rendition.split,
        "tags": list(rendition.tags),
        "caption": rendition.caption,
        "seconds": round(len(rendition.audio) / rendition.sample_rate, 4),
        "tempo": round(score.tempo, 3),
        "metre": list(score.metre),
        "key": score.key,
        **({} if score.signature is None else {"signature": score.signature}),
        "instruments": rendition.instruments,
        "beats": [round(t, 4) for t in score.beats.tolist()],
        "downbeats": [round(t, 4) for t in score.downbeats.tolist()],
        "chords": [[round(c.start, 4), round(c.end, 4), c.label] for c in score.chords],
        "notes": [
            [round(onset, 4), round(onset + duration, 4), int(pitch), part.program]
            for part in score.parts
            if not part.is_drum
            for onset, duration, pitch, _ in part.notes.tolist()
        ],
        "rendered": rendition.changes,
    }


def _name(score_id: str, seed: int) -> str:
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', score_id).strip('-')}-{seed:010d}"


def _truth_path(folder: Path, name: str) -> Path:
    return folder / "truth" / f"{name}.json"


def _claim(folder: Path, specs: Sequence[RenderSpec], audio_format: str) -> None:
    """Mark the folder with the plan, or check that it carries the same."""
    rows = [
        {f.name: getattr(s, f.name) for f in dataclasses.fields(s) if f.name != "score"} | {"score": s.score.score_id}
        for s in specs
    ]
    text = json.dumps({"format": audio_format, "renditions": rows}, indent=0, default=str)
    path = folder / SETTINGS
    if not path.is_file():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise DataError(f"{folder} holds renditions of another plan ({SETTINGS}); give another folder, or remove it")


def _write(rendition: Rendition, folder: Path, audio_format: str) -> str:
    """Audio first, then its truth: where the truth is, the audio is complete."""
    name = _name(rendition.score_id, rendition.changes["seed"])
    container, subtype = FORMATS[audio_format]
    with replacing(folder / "audio" / f"{name}.{audio_format}") as temporary:
        write_audio(temporary, rendition.audio, rendition.sample_rate, container, subtype)
    truth = truth_of(rendition) | {"file": f"audio/{name}.{audio_format}"}
    write_text(_truth_path(folder, name), json.dumps(truth, ensure_ascii=False))
    return name


def _track(folder: Path, name: str) -> Track:
    truth = json.loads(_truth_path(folder, name).read_text(encoding="utf-8"))
    return Track(
        track_id=name,
        path=str(folder / truth["file"]),
        split=truth["split"],
        tags=tuple(truth["tags"]),
        caption=truth["caption"],
        work_id=truth["work_id"],
        annotations={
            "title": truth["title"],
            "seconds": truth["seconds"],
            "tempo": truth["tempo"],
            "key": truth["key"] or "",
            "style": truth["rendered"]["style"],
            "soundfont": truth["rendered"]["soundfont"],
            "truth": f"truth/{name}.json",
        },
    )
