"""`ohrwurm models`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from servers import Files, Hub, Site, serving
from typer.testing import CliRunner, Result

from ohrwurm.cli import app
from ohrwurm.errors import ModelError, TransferError
from ohrwurm.models import registry

COMMANDS = ("list", "show", "record", "convert", "export", "download", "push")


def run(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["models", *map(str, arguments)])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def answer(*arguments: str | Path) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    state = {f"module.{key}": value for key, value in registry.load("pitchnet").state_dict().items()}
    torch.save({"epoch": 2, "state_dict": state}, tmp_path / "best.pth")
    return tmp_path / "best.pth"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serving(Hub) as running:
        template = f"{running.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", running.url)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        yield running


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    assert f"ohrwurm models {command}" in " ".join(run(command, "--help").output.split())


def test_list_names_every_model_for_people_and_machines() -> None:
    table = run("list")
    assert all(name in table.output for name in registry.names())
    assert [entry["name"] for entry in answer("list")] == registry.names()


def test_show_prints_the_card() -> None:
    assert "16000 Hz" in run("show", "mel-statistics").output
    assert answer("show", "mel-statistics")["dim"] == 192
    told = " ".join(run("show", "musicfm-msd").output.split())
    assert 'ohrwurm.load("musicfm-msd")' in told
    for shown in ("25 a second, of layer 7", "cosine to fp32 at least 0.9999", "random weights", "get_latent"):
        assert shown in told


def test_unknown_model_is_an_error_that_names_the_nearest() -> None:
    for name in ("mel-statistic", "Mel-Statistics"):
        result = run("show", name, code=1)
        assert isinstance(result.exception, ModelError)
        assert "Did you mean mel-statistics" in str(result.exception)
    assert "`ohrwurm models list` shows all" in str(run("show", "nothing", code=1).exception)


def test_convert_says_what_became_of_every_tensor(checkpoint: Path, tmp_path: Path) -> None:
    plain = run("convert", checkpoint, "--as", "pitchnet", "--out", tmp_path / "model")
    assert plain.stdout.strip() == str(tmp_path / "model")
    count = len(registry.load("pitchnet").state_dict())
    assert f"best.pth: {count} mapped ({count} renamed)" in plain.stderr
    told = run("convert", checkpoint, "--as", "pitchnet", "--out", tmp_path / "model", "-v").stderr
    assert "mapped    module.salience.weight → salience.weight" in told
    machine = answer("convert", checkpoint, "--as", "pitchnet", "--out", tmp_path / "model")
    assert {"published": "module.salience.weight", "ours": "salience.weight"} in machine["mapped"]
    assert registry.load(machine["folder"]).card.name == "pitchnet"


def test_convert_puts_what_has_no_place_where_its_name_finds_it(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    assert Path(run("convert", checkpoint, "--as", "pitchnet").stdout.strip()) == registry.cached("pitchnet")


def test_errors_have_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"garbage")
    command = [sys.executable, "-m", "ohrwurm", "models", "convert", str(tmp_path / "bad.pth"), "--as", "pitchnet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("ohrwurm: ")
    assert "bad.pth" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_export_writes_and_measures(tmp_path: Path) -> None:
    told = answer("export", "mel-statistics", "--format", "onnx", "--out", tmp_path / "m.onnx")
    assert told["takes"] == "waveform"
    assert 0 < told["difference"] < 1e-4
    assert Path(told["path"]).stat().st_size > 10_000
    plain = run("export", "pitchnet", "--format", "published", "--out", tmp_path / "p.pth")
    assert plain.stdout.strip() == str(tmp_path / "p.pth")
    assert "tensors" in plain.stderr
    run("export", "pitchnet", "--format", "gguf", "--out", tmp_path / "p", code=2)


def test_push_then_download(site: Site, tmp_path: Path) -> None:
    registry.save(registry.load("pitchnet"), tmp_path / "mine")
    assert answer("push", tmp_path / "mine", "hf:me/mine")["commit"].startswith(site.url)
    told = answer("download", "hf:me/mine", "--out", tmp_path / "again")
    assert told["checked"]
    assert registry.load(told["path"]).card == registry.card(tmp_path / "mine")
    assert "as stated" in run("download", "hf:me/mine").stderr
    assert answer("show", "hf:me/mine")["name"] == "pitchnet"
    assert isinstance(run("download", "hf:me/none", code=1).exception, TransferError)


def test_download_of_a_file_says_whether_it_could_be_checked(tmp_path: Path) -> None:
    with serving(Files) as site:
        site.files["/best.pth"] = b"weights"
        plain = run("download", f"{site.url}/best.pth", "--out", tmp_path / "best.pth")
        assert "could not be checked" in plain.stderr
        told = answer("download", f"{site.url}/best.pth", "--out", tmp_path / "best.pth")
        assert told["checked"] is False
        again = ("download", f"{site.url}/best.pth", "--out", tmp_path / "best.pth", "--sha256", told["sha256"])
        assert answer(*again)["checked"]
        (tmp_path / "mirror").mkdir()
        (tmp_path / "mirror" / "other.pth").write_bytes(b"mirrored")
        run("download", f"{site.url}/other.pth", "--out", tmp_path / "other.pth", "--mirror", tmp_path / "mirror")
        assert (tmp_path / "other.pth").read_bytes() == b"mirrored"


def test_list_says_where_weights_are() -> None:
    weights = {line.split()[0]: line.split()[-1] for line in run("list").output.splitlines() if line.strip()}
    assert weights["ohrwurm-text"] == "bundled"
    assert weights["mel-statistics"] == "none"
    assert weights["ttmr-contrastive-bert-stochastic"] in {"yours", "download"}
