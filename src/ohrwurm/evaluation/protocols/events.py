"""What the evaluations of beats, chords, structure and key share: annotations beside estimates, track by track.

The truth of a track is what its manifest names (`ohrwurm.data.annotations.references`). The estimate comes from a model
with heads, from a system that listens, or from a file that any program wrote (`--estimates`).

A track whose estimate is missing or empty counts, at 0: a system that says nothing of hard tracks is not better for it.
A track whose audio or annotation cannot be used is no system's fault; it is left out and told. Chance is what the
estimates of other tracks get: those of the next track in the list, over 200 tracks at most.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ohrwurm.analysis.hearing import with_heads
from ohrwurm.atomic import write_text
from ohrwurm.checksums import sha256
from ohrwurm.data.annotations import Kind, Reading
from ohrwurm.data.annotations.keys import NONE
from ohrwurm.data.annotations.references import RENDERED, reference, source_of
from ohrwurm.data.annotations.rendered import NothingKnown
from ohrwurm.data.tracks import Track
from ohrwurm.embedding.workers import default_workers
from ohrwurm.errors import AudioError, DataError, ModelError, OhrwurmError
from ohrwurm.evaluation.confidence import bootstrap
from ohrwurm.evaluation.hearings import Listening, listening_system
from ohrwurm.evaluation.metrics import corpus
from ohrwurm.evaluation.report import Figure, Items, Outcome
from ohrwurm.evaluation.systems import Events, System, files_in, kept, plain
from ohrwurm.evaluation.systems import known as known_systems
from ohrwurm.evaluation.systems import load as load_system
from ohrwurm.evaluation.task import Job, NoOptions, Recordings, option
from ohrwurm.events import Key
from ohrwurm.models.base import Precision
from ohrwurm.models.frame_heads import Target
from ohrwurm.models.headed import HeadedEncoder

HELP = "A folder of files that another program wrote, one a track, instead of listening."
CHANCE = 200  # tracks on which chance is measured
HEADS: dict[Kind, tuple[Target, ...]] = {  # any of which finds a kind; sections are also found by what sounds alike
    "beats": ("beats",), "chords": ("chords", "chord-parts"), "key": ("key",), "sections": (),
}  # fmt: skip
Scores = dict[str, float]


@dataclass(frozen=True)
class Options:
    """Where estimates come from, and of which tracks."""

    estimates: Path | None = option(None, HELP, metavar="DIR", exists=True, file_okay=False)
    fold: int | None = option(
        None, "Only the tracks of this published fold (annotation `fold`), which a model was not trained on.", min=0
    )


@dataclass(frozen=True)
class Pair:
    """One track: what it holds, and what was found in it (None: nothing was said)."""

    track: Track
    reference: Any
    estimate: Any


@dataclass(frozen=True)
class Found:
    """All tracks, and by track id what had to be put right in their annotations and estimates."""

    pairs: tuple[Pair, ...]
    remarks: dict[str, list[str]]


def loader(kind: Kind) -> Callable[..., System | HeadedEncoder]:
    """The `Task.load` of a kind: a system by name, which has neither weights nor layers; or a model with heads.

    >>> loader("beats")("librosa-beats").card.name
    'librosa-beats'
    """
    return partial(_load, kind)


def _load(
    kind: Kind, name: str | Path, *, weights: Any = None, layer: int | None = None,
    precision: Precision | Literal["auto"] = "fp32", device: str = "cpu",
) -> System | HeadedEncoder:  # fmt: skip
    if str(name) in known_systems():
        if weights is not None or layer is not None:
            raise ModelError(f"{name}: has neither weights nor layers; leave --weights and --layer out")
        return load_system(str(name), kind)
    from ohrwurm.models.registry import load as load_encoder

    systems = ", ".join(known_systems(kind))
    try:
        changes = {} if layer is None else {"layer": layer}
        return with_heads(load_encoder(name, weights=weights, precision=precision, device=device, **changes))
    except ModelError as error:
        raise ModelError(f"{error} Without heads these find {kind}: {systems}; or give --estimates DIR") from error


def check(kind: Kind, columns: Sequence[str] = ()) -> Callable[[Any, Recordings, Any], None]:
    """The `Task.check` of a kind: some track has a truth, and the model finds this kind.

    Args:
        columns: others than the kind itself that hold a truth for it.
    """

    def checked(model: Any, recordings: Recordings, options: Any) -> None:
        finds = isinstance(model, System) and model.kind == kind
        if isinstance(model, HeadedEncoder):
            finds = not HEADS[kind] or any(head in model.specs for head in HEADS[kind])
        if not finds:
            raise ModelError(
                f"{model.card.name} does not find {kind}; take a model with a head for it, a system that does, or give "
                "--estimates DIR"
            )
        if not any(source_of(track, name) for track in recordings.manifest for name in (kind, *columns)):
            named = ", ".join((kind, *columns, RENDERED))
            raise DataError(
                f"{recordings.name}: no track has an annotation of {kind}; name its file in a column {named}"
            )

    return checked


def gather(
    job: Job[Any],
    kind: Kind,
    how: Listening,
    truth: Callable[[Track], Reading[Any] | None] | None = None,
) -> Found:
    """References and estimates of the test tracks that have an annotation.

    Args:
        how: a model with heads listens.
        truth: reads a track's reference, None where it has none; by default from the column `kind`.

    Raises:
        DataError: no annotation or no audio of any of them can be used.
    """
    references, remarks = _references(job, kind, truth or partial(reference, kind))
    chosen = [track for track in tested(job) if track.track_id in references]
    if job.options.estimates is not None:
        job.model = files_in(job.options.estimates, kind, chosen)  # type: ignore[assignment]
    system: Any = job.model
    if isinstance(job.model, HeadedEncoder):
        system = listening_system(job.model, kind, how, hearing_folder(job))
    job.asked |= set(references)
    pairs: list[Pair] = []
    failed: list[str] = []
    for number, (track, made) in enumerate(zip(chosen, _estimates(job, system, chosen, how), strict=True), 1):
        if job.progress is not None:
            job.progress(number, len(chosen))
        name = track.track_id
        if isinstance(made, AudioError):
            job.failures[track.path] = made.reason + (f" ({made.detail})" if made.detail else "")
            continue
        if isinstance(made, OhrwurmError):
            failed.append(name)
            remarks[name].append(f"estimate: {made}")
            made = None
        if system.listens:
            job.contents[name] = sha256(track.path)
        remarks[name] += [f"estimate: {remark}" for remark in system.remarks(track)]
        pairs.append(Pair(track, references[name], made))
    if not pairs:
        reason = next(iter(job.failures.values()), "")
        raise DataError(
            f"{job.recordings.name}: none of {len(chosen)} recordings can be used ({reason}). Put the audio where the "
            "manifest says, or give --estimates DIR"
        )
    if failed:
        job.warn(f"{len(failed)} estimates could not be made or read and count 0, e.g. {remarks[failed[0]][-1]}")
    return Found(tuple(pairs), {name: lines for name, lines in remarks.items() if lines})


def tested(job: Job[Any]) -> list[Track]:
    """The tracks that are measured: the test set, or a fold of it.

    Raises:
        DataError: none of them is in that fold.
    """
    tracks, fold = job.test(), job.options.fold
    if fold is None:
        return tracks
    found = [track for track in tracks if str(track.annotations.get("fold", "")) == str(fold)]
    if not found:
        there = sorted({str(track.annotations["fold"]) for track in tracks if "fold" in track.annotations})
        raise DataError(
            f"{job.recordings.name}: no track is in fold {fold}; "
            + (f"there are {', '.join(there)}" if there else "folds are not known: put 8-fold.folds into its folder")
        )
    return found


def hearing_folder(job: Job[Any]) -> Path:
    """Where what models with heads hear is kept: with the vectors, or for as long as the job lasts."""
    folder = job.cache or job.work
    if folder is None:
        raise ModelError(f"{job.task}: the job was given no folder for intermediate results")
    return folder


def outcome(
    job: Job[Any],
    found: Found,
    measure: Callable[[Any, Any], Scores],
    *,
    protocol: str,
    weights: Sequence[float] | None = None,
    chance: Mapping[str, float] | None = None,
) -> Outcome:
    """Means over tracks with their intervals, chance, and what each track got.

    Args:
        measure: (reference, estimate) → scores, the main one first; NaN where a reference does not decide one.
        protocol: how it was measured, in one sentence.
        weights: one a track, for the means; by default all count alike.
        chance: what a random answer gets; by default measured with the estimates of other tracks.
    """
    pairs = found.pairs
    scores = [scored(measure, pair.reference, pair.estimate) for pair in pairs]
    w = np.ones(len(pairs)) if weights is None else np.asarray(weights, np.float64)
    by_chance = chance or _by_others(measure, pairs, w)
    return summary(job, found, scores, dict.fromkeys(scores[0], w), by_chance, protocol=protocol)


def summary(
    job: Job[Any],
    found: Found,
    scores: Sequence[Scores],
    weights: Mapping[str, np.ndarray],
    chance: Mapping[str, float],
    *,
    protocol: str,
) -> Outcome:
    """As `outcome`, of scores that each track got already.

    Args:
        scores: one a pair.
        weights: metric → one a pair.
        chance: of some metrics.
    """
    pairs = found.pairs
    groups = [pair.track.work_id or pair.track.track_id for pair in pairs]
    values: dict[str, np.ndarray] = {}
    figures: dict[str, Figure] = {}
    for name, w in weights.items():
        got = np.array([score[name] for score in scores])
        known = ~np.isnan(got)
        if not known.any():
            continue
        mean = corpus.evaluate([{name: score[name]} for score in scores], w)[name]
        # A track's distance from the figure bears its weight: the plain mean of the values is the figure, and their
        # bootstrap that of the weighted mean (a ratio, to first order).
        values[name] = mean + (got - mean) * w / w[known].mean()
        by_chance = chance.get(name, float("nan"))
        figures[name] = Figure(mean, *bootstrap(values[name], groups=groups, seed=job.seed), by_chance)
    silent = sum(empty(pair.estimate) for pair in pairs)
    if silent:
        job.warn(f"{silent} of {len(pairs)} tracks have no estimate or an empty one, which counts 0")
    if found.remarks:
        name, lines = next(iter(found.remarks.items()))
        job.warn(
            f"files of {len(found.remarks)} tracks were put right by rule (details.remarks), e.g. {name}: {lines[0]}"
        )
    return Outcome(
        protocol=protocol,
        interval=f"95 % bootstrap over {'works' if len(set(groups)) < len(groups) else 'tracks'}, 2000 samples",
        figures=figures,
        counts={"tracks": len(pairs), "works": len(set(groups)), "tracks without an estimate": silent},
        details={"tracks measured": corpus.measured(scores), "remarks": found.remarks},
        seed=job.seed,
        items=(Items.of("tracks", [pair.track.track_id for pair in pairs], values, groups),),
    )


def empty(estimate: Events | None) -> bool:
    """Whether nothing was said: no estimate, none in it, or no key.

    >>> empty(None), empty(Key("N", 0.0)), empty(Key("C major", 0.1))
    (True, True, False)
    """
    return estimate is None or (estimate.label == NONE if isinstance(estimate, Key) else not len(estimate))


def _references(
    job: Job[Any], kind: Kind, truth: Callable[[Track], Reading[Any] | None]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The references of the test tracks that have one, and the remarks on them."""
    found: dict[str, Reading[Any]] = {}
    without = 0
    for track in tested(job):
        try:
            said = truth(track)
        except NothingKnown:
            said = None
        except DataError as error:
            job.failures[track.path] = f"annotation ({error})"
            continue
        if said is None:
            without += 1
        else:
            found[track.track_id] = said
    if without:
        job.warn(f"{without} tracks have no annotation of {kind} and are left out")
    if not found:
        reason = next(iter(job.failures.values()), "no track has one")
        raise DataError(f"{job.recordings.name}: no annotation of {kind} can be used: {reason}")
    remarks = {name: [f"reference: {remark}" for remark in said.remarks] for name, said in found.items()}
    return {name: said.value for name, said in found.items()}, remarks


