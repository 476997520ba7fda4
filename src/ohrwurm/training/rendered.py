"""Rendered training examples: a plan of renditions, and what is extracted from each, made once and kept on disk."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.atomic import replacing, write_text
from ohrwurm.data.arrange import suitable_styles
from ohrwurm.data.render import Failure, RenderSpec, Rendition, render_many
from ohrwurm.data.score import Score
from ohrwurm.data.scores import read_scores
from ohrwurm.data.version_features import IDENTITY
from ohrwurm.errors import DataError

log = logging.getLogger(__name__)
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Example:
    """What was extracted from one rendition, and what is true of it."""

    arrays: Arrays
    work_id: str
    score_id: str
    tags: tuple[str, ...]
    caption: str
    style: str


def plan_renditions(
    sources: Sequence[str],
    split: str,
    data: str | None,
    *,
    seconds: float,
    renditions: int | None = None,
    total: int | None = None,
    soundfont: str | None = None,
    without_styles: Sequence[str] = (),
    latest_start: float = 8.0,
) -> list[RenderSpec]:
    """What to render of a split: `renditions` of every work, or `total` excerpts over all works.

    Versions of a work start at its beginning or up to `latest_start` seconds later, so that they overlap; excerpts
    start anywhere. Key, tempo, style, instruments and degradation are drawn from a seed that depends on the split and
    on the rendition's number alone.
    """
    works: dict[str, list[Score]] = {}
    for score in read_scores(sources, data, split=split):  # type: ignore[arg-type]
        works.setdefault(score.work_id, []).append(score)
    if not works:
        raise DataError(f"no {split} scores in {', '.join(sources)}: is OHRWURM_DATA complete? docs/data.md lists it")
    names = sorted(works)
    if renditions is not None:
        chosen = [(name, i) for name in names for i in range(renditions)]
    else:
        chosen = [(names[i % len(names)], i // len(names)) for i in range(total or 0)]
    plan = []
    for number, (name, turn) in enumerate(chosen):
        seed = int(np.random.SeedSequence((zlib.crc32(split.encode()), number)).generate_state(1, np.uint64)[0] >> 1)
        draw = np.random.default_rng(seed)
        settings = works[name]
        score = settings[0] if turn == 0 else settings[int(draw.integers(len(settings)))]
        style = "random"
        if without_styles and len(score.melody):
            allowed = [s.name for s in suitable_styles(score) if s.name not in without_styles]
            style = allowed[int(draw.integers(len(allowed)))]
        late = draw.random() < 0.5 and score.seconds > seconds
        start: Any = (float(draw.uniform(0, latest_start)) if late else 0.0) if renditions is not None else "random"
        plan.append(RenderSpec(score, seed, style, soundfont, seconds=seconds, start=start))
    return plan


def render_examples(
    plan: Sequence[RenderSpec], extract: Callable[[Rendition], Arrays], folder: Path, workers: int, identity: str = ""
) -> list[Example]:
    """`extract` of every rendition of `plan`, from `folder` where it is already there.

    Each example is one file, written atomically: a killed run goes on where it stopped. `identity` names what the
    arrays depend on beside the plan (settings or weights of the extractor); other identities live in other folders.
    Renditions that fail are logged and left out.
    """
    common = [(s.score.score_id, s.seed, s.style, s.soundfont, s.seconds, str(s.start)) for s in plan]
    fingerprint = hashlib.sha256(json.dumps([identity, common]).encode()).hexdigest()[:12]
    folder = folder.with_name(f"{folder.name}-{fingerprint}")
    folder.mkdir(parents=True, exist_ok=True)
    if identity:  # for those who use the folder as data: `ohrwurm.data.version_features`
        write_text(folder / IDENTITY, json.dumps({"identity": identity}))
    missing = [s for s in plan if not _file(folder, s.seed).is_file()]
    if missing:
        log.info("rendering %d of %d examples into %s", len(missing), len(plan), folder)
        began = time.monotonic()
        keep = functools.partial(_keep, extract, folder)
        failed = 0
        for done, result in enumerate(render_many(missing, keep, workers), 1):
            failed += isinstance(result, Failure)
            if done % 200 == 0 or done == len(missing):
                minutes = (time.monotonic() - began) / 60
                left = minutes / done * (len(missing) - done)
                log.info("%d of %d, %d failed, %.1f min, %.1f left", done, len(missing), failed, minutes, left)
    return [_read(file) for s in plan if (file := _file(folder, s.seed)).is_file()]


def _file(folder: Path, seed: int) -> Path:
    return folder / f"{seed:016x}.npz"


def _keep(extract: Callable[[Rendition], Arrays], folder: Path, rendition: Rendition) -> bool:
    facts = {
        "work_id": rendition.work_id,
        "score_id": rendition.score_id,
        "tags": list(rendition.tags),
        "caption": rendition.caption,
        "style": rendition.changes["style"],
    }
    with replacing(_file(folder, rendition.changes["seed"])) as temporary, open(temporary, "wb") as stream:
        arrays: dict[str, Any] = {**extract(rendition), "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
        np.savez(stream, **arrays)
    return True


def _read(file: Path) -> Example:
    with np.load(file) as stored:
        facts = json.loads(bytes(stored["facts"]))
        arrays = {name: stored[name] for name in stored.files if name != "facts"}
    return Example(arrays, facts["work_id"], facts["score_id"], tuple(facts["tags"]), facts["caption"], facts["style"])
