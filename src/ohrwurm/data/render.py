"""Scores → audio with exact truth: random style, key, tempo, SoundFont and degradation from one seed."""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.arrange import arrange, style_named, suitable_styles, tempo_scale_for
from ohrwurm.data.degrade import degrade as degraded
from ohrwurm.data.describe import caption, tags_of
from ohrwurm.data.rubato import MOST_WITH_DRUMS, played_freely
from ohrwurm.data.score import ONSET, Score
from ohrwurm.data.scores import split_of
from ohrwurm.data.synthesis import find_soundfont, synthesize
from ohrwurm.data.truth import chord_labels, instruments_of, note_roll, pitch_classes
from ohrwurm.errors import DataError, OhrwurmError

__all__ = [
    "Failure", "RenderSpec", "Rendition", "chord_labels", "instruments_of", "note_roll", "pitch_classes", "render",
    "render_many", "render_spec",
]  # fmt: skip

log = logging.getLogger(__name__)
Result = TypeVar("Result")
_TRIES, _ENOUGH_SOUND = 6, 0.7  # random beginnings, and the share of time with a pitched note that will do
AS_IS_SHARE = 0.15  # of random renditions, for scores that come with parts of their own
STRICT_SHARE = 0.5  # of random renditions, those in strict time
MOST_RUBATO = 0.2


@dataclass(frozen=True)
class Rendition:
    """Audio and everything that is true of it.

    Attributes:
        audio: float32 mono `(samples,)`.
        score: what sounds, in seconds from the beginning of `audio`: the truth. See `note_roll` and
            `pitch_classes` below for frames; `score.chords`, `.beats`, `.downbeats`, `.key`, `.tempo` for the rest.
        tags, caption: words for the clip.
        changes: what was chosen and done: style, transposition, tempo factor, SoundFont, degradations.
    """

    audio: NDArray[np.float32]
    sample_rate: int
    score: Score
    split: str
    tags: tuple[str, ...]
    caption: str
    changes: dict[str, Any]

    @property
    def score_id(self) -> str:
        return self.score.score_id

    @property
    def work_id(self) -> str:
        return self.score.work_id

    def note_roll(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """`(128, len(times))`: pitches that sound at these times; drums left out."""
        return note_roll(self.score, times)

    def pitch_classes(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """`(12, len(times))`: pitch classes that sound at these times; drums left out."""
        return pitch_classes(self.score, times)

    def chords(self, times: NDArray[np.float64]) -> list[str]:
        """The chord label at each of these times."""
        return chord_labels(self.score, times)

    @property
    def instruments(self) -> list[str]:
        """Names of the instruments that play, the leading one first."""
        return instruments_of(self.score)


def render(
    score: Score,
    *,
    seed: int,
    style: str | None = "random",
    soundfont: str | Path | None = None,
    sample_rate: int = 22050,
    seconds: float | None = None,
    start: float | Literal["random"] = 0.0,
    transpose: int | Literal["random"] = 0,
    tempo: float | Literal["random"] = 1.0,
    rubato: float | Literal["random"] = 0.0,
    degrade: bool = True,
) -> Rendition:
    """Play a score as one seed decides: equal arguments give the same samples.

    Args:
        score: from any reader.
        seed: of all random choices.
        style: a style's name; ``random`` (a style that fits the metre, now and then the source's own parts);
            ``as-is`` or None (the source's own parts).
        soundfont: path or file name (`find_soundfont`); None is the small one that comes with pretty_midi.
        seconds: length of the audio; None for the whole piece. A piece that ends sooner gives a shorter clip.
        start: where to begin, in seconds of the result, or ``random``.
        transpose: semitones, or ``random`` for -6 to +5.
        tempo: factor on the tempo of the tune, or ``random``: what brings it into the style's range (as-is:
            0.8 to 1.25).
        rubato: by how much the tempo comes and goes (`ohrwurm.data.rubato`), 0.1 for a tenth; 0 keeps strict time;
            ``random``: half of the time strict, else up to 0.2, with drums up to 0.04.
        degrade: apply random room, equaliser, noise, codec and tuning (`ohrwurm.data.degrade`).

    Raises:
        DataError: nothing to play: no parts and no melody, or an unknown style or SoundFont.
    """
    rng = np.random.default_rng(seed)
    font = find_soundfont(soundfont)
    chosen = _choose_style(score, style, rng)
    semitones = int(rng.integers(-6, 6)) if transpose == "random" else int(transpose)
    changes: dict[str, Any] = {"style": chosen or "as-is", "transpose": semitones, "soundfont": font.name, "seed": seed}
    arrange_seed = int(rng.integers(2**63))
    if chosen is None:
        factor = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))) if tempo == "random" else float(tempo)
        whole = score.transposed(semitones).stretched(1.0 / factor)
        length = whole.seconds

        def cut(begin: float, seconds: float) -> Score:
            return whole.excerpt(begin, seconds)

    else:
        picked = style_named(chosen)
        factor = tempo_scale_for(score, picked, rng) if tempo == "random" else float(tempo)
        arranged = functools.partial(arrange, score, picked, transpose=semitones, tempo_scale=factor)
        # The metre may be bent, which lengthens the piece; an arrangement of nothing tells by how much.
        length = arranged(np.random.default_rng(arrange_seed), span=(0.0, 0.0)).seconds

        def cut(begin: float, seconds: float) -> Score:
            span = (begin, begin + seconds)
            return arranged(np.random.default_rng(arrange_seed), span=span).excerpt(begin, seconds)

    # Tuning may shorten the clip by up to 2.3 %.
    longer = seconds * 1.025 if seconds is not None and degrade else seconds
    begin, played = _stretch_that_sounds(cut, length, longer, start, _onset_shares(score), rng)
    if not any(len(p.notes) for p in played.parts):
        raise DataError(f"{score.score_id}: nothing sounds from {begin:.1f} s on; choose another start")
    changes |= {"tempo_factor": round(factor, 4), "start": round(begin, 3)}
    if rubato:
        amount = _rubato(played, rng) if rubato == "random" else float(rubato)
        played = played_freely(played, amount, rng)
        changes["rubato"] = round(amount, 4)
    audio = synthesize(played, font, sample_rate, seconds=played.seconds + (1.0 if seconds is None else 0.0))
    if degrade:
        audio, done = degraded(audio, sample_rate, rng)
        played = played.stretched(done.time_factor)
        changes["degradations"] = done.names
        if seconds is not None:
            wanted = round(seconds * sample_rate)
            audio = audio[:wanted]
            played = played.excerpt(0.0, len(audio) / sample_rate)
    tags = tuple(tags_of(played))
    words = caption(tags, rng, score=played)
    return Rendition(audio, sample_rate, played, split_of(score), tags, words, changes)


