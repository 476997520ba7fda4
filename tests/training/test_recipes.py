"""Recipes compose, are typed, and name near misses; every recipe that ships is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ohrwurm.errors import RecipeError
from ohrwurm.training import recipes


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_later_bases_and_the_recipe_itself_win(tmp_path: Path) -> None:
    write(
        tmp_path,
        model="task: {class: tiny.TinyTask, width: 4, lr: 1e-1, sizes: [1, 2, 3]}",
        short="trainer: {max_epochs: 1}\ntask: {lr: 1e-2}",
        mine="description: mine\nbase: [model, short]\ntask: {sizes: [9]}\ntrainer: {clip: 1}",
    )
    found = recipes.resolve(tmp_path / "mine.yaml", ["task.batches=3", "seed=7"])
    assert (found.task["width"], found.task["lr"], found.task["sizes"], found.task["batches"]) == (4, 0.01, [9], 3)
    assert (found.trainer.max_epochs, found.trainer.clip, found.seed, found.description) == (1, 1.0, 7, "mine")
    assert found.build().net[0].out_features == 4


def test_resolved_recipe_is_a_recipe_that_resolves_to_itself(recipe: Path, tmp_path: Path) -> None:
    first = recipes.resolve(recipe, ["task.lr=5e-4", "trainer.max_minutes=1.5"])
    (tmp_path / "again.yaml").write_text(first.to_yaml())
    assert recipes.resolve(tmp_path / "again.yaml").as_dict() == first.as_dict()


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("task.lr=1e-3", "lr", 1e-3),
        ("task.bad_epoch=null", "bad_epoch", None),
        ("task.bad_epoch=3", "bad_epoch", 3),
        ("task.logs_monitor=false", "logs_monitor", False),
        ("task.sizes=[4, 5]", "sizes", [4, 5]),
    ],
)
def test_overrides_are_typed(recipe: Path, override: str, key: str, value: object) -> None:
    found = recipes.resolve(recipe, [override]).task[key]
    assert found == value
    assert type(found) is type(value)


def test_precision_may_be_written_as_a_number(recipe: Path) -> None:
    assert recipes.resolve(recipe, ["trainer.precision=64"]).trainer.precision == "64"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task.widht=3", r"unknown setting of TinyTask 'widht'. Did you mean width"),
        ("trainer.max_epoch=3", r"unknown setting of trainer 'max_epoch'. Did you mean max_epochs"),
        ("trianer.max_epochs=3", r"unknown section 'trianer'. Did you mean trainer"),
        ("task.lr=fast", r"task\.lr.*float.*fast"),
        ("task.batches=2.5", r"task\.batches.*int"),
        ("trainer.precision=8", r"trainer\.precision"),
        ("trainer.max_epochs=0", r"max_epochs must be above 0"),
        ("trainer.max_epochs=null", r"no limit"),
        ("trainer.ema=1.5", r"ema must lie between 0 and 1"),
        ("seed=-1", r"seed must be a whole number"),
        ("seed", r"not of the form key=value"),
        ("task..lr=1", r"empty part"),
        ("task=3", r"no task\.class"),
        ("task.class=tiny.Tiny", r"not a Task. In tiny: TinyTask"),
        ("task.class=tini.TinyTask", r"cannot import 'tini'"),
    ],
)
def test_wrong_settings_are_refused_with_the_next_step(recipe: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipes.resolve(recipe, [override])


def test_required_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiny

    class Needs(tiny.TinyTask):
        def __init__(self, words: str, model: dict[str, int]) -> None:
            super().__init__()

    monkeypatch.setattr(tiny, "Needs", Needs, raising=False)
    write(tmp_path, mine="task: {class: tiny.Needs, model: {a: 1}}\ntrainer: {max_epochs: 1}")
    with pytest.raises(RecipeError, match=r"task needs task\.words"):
        recipes.resolve(tmp_path / "mine.yaml")
    assert recipes.resolve(tmp_path / "mine.yaml", ["task.words=w", "task.model.b=2"]).task["model"] == {"a": 1, "b": 2}


def test_a_task_that_passes_settings_on_takes_those_of_the_task_it_builds_on(tmp_path: Path, monkeypatch) -> None:
    import tiny

    class Wider(tiny.TinyTask):
        def __init__(self, factor: int = 2, width: int = 5, **settings: Any) -> None:
            super().__init__(width=factor * width, **settings)

    monkeypatch.setattr(tiny, "Wider", Wider, raising=False)
    write(tmp_path, mine="task: {class: tiny.Wider, factor: 3, lr: 1e-1}\ntrainer: {max_epochs: 1}")
    found = recipes.resolve(tmp_path / "mine.yaml", ["task.batches=2"])
    chosen = {"factor": 3, "width": 5, "lr": 0.1, "batches": 2, "slow": 0.0}  # its own, its base's, and their defaults
    assert found.task | chosen == found.task
    assert found.build().net[0].out_features == 15
    with pytest.raises(RecipeError, match=r"unknown setting of Wider 'batchs'. Did you mean batches"):
        recipes.resolve(tmp_path / "mine.yaml", ["task.batchs=2"])


def test_unknown_recipe_and_circles_are_reported(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe 'ohrwurm/nothing-like-it'"):
        recipes.resolve("ohrwurm/nothing-like-it")
    write(tmp_path, a="base: b", b="base: a")
    with pytest.raises(RecipeError, match=r"circle: a\.yaml -> b\.yaml -> a\.yaml"):
        recipes.compose(tmp_path / "a.yaml")
    write(tmp_path, broken="task: {")
    with pytest.raises(RecipeError, match=r"broken\.yaml: not readable"):
        recipes.compose(tmp_path / "broken.yaml")


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_that_ships_is_sound(name: str) -> None:
    found = recipes.resolve(name)
    assert found.description, f"{name}: no description"
    assert yaml.safe_load(found.to_yaml()) == found.as_dict()
