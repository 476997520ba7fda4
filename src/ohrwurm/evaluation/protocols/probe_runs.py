"""Trained probes in a folder, one by one as they are done, so that a sweep goes on where it was killed.

``{uid}.safetensors`` holds the weights under the published keys, ``scaler.mean`` and ``scaler.scale`` where features
are standardised, the scores of all looks at the validation split, and the settings. No pickle.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from ohrwurm.atomic import replacing
from ohrwurm.errors import DataError
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig
from ohrwurm.evaluation.protocols.probe_scores import Part, ProbeTask
from ohrwurm.evaluation.protocols.probe_training import ProbeRun, Scaler


class ProbeFolder:
    """Probes of one sweep; with `folder` None nothing is kept.

    Args:
        task, train, valid, mode: what the probes were trained on and how. Probes of other data, or trained another way,
            are refused.
        precision: what is wanted; probes kept in a lower one count as not done.
    """

    def __init__(
        self, folder: Path | None, task: ProbeTask, train: Part, valid: Part, mode: str, precision: str
    ) -> None:
        self.folder, self.wanted = folder, precision
        digest = hashlib.sha256(json.dumps([dataclasses.asdict(task), mode]).encode())
        for part in (train, valid):
            digest.update(part.x.tobytes())
            digest.update(part.y.tobytes())
            digest.update("\n".join(part.ids).encode())
        self.made_from = digest.hexdigest()
        self._precisions: dict[str, str] = {}

    def read(self, config: ProbeConfig) -> ProbeRun | None:
        """The probe with these settings; None where it is not done.

        Raises:
            DataError: it was made from other data or in another mode, or the file is damaged.
        """
        if self.folder is None or not (file := self.folder / f"{config.uid}.safetensors").is_file():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, "pt") as opened:
                notes = opened.metadata() or {}
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118, no mapping
        except SafetensorError as error:
            raise DataError(f"{file}: cannot be read ({error}); remove it, and the probe is trained again") from error
        if notes.get("made_from") != self.made_from:
            raise DataError(f"{self.folder}: holds probes of other data, task or mode; name another folder")
        if notes["precision"] not in (self.wanted, "fp32"):
            return None
        self._precisions[config.uid] = notes["precision"]
        scores = tensors.pop("validation_scores").numpy()
        mean, scale = (tensors.pop(f"scaler.{name}", None) for name in ("mean", "scale"))
        return ProbeRun(
            config=config,
            state=tensors,
            scaler=Scaler(mean.numpy(), scale.numpy()) if mean is not None and scale is not None else None,
            score=float(scores.max()),
            best_step=int(scores.argmax()) * config.early_stopping_eval_frequency,
            steps=int(notes["steps"]),
            scores=scores,
            losses=np.zeros(0),
        )

    def write(self, run: ProbeRun, precision: str) -> None:
        """Keep a probe and how it was trained."""
        self._precisions[run.config.uid] = precision
        if self.folder is None:
            return
        from safetensors.torch import save_file

        tensors = {**run.state, "validation_scores": torch.from_numpy(run.scores)}
        if run.scaler is not None:
            tensors["scaler.mean"] = torch.from_numpy(run.scaler.mean)
            tensors["scaler.scale"] = torch.from_numpy(run.scaler.scale)
        notes = {
            "config": json.dumps(dataclasses.asdict(run.config)),
            "steps": str(run.steps),
            "precision": precision,
            "made_from": self.made_from,
        }
        with replacing(self.folder / f"{run.config.uid}.safetensors") as temporary:
            save_file({name: t.contiguous() for name, t in tensors.items()}, temporary, notes)

    def precision(self, config: ProbeConfig) -> str:
        """How a probe read or written was trained."""
        return self._precisions[config.uid]
