"""Plays the planned clips to files, and keeps what is true of each beside it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ohrwurm.atomic import replacing, write_text
from ohrwurm.data.abc import read_abc
from ohrwurm.data.arrange import style_named, tempo_scale_for
from ohrwurm.data.corpus import truth_of
from ohrwurm.data.render import Failure, RenderSpec, Rendition, render_many
from ohrwurm.data.score import Score, make_notes
from ohrwurm.demo.plan import ABOUT_SECONDS, SAMPLE_RATE, Clip
from ohrwurm.errors import DataError


@dataclass(frozen=True)
class Truth:
    """What is known of a rendered clip, from the score that was played.

    Attributes:
        clip: its name, `clip-07`.
        work: name of the tune.
        instruments: names, the leading one first, ``drums`` last.
        tags: words of the style and the instruments.
        key: ``A:min``. tempo: beats per minute. metre: beats per bar.
    """

    clip: str
    fingerprint: str
    work: str
    title: str
    style: str
    instruments: tuple[str, ...]
    tags: tuple[str, ...]
    key: str
    tempo: float
    metre: int
    seconds: float


def render_clips(
    clips: Sequence[Clip], folder: Path, *, workers: int = 1, progress: Callable[[Truth, bool], None] | None = None
) -> list[Truth]:
    """Render what is not there yet to `folder`/music/*.ogg, and return the truth about all clips, in their order.

    A clip counts as there when its files exist and its truth was written for the same plan. The truth is written
    last, so that a run killed in between renders that clip again.

    Args:
        progress: called for every clip with its truth, and whether it was rendered now.

    Raises:
        DataError: a clip could not be rendered.
    """
    found: dict[str, Truth] = {}
    missing = []
    for clip in clips:
        truth = _known(clip, folder)
        if truth is None:
            missing.append(clip)
            continue
        found[clip.name] = truth
        if progress:
            progress(truth, False)
    for truth in _rendered(missing, folder, workers):
        found[truth.clip] = truth
        if progress:
            progress(truth, True)
    return [found[clip.name] for clip in clips]


def audio_file(folder: Path, name: str) -> Path:
    """Where the audio of a clip lies."""
    return folder / "music" / f"{name}.ogg"


def annotation_file(folder: Path, name: str) -> Path:
    """Where the beats, chords and key of a clip lie, in the form of `ohrwurm data render`, for
    `ohrwurm.data.annotations.rendered`."""
    return folder / "annotations" / f"{name}.json"


def _known(clip: Clip, folder: Path) -> Truth | None:
    try:
        stored = json.loads((folder / "truth" / f"{clip.name}.json").read_text(encoding="utf-8"))
        truth = Truth(**stored | {"instruments": tuple(stored["instruments"]), "tags": tuple(stored["tags"])})
    except (OSError, ValueError, TypeError, KeyError):  # absent, or of another version of this package: render again
        return None
    there = audio_file(folder, clip.name).is_file() and annotation_file(folder, clip.name).is_file()
    return truth if there and truth.fingerprint == clip.fingerprint else None


def _rendered(clips: Sequence[Clip], folder: Path, workers: int) -> Iterator[Truth]:
    if not clips:
        return
    specs = [_spec(clip) for clip in clips]
    write = partial(_write, by_name={clip.name: clip for clip in clips}, folder=folder)
    for result in render_many(specs, write, workers=min(workers, len(specs)), chunk=1):
        if isinstance(result, Failure):
            raise DataError(f"the demo could not render {result.score_id}: {result.reason}")
        yield result


def _spec(clip: Clip) -> RenderSpec:
    tune = read_abc(clip.abc, source_name="demo", score_id=clip.name, work_id=f"demo/{clip.tune}")
    tempo = clip.tempo
    if tempo is None:
        tempo = tempo_scale_for(tune, style_named(clip.style), np.random.default_rng(clip.seed))
    return RenderSpec(
        lengthened(tune, ABOUT_SECONDS, tempo),
        seed=clip.seed,
        style=clip.style,
        sample_rate=SAMPLE_RATE,
        transpose=clip.transpose,
        tempo=tempo,
        degrade=False,
    )


def lengthened(score: Score, seconds: float, tempo: float) -> Score:
    """The tune played as many times in a row as brings it, at `tempo` times its speed, nearest to `seconds`.

    The last bar of a tune with an upbeat leaves room for it, so that the beat goes through.
    """
    times = max(1, round(seconds * tempo / score.seconds))
    starts = [score.seconds * turn for turn in range(times)]
    late = np.array([1.0, 0.0, 0.0, 0.0])
    return dataclasses.replace(
        score,
        melody=make_notes(np.concatenate([score.melody + late * start for start in starts])),
        chords=tuple(s._replace(start=s.start + t, end=s.end + t) for t in starts for s in score.chords),
        keys=tuple(s._replace(start=s.start + t, end=s.end + t) for t in starts for s in score.keys),
        beats=np.concatenate([score.beats + start for start in starts]),
        downbeats=np.concatenate([score.downbeats + start for start in starts]),
        seconds=score.seconds * times,
    )


def _write(rendition: Rendition, by_name: dict[str, Clip], folder: Path) -> Truth:
    clip = by_name[rendition.score_id]
    score = rendition.score
    truth = Truth(
        clip=clip.name,
        fingerprint=clip.fingerprint,
        work=clip.tune,
        title=clip.title,
        style=clip.style,
        instruments=tuple(rendition.instruments),
        tags=rendition.tags,
        key=score.key or "",
        tempo=round(score.tempo, 1),
        metre=score.metre[0],
        seconds=round(len(rendition.audio) / rendition.sample_rate, 2),
    )
    write_audio(audio_file(folder, clip.name), rendition.audio, rendition.sample_rate, _metadata(clip, truth))
    played = {name: value for name, value in truth_of(rendition).items() if name != "notes"}
    write_text(annotation_file(folder, clip.name), json.dumps(played, ensure_ascii=False) + "\n")
    write_text(folder / "truth" / f"{clip.name}.json", json.dumps(asdict(truth), ensure_ascii=False, indent=1) + "\n")
    return truth


def _metadata(clip: Clip, truth: Truth) -> dict[str, str]:
    return {
        "title": clip.title,
        "artist": clip.origin,
        "album": "Ohrwurm demo (rendered)",
        "genre": clip.style,
        "comment": f"Rendered by Ohrwurm from its own transcription: {', '.join(truth.instruments)}; no recording.",
    }


def write_audio(file: Path, audio: np.ndarray, sample_rate: int, metadata: dict[str, str]) -> None:
    """Write mono `audio (samples,)` as OGG Vorbis with tags, complete or not at all."""
    import soundfile
    from mutagen.oggvorbis import OggVorbis

    with replacing(file) as temporary:
        with soundfile.SoundFile(temporary, "w", sample_rate, 1, format="OGG", subtype="VORBIS") as out:
            for start in range(0, len(audio), sample_rate):  # libsndfile's Vorbis encoder wants small pieces
                out.write(audio[start : start + sample_rate])
        tagged = OggVorbis(temporary)
        tagged.update(metadata)
        tagged.save()
