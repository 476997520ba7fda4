"""ohrwurm-alignment: pitchnet's profiles slid over each other, with the settings that find most versions on validation.

    ohrwurm data version-files validation/manifest.csv profiles --pitch pitchnet
    python -m ohrwurm.training.alignment profiles --out runs/alignment

Nothing is learned beside pitchnet. Each setting of `CHOICES` is chosen in its turn, the others as they are by then: the
cheapest that finds hardly less than the best, by MAP on works that pitchnet was not trained on. The card gets the
threshold above which nineteen of twenty of their pairs are versions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ohrwurm.atomic import write_text
from ohrwurm.data.version_features import ProfileSet, open_profiles
from ohrwurm.evaluation.metrics import versions as metrics
from ohrwurm.models import registry
from ohrwurm.models.alignment import PitchAlignment
from ohrwurm.models.base import ModelCard
from ohrwurm.training.version_scores import threshold_of

PITCH = "pitchnet"
START: dict[str, float] = {"cutoff": 0.02, "octaves": 0.4, "steps": 12, "seconds": 60.0, "average": 4}
CHOICES: dict[str, Sequence[float]] = {  # the cheapest first
    "cutoff": (0.0, 0.01, 0.02, 0.05),
    "octaves": (0.25, 0.4, 0.65, 0.8, 1.0),
    "steps": (6, 8, 12),
    "seconds": (30.0, 60.0, 90.0, 120.0),
    "average": (16, 8, 4),
}
SLACK = 0.002  # of MAP, for which nothing dearer is taken


def compared(model: PitchAlignment, profiles: ProfileSet) -> Tensor:
    """Similarities of all songs to all, `(n, n)`, each asking in its row."""
    with torch.inference_mode():
        songs = (torch.from_numpy(profiles.read(row).astype(np.float32))[None] for row in range(len(profiles.tracks)))
        vectors = torch.cat([model.encode_features(song).pooled for song in songs])
        return torch.stack([model.similarity(vector, vectors) for vector in vectors])


def card_of(settings: dict[str, Any], threshold: float) -> ModelCard:
    """The card of the model with these settings."""
    pitch = registry.card(PITCH)
    parameters = {"pitch": pitch.architecture, "pitch_parameters": dict(pitch.parameters), **settings}
    return ModelCard(
        name="ohrwurm-alignment",
        architecture="pitch-alignment",
        parameters=parameters,
        sample_rate=pitch.sample_rate,
        window=settings["seconds"],
        hop=settings["seconds"],
        minimum=5.0,
        dim=12 * PitchAlignment(**parameters).frames,
        pooling="first",
        comparison="cross-correlation",
        good_for=("versions",),
        description=f"Version identification (covers, remasters, arrangements): the first {settings['seconds']:g} s as "
        "pitchnet hears them, slid over each other in all keys, at all lags and many speeds. Finds more than one "
        "vector a song does, and takes longer to compare.",
        paper="after Ellis & Poliner, Identifying cover songs with chroma features, ICASSP 2007",
        source="python -m ohrwurm.training.alignment",
        features={"version_threshold": round(threshold, 3)},
    )


def make(profiles: ProfileSet, out: Path) -> dict[str, Any]:
    """Choose the settings and write the model folder `out / "model"`; returns what was found on the way."""
    works = np.array([track.work_id for track in profiles.tracks])
    settings: dict[str, Any] = dict(START)
    tried: list[dict[str, Any]] = []
    for name, values in CHOICES.items():
        rows = []
        for value in values:
            some = {**settings, name: value}
            if (row := next((row for row in tried if row["settings"] == some), None)) is None:
                found = metrics.evaluate(compared(PitchAlignment(**some), profiles).numpy(), works)
                row = {"settings": some, **{metric: round(found[metric], 4) for metric in ("MAP", "Top-1")}}
                tried.append(row)
                print(json.dumps(row), flush=True)
            rows.append(row)
        best = max(row["MAP"] for row in rows)
        settings = next(row["settings"] for row in rows if row["MAP"] >= best - SLACK)
    near = compared(PitchAlignment(**settings), profiles)
    card = card_of(settings, threshold_of((near + near.T) / 2, works))
    model = registry.build(card)
    assert isinstance(model, PitchAlignment)
    model.pitch.load_state_dict(registry.load(PITCH).state_dict())
    registry.save(model, out / "model")
    report = {"songs": len(works), "works": len(set(works)), "chosen": settings, "tried": tried, **card.features}
    write_text(out / "report.json", json.dumps(report, indent=2))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", type=Path, help="of validation works, by pitchnet")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    print(json.dumps(make(open_profiles(args.profiles), args.out)["chosen"]))


if __name__ == "__main__":
    main()
