"""jukemir's probes: the published loop number for number, and the fast sweep against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohrwurm.errors import DataError, TrainingError
from ohrwurm.evaluation.protocols import jukemir, probe_passes
from ohrwurm.evaluation.protocols.probe_grid import ProbeConfig, grid, published_order
from ohrwurm.evaluation.protocols.probe_scores import Part, measure, scorer
from ohrwurm.evaluation.protocols.probe_stack import stacks, train_stack
from ohrwurm.evaluation.protocols.probe_training import Probe, batches, first_weights, predict, train_probe

RUNS = (
    pytest.param("gtzan_ff_0", marks=pytest.mark.slow),
    "gtzan_ff_1",
    "emomusic_2",
    pytest.param("magnatagatune_3", marks=pytest.mark.slow),
    "giantsteps_clips_4",
)
QUICK = "gtzan_ff"  # the sweep that `make test` runs; the others by `make test-all`


def part(x, y, ids=()):
    return Part(x, y.astype(np.float32) if y.ndim == 2 else y, tuple(str(i) for i in ids))


@pytest.fixture
def published(golden, golden_json, golden_fill):
    """A golden run: task, splits, settings, the weights it starts from, its numbers and metrics."""

    def read(name):
        numbers, notes = golden("tune/probe_train"), golden_json("tune/probe_train")[name]
        settings = {key: value for key, value in notes.items() if not key.startswith("_")}
        config = ProbeConfig(**settings | {"hidden_layer_sizes": tuple(settings["hidden_layer_sizes"])})
        task = jukemir.TASKS[config.dataset]
        parts = {
            s: part(x := numbers[f"{name}/{s}_X"], numbers[f"{name}/{s}_y"], [f"{i}-0" for i in range(len(x))])
            for s in ("train", "valid", "test")
        }
        shapes = {k: tuple(w.shape) for k, w in first_weights(24, len(task.labels), config)[0].items()}
        start = {k: torch.from_numpy(w) for k, w in golden_fill("tune").fill_state_dict(shapes).items()}
        return task, parts, config, start, {k: numbers[f"{name}/{k}"] for k in NUMBERS}, notes

    return read


NUMBERS = ("valid_primary_per_eval", "train_loss_per_step", "n_steps", "scaler_mean", "scaler_scale")


def toy(task="gtzan_ff", count=240, size=12, seed=0):
    """Features that hold some of the label: `(features, labels, splits, ids)`."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, size)).astype(np.float32)
    outputs = x @ draw.normal(size=(size, len(jukemir.TASKS[task].labels))) + draw.normal(size=(count, 1))
    kind = jukemir.TASKS[task].kind
    y = outputs.argmax(1) if kind == "multiclass" else (outputs > 2) if kind == "multilabel" else outputs
    splits = np.array(["train", "train", "validation", "test"])[np.arange(count) % 4]
    return x, y, splits, [f"{i:04d}-0" for i in range(count)]


def few(**changes):
    """One probe of every shape, batch size, share and kind of features: 24 that learn fast and are soon bored."""
    chosen = grid("gtzan_ff", "features", early_stopping_boredom=3, **changes)
    return [replace(c, learning_rate=1e-2) for c in chosen if c.learning_rate == 1e-3 and c.l2_weight_decay == 1e-3]


def test_grid_is_the_published_one_in_its_order(golden_json):
    published = golden_json("tune/grid")
    probes = grid(published["dataset"], published["representation"])
    assert [c.uid for c in probes] == published["uids_in_grid_order"]
    assert ProbeConfig(published["dataset"], published["representation"]).uid == published["default_uid"]


def test_rows_are_shuffled_as_published(golden_json):
    shuffled = golden_json("tune/splits")["shuffled_uids"]
    for given in (sorted(shuffled), shuffled):  # whatever order they come in
        assert [given[i] for i in published_order(given)] == shuffled


