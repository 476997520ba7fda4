"""Key of whole tracks: the metrics of `evaluation.metrics.key`.

A track whose annotation is a key signature alone (ASAP, its renditions) counts for `signature accuracy`, and not for
the others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ohrwurm.analysis.decisions import keys_of
from ohrwurm.data.annotations import Reading, read_signatures
from ohrwurm.data.annotations.keys import NONE, signature_number, signature_of
from ohrwurm.data.annotations.references import located, reference, source_of
from ohrwurm.data.annotations.rendered import NothingKnown, read_signature
from ohrwurm.data.tracks import Track
from ohrwurm.errors import DataError
from ohrwurm.evaluation.hearings import Listening
from ohrwurm.evaluation.metrics import key
from ohrwurm.evaluation.protocols import events, marble
from ohrwurm.evaluation.report import Outcome
from ohrwurm.evaluation.task import Job, Task, option
from ohrwurm.events import Key

SIGNATURE = "signature"  # the column of files with key signatures
NAN = float("nan")


@dataclass(frozen=True)
class Options(events.Options):
    """What counts as near."""

    descending_fifths: bool = option(False, "A key a fifth below earns half a point, as one above does.")


def measure(reference: Key | int, estimate: Key | int, *, descending_fifths: bool = False) -> events.Scores:
    """Scores of one track: of a key, or of a signature (sharps) where no more is known.

    >>> measure(Key("C major", 1.0), Key("A minor", 1.0))["weighted score"], measure(-3, Key("C minor", 1.0))
    (0.3, {'weighted score': nan, 'accuracy': nan, 'signature accuracy': 1.0})
    """
    told = _signature(reference) == _signature(estimate)
    if isinstance(reference, int) or isinstance(estimate, int):
        return {"weighted score": NAN, "accuracy": NAN, "signature accuracy": float(told)}
    points = key.weighted_scores([reference.label], [estimate.label], descending_fifths=descending_fifths)[0]
    same = reference.label == estimate.label
    return {"weighted score": float(points), "accuracy": float(same), "signature accuracy": float(told)}


def truth(track: Track) -> Reading[Key | int] | None:
    """A track's key; the signature that holds longest where only that is annotated; None where nothing is.

    Raises:
        DataError: a file that is missing or damaged.
    """
    try:
        found = reference("key", track)
    except NothingKnown:
        rendered = read_signature(Path(located(track, source_of(track, "key"))))
        return Reading(signature_number(rendered.value), rendered.remarks)
    if found is not None:
        return found if found.value.label != NONE else None
    source = str(track.annotations.get(SIGNATURE) or "")
    if not source:
        return None
    spans = read_signatures(located(track, source))
    held: Counter[int] = Counter()
    for (start, end), sharps in zip(spans.value.intervals, spans.value.labels, strict=True):
        held[signature_number(int(sharps))] += end - start
    if not held:
        raise DataError(f"{source}: holds no key signature")
    several = (f"{len(held)} key signatures, of which the one that holds longest counts",) if len(held) > 1 else ()
    return Reading(held.most_common(1)[0][0], (*spans.remarks, *several))


def run(job: Job[Options]) -> Outcome:
    """The task."""
    how, clips = Listening(lambda pieces: keys_of(pieces[0].heard)[0]), ""
    if job.protocol == "marble":
        how = Listening(marble.key, marble.KEY_CLIP, "marble")
        clips = f"; MARBLE: clips of {marble.KEY_CLIP:g} s heard alone, their logits averaged"
    found = events.gather(job, "key", how, truth)
    fifths = job.options.descending_fifths
    by_chance = key.evaluate([0] * 24, list(range(24)), descending_fifths=fifths)
    chance = {name: by_chance[name] for name in ("weighted score", "accuracy")} | {"signature accuracy": 1 / 12}
    made = events.outcome(
        job,
        found,
        lambda reference, estimate: measure(reference, estimate, descending_fifths=fifths),
        protocol="one key a track; 1 point if right, 0.5 a fifth off, 0.3 relative, 0.2 parallel (MIREX)" + clips,
        chance=chance,
    )
    both = [p for p in found.pairs if isinstance(p.reference, Key) and not events.empty(p.estimate)]
    if both:
        relations = key.relations([p.reference.label for p in both], [p.estimate.label for p in both])
        made.details["relations"] = dict(Counter(key.RELATIONS[relation] for relation in relations))
    return made


def _signature(found: Key | int) -> int:
    return found if isinstance(found, int) else signature_of(found.label)


TASK = Task(
    name="key",
    about="Is the key of each recording found?",
    needs="a column key: the key itself (Eb minor), or the name of an annotation file.",
    example="ohrwurm evaluate key --benchmark giantsteps/key --data ~/data",
    model="ohrwurm-frames",
    run=run,
    check=events.check("key", (SIGNATURE,)),
    options=Options,
    load=events.loader("key"),
    protocols=("corrected", "marble"),
    details=(
        "The weighted score of MIREX, accuracy, and whether the key signature is right. Estimates are files "
        "(--estimates), those of a model with heads, or of another system that listens (--model chroma-key). With "
        "--protocol marble models hear clips of 30 s."
    ),
)
