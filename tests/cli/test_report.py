"""`ohrwurm report`: the numbers reach the terminal, the page and the picture, and nothing else is drawn."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.evaluation.report import Figure, Items, Outcome, Report

HALF = np.linspace(0.0, 1.0, 40)


def write(file: Path, model: str, shift: float = 0.0, *, data: str = "anthems", **more: Any) -> Path:
    """A report on forty queries of twenty works."""
    precision = np.clip(HALF + shift, 0, 1)
    ranks = np.round(1 + 30 * (1 - precision))
    figures = {
        "MAP": Figure(float(precision.mean()), 0.3, 0.7, 0.05),
        "MR1": Figure(float(ranks.mean()), 8.0, 20.0, 50.0),
    }
    items = Items.of(
        "queries", [f"q <{i}>" for i in range(40)], {"MAP": precision, "MR1": ranks}, [i // 2 for i in range(40)]
    )
    outcome = Outcome("each asks", "over works", figures, {"queries": 40}, items=(items,), **more)
    report = Report("versions", data, "", "", "", model, "", f"{model}-1", outcome, {}, {}, data_hash="1f")
    file.write_text(report.to_json())
    return file


def command(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["report", *map(str, arguments)], env={"COLUMNS": "220"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_terminal_shows_figures_and_tests(tmp_path: Path) -> None:
    code, out, _ = command(write(tmp_path / "a.json", "old"), write(tmp_path / "b.json", "new", 0.2))
    assert code == 0
    assert re.search(r"MAP +0\.500 \(0\.300 to 0\.700\)", out)
    difference = np.clip(HALF + 0.2, 0, 1).mean() - HALF.mean()
    assert "Differences: new against old" in out
    assert "Over 40 queries in 20 groups that both have" in out
    assert re.search(rf"MAP +{difference:.3f} +0\.\d+ to 0\.\d+ +< 0\.001 .* better", out)
    assert re.search(r"MR1 +-\d.*better", out)
    assert "q <39>" in out  # which gained least


def test_json_is_the_comparison(tmp_path: Path) -> None:
    _, out, _ = command(write(tmp_path / "a.json", "old"), write(tmp_path / "b.json", "new", 0.2), "--json")
    found = json.loads(out)
    assert [m["name"] for m in found["models"]] == ["old", "new"]
    assert [(d["metric"], d["verdict"]) for d in found["differences"]] == [("MAP", "better"), ("MR1", "better")]


def test_the_page_needs_nothing_else_and_follows_the_readers_theme(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, _, _ = command(
        write(tmp_path / "a.json", "<old>", warnings=("a & b",)), write(tmp_path / "b.json", "new", 0.2), "--out", page
    )
    assert code == 0
    text = page.read_text()
    assert "<td>&lt;old&gt;</td>" in text or '<th class="n">&lt;old&gt;</th>' in text
    assert "<old>" not in text
    assert "a &amp; b" in text
    assert not re.search(r"(src|href|srcset)=\"(?!data:)", text)
    assert text.count("<picture>") == 4  # metrics, differences, ranks, items
    assert "prefers-color-scheme: dark" in text
    assert list(tmp_path.glob("*.png")) == []


def test_markdown_has_its_picture_beside_it(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a|1.json", "m"), write(tmp_path / "b.json", "m", 0.2)
    assert command(a, b, "--out", tmp_path / "page.md")[0] == 0
    text = (tmp_path / "page.md").read_text()
    assert "m (a\\|1)" in text  # a bar in a name does not break the table
    assert "](page.png)" in text
    rows = [line for line in text.splitlines() if line.startswith("| MAP ")]
    assert all(line.count(" | ") == rows[0].count(" | ") for line in rows[:1])
    assert (tmp_path / "page.png").read_bytes()[:4] == b"\x89PNG"


def test_the_picture_shows_what_it_is_of(tmp_path: Path) -> None:
    """Another model, another picture; a single report has fewer parts; light and dark have their paper."""
    from matplotlib.image import imread

    from ohrwurm.evaluation.comparison import compare
    from ohrwurm.evaluation.figures import pictures, png

    a, b, c = (
        write(tmp_path / "a.json", "x"),
        write(tmp_path / "b.json", "y", 0.2),
        write(tmp_path / "c.json", "y", 0.4),
    )
    one, two, other = compare([a]), compare([a, b]), compare([a, c])
    assert [p.title.split(",")[0].split(":")[0] for p in pictures(one)] == [
        "Metrics", "Share of queries answered among the first k",
    ]  # fmt: skip
    assert len(pictures(two)) == 4
    assert png(two, pictures(two)[1:2]) != png(other, pictures(other)[1:2])
    for theme, paper in (("light", (1.0, 1.0, 1.0)), ("dark", (13 / 255, 17 / 255, 23 / 255))):
        pixels = imread(io.BytesIO(png(two, pictures(two)[:1], theme)))
        assert pixels[2, 2, :3] == pytest.approx(paper, abs=0.01)
        assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 50  # something is drawn on it


def test_references_are_set_beside_with_what_differs(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", "mine", data="da_tacos/benchmark")
    _, out, _ = command(file, "--references")
    assert re.search(r"Re-MOVE: Re-MOVE, d=256 +MAP +0\.534 +0\.500", out)
    assert "counts the 2,000 of 15,000 queries without versions as rank 1" in out
    assert "from memory" in out
    _, out, _ = command(write(tmp_path / "b.json", "mine"), "--references")
    assert "No published result is known for versions on anthems" in out


def test_what_cannot_be_reported_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    a = write(tmp_path / "a.json", "m")
    code, _, err = command(a, tmp_path / "x.json")
    assert code == 1
    assert "x.json: not a report" in err
    assert command(a, "--out", tmp_path / "page.pdf")[0] == 2
    assert command(tmp_path / "missing.json")[0] == 2


def test_more_than_two_are_compared_with_the_first(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.json", n, s) for n, s in (("a", 0.0), ("b", 0.1), ("c", -0.1))]
    code, out, _ = command(*files)
    assert code == 0
    assert re.search(r"Differences: b against a\n.*\nMAP .* better *\n", out)
    assert re.search(r"Differences: c against a\n.*\nMAP .* worse *\n", out)


def test_nothing_is_folded_where_no_terminal_shows_it(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{i}.json", f"a-model-with-a-long-name-{i}") for i in range(4)]
    shown = CliRunner().invoke(app, ["report", *map(str, files)], env={"COLUMNS": "80"}).stdout
    heading = next(line for line in shown.splitlines() if line.startswith("metric"))
    assert all(f"a-model-with-a-long-name-{i}" in heading for i in range(4))
