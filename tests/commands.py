"""Commands run in this process, and what they answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from ohrwurm.cli import app


def ohrwurm(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=True)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def answer(*arguments: str | Path, code: int = 0) -> Any:
    return json.loads(ohrwurm(*arguments, "--json", code=code).stdout)
