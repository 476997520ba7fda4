from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import answer, ohrwurm
from torch import Tensor

from ohrwurm.models.base import Encoded, JointModel, ModelCard
from ohrwurm.models.registry import architecture, register_card

COMMANDS = ("index", "search", "versions", "status", "errors", "remove")


@architecture("test-cli-loudness")
class Loudness(JointModel):
    """Hears whether a sound is loud or soft, and knows both words."""

    def forward(self, waveform: Tensor) -> Encoded:
        level = waveform.abs().mean(1, keepdim=True)
        return Encoded(torch.cat([level, 1 - level], 1))

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[float("loud" in text), float("soft" in text)] for text in texts])


register_card(
    ModelCard(
        "test-cli-loudness",
        "test-cli-loudness",
        sample_rate=8000,
        window=1.0,
        hop=1.0,
        dim=2,
        good_for=("words", "sound", "versions"),
        description="",
        joint=True,
        features={"learned": False, "version_threshold": 0.99},
    )
)


architecture("test-cli-versions")(Loudness)
register_card(
    ModelCard(
        "test-cli-versions",
        "test-cli-versions",
        sample_rate=8000,
        window=1.0,
        hop=1.0,
        dim=2,
        good_for=("versions",),
        description="",
        features={"learned": False},
    )
)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two loud files, two soft ones and one that is none, indexed in `collection`."""
    root = tmp_path_factory.mktemp("cli")
    (root / "music").mkdir()
    rng = np.random.default_rng(0)
    for name, level in (("loud", 0.9), ("louder", 0.95), ("soft", 0.02), ("softer", 0.01)):
        soundfile.write(root / "music" / f"{name} song.wav", level * rng.choice([-1.0, 1.0], 16000), 8000)
    (root / "music" / "no [bold]music.mp3").write_text("words")
    report = answer(
        "index", root / "music", "--collection", root / "collection", "--model", "test-cli-loudness", code=3
    )
    assert (report["files"], report["indexed"], report["collection"]) == (5, 4, str(root / "collection"))
    assert [Path(f["path"]).name for f in report["failures"]] == ["no [bold]music.mp3"]
    return root / "music"


@pytest.fixture(autouse=True)
def chosen_by_environment(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_COLLECTION", str(music.parent / "collection"))


def test_search_by_words_as_json(music: Path) -> None:
    found = answer("search", "loud")["results"]
    assert [r["title"] for r in found] == ["louder song", "loud song", "soft song", "softer song"]
    assert [r["rank"] for r in found] == [1, 2, 3, 4]
    assert found[0]["path"] == str(music / "louder song.wav")
    assert {"rank", "id", "path", "title", "artist", "score", "position"} <= found[0].keys()
    assert found[0]["score"] > found[3]["score"]


def test_search_combines_its_options(music: Path) -> None:
    assert [r["title"] for r in answer("search", "soft", "-k", "1")["results"]] == ["softer song"]
    where = answer("search", "soft", "--where", "title LIKE 'loud%'")["results"]
    assert [r["title"] for r in where] == ["loud song", "louder song"]
    like = answer("search", "--like", music / "loud song.wav", "--not", "soft")["results"]
    assert like[0]["title"] == "louder song"
    assert "loud song" not in [r["title"] for r in like]
    by_id = answer("search", "--like", like[0]["id"])["results"]
    assert by_id[0]["title"] == "loud song"


def test_search_prints_a_table() -> None:
    out = ohrwurm("search", "loud").stdout
    assert "louder song" in out
    assert len(out.splitlines()) == 5


def test_versions(music: Path) -> None:
    assert answer("versions", music / "soft song.wav", "-k", "1")["results"][0]["title"] == "softer song"
    groups = answer("versions", "--all")["groups"]
    assert sorted(sorted(t["title"] for t in g["tracks"]) for g in groups) == [
        ["loud song", "louder song"],
        ["soft song", "softer song"],
    ]
    assert "2 versions" in ohrwurm("versions", "--all").stdout
    assert answer("versions", "--all", "--threshold", "1.5", code=3) == {"groups": []}


def test_status_and_errors() -> None:
    status = answer("status")
    assert (status["tracks"], status["failures"]) == (4, {"unreadable": 1})
    assert "test-cli-loudness: words, sound, versions; 4 embedded" in ohrwurm("status").stdout
    assert [e["reason"] for e in answer("errors")["errors"]] == ["unreadable"]
    assert "no [bold]music.mp3: unreadable" in ohrwurm("errors").stdout  # brackets are no markup


def test_second_index_without_folders_is_quick_and_quiet() -> None:
    report = answer("index")
    assert (report["unchanged"], report["skipped"], report["failures"]) == (4, 1, [])
    assert "skipped" in ohrwurm("index").stdout


def test_remove_and_index_again(music: Path) -> None:
    removed = answer("remove", music / "softer song.wav")["removed"]
    assert removed == [str(music / "softer song.wav")]
    assert answer("status")["tracks"] == 3
    assert answer("index")["indexed"] == 1
    assert answer("remove", "--missing", code=3) == {"removed": []}


def test_nothing_found_has_its_own_exit_code() -> None:
    assert answer("search", "loud", "--where", "year = 1700", code=3) == {"results": []}
    assert "Nothing found" in ohrwurm("search", "loud", "--where", "year = 1700", code=3).stderr


def test_an_empty_folder_is_not_a_success(tmp_path: Path) -> None:
    done = ohrwurm("index", tmp_path, "--collection", tmp_path / "c", "--model", "mel-statistics", code=3)
    assert "No audio files" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("search",), ("search", "--not", "loud"), ("versions",), ("versions", "x", "--all"), ("remove",),
     ("search", "x", "-k", "0"), ("search", "x", "--nonsense"), ("index", "--workers", "0")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_two(arguments: tuple[str, ...]) -> None:
    ohrwurm(*arguments, code=2)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_and_the_common_options(command: str) -> None:
    out = ohrwurm(command, "--help").stdout
    assert f"Example: ohrwurm {command}" in out
    for words in ("--collection", "--json", "Exit codes"):
        assert words in out


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ohrwurm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def test_errors_are_one_line_without_traceback(tmp_path: Path) -> None:
    done = run("search", "piano", "--collection", tmp_path / "none")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("ohrwurm: no collection at ")
    assert "ohrwurm index" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_control_c_keeps_what_was_done_and_ends_with_130(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    rng = np.random.default_rng(0)
    for i in range(60):
        soundfile.write(tmp_path / "music" / f"{i}.wav", rng.uniform(-0.5, 0.5, 160_000), 16000)
    code = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from ohrwurm.collection import Collection
real = Collection.index
def index(self, *arguments, **options):
    def after_five(progress):
        if progress.phase == "embed" and progress.done >= 5:
            os.kill(os.getpid(), signal.SIGINT)
    return real(self, *arguments, **options | {"progress": after_five})
Collection.index = index
from ohrwurm.__main__ import main
main()
"""
    command = [sys.executable, "-c", code, "index", tmp_path / "music", "--collection", tmp_path / "c"]
    done = subprocess.run([*map(str, command), "--model", "mel-statistics"], capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGINT
    assert "Run the same command to go on" in done.stderr
    assert "Traceback" not in done.stderr
    assert 5 <= answer("status", "--collection", tmp_path / "c")["tracks"] < 60


def test_default_collection_is_in_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ohrwurm.collection import Collection

    monkeypatch.delenv("OHRWURM_COLLECTION")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Collection().path == tmp_path / "ohrwurm" / "collection"
    monkeypatch.setenv("OHRWURM_COLLECTION", str(tmp_path / "mine"))
    assert Collection().path == tmp_path / "mine"


@pytest.mark.parametrize(
    "model, question", [("test-cli-loudness", 'search "solo piano"'), ("test-cli-versions", "versions FILE")]
)
def test_index_names_a_question_that_its_models_answer(music: Path, tmp_path: Path, model: str, question: str) -> None:
    place = tmp_path / "my music"
    said = ohrwurm("index", music / "soft song.wav", "--collection", place, "--model", model).stdout
    assert said.splitlines()[-1] == f"Now: ohrwurm {question} --collection '{place}'"
