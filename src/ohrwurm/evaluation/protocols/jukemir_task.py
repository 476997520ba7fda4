"""`ohrwurm evaluate jukemir`: the 216 probes on the frozen vectors of any encoder, on any recordings with a target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.data.tracks import Track
from ohrwurm.embedding.workers import default_workers
from ohrwurm.evaluation.protocols.jukemir import Mode, SweepResult, sweep
from ohrwurm.evaluation.protocols.probe_outcome import Answers, outcome_of
from ohrwurm.evaluation.protocols.probe_scores import Kind, Main, ProbeTask
from ohrwurm.evaluation.protocols.probe_training import predict
from ohrwurm.evaluation.protocols.targets import Asked, Targets, planned
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Recordings, Task, option
from ohrwurm.models.base import AudioEncoder

PUBLISHED = {  # benchmark → the name under which jukemir's probes are published
    "gtzan": "gtzan_ff",
    "magnatagatune": "magnatagatune",
    "emomusic": "emomusic",
    "giantsteps": "giantsteps_clips",
}
KINDS: dict[str, tuple[Kind, Main]] = {
    "multiclass": ("multiclass", "accuracy"),
    "multilabel": ("multilabel", "auc_roc"),
    "regression": ("regression", "r2"),
    "key": ("multiclass", "score"),
}
PUBLISHED_AS = (
    "jukemir: of equal outputs the first class; the mean over tags (those without positives left out, where the "
    "original fails); clips of a song joined as is best on the validation songs"
)
NOT_COMPARABLE = (
    "jukemir keeps the clips of MagnaTagATune without any of the 50 tags (997 of 5,329 in its test split); CLMR, "
    "MusCALL and Pons leave them out: the numbers of the two are not comparable"
)


@dataclass(frozen=True)
class Options(Asked):
    """Of the task."""

    mode: Mode = option(
        "race",
        "race: all probes of a kind together, those that cannot be hoped to win passed over; fast: none passed over; "
        "exact: one after the other, step by step as published.",
    )
    frame: int = option(
        0,
        "Samples of a frame: consecutive frames, the last one dropped, as jukemir extracts them; 0: the model's.",
        min=0,
    )
    folder: Path | None = option(None, "Keep the probes here; the same command goes on from them.")
    representation: str = option("", "Name of the vectors, part of the probes' published names.", metavar="NAME")
    descending_fifths: bool = option(False, "A key a fifth below earns points, too (not as published).")


def check(model: AudioEncoder, recordings: Recordings, options: Options) -> None:
    """Refuse recordings without a target, or that cannot be split."""
    planned(recordings, options)


def run(job: Job[Options]) -> Outcome:
    """Embed, train the probes, measure the selected one."""
    options = job.options
    targets, folds, said = planned(job.recordings, options, job.seed)
    published = PUBLISHED.get(job.recordings.benchmark, "")
    for message in (*said, *([NOT_COMPARABLE] if _with_tagless(published, targets) else [])):
        job.warn(message)
    kind, main = KINDS[targets.kind]
    name = published or job.recordings.name
    task = ProbeTask(name, kind, targets.names, main, options.descending_fifths)
    found = job.vectors(targets.tracks, frames(options.frame, job.model.card.sample_rate) if options.frame else None)
    tracks = [targets.tracks[row] for row in found.rows]
    y, ids = targets.y[list(found.rows)], names_of(tracks, songs=main == "score")
    results: list[SweepResult] = []
    tests: list[Answers] = []
    validations: list[Answers] = []
    for number, fold in enumerate(folds):
        splits = np.array(fold.splits(len(targets.tracks)), dtype=object)[list(found.rows)].tolist()
        result = sweep(
            found.values, y, splits, task, ids=ids, mode=options.mode, seed=job.seed, device=job.device,
            representation=options.representation or job.model.card.name,
            workers=1 if job.device.startswith("cuda") else job.workers or default_workers(),
            folder=job.folder(number) if options.folder is None else options.folder / f"fold-{number}",
            progress=job.progress,
        )  # fmt: skip
        results.append(result)
        for split, out in (("test", tests), ("validation", validations)):
            rows = [i for i, s in enumerate(splits) if s == split]
            out.append(Answers(predict(result.selected, found.values[rows]), y[rows], tuple(ids[i] for i in rows)))
    outcome = outcome_of(task, tests, validations, job.seed)
    return replace(
        outcome,
        protocol=_sentence(options, len(folds), len(results[0].configs), outcome.protocol),
        counts={**outcome.counts, **_counts(results), **_probes(results)},
        details={**outcome.details, **_details(results)},
        published={n: v for n, v in results[0].test.items() if n != "primary"} if len(folds) == 1 else {},
        published_as=PUBLISHED_AS if len(folds) == 1 else "",
    )


def frames(samples: int, sample_rate: int) -> dict[str, Any]:
    """jukemir's extraction: consecutive frames, the last one dropped, their plain mean; one frame alone is refused.

    Its script for CLMR takes 59,409 samples by mistake, that of TUNe the right 59,049.

    >>> frames(59049, 22050)["remainder"]
    'drop-last'
    """
    seconds = samples / sample_rate
    return {"window": seconds, "hop": seconds, "remainder": "drop-last", "short": "refuse", "pooling": "mean"}


def names_of(tracks: Sequence[Track], songs: bool = False) -> list[str]:
    """Names that fix the published order of the data: jukemir's own (annotation ``uid``), or the tracks' ids.

    Args:
        songs: the names are to be ``song-clip``; without jukemir's, clips are numbered within their annotation
            ``song``, or each track is a song of its own.

    >>> names_of([Track("x", "", annotations={"song": "7"}), Track("y", "", annotations={"song": "7"})], songs=True)
    ['7-0', '7-1']
    """
    uids = [str(t.annotations.get("uid") or "") for t in tracks]
    if all(uids) and len(set(uids)) == len(uids):
        return uids
    if not songs:
        return [t.track_id for t in tracks]
    seen: dict[str, int] = defaultdict(int)
    found = []
    for t in tracks:
        song = str(t.annotations.get("song") or t.track_id)
        found.append(f"{song}-{seen[song]}")
        seen[song] += 1
    return found


def _with_tagless(published: str, targets: Targets) -> bool:
    return published == "magnatagatune" and bool((targets.y.astype(bool).sum(1) == 0).any())


def _sentence(options: Options, folds: int, probes: int, how: str) -> str:
    cut = f" of frames of {options.frame} samples" if options.frame else ""
    return f"jukemir: {probes} probes ({options.mode}) on frozen vectors{cut}, the best on validation tested; {how}" + (
        f"; {folds} folds, each with its own selection, the predictions of all pooled" if folds > 1 else ""
    )


def _counts(results: Sequence[SweepResult]) -> dict[str, int]:
    first = results[0].counts
    return {"training tracks": first["train"], "validation tracks": first["validation"]}


def _probes(results: Sequence[SweepResult]) -> dict[str, int]:
    passed = sum(int(np.isnan(r.scores).sum()) for r in results)
    return {"probes": sum(len(r.configs) for r in results), "probes passed over": passed}


def _details(results: Sequence[SweepResult]) -> dict[str, Any]:
    found: list[dict[str, Any]] = [
        {
            "selected": {**asdict(r.selected.config), "uid": r.selected.config.uid, "steps": r.selected.steps},
            "validation": r.validation,
            "test": r.test,
            "validation score of each probe, in grid order": [
                None if np.isnan(score) else round(float(score), 6) for score in r.scores
            ],
            "labels that could not be measured": r.gaps,
        }
        for r in results
    ]
    return found[0] if len(found) == 1 else {"folds": found}


TASK = Task(
    name="jukemir",
    about="How much of genre, tags, emotion or key can small probes read from frozen vectors? jukemir's 216 probes.",
    needs="one tag a recording (classes), several, or annotations (key, or numbers such as arousal and valence); "
    "splits, or --folds.",
    example="ohrwurm evaluate jukemir --model mel-statistics --benchmark emotify --folds 5",
    model="ohrwurm-text",
    run=run,
    check=check,
    options=Options,
    protocols=("corrected", "published"),
    truth=("jukemir", "probe", "linear", "probing"),
    details="Castellon, Donahue and Liang 2021: linear and one-layer probes over a grid of rates, dropout, decay, "
    "batch sizes and standardisation, each trained to boredom; selected on validation, tested once.",
)
