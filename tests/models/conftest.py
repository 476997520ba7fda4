"""Golden vectors: numbers made by running the published code, with weights that are functions of their names."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

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


def _golden(name: str) -> Golden:
    spec = importlib.util.spec_from_file_location(f"golden_{name}", GOLDEN / name / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Golden(GOLDEN / name, module)


@pytest.fixture(scope="session")
def ttmr_golden() -> Golden:
    return _golden("ttmr_muscall")


@pytest.fixture(scope="session")
def move_golden() -> Golden:
    return _golden("remove")
