"""Ohrwurm: music embeddings put to work (search), trained, and measured.

Importing this package is cheap; torch, LanceDB and the rest load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Collection", "__version__", "analyze", "embed", "evaluate", "load"]

if TYPE_CHECKING:
    from ohrwurm.analysis.recording import analyze
    from ohrwurm.collection import Collection
    from ohrwurm.embedding import embed
    from ohrwurm.evaluation.tasks import evaluate
    from ohrwurm.models.registry import load


def __getattr__(name: str) -> Any:
    if name == "load":
        from ohrwurm.models.registry import load

        return load
    if name == "embed":
        from ohrwurm.embedding import embed

        return embed
    if name == "analyze":
        from ohrwurm.analysis.recording import analyze

        return analyze
    if name == "evaluate":
        from ohrwurm.evaluation.tasks import evaluate

        return evaluate
    if name == "Collection":
        from ohrwurm.collection import Collection

        return Collection
    raise AttributeError(f"module 'ohrwurm' has no attribute {name!r}")
