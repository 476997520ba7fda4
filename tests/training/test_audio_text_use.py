"""From training to use: a run, by its id, is indexed with, searched by words, embedded with, evaluated, exported."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ohrwurm
from ohrwurm.cli import app
from ohrwurm.data.tracks import Manifest
from ohrwurm.embedding import read_embeddings
from ohrwurm.errors import ModelError
from ohrwurm.models import registry

RECIPE = """\
base: ttmr/laptop
task:
  window: 2
  batch_size: 8
  lr: 3.0e-3
  parameters: {n_mels: 32, hop: 256, channels: [8, 8, 16, 16], attention_dim: 32, heads: 2, layers: 1, dim: 16,
    text_dim: 16, dropout: 0}
trainer: {max_epochs: 15, validate_every: 5, accelerator: cpu}
"""


@pytest.fixture
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("ohrwurm")
    before = logger.handlers[:], logger.level
    yield
    logger.handlers[:], logger.level = before


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("_quiet")
def test_run_is_used_by_its_id(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OHRWURM_COLLECTION", str(tmp_path / "collection"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.yaml").write_text(RECIPE)
    told("train", "words.yaml", "--data", str(music), "--workers", "0")
    (run,) = (row["id"] for row in json.loads(told("runs", "list", "--json")))
    assert run.startswith("words-")

    told("index", str(music.parent), "--models", run, "--workers", "1")
    monkeypatch.chdir(music.parent)  # the collection knows the run by its place, not by the folder it was named in
    monkeypatch.delenv("OHRWURM_RUNS")
    hits = json.loads(told("search", "buzz", "--json", "-k", "24"))["results"]
    timbres = {Path(t.path).name: t.tags[0] for t in Manifest.read(music)}
    right = [timbres[Path(hit["path"]).name] == "buzz" for hit in hits]
    assert len(right) == 24
    assert np.mean(right[:6]) > np.mean(right)

    monkeypatch.setenv("OHRWURM_RUNS", str(tmp_path / "runs"))
    told("embed", str(music), "--model", run, "--out", str(tmp_path / "music.npz"), "--workers", "1", "--json")
    assert read_embeddings(tmp_path / "music.npz").vectors.shape == (24, 16)
    Manifest(dataclasses.replace(t, split="test") for t in Manifest.read(music)).write(tmp_path / "test.csv")
    table = str(tmp_path / "test.csv")
    report = told("evaluate", "described", "--model", run, "--manifest", table, "--json", "--workers", "1")
    assert json.loads(report)["model"] == "my-text-model"
    told("models", "export", run, "--format", "safetensors", "--out", str(tmp_path / "mine.safetensors"))
    assert json.loads(told("models", "show", run, "--json"))["sample_rate"] == 16000
    by_folder = ohrwurm.load(tmp_path / "runs" / run)
    assert by_folder.card.provenance == ohrwurm.load(run).card.provenance


def test_run_without_a_model_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_RUNS", str(tmp_path))
    (tmp_path / "mine-1234").mkdir()
    (tmp_path / "mine-1234" / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(ModelError, match=r"mine-1234: this run has no model yet.*ohrwurm runs resume mine-1234"):
        ohrwurm.load("mine-1234")
    with pytest.raises(ModelError, match="no model named 'mine-1235'"):
        ohrwurm.load("mine-1235")


def test_name_of_a_model_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_RUNS", str(tmp_path))
    (tmp_path / "samplecnn").mkdir()
    (tmp_path / "samplecnn" / "config.yaml").write_text("seed: 0\n")
    assert registry.card("samplecnn").name == "samplecnn"
    assert registry.located("samplecnn") == "samplecnn"
    with pytest.raises(ModelError, match="no model yet"):
        registry.card(tmp_path / "samplecnn")
