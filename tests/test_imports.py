"""The rooms may import only in one direction (docs/architecture.md); importing `ohrwurm` stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "ohrwurm"
BASE = {"errors", "atomic", "folders", "locks", "unpickle", "checksums", "transfer", "events", "ohrwurm"}
MAY_IMPORT = {
    "errors": set(),
    "atomic": set(),
    "folders": set(),
    "locks": set(),
    "unpickle": set(),
    "checksums": set(),
    "transfer": set(),
    "events": set(),
    "audio": set(),
    "models": {"audio", "weights"},
    "objectives": set(),
    "embedding": {"audio", "models"},
    "data": {"audio"},
    "evaluation": {"audio", "models", "data", "embedding", "analysis"},
    "training": {"audio", "models", "data", "objectives", "evaluation", "embedding", "recipes", "analysis"},
    "analysis": {"audio", "models", "embedding", "data"},
    "collection": {"audio", "models", "embedding"},
    "web": {"collection", "analysis"},
    "demo": {"data", "collection", "models", "audio", "embedding", "evaluation", "analysis"},
    "recipes": set(),
    "weights": set(),
}
HEAVY = {"lightning", "lancedb", "fastapi", "ray", "pytorch_lightning"}
NEVER = {"audio": HEAVY, "models": HEAVY, "objectives": HEAVY, "embedding": HEAVY}


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "ohrwurm"}
        elif isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{path}: relative import; write the full name")
    return found


MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if room_of(p) not in {"__init__", "__main__", "cli"}]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in MAY_IMPORT, f"{path}: room {room!r} is not in the plan; add it to MAY_IMPORT and docs"
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] == "ohrwurm" and len(parts) > 1 and parts[1] != "__version__":
            target = parts[1]
            assert target == room or target in MAY_IMPORT[room] | BASE, f"{path} imports {module}: wrong way"
        assert parts[0] not in NEVER.get(room, set()), f"{path} imports {module}: too heavy for this room"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, ohrwurm; print([m for m in ('torch','numpy','lancedb','lightning','librosa') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; sys.argv=['ohrwurm','--help']\n"
        "from ohrwurm.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "bad=[m for m in ('torch','lancedb','lightning','librosa','fastapi','transformers') if m in sys.modules]\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