def _estimates(
    job: Job[Any], system: System, tracks: Sequence[Track], how: Listening
) -> Iterator[Events | OhrwurmError | None]:
    """What the system finds in each track; what it has heard is kept, so that a killed run goes on."""
    if not system.listens:
        yield from system.all_events(tracks)
        return
    if isinstance(job.model, HeadedEncoder):
        folder = job.folder("estimates", how.name)
    else:  # is asked once, whatever its answers are measured by
        folder = replace(job, options=NoOptions(), protocol="corrected", seed=0).folder("estimates")
    files = {t.track_id: folder / f"{hashlib.sha256(t.track_id.encode()).hexdigest()[:24]}.json" for t in tracks}
    there = {name: events for name, file in files.items() if (events := kept(file)) is not None}
    made = system.all_events([t for t in tracks if t.track_id not in there], job.workers or default_workers())
    for track in tracks:
        if track.track_id in there:
            yield there[track.track_id]
            continue
        found = next(made)
        if found is not None and not isinstance(found, OhrwurmError):
            write_text(files[track.track_id], json.dumps(plain(found)))
        yield found


def _by_others(measure: Callable[[Any, Any], Scores], pairs: Sequence[Pair], weights: np.ndarray) -> Scores:
    """What the estimates of other tracks get, on some tracks spread over all; empty for a single one."""
    if len(pairs) < 2:
        return {}
    rows = np.unique(np.linspace(0, len(pairs) - 1, min(CHANCE, len(pairs))).astype(int)).tolist()
    others = [scored(measure, pairs[i].reference, pairs[(i + 1) % len(pairs)].estimate) for i in rows]
    return corpus.evaluate(others, weights[rows])


def scored(measure: Callable[[Any, Any], Scores], truth: Any, estimate: Any) -> Scores:
    """Scores of a pair; 0 for all that the reference decides where nothing was said."""
    if not empty(estimate):
        return measure(truth, estimate)
    best = measure(truth, truth)
    return {name: value if np.isnan(value) else 0.0 for name, value in best.items()}