def test_batches_are_the_published_ones(golden):
    drawn = batches(200, ProbeConfig("d", "r", batch_size=64))
    assert [next(drawn) for _ in range(3)] == golden("tune/probe_train")["first_batches_n200_b64"].tolist()


@pytest.mark.parametrize("hidden", [(), (512,)], ids=str)
@pytest.mark.parametrize("outputs", [10, 50])
def test_probe_gives_the_published_outputs(golden, golden_fill, hidden, outputs):
    g, fill = golden("tune/probe_forward"), golden_fill("tune")
    probe = Probe(64, hidden, outputs, 0.5).eval()
    start = fill.fill_state_dict({k: tuple(w.shape) for k, w in probe.state_dict().items()})
    probe.load_state_dict({k: torch.from_numpy(w) for k, w in start.items()})
    found = probe(torch.from_numpy(fill.normal(int(g["x_seed"]), (16, 64)))).detach().numpy()
    np.testing.assert_allclose(found, g[f"hidden{list(hidden)}_out{outputs}"], atol=1e-5)


@pytest.mark.parametrize("name", RUNS)
def test_exact_run_is_the_published_one(published, name):
    task, parts, config, start, numbers, notes = published(name)
    run = train_probe(task, parts["train"], parts["valid"], config, initial=start, keep_losses=True)
    np.testing.assert_allclose(run.losses[:64], numbers["train_loss_per_step"][:64], rtol=1e-4)
    np.testing.assert_allclose(run.scores, numbers["valid_primary_per_eval"], atol=1e-6)
    assert run.steps == numbers["n_steps"]
    np.testing.assert_allclose(run.scaler.mean if run.scaler else 0, numbers["scaler_mean"] if run.scaler else 0)
    np.testing.assert_allclose(run.scaler.scale if run.scaler else 0, numbers["scaler_scale"] if run.scaler else 0)
    outputs = {split: predict(run, parts[split].x) for split in ("valid", "test")}
    for split in ("valid", "test"):
        found = measure(task, parts["valid"], parts[split], outputs["valid"], outputs[split])
        assert found == pytest.approx(notes[f"_{split}"], abs=1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_stacked_run_is_the_published_one(published, name):
    task, parts, config, start, numbers, _ = published(name)
    beside = [replace(config, learning_rate=1e-2), config, replace(config, data_standardization=False)]
    runs = {r.config: r for r in train_stack(task, parts["train"], parts["valid"], list(set(beside)), initial=start)}
    assert runs[config].steps == numbers["n_steps"]
    np.testing.assert_allclose(runs[config].scores, numbers["valid_primary_per_eval"], atol=1e-6)


@pytest.mark.parametrize("name", ["gtzan_ff", "magnatagatune", "emomusic", "giantsteps_clips/valid"])
def test_main_score_of_many_probes_is_the_published_metric(golden, golden_json, name):
    g, (dataset, _, split) = golden("tune/jukemir_metrics"), name.partition("/")
    prefix = f"{split}_" if split else ""
    x = g[f"{dataset}/{prefix}{'pred' if dataset == 'emomusic' else 'logits'}"]
    p = part(x, g[f"{dataset}/{prefix}y"], g[f"{dataset}/{split}_uids"] if split else ())
    many = scorer(jukemir.TASKS[dataset], p)(np.stack([x[:, ::-1], x, x * 0]))
    assert many[1] == pytest.approx(golden_json("tune/jukemir_metrics")[name]["primary"], abs=1e-6)
    assert many[0] < many[1] > many[2]


def test_song_strategy_is_chosen_on_validation(golden, golden_json):
    g = golden("tune/jukemir_metrics")
    x, parts = {}, {}
    for s in ("valid", "test"):
        x[s] = g[f"giantsteps_clips/{s}_logits"]
        parts[s] = part(x[s], g[f"giantsteps_clips/{s}_y"], g[f"giantsteps_clips/{s}_uids"])
    found = measure(jukemir.TASKS["giantsteps_clips"], parts["valid"], parts["test"], x["valid"], x["test"])
    assert found == pytest.approx(golden_json("tune/jukemir_metrics")["giantsteps_clips/test"], abs=1e-6)


@pytest.mark.parametrize(
    "task", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in jukemir.TASKS]
)
def test_fast_sweep_finds_what_the_exact_one_finds(task):
    data = toy(task)
    configs = [replace(c, dataset=task) for c in few()][::2]
    found = {
        mode: jukemir.sweep(*data[:3], task, ids=data[3], configs=configs, mode=mode, precision="fp32")
        for mode in ("exact", "fast")
    }
    np.testing.assert_allclose(found["fast"].scores, found["exact"].scores, atol=2e-3)
    assert found["fast"].selected.config == found["exact"].selected.config
    assert found["fast"].selected.steps == found["exact"].selected.steps
    assert found["fast"].test == pytest.approx(found["exact"].test, abs=2e-3)


