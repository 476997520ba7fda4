"""A run can be killed at any moment and ends as if it had not been; limits, errors and signals do what they say."""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import signal
import time
from pathlib import Path

import pytest
import torch

from ohrwurm.errors import TrainingError
from ohrwurm.training import checkpoints
from ohrwurm.training.limits import Limits
from ohrwurm.training.plan import plan
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run
from ohrwurm.training.runs import found_in, locate, run_id
from ohrwurm.training.signals import StopSignals


def weights(out: Path) -> dict[str, torch.Tensor]:
    return checkpoints.read(checkpoints.last(out))["state_dict"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "log.csv") as file:
        return [{k: v for k, v in row.items() if k != "minutes"} for row in csv.DictReader(file)]


def wait_for(condition, process, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended too early: {process.stderr.read()}"
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize("moment", ["between epochs", "in an epoch"])
def test_killed_and_resumed_equals_uninterrupted(moment: str, recipe: Path, start, tmp_path: Path) -> None:
    often = "0.0001" if moment == "in an epoch" else "5"
    settings = ["task.batches=20", f"trainer.save_every_minutes={often}"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(recipe, out=whole, overrides=settings, cache=tmp_path / "cache")

    # Slowed down only so that there is time to kill it.
    process = start(killed, *settings, "task.slow=0.02")

    def reached() -> bool:
        if not checkpoints.last(killed).is_file():
            return False
        progress = checkpoints.read(checkpoints.last(killed))["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        done = progress["current"]["ready"]
        return progress["total"]["ready"] > 20 and (0 < done < 20 if moment == "in an epoch" else done == 20)

    wait_for(reached, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "report.json").exists()

    config = (killed / "config.yaml").read_text()
    (killed / "config.yaml").write_text(config.replace("slow: 0.02", "slow: 0.0"))
    run(recipe, out=killed, overrides=settings, cache=tmp_path / "cache")
    assert same(weights(killed), weights(whole))
    assert rows(killed) == rows(whole)
    final = [json.loads((out / "report.json").read_text()) for out in (whole, killed)]
    assert final[0]["results"] == final[1]["results"]
    assert final[0]["steps"] == 80


@pytest.mark.parametrize("settings", [["trainer.ema=0.9"], ["trainer.accumulate=4", "trainer.clip=0.5"]])
def test_extended_run_equals_one_that_was_long_from_the_start(settings, recipe: Path, tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    run(recipe, out=short, overrides=[*settings, "trainer.max_epochs=2"], cache=tmp_path)
    assert len(rows(short)) == 2
    run(recipe, out=short, overrides=[*settings, "trainer.max_epochs=5"], cache=tmp_path)
    run(recipe, out=long, overrides=[*settings, "trainer.max_epochs=5"], cache=tmp_path)
    assert same(weights(short), weights(long))
    assert rows(short) == rows(long)


def test_step_limit_in_an_epoch_then_extended(recipe: Path, tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    run(recipe, out=short, overrides=["trainer.max_steps=9", "trainer.max_epochs=null"], cache=tmp_path)
    assert json.loads((short / "report.json").read_text())["steps"] == 9
    assert [r["epoch"] for r in rows(short)] == ["1", "2"]  # the last weights are validated, too
    run(recipe, out=short, cache=tmp_path)
    run(recipe, out=long, cache=tmp_path)
    assert same(weights(short), weights(long))


def test_last_epoch_is_validated_whatever_the_rhythm(recipe: Path, tmp_path: Path) -> None:
    settings = ["trainer.validate_every=3", "trainer.max_epochs=5"]
    run(recipe, out=tmp_path / "run", overrides=settings, cache=tmp_path)
    assert [bool(r["validation/error"]) for r in rows(tmp_path / "run")] == [False, False, True, False, True]


def test_seed_changes_the_result_and_nothing_else_does(recipe: Path, tmp_path: Path) -> None:
    for name, settings in {"a": [], "b": [], "c": ["seed=1"]}.items():
        torch.manual_seed(hash(name) % 1000)
        run(recipe, out=tmp_path / name, overrides=settings, cache=tmp_path)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_best_weights_are_exported_not_the_last(recipe: Path, tmp_path: Path) -> None:
    # So high a learning rate that the error rises again.
    folder = run(recipe, out=tmp_path / "run", overrides=["task.lr=0.8", "trainer.max_epochs=5"], cache=tmp_path)
    errors = [float(r["validation/error"]) for r in rows(tmp_path / "run")]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert min(errors) < errors[-1]
    assert report["best_epoch"] == 1 + errors.index(min(errors))
    assert report["results"]["error"] == pytest.approx(min(errors), rel=1e-5)
    exported = torch.load(folder / "model.pt", weights_only=True)
    best = checkpoints.read(checkpoints.best(tmp_path / "run"))["state_dict"]
    assert all(torch.equal(v, best[f"net.{k}"]) for k, v in exported.items())


def test_averaged_weights_are_what_is_validated_and_exported(recipe: Path, tmp_path: Path) -> None:
    run(recipe, out=tmp_path / "run", overrides=["trainer.ema=0.9"], cache=tmp_path)
    state = checkpoints.read(checkpoints.last(tmp_path / "run"))
    assert not torch.equal(state["state_dict"]["net.0.weight"], state["current_model_state"]["net.0.weight"])
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["results"]["error"] == pytest.approx(report["best_score"], rel=1e-5)


def test_complete_run_is_not_repeated(recipe: Path, tmp_path: Path) -> None:
    run(recipe, out=tmp_path / "run", cache=tmp_path)
    before = (tmp_path / "run" / "report.json").stat().st_mtime_ns
    run(recipe, out=tmp_path / "run", cache=tmp_path)
    assert (tmp_path / "run" / "report.json").stat().st_mtime_ns == before
    run(recipe, out=tmp_path / "run", cache=tmp_path, resume=False)
    assert (tmp_path / "run" / "report.json").stat().st_mtime_ns != before


def test_folder_of_another_run_is_refused(recipe: Path, tmp_path: Path) -> None:
    run(recipe, out=tmp_path / "run", cache=tmp_path)
    with pytest.raises(TrainingError, match=r"task\.lr was 0\.01, now 0\.5"):
        run(recipe, out=tmp_path / "run", overrides=["task.lr=0.5"], cache=tmp_path)


def test_time_limit_ends_in_a_complete_run(recipe: Path, tmp_path: Path) -> None:
    limits = ["trainer.max_epochs=null", "trainer.max_minutes=0.02", "task.slow=0.02", "task.batches=200"]
    began = time.monotonic()
    folder = run(recipe, out=tmp_path / "run", overrides=limits, cache=tmp_path)
    assert time.monotonic() - began < 20
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 0.015 < report["minutes"] < 0.06
    assert report["epochs"] == 1
    assert math.isfinite(report["best_score"])
    assert (folder / "config.json").is_file()
    run(recipe, out=tmp_path / "run", overrides=[*limits[:1], "trainer.max_minutes=0.02", *limits[2:]], cache=tmp_path)
    assert json.loads((tmp_path / "run" / "report.json").read_text()) == report


@pytest.mark.filterwarnings("ignore:.*LeafSpec")
def test_schedule_sees_the_whole_run(recipe: Path, tmp_path: Path) -> None:
    from lightning import Trainer

    found = resolve(recipe)
    limits = Limits(found.trainer)
    task = found.build()
    task.prepare(tmp_path, 0)
    Trainer(
        max_epochs=4, callbacks=[limits], logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, reload_dataloaders_every_n_epochs=1, accelerator="cpu", num_sanity_val_steps=0,
    ).fit(task)  # fmt: skip
    assert task.fractions == pytest.approx([i / 24 for i in range(24)])


def test_loss_that_is_no_number_stops_and_keeps_the_last_good_state(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="loss is nan at epoch 3, batch 1"):
        run(recipe, out=tmp_path / "run", overrides=["task.bad_epoch=2"], cache=tmp_path)
    assert all(torch.isfinite(v).all() for v in weights(tmp_path / "run").values())
    assert len(rows(tmp_path / "run")) == 2


def test_missing_monitor_is_named(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no 'validation/error'.*validation/other"):
        run(recipe, out=tmp_path / "run", overrides=["task.logs_monitor=false"], cache=tmp_path)


def test_torn_checkpoint_is_reported(recipe: Path, tmp_path: Path) -> None:
    run(recipe, out=tmp_path / "run", cache=tmp_path)
    file = checkpoints.last(tmp_path / "run")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last\.ckpt: not readable"):
        run(recipe, out=tmp_path / "run", overrides=["trainer.max_epochs=9"], cache=tmp_path)


def test_worker_processes_still_end_on_sigterm(recipe: Path) -> None:
    """They inherit the handler by fork; a handler that only takes note would make them immortal."""
    with StopSignals(Limits(resolve(recipe).trainer)):
        context = multiprocessing.get_context("fork")
        running = context.Event()
        worker = context.Process(target=lambda: (running.set(), time.sleep(60)), daemon=True)
        worker.start()
        assert running.wait(60)
        worker.terminate()
        worker.join(20)
        assert worker.exitcode == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_signal_saves_and_exits_75(number: int, recipe: Path, start, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    process = start(out, "task.batches=30", "task.slow=0.05")
    wait_for(lambda: (out / "log.csv").is_file(), process)
    time.sleep(0.3)
    process.send_signal(number)
    message = process.communicate(timeout=30)[1]
    assert process.returncode == 75, message
    assert "goes on from there" in message
    assert "Traceback" not in message
    progress = checkpoints.read(checkpoints.last(out))["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    assert 0 < progress["ready"] < 30  # saved at the batch in hand, not at the epoch before

    (out / "config.yaml").write_text((out / "config.yaml").read_text().replace("slow: 0.05", "slow: 0.0"))
    run(recipe, out=out, overrides=["task.batches=30"], cache=tmp_path)
    run(recipe, out=whole, overrides=["task.batches=30"], cache=tmp_path)
    assert same(weights(out), weights(whole))


def test_run_ends_when_patience_is_at_its_end_and_stays_ended(recipe: Path, tmp_path: Path) -> None:
    settings = ["trainer.min_delta=100", "trainer.max_epochs=9", "trainer.patience=2"]  # never better by so much
    run(recipe, out=tmp_path / "run", overrides=settings, cache=tmp_path)
    assert [row["epoch"] for row in rows(tmp_path / "run")] == ["1", "2", "3"]
    before = checkpoints.last(tmp_path / "run").stat().st_mtime_ns
    (tmp_path / "run" / "report.json").unlink()
    run(recipe, out=tmp_path / "run", overrides=settings, cache=tmp_path)
    assert checkpoints.last(tmp_path / "run").stat().st_mtime_ns == before
    run(recipe, out=tmp_path / "run", overrides=[*settings, "trainer.patience=4"], cache=tmp_path)
    assert len(rows(tmp_path / "run")) == 5


def test_patience_may_count_every_worse_epoch(recipe: Path, tmp_path: Path) -> None:
    settings = ["task.lr=0.3", "trainer.max_epochs=30", "trainer.patience=4"]
    run(recipe, out=tmp_path / "in-a-row", overrides=settings, cache=tmp_path)
    run(recipe, out=tmp_path / "in-all", overrides=[*settings, "trainer.patience_resets=false"], cache=tmp_path)
    errors = [float(row["validation/error"]) for row in rows(tmp_path / "in-all")]
    worse = sum(error >= min(errors[:i]) for i, error in enumerate(errors) if i)
    assert worse == 4
    assert len(errors) < len(rows(tmp_path / "in-a-row"))


def test_states_are_kept_at_the_rhythm_asked_for_and_go_on_exactly(recipe: Path, tmp_path: Path) -> None:
    run(recipe, out=tmp_path / "run", overrides=["trainer.keep_every=2"], cache=tmp_path)
    folder = tmp_path / "run" / checkpoints.FOLDER
    assert sorted(p.name for p in folder.iterdir()) == ["best.ckpt", "epoch-0002.ckpt", "epoch-0004.ckpt", "last.ckpt"]
    end = weights(tmp_path / "run")
    checkpoints.kept(tmp_path / "run", 2).rename(checkpoints.last(tmp_path / "run"))
    (tmp_path / "run" / "report.json").unlink()
    run(recipe, out=tmp_path / "run", overrides=["trainer.keep_every=2"], cache=tmp_path)
    assert same(weights(tmp_path / "run"), end)


def test_one_batch_is_learnt_by_heart(recipe: Path, tmp_path: Path) -> None:
    more = ["trainer.max_epochs=30", "task.width=64"]
    run(recipe, out=tmp_path / "all", overrides=more, cache=tmp_path)
    run(recipe, out=tmp_path / "one", overrides=[*more, "trainer.overfit_batch=true"], cache=tmp_path)
    last = [float(rows(tmp_path / name)[-1]["loss"]) for name in ("one", "all")]
    assert last[0] < 0.5 * last[1]


def test_recordings_of_the_bad_batch_are_named(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"batch 1 \(first\.wav, second\.wav\).*last\.ckpt"):
        run(recipe, out=tmp_path / "run", overrides=["task.bad_epoch=1"], cache=tmp_path)


def test_tensorboard_files_hold_the_course(recipe: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(recipe, out=tmp_path / "run", overrides=["trainer.tensorboard=true"], cache=tmp_path)
    board = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    shown = [event.value for event in board.Scalars("validation/error")]
    assert shown == pytest.approx([float(row["validation/error"]) for row in rows(tmp_path / "run")], rel=1e-5)
    assert len(board.Scalars("training/step_loss")) == 24


def test_plan_counts_steps_and_measures_them(recipe: Path, tmp_path: Path) -> None:
    found = plan(resolve(recipe, ["trainer.accumulate=2", "task.slow=0.05"]), tmp_path)
    assert (found.batches, found.steps) == (6, 12)
    assert 0.05 < found.step_seconds < 1
    assert found.minutes == pytest.approx(24 * found.step_seconds / 60)
    assert any("batches an epoch" in line for line in found.lines())
    assert plan(resolve(recipe, ["task.batches=1", "task.slow=0.05"]), tmp_path).step_seconds > 0.05
    assert plan(resolve(recipe, ["trainer.max_minutes=0.001", "task.slow=0.02"]), tmp_path).steps is None


def test_same_command_names_the_same_run(recipe: Path) -> None:
    first = run_id(resolve(recipe))
    assert first == run_id(resolve(recipe, ["trainer.max_epochs=9"]))
    assert first != run_id(resolve(recipe, ["task.lr=0.5"]))
    assert first != run_id(resolve(recipe, ["seed=1"]))


def test_runs_are_listed_and_found_by_id(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_RUNS", str(tmp_path / "runs"))
    run(recipe, out=tmp_path / "runs" / "one", cache=tmp_path)
    with pytest.raises(TrainingError):
        run(recipe, out=tmp_path / "runs" / "two", overrides=["task.bad_epoch=1"], cache=tmp_path)
    assert [(r.id, r.state, r.epochs) for r in found_in(tmp_path / "runs")] == [
        ("one", "complete", 4), ("two", "unfinished", 1)
    ]  # fmt: skip
    assert locate("two") == tmp_path / "runs" / "two"
    with pytest.raises(TrainingError, match="there: one, two"):
        locate("three")
