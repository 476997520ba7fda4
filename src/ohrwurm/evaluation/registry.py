"""Which tasks `ohrwurm evaluate` has, told without importing one of them: a help text waits for no network library."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

# Name → the module whose `TASK` it is, in the order of the help.
MODULES = {
    "versions": "ohrwurm.evaluation.protocols.versions",
    "probe": "ohrwurm.evaluation.protocols.probing",
    "described": "ohrwurm.evaluation.protocols.described",
    "retrieval": "ohrwurm.evaluation.protocols.retrieval",
    "tag-retrieval": "ohrwurm.evaluation.protocols.tag_retrieval",
    "zero-shot": "ohrwurm.evaluation.protocols.zero_shot",
    "tagging": "ohrwurm.evaluation.protocols.tagging",
    "linear": "ohrwurm.evaluation.protocols.linear",
    "ttmr-probe": "ohrwurm.evaluation.protocols.ttmr_probing",
    "jukemir": "ohrwurm.evaluation.protocols.jukemir_task",
    "beats": "ohrwurm.evaluation.protocols.beats",
    "chords": "ohrwurm.evaluation.protocols.chords",
    "structure": "ohrwurm.evaluation.protocols.structure",
    "key": "ohrwurm.evaluation.protocols.key",
    "audit": "ohrwurm.evaluation.audit",
    "robustness": "ohrwurm.evaluation.robustness",
}


def about(name: str) -> str:
    """The question that a task answers: `about` of its `TASK`, read from the file and not run; empty if not found.

    >>> about("versions")
    'Does a recording find the other recordings of its work?'
    """
    spec = importlib.util.find_spec(MODULES[name])
    if spec is None or spec.origin is None:
        return ""
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if [getattr(target, "id", "") for target in node.targets] == ["TASK"]:
            told = {k.arg: k.value for k in node.value.keywords}.get("about")
            return str(told.value) if isinstance(told, ast.Constant) else ""
    return ""
