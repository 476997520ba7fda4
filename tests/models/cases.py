"""How a published model is held against its golden file; each family's `cases_NAME.py` fills `CASES`."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.models.base import AudioEncoder

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True)
class Golden:
    """One folder of golden vectors and its `fill.py`."""

    folder: Path
    make: ModuleType

    def __getitem__(self, name: str) -> dict[str, Any]:
        with np.load(self.folder / f"{name}.npz") as arrays:
            return dict(arrays)

    def keys(self, name: str) -> dict[str, tuple[list[int], str]]:
        """Published state-dict key → shape, dtype."""
        return json.loads((self.folder / "keys" / f"{name}.json").read_text())

    def fill(self, model: nn.Module) -> nn.Module:
        """Give every weight the values that belong to its published name; eval mode."""
        state = model.state_dict()
        for key, value in state.items():
            if value.is_floating_point():
                filled = self.make.fill_array(key, value.shape)
                if filled is not None:
                    state[key] = torch.as_tensor(filled)
        model.load_state_dict(state)
        return model.eval()


def golden(name: str) -> Golden:
    """The golden folder `tests/golden/NAME`."""
    spec = importlib.util.spec_from_file_location(f"golden_{name}", GOLDEN / name / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Golden(GOLDEN / name, module)


@dataclass(frozen=True)
class Case:
    """One published model and what its original code gives.

    Attributes:
        checkpoint: a published checkpoint in full: every key of the published list, filled with the golden weights.
        numbers: (what the model gives, what the original gave) pairs, of the model with these weights.
        tolerance: largest difference allowed, relative to the largest reference value.
        changes: fields of the card to replace, where the golden file is of a smaller model than the published one.
        slow: too heavy for `make test`.
        card: the card's name, where the case is named otherwise: another variant of the same published model.
    """

    checkpoint: Callable[[], dict[str, Tensor]]
    numbers: Callable[[AudioEncoder], list[tuple[np.ndarray, np.ndarray]]]
    tolerance: float
    changes: dict[str, Any] = field(default_factory=dict)
    slow: bool = False
    card: str = ""


def all_cases() -> dict[str, Case]:
    """Name of the case, which is its card's unless it says otherwise → case, of all families."""
    cases: dict[str, Case] = {}
    for file in sorted(Path(__file__).parent.glob("cases_*.py")):
        cases |= importlib.import_module(file.stem).CASES
    return cases