def _rubato(score: Score, rng: np.random.Generator) -> float:
    most = MOST_WITH_DRUMS if any(part.is_drum for part in score.parts) else MOST_RUBATO
    return 0.0 if rng.random() < STRICT_SHARE else float(rng.uniform(0.0, most))


def _choose_style(score: Score, style: str | None, rng: np.random.Generator) -> str | None:
    if style in (None, "as-is") or (style == "random" and not len(score.melody)):
        if not score.parts:
            raise DataError(f"{score.score_id}: a lead sheet cannot be rendered as it is; name a style or 'random'")
        return None
    if style == "random":
        if score.parts and rng.random() < AS_IS_SHARE:
            return None
        styles = suitable_styles(score)
        return styles[int(rng.integers(len(styles)))].name
    return style_named(str(style)).name


def _stretch_that_sounds(
    cut: Callable[[float, float], Score],
    length: float,
    seconds: float | None,
    start: float | str,
    onset_shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[float, Score]:
    """Where to begin, and what is played from there. A random beginning avoids rests: the best of a few.

    After the first, beginnings are drawn from `onset_shares`, where notes begin as shares of the length.
    """
    if start != "random" or seconds is None:
        begin = 0.0 if start == "random" else float(start)
        if not 0.0 <= begin < length:
            raise DataError(f"start {start} s lies outside a piece of {length:.1f} s")
        return begin, cut(begin, min(length - begin, seconds if seconds is not None else length))
    best, choice = -1.0, (0.0, cut(0.0, 0.0))
    latest = max(0.0, length - seconds)
    for attempt in range(_TRIES):
        begin = float(rng.uniform(0.0, latest))
        if attempt and len(onset_shares):
            begin = min(latest, float(rng.choice(onset_shares)) * length)
        played = cut(begin, min(length - begin, seconds))
        sounding = pitch_classes(played, np.arange(0.0, max(played.seconds, 0.25), 0.25)).any(axis=0).mean()
        if sounding > best:
            best, choice = float(sounding), (begin, played)
        if best > _ENOUGH_SOUND or length <= seconds:
            break
    return choice


def _onset_shares(score: Score) -> NDArray[np.float64]:
    notes = [score.melody] if len(score.melody) else [p.notes for p in score.parts if not p.is_drum]
    return np.concatenate([n[:, ONSET] for n in notes]) / max(score.seconds, 1e-9) if notes else np.zeros(0)


@dataclass(frozen=True)
class RenderSpec:
    """One rendition to make; fields as in `render`."""

    score: Score
    seed: int
    style: str | None = "random"
    soundfont: str | None = None
    sample_rate: int = 22050
    seconds: float | None = None
    start: float | Literal["random"] = 0.0
    transpose: int | Literal["random"] = "random"
    tempo: float | Literal["random"] = "random"
    rubato: float | Literal["random"] = 0.0
    degrade: bool = True


def render_spec(spec: RenderSpec) -> Rendition:
    """`render` with the fields of a `RenderSpec`."""
    return render(
        spec.score, seed=spec.seed, style=spec.style, soundfont=spec.soundfont, sample_rate=spec.sample_rate,
        seconds=spec.seconds, start=spec.start, transpose=spec.transpose, tempo=spec.tempo,
        rubato=spec.rubato, degrade=spec.degrade,
    )  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """A rendition that could not be made, in the place of its result."""

    score_id: str
    seed: int
    reason: str


@dataclass(frozen=True)
class _Job(Generic[Result]):
    fn: Callable[[Rendition], Result]

    def __call__(self, spec: RenderSpec) -> Result | Failure:
        try:
            return self.fn(render_spec(spec))
        except OhrwurmError as error:
            return Failure(spec.score.score_id, spec.seed, str(error))


def render_many(
    plan: Sequence[RenderSpec], fn: Callable[[Rendition], Result], workers: int = 1, *, chunk: int = 4
) -> Iterator[Result | Failure]:
    """`fn(rendition)` for every spec of `plan`, in its order, by `workers` processes.

    `fn` runs where the audio is made, so that only its (small) result travels; it must be importable
    (a module-level function or a `functools.partial` of one). Processes are spawned and use one thread each. What
    cannot be rendered gives a `Failure`, is logged, and stops nothing else; any other error of `fn` is raised.
    """
    job = _Job(fn)
    if workers <= 1:
        yield from (_logged(job(spec)) for spec in plan)
        return
    limits = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(limits, "1"))  # inherited by the spawned processes
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for result in _in_order(pool, job, plan, chunk, ahead=workers * 3):
                yield _logged(result)
    finally:
        for name, value in limits.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _batch(job: _Job[Result], specs: Sequence[RenderSpec]) -> list[Result | Failure]:
    return [job(spec) for spec in specs]


def _in_order(
    pool: ProcessPoolExecutor, job: _Job[Result], plan: Sequence[RenderSpec], chunk: int, ahead: int
) -> Iterator[Result | Failure]:
    """Results in order with at most `ahead` chunks under way, so that memory does not grow with the plan."""
    chunks: Iterable[Sequence[RenderSpec]] = (plan[i : i + chunk] for i in range(0, len(plan), chunk))
    waiting: list[Any] = []
    for specs in chunks:
        waiting.append(pool.submit(_batch, job, specs))
        if len(waiting) >= ahead:
            yield from waiting.pop(0).result()
    for future in waiting:
        yield from future.result()


def _logged(result: Result | Failure) -> Result | Failure:
    if isinstance(result, Failure):
        log.warning("not rendered: %s (seed %d): %s", result.score_id, result.seed, result.reason)
    return result
