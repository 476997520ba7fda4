"""`ohrwurm models`."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.models import registry

run = CliRunner().invoke


def test_list_names_every_model_for_people_and_machines() -> None:
    table, machine = run(app, ["models", "list"]), run(app, ["models", "list", "--json"])
    assert table.exit_code == machine.exit_code == 0
    assert all(name in table.output for name in registry.names())
    assert [entry["name"] for entry in json.loads(machine.output)] == registry.names()


def test_show_prints_the_card() -> None:
    shown = run(app, ["models", "show", "mel-statistics"])
    assert shown.exit_code == 0
    assert "16000 Hz" in shown.output
    card = json.loads(run(app, ["models", "show", "mel-statistics", "--json"]).output)
    assert card["dim"] == 192


def test_unknown_model_is_an_error_that_lists_the_known() -> None:
    result = run(app, ["models", "show", "nothing"])
    assert result.exit_code != 0
    assert "mel-statistics" in str(result.exception or result.output)