@pytest.mark.slow
def test_bfloat16_does_not_decide_which_probe_is_selected():
    data, configs = toy(), few()[::4]
    low, full = (
        jukemir.sweep(*data[:3], "gtzan_ff", ids=data[3], configs=configs, precision=p) for p in ("bf16", "fp32")
    )
    assert low.selected.config == full.selected.config
    assert low.test == pytest.approx(full.test)
    assert np.abs(low.scores - full.scores).max() < 0.06  # a few of 60 tracks


@pytest.mark.slow
def test_resumed_sweep_equals_uninterrupted(tmp_path, monkeypatch):
    data, configs = toy(), few()[:12]

    def go(folder=None):
        return jukemir.sweep(*data[:3], "gtzan_ff", ids=data[3], configs=configs, precision="fp32", folder=folder)

    def killed(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jukemir.sweep(
            *data[:3], "gtzan_ff", ids=data[3], configs=configs, precision="fp32", folder=tmp_path, progress=killed
        )
    assert len(list(tmp_path.glob("*.safetensors"))) == 5
    whole, resumed = go(), go(tmp_path)
    np.testing.assert_array_equal(whole.scores, resumed.scores)
    assert whole.test == resumed.test
    monkeypatch.setattr(jukemir, "_run", lambda job: pytest.fail("all probes are kept"))
    assert go(tmp_path).validation == whole.validation
    with pytest.raises(DataError, match="another folder"):
        jukemir.sweep(data[0] + 1, *data[1:3], "gtzan_ff", ids=data[3], configs=configs, folder=tmp_path)


def test_what_a_race_has_trained_serves_the_whole_sweep(tmp_path, monkeypatch):
    data, configs = toy(), [c for c in few() if not c.hidden_layer_sizes][:2]

    def go(mode):
        return jukemir.sweep(*data[:3], "gtzan_ff", ids=data[3], configs=configs, mode=mode, folder=tmp_path)

    race = go("race")
    assert np.isfinite(race.scores).all()  # too few probes to tell a trend
    monkeypatch.setattr(jukemir, "_run", lambda job: pytest.fail("all probes are kept"))
    assert go("fast").test == race.test
    with pytest.raises(DataError, match="another folder"):
        go("exact")


def test_probes_of_bfloat16_do_not_stand_for_those_of_float32(tmp_path):
    data, configs = toy(), [c for c in few() if c.hidden_layer_sizes][:2]
    trained: list[tuple[str, str]] = []
    of = jukemir._train

    def noted(task, train, valid, chosen, mode, precision, *rest):
        trained.extend((c.uid, precision) for c in chosen)
        yield from of(task, train, valid, chosen, mode, precision, *rest)

    def go(precision):
        trained.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jukemir, "_train", noted)
            return jukemir.sweep(
                *data[:3], "gtzan_ff", ids=data[3], configs=configs, precision=precision, folder=tmp_path
            )

    low = go("bf16")
    assert {precision for _, precision in trained} == {"bf16", "fp32"}  # the best again
    again = {uid for uid, precision in trained if precision == "fp32"}
    assert low.selected.config.uid in again
    go("fp32")
    assert {uid for uid, _ in trained} == {c.uid for c in configs} - again  # and only those
    go("bf16")
    assert not trained


