"""Every file of the room with an `evaluate` has the five parts of a metric."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType

import pytest

from ohrwurm.errors import DataError
from ohrwurm.evaluation import metrics
from ohrwurm.evaluation.metrics import sections

MODULES = [importlib.import_module(f"{metrics.__name__}.{m.name}") for m in pkgutil.iter_modules(metrics.__path__)]
METRICS = [m for m in MODULES if hasattr(m, "evaluate")]


def short(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@pytest.mark.parametrize("module", [m for m in METRICS if short(m) != "corpus"], ids=short)
def test_names_its_paper_its_conventions_and_its_metrics(module: ModuleType) -> None:
    text = module.__doc__ or ""
    assert any(f"{y}" in text for y in range(1990, 2027)), "no paper"
    assert "Conventions\n-----------" in text
    assert "Metrics\n-------\n* ``" in text


@pytest.mark.parametrize("module", METRICS, ids=short)
def test_every_public_function_is_documented_and_evaluate_has_an_example(module: ModuleType) -> None:
    assert "Raises:" in (module.validate.__doc__ or "")
    assert ">>>" in (module.evaluate.__doc__ or "")
    public = [v for n, v in vars(module).items() if not n.startswith("_") and callable(v)]
    assert all(v.__doc__ for v in public if getattr(v, "__module__", "") == module.__name__)


def test_without_mir_eval_the_message_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mir_eval", None)
    monkeypatch.setitem(sys.modules, "mir_eval.beat", None)
    with pytest.raises(DataError, match=r"ohrwurm\[evaluation\]"):
        sections.mir_eval("beat")
