"""What holds for every benchmark: it says what it is, and a miniature of it becomes the manifest that it promises.

Each benchmark has a test file of its own beside this one, with a function `tree(folder)` that writes a miniature of its
default variant as published.
"""

from __future__ import annotations

import importlib
import lzma
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ohrwurm.data import benchmarks
from ohrwurm.data.benchmarks import NAMES, find, recognise, serving
from ohrwurm.data.preparing import prepare
from ohrwurm.data.sources import labels_of, manifest_of
from ohrwurm.data.tracks import SPLITS
from ohrwurm.errors import DataError

HERE = Path(__file__).parent
HOUSE = {"anthems", "emotify", "recordings"}


def miniature(name: str, folder: Path) -> Path:
    assert (HERE / f"test_{name}.py").is_file(), f"{name} has no tests of its own: tests/data/benchmarks/test_{name}.py"
    written = importlib.import_module(f"test_{name}").tree(folder)
    assert isinstance(written, Path)
    return written


def test_every_file_of_the_folder_is_listed() -> None:
    folder = Path(benchmarks.__file__).parent
    found = {p.stem for p in folder.glob("*.py") if "\nBENCHMARK = " in p.read_text(encoding="utf-8")}
    assert found == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_says_what_it_is(name: str) -> None:
    found = find(name)
    assert found.name == name
    for said in (found.title, found.citation, found.licence, found.caveats):
        assert said
    assert found.variants
    for variant in found.variants.values():
        assert variant.about
        assert variant.tasks
        assert set(variant.counts) <= set(SPLITS)
        assert all(n > 0 for n in variant.counts.values())
        if not callable(variant.labels):
            assert len(set(variant.labels)) == len(variant.labels)
    assert found.layouts
    for layout in found.layouts:
        assert layout.title
        assert layout.marks
        assert set(layout.variants) <= set(found.variants)
    for name in found.variants:
        assert any(layout.gives(name) for layout in found.layouts), f"{name}: no layout gives it"
    names = [remote.name for remote in found.remotes]
    assert len(set(names)) == len(names)
    for remote in found.remotes:
        assert remote.url.split("://")[0] in ("http", "https")
        assert remote.about
        assert len(remote.sha256) in (0, 64)
        assert len(remote.md5) in (0, 32)
        assert len(remote.sha1) in (0, 40)
    for form in found.audio:
        assert form.source


def test_every_truth_is_measured_by_some_task() -> None:
    from ohrwurm.evaluation import tasks

    measured = {truth for task in map(tasks.find, tasks.MODULES) for truth in task.truth or (task.name,)}
    held = {truth for name in NAMES for truth in find(name).tasks}
    assert held <= measured


@pytest.mark.parametrize("name", NAMES)
def test_a_miniature_is_recognised_and_read(name: str, tmp_path: Path) -> None:
    folder = miniature(name, tmp_path / "data")
    known = find(name)
    recognised = recognise(folder)
    assert recognised is not None
    assert recognised[0].name == name
    manifest = known.read(folder)
    assert len(manifest)
    assert {t.split for t in manifest} <= set(known.variant().counts or SPLITS)
    if not known.evaluation_only:
        assert [t.track_id for t in manifest_of(folder)] == [t.track_id for t in manifest]
    labels = known.labels(folder)
    assert len(set(labels)) == len(labels)
    if labels:
        assert {tag for t in manifest for tag in t.tags} <= set(labels)
        assert labels_of(folder) == labels
    manifest.write(tmp_path / "copy.csv")
    assert [t.path for t in manifest_of(tmp_path / "copy.csv")] == [t.path for t in manifest]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_prepared_is_read_as_what_was_published(name: str, tmp_path: Path) -> None:
    folder, known = miniature(name, tmp_path / "data"), find(name)
    published = known.read(folder)
    for file in {Path(t.path) for t in published if not Path(t.path).exists()}:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    made = prepare(known, "", tmp_path / "out", source=folder, audio="keep")
    again = known.read(tmp_path / "out")
    assert made.counts == Counter(t.split for t in published)
    assert known.labels(tmp_path / "out") == known.labels(folder)
    for before, after in zip(published, again, strict=True):
        said = {key: value for key, value in before.annotations.items() if value != ""}
        assert after == replace(before, path=after.path, annotations=said)
        assert Path(after.path) == Path(before.path)
    assert manifest_of(tmp_path / "out").tracks == again.tracks


def test_a_folder_of_sets_is_none_of_them(tmp_path: Path) -> None:
    with lzma.open(tmp_path / "musiccaps.jsonl.xz", "wt") as lines:
        lines.write('{"ytid": "-0Gj8-vB1q4", "start_s": 30, "aspects": [], "caption": "x", "audioset_eval": true}\n')
    recognised = recognise(tmp_path)
    assert recognised is not None
    assert recognised[0].name == "musiccaps"
    miniature("emotify", tmp_path / find("emotify").folder)
    assert recognise(tmp_path) is None
    assert len(find("musiccaps").read(tmp_path)) == 1  # asked for by its name it is there


@pytest.mark.parametrize("name", sorted(HOUSE))
def test_sets_at_hand_are_for_testing_alone(name: str, tmp_path: Path) -> None:
    assert find(name).evaluation_only
    tracks = find(name).read(miniature(name, tmp_path))
    assert {t.split for t in tracks} == {"test"}
    assert all(t.track_id.startswith(f"{name}/") for t in tracks)


def test_a_task_starts_with_the_set_at_hand() -> None:
    assert {task: serving(task)[0] for task in ("versions", "probe", "described")} == {
        "versions": "anthems",
        "probe": "emotify",
        "described": "recordings",
    }


def test_a_variant_is_named_behind_a_stroke() -> None:
    assert list(find("magnatagatune/pons").variants) == ["pons"]
    with pytest.raises(DataError, match=r"magnatagatune has no variant 'ponz'\. It has: .*pons"):
        find("magnatagatune/ponz")
    with pytest.raises(DataError, match=r"no benchmark named 'anthem'.*Known: anthems, emotify"):
        find("anthem/half")


def test_a_missing_set_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OHRWURM_DATA", raising=False)
    with pytest.raises(DataError, match="OHRWURM_DATA"):
        find("anthems").read()
    with pytest.raises(DataError, match=r"anthems_half.*ohrwurm data prepare anthems"):
        find("anthems").read(tmp_path)
    (tmp_path / "anthems_half").mkdir()
    with pytest.raises(DataError, match=r"manifest\.csv: missing"):
        find("anthems").read(tmp_path)