def test_order_of_rows_does_not_matter():
    x, y, splits, ids = toy()
    back = np.arange(len(x))[::-1]
    one = jukemir.sweep(x, y, splits, "gtzan_ff", ids=ids, configs=few()[:3])
    two = jukemir.sweep(x[back], y[back], splits[back], "gtzan_ff", ids=[ids[i] for i in back], configs=few()[:3])
    np.testing.assert_array_equal(one.scores, two.scores)


def test_tag_without_positives_is_named_and_left_out():
    x, y, splits, ids = toy("magnatagatune")
    y[(splits == "test").nonzero()[0], 3] = False
    found = jukemir.sweep(x, y, splits, "magnatagatune", ids=ids, configs=few()[:1])
    assert found.gaps["test"]["labels without positives"] == ["techno"]
    assert np.isfinite(found.test["auc_roc"])


def test_bad_input_is_refused():
    x, y, splits, ids = toy()

    def go(x=x, y=y, splits=splits, ids=ids, task="gtzan_ff"):
        jukemir.sweep(x, y, splits, task, ids=ids, configs=few()[:1])

    hole = x.copy()
    hole[7, 2] = np.nan
    with pytest.raises(DataError, match="0007-0 hold NaN"):
        go(hole)
    with pytest.raises(DataError, match="no track is in the split 'test'"):
        go(splits=np.where(splits == "test", "train", splits))
    with pytest.raises(DataError, match="ids occur twice"):
        go(ids=["a"] * len(x))
    with pytest.raises(DataError, match="'polka' is none of the 10 classes"):
        go(y=["polka"] * len(x))
    with pytest.raises(DataError, match="exact probes are trained in fp32"):
        jukemir.sweep(x, y, splits, "gtzan_ff", configs=few()[:1], mode="exact", precision="bf16")
    with pytest.raises(DataError, match="unknown task 'tempo'"):
        go(task="tempo")
    with pytest.raises(DataError, match="the same for all tracks"):
        go(y=np.ones((len(x), 2)), task="emomusic")
    with pytest.raises(DataError, match="differ in shape"):
        list(train_stack(jukemir.TASKS["gtzan_ff"], part(x, y), part(x, y), few()))
    steep = ProbeConfig("d", "r", learning_rate=1e30, early_stopping_boredom=5)
    with pytest.raises(TrainingError, match="not a number at step"):
        train_probe(jukemir.TASKS["emomusic"], part(x, x[:, :2]), part(x, x[:, :2]), steep)


def test_operations_of_a_gpu_give_what_the_compiled_loops_give(monkeypatch):
    x, y, *_ = toy()
    train, valid = part(x[::2], y[::2]), part(x[1::2], y[1::2])
    configs = [c for c in few() if c.hidden_layer_sizes and c.batch_size == 64][::2]

    def scores():
        return {run.config: run.scores for run in train_stack(jukemir.TASKS["gtzan_ff"], train, valid, configs)}

    compiled = scores()
    monkeypatch.setattr(probe_passes, "COMPILED", "none")
    for config, found in scores().items():
        np.testing.assert_allclose(found, compiled[config], atol=0.02)


def test_grid_falls_into_four_stacks():
    assert [len(stack) for stack in stacks(grid("gtzan_ff", "x"))] == [54] * 4


@pytest.mark.slow
def test_same_result_with_several_processes():
    data, configs = toy(), few()
    one, two = (
        jukemir.sweep(*data[:3], "gtzan_ff", ids=data[3], configs=configs, precision="fp32", workers=w) for w in (1, 2)
    )
    np.testing.assert_array_equal(one.scores, two.scores)
