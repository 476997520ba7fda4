"""Heads from annotated tracks: they learn, go on exactly after a kill, and say which annotations they cannot use."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from annotated_music import RATE, compose
from torch import Tensor

import ohrwurm
from ohrwurm.audio.augment_pitch import shift_pitch
from ohrwurm.audio.files import load
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError, ModelError, RecipeError
from ohrwurm.events import KEYS, Spans
from ohrwurm.models import registry
from ohrwurm.models.frame_heads import HeadSpec
from ohrwurm.models.headed import HeadedEncoder
from ohrwurm.models.musicfm import MusicFM
from ohrwurm.training import checkpoints, kept_features
from ohrwurm.training.annotated_crops import Annotations, read_annotations, targets
from ohrwurm.training.batches import Batches
from ohrwurm.training.downstream_data import Augment
from ohrwurm.training.downstream_model import WINDOWS, head_settings
from ohrwurm.training.kept_features import FeatureCrops
from ohrwurm.training.lora import adapt, merge
from ohrwurm.training.recipes import names, resolve
from ohrwurm.training.runner import run
from ohrwurm.training.task import generator
from ohrwurm.training.tasks.downstream import DownstreamTask

LEARNED = {
    "beats": "{task: beats, states: last, hidden: 32, upsampling: learned}",
    "chords": "{task: chords, states: last, hidden: 32}",
    "key": "{task: key, states: last, hidden: 32}",
}
SMALL = [
    "task.weights=random", f"task.heads=[{', '.join(LEARNED.values())}]", "task.window=3", "task.batch_size=14",
    "task.lr=1e-2", "task.encoder_lr=1e-2", "task.warmup_steps=5",
    "trainer.max_epochs=2", "trainer.max_minutes=null", "trainer.precision=32", "trainer.accelerator=cpu",
    "task.augment={level: 0, curve: 0, noise_floor: 0, mask: 0}",
]  # fmt: skip


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compose(tmp_path_factory.mktemp("annotated"))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny MusicFM on a logarithmic frequency axis."""
    torch.manual_seed(0)
    small = {"channels": 4, "dim": 32, "depth": 2, "heads": 2, "ffn": 64, "kernel": 7, "codes": 8, "dropout": 0.0}
    parameters = {"stats": {"mean": -50.0, "std": 20.0}, "front_end": "log-frequency", **small}
    card = dataclasses.replace(registry.card("musicfm-msd"), name="tiny", parameters=parameters, layer=2, weights={})
    return registry.save(registry.build(card), tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def settings(annotated: Path, backbone: Path, *more: str) -> list[str]:
    return [f"task.data={annotated}", f"task.model={backbone}", *SMALL, *more]


def build(annotated: Path, backbone: Path, *more: str) -> DownstreamTask:
    torch.manual_seed(0)
    task = resolve("ohrwurm/frames", settings(annotated, backbone, *more)).build()
    assert isinstance(task, DownstreamTask)
    task.workers = 0
    return task


def weights(out: Path) -> dict[str, Tensor]:
    return checkpoints.read(checkpoints.last(out))["state_dict"]


def test_learns_beats_chords_and_key_together(annotated: Path, backbone: Path, cache: Path, tmp_path: Path) -> None:
    more = ["trainer.max_epochs=12", "trainer.validate_every=12", "task.crops=4", "task.validation_crops=3"]
    folder = run(
        "ohrwurm/frames", out=tmp_path / "run", overrides=settings(annotated, backbone, *more), cache=cache, workers=0
    )
    report = json.loads((tmp_path / "run" / "report.json").read_text())["results"]
    least = {"beats beat F-measure": 0.7, "chords accuracy": 0.5, "key accuracy": 0.3}
    for name, value in least.items():
        assert report["test"][name] > max(value, 1.2 * report["chance"][name]), report

    # The folder is a model like any other, and hears the same audio as the training measured.
    model = ohrwurm.load(folder)
    assert isinstance(model, HeadedEncoder)
    assert (model.card.window, model.card.source, model.card.licence) == (3.0, "ohrwurm train", "your own")
    track = Manifest.read(annotated).split("test")[0]
    audio = torch.from_numpy(load(track.path)[0])
    heard = model.hear(audio[None, : 3 * 24000])
    truth = targets(HeadSpec("chords"), read_annotations([track], ["chords"])[0][0], 0.0, 48)["chords"]
    said = heard["chords"]["chords"][0].argmax(-1).numpy()
    assert (said == truth)[truth >= 0].mean() > 0.5


def test_killed_and_resumed_equals_uninterrupted(
    annotated: Path, backbone: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["trainer.max_epochs=2", "task.crops=2", "task.window=2", "trainer.save_every_minutes=0.00001",
            "task.schedule=plateau", "task.augment={level: 6, curve: 4, noise_floor: 0.5, mask: 0.5}",
            f"task.heads=[{LEARNED['beats']}, {{task: key, dropout: 0.5}}]"]  # fmt: skip
    overrides = settings(annotated, backbone, *more)
    run("ohrwurm/frames", out=tmp_path / "whole", overrides=overrides, cache=cache, workers=0)
    step = DownstreamTask.training_step

    def dying(self: DownstreamTask, batch: dict[str, Any], index: int) -> Tensor:
        if self.current_epoch == 1 and index == 1:
            raise SystemExit("killed")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(DownstreamTask, "training_step", dying)
        with pytest.raises(SystemExit):
            run("ohrwurm/frames", out=tmp_path / "killed", overrides=overrides, cache=cache, workers=0)
    assert not (tmp_path / "killed" / "report.json").is_file()
    run("ohrwurm/frames", out=tmp_path / "killed", overrides=overrides, cache=cache, workers=0)
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_frozen_probe_on_kept_states_is_the_probe_on_audio(
    annotated: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    more = ["task.train=frozen", "task.weights=own", "task.keep=states", "task.window=2", "task.hop=2",
            "task.augment={transpose: 0}", "trainer.max_epochs=1",
            "task.heads=[{task: chords, states: 1}, {task: tags, states: last}]"]  # fmt: skip
    overrides = settings(annotated, backbone, *more)
    folder = run("ohrwurm/frames", out=tmp_path / "run", overrides=overrides, cache=cache, workers=0)
    task = build(annotated, backbone, *more)
    task.prepare(cache, 1)
    checkpoints.load_weights(task, checkpoints.last(tmp_path / "run"))
    assert not any(key.startswith("model.encoder") for key in weights(tmp_path / "run"))
    task.eval()
    row, crops = task.tracks.test[0], task.batches.crops
    places = crops.places(row, 9)
    assert places == [0.0, 2.0, 4.0, 6.0, 8.0]
    with torch.inference_mode():
        kept = task.heard(task.batches.together([task.batches.fixed(row, place) for place in places]))
        audio = torch.stack(
            [torch.from_numpy(task.tracks.recordings.read(row, round(p * RATE), 2 * RATE)) for p in places]
        )
        model = ohrwurm.load(folder)  # the heads alone, and the backbone where it was
        assert isinstance(model, HeadedEncoder)
        heard = model.hear(audio)
    for task_name, outputs in heard.items():
        for output, logits in outputs.items():
            torch.testing.assert_close(kept[task_name][output], logits, rtol=0, atol=0.02)
    assert (folder / "model.safetensors").stat().st_size < (backbone / "model.safetensors").stat().st_size


def test_kept_spectrograms_are_the_computed_ones(
    annotated: Path, backbone: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = build(annotated, backbone)
    task.prepare(cache, 2)
    row = task.tracks.training[3]
    audio = torch.from_numpy(task.tracks.recordings.read(row, 48000, 72000))
    encoder = task.model.encoder
    assert isinstance(encoder, MusicFM)
    computed = encoder.decibels(audio[None])[0].numpy()
    kept = task.batches.crops.read(row, 2.0)
    assert kept.shape == computed.shape == (192, 300)
    inside = slice(10, -10)
    loud = computed[:, inside] > -90
    assert np.abs(kept - computed)[:, inside][loud].max() < 0.32
    # Made piece by piece, as of long recordings, they are the same.
    crops = task.batches.crops
    assert isinstance(crops, FeatureCrops)
    whole = crops.make(row)
    monkeypatch.setattr(kept_features, "BLOCK", 170)
    np.testing.assert_array_equal(crops.make(row), whole)
    # Past the end is silence, which no target speaks of.
    item = task.batches.fixed(row, 9.0)
    assert (item["targets"]["chords"]["chords"][17:] == -1).all()
    assert (item["targets"]["beats"]["beats"][51:] == -1).all()
    assert len(np.unique(item["features"][:, 110:])) == 1


def test_what_is_kept_is_found_again_by_content(annotated: Path, backbone: Path, cache: Path, tmp_path: Path) -> None:
    first = build(annotated, backbone)
    assert first.preparation(tmp_path) == "keeps features of 22 tracks, 0.1 h"
    first.prepare(cache, 1)
    assert first.preparation(cache) == ""
    before = sorted(cache.rglob("*.npy"))
    tracks = [dataclasses.replace(t, track_id=f"other-{t.track_id}") for t in Manifest.read(annotated)]
    tracks = [dataclasses.replace(t, annotations={"key": t.annotations["key"]}) for t in tracks]
    Manifest(tracks).write(tmp_path / "other.csv")
    task = build(tmp_path / "other.csv", backbone, f"task.heads=[{LEARNED['key']}]")
    task.prepare(cache, 1)
    assert sorted(cache.rglob("*.npy")) == before
    assert np.isfinite(task.batches.fixed(task.tracks.training[0], 0.0)["features"]).all()


def test_labels_turn_with_the_music() -> None:
    spans = Spans(np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]), ("B:maj", "A:min/b3", "N", "C:sus4"))
    known = Annotations(chords=spans, key=Spans(np.array([[0.0, 9.0]]), ("Bb major",)))
    chords, parts, key = HeadSpec("chords", frame_rate=1), HeadSpec("chord-parts", frame_rate=1), HeadSpec("key")
    assert targets(chords, known, 0.0, 4, shift=2)["chords"].tolist() == [1, 23, 24, -1]
    assert targets(chords, known, 0.0, 4, shift=-1)["chords"].tolist() == [10, 20, 24, -1]
    found = targets(parts, known, 0.0, 4, shift=2)
    assert found["root"].tolist() == [1, 11, 12, 2]
    assert found["bass"].tolist() == [1, 2, 12, 2]
    assert found["pitches"][0].nonzero()[0].tolist() == [1, 5, 8]
    assert not found["pitches"][2].any()
    assert KEYS[targets(key, known, 0.0, 4, shift=3)["key"][0]] == "Db major"


def test_spectrum_of_a_transposed_tone_is_the_shifted_spectrum(backbone: Path) -> None:
    encoder = ohrwurm.load(backbone)
    assert isinstance(encoder, MusicFM)
    draw = np.random.default_rng(0)
    augment = Augment({"transpose": 6}, None, "features", encoder.bands_per_semitone)
    t = torch.arange(24000) / 24000
    for _ in range(4):
        low = encoder.decibels(torch.sin(2 * torch.pi * 440 * t)[None])[0].numpy()
        moved, shift = augment(low, 24000, draw)
        tone = torch.sin(2 * torch.pi * 440 * 2 ** (shift / 12) * t)
        assert moved[:, 50].argmax() == encoder.decibels(tone[None])[0, :, 50].argmax()
    drawn = {augment(low[:, :2], 24000, np.random.default_rng(i))[1] for i in range(200)}
    assert drawn == set(range(-5, 7))


def test_audio_is_transposed_with_its_labels(annotated: Path, backbone: Path, cache: Path) -> None:
    task = build(annotated, backbone, "task.keep=none", f"task.heads=[{LEARNED['key']}]", "task.batch_size=2")
    task.prepare(cache, 1)
    row = task.tracks.training[0]
    item = task.batches.random(row, 0, 5, 0)
    draw = generator(5, 0, row, 0)
    start = task.batches.crops.somewhere(row, draw)
    shift = int(draw.integers(-5, 7))
    expected = shift_pitch(task.batches.crops.read(row, start), RATE, 100 * shift)
    assert shift != 0
    np.testing.assert_array_equal(item["audio"], expected)
    key = KEYS.index(str(task.tracks.track(row).annotations["key"]))
    assert (item["targets"]["key"]["key"] == key // 12 * 12 + (key + shift) % 12).all()
    batch = next(iter(task.training_loader(0, 0)))
    assert batch["audio"].shape == (2, 3 * RATE)
    assert torch.isfinite(task.losses(batch, task.heard(batch))[1])


def test_tracks_without_an_annotation_do_not_count(
    annotated: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    """Of half the tracks only the beats are known, of the others only the chords."""
    tracks = []
    for number, track in enumerate(Manifest.read(annotated)):
        kind = ("beats", "chords")[number % 2]
        tracks.append(dataclasses.replace(track, annotations={kind: track.annotations[kind]}))
    Manifest(tracks).write(tmp_path / "half.csv")
    task = build(tmp_path / "half.csv", backbone, f"task.heads=[{LEARNED['beats']}, {LEARNED['chords']}]")
    task.prepare(cache, 1)
    task.eval()
    known = {
        kind: [r for r in task.tracks.training if task.tracks.annotations[r].knows(kind)]
        for kind in LEARNED
        if kind != "key"
    }
    assert {kind: len(rows) for kind, rows in known.items()} == {"beats": 7, "chords": 7}

    def losses(rows: list[int]) -> dict[str, float]:
        batch = task.batches.together([task.batches.random(row, 0, 1, 0) for row in rows])
        return {name: float(value) for name, value in task.losses(batch, task.heard(batch))[0].items()}

    alone = losses(known["beats"][:3])
    assert alone["chords"] == 0
    together = losses(known["beats"][:3] + known["chords"][:3])
    assert together["beats"] == pytest.approx(alone["beats"], rel=1e-5)
    assert together["chords"] == pytest.approx(losses(known["chords"][:3])["chords"], rel=1e-5)


def test_two_processes_minimise_the_loss_of_the_joint_batch(
    annotated: Path, backbone: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their averaged gradients are those of one process, though what is known is shared out unequally."""
    tracks = [
        dataclasses.replace(t, annotations={k: v for k, v in t.annotations.items() if k != "chords" or number % 3 == 0})
        for number, t in enumerate(Manifest.read(annotated))
    ]
    Manifest(tracks).write(tmp_path / "some.csv")
    task = build(tmp_path / "some.csv", backbone)
    task.prepare(cache, 1)
    task.eval()
    rows = task.tracks.training[:6]

    def batch(part: list[int]) -> dict[str, Any]:
        return task.batches.together([task.batches.random(row, 0, 1, 0) for row in part])

    def gradients(part: list[int]) -> list[Tensor]:
        learning = [p for p in task.model.parameters() if p.requires_grad]
        loss = task.losses(batch(part), task.heard(batch(part)))[1]
        return list(torch.autograd.grad(loss, learning))

    whole = gradients(rows)
    parts = [rows[::2], rows[1::2]]
    sums: list[Tensor] = []

    def remember(x: Tensor) -> Tensor:
        sums.append(x)
        return x

    monkeypatch.setattr(task, "joint", remember)
    for part in parts:
        task.losses(batch(part), task.heard(batch(part)))
    monkeypatch.setattr(task, "joint", lambda x: torch.cat(sums))
    monkeypatch.setattr(DownstreamTask, "share", (0, 2))
    halves = [gradients(part) for part in parts]
    for one, first, second in zip(whole, *halves, strict=True):
        torch.testing.assert_close((first + second) / 2, one, rtol=1e-3, atol=1e-6)


def test_low_rank_adaptation_merges_exactly(backbone: Path) -> None:
    encoder = ohrwurm.load(backbone)
    features = torch.randn(1, 192, 80)
    before = encoder.hidden_states(features)[-1]  # type: ignore[operator]
    names_before = set(encoder.state_dict())
    assert adapt(encoder, 4, 8.0, ("linear_q", "linear_v")) == 4
    assert torch.equal(encoder.hidden_states(features)[-1], before)  # type: ignore[operator]
    learning = [p for p in encoder.parameters() if p.requires_grad]
    assert len(learning) == 8
    with torch.no_grad():
        for parameter in learning:
            parameter.add_(0.1 * torch.randn_like(parameter))
    after = encoder.hidden_states(features)[-1]  # type: ignore[operator]
    assert not torch.allclose(after, before, atol=1e-3)
    merge(encoder)
    assert torch.equal(encoder.hidden_states(features)[-1], after)  # type: ignore[operator]
    assert set(encoder.state_dict()) == names_before


def test_of_an_adapted_encoder_only_the_thin_matrices_learn(
    annotated: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    more = ["task.lora=2", "task.weights=own", "task.window=2", f"task.heads=[{LEARNED['key']}]",
            "trainer.max_epochs=1", "task.freeze_bn=true"]  # fmt: skip
    overrides = settings(annotated, backbone, *more)
    folder = run("ohrwurm/frames", out=tmp_path / "run", overrides=overrides, cache=cache, workers=0)
    trained, given = ohrwurm.load(folder), ohrwurm.load(backbone).state_dict()
    assert isinstance(trained, HeadedEncoder)
    changed = {key for key, value in trained.encoder.state_dict().items() if not torch.equal(value, given[key])}
    layers = {f"conformer.layers.{i}.self_attn.linear_{x}.weight" for i in range(2) for x in "qv"}
    assert changed == layers


def test_bad_annotations_are_named_and_cost_no_other(
    annotated: Path, backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracks = list(Manifest.read(annotated))
    (tmp_path / "broken.lab").write_text("here be chords\n")
    for number, chords in ((9, str(tmp_path / "broken.lab")), (10, "nowhere.lab")):
        row = tracks[number]
        tracks[number] = dataclasses.replace(row, annotations={**row.annotations, "chords": chords})
    Manifest(tracks).write(tmp_path / "bad.csv")
    with caplog.at_level(logging.INFO):
        task = build(tmp_path / "bad.csv", backbone)
    assert set(task.tracks.failed) == {"clip09", "clip10"}
    assert "clip09" in caplog.text
    assert "broken.lab" in caplog.text
    assert "nowhere.lab: missing" in caplog.text
    assert "chords: annotated are 12 training tracks" in caplog.text
    assert "beats: annotated are 14 training tracks" in caplog.text


def test_labels_that_are_no_class_are_told(
    annotated: Path, backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracks = []
    for track in Manifest.read(annotated):
        (tmp_path / f"{track.track_id}.lab").write_text("0 5 verse\n5 7.5 gtr\n7.5 10 Chorus 2\n")
        tracks.append(dataclasses.replace(track, annotations={"sections": str(tmp_path / f"{track.track_id}.lab")}))
    Manifest(tracks).write(tmp_path / "sections.csv")
    task = build(tmp_path / "sections.csv", backbone, "task.heads=sections", "task.window=9")
    assert "sections: 25.0 % of the annotated time is none of the 7 classes" in caplog.text
    assert "gtr (35 s)" in caplog.text
    found = targets(task.specs[0], task.tracks.annotations[0], 1.0, 72)
    assert np.unique(found["labels"]).tolist() == [-1, 1, 2]
    assert found["boundaries"][:, 0].nonzero()[0].tolist() == [*range(28, 37), *range(48, 57), *range(68, 72)]


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["task.data="], "give a manifest with annotations"),
        (["task.heads=bests"], "'bests' is no task"),
        (["task.heads=sections"], "no track has an annotation of sections"),
        (["task.heads=[{task: chords, classes: [a, b]}]"], "a chord head with 2 classes"),
        (["task.keep=states"], "take train=frozen"),
        (["task.lora=8", "task.train=frozen"], "task.train=finetune"),
        (["task.lora=8", "task.lora_layers=[q_proj]"], "has no linear layer q_proj"),
        (["task.keep=none", "task.augment={level: 3}"], "is for kept features"),
        (["task.augment={transpose: 6, tilt: 3}"], "augment.tilt"),
        (["task.augmentations=clmr"], "augmentations are for audio"),
        (["task.parameters={front_end: mel}"], "front_end=log-frequency"),
        (["task.model=mel-statistics", "task.weights=own"], "no frames"),
        (["task.watch=tags"], "watch=tags: mean, or one of"),
        (["task.batch_size=15"], "14 crops of 14 training tracks are fewer"),
        (["task.loss_weights={beets: 2}"], "loss_weights.beets"),
        (["task.weights=none.pt"], "no weights at none.pt"),
    ],
)  # fmt: skip
def test_mistakes_are_said_before_the_first_step(
    overrides: list[str], message: str, annotated: Path, backbone: Path
) -> None:
    with pytest.raises((DataError, RecipeError, ModelError), match=message):
        build(annotated, backbone, *overrides)


def test_several_manifests_are_one(annotated: Path, backbone: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(annotated)
    for name, splits in (("one.csv", ("train",)), ("two.csv", ("validation", "test"))):
        Manifest(t for t in manifest if t.split in splits).write(tmp_path / name)
    task = build(annotated, backbone, f"task.data={tmp_path / 'one.csv'},{tmp_path / 'two.csv'}")
    assert [len(rows) for rows in task.tracks.parts.values()] == [14, 4, 4]
    row = task.tracks.test[0]
    same = build(annotated, backbone)
    other = next(r for r in same.tracks.test if same.tracks.track(r).track_id == task.tracks.track(row).track_id)
    one, two = task.tracks.recordings, same.tracks.recordings
    np.testing.assert_array_equal(one.read(row, 100, 500), two.read(other, 100, 500))


def test_an_item_is_a_function_of_seed_epoch_track_and_crop(annotated: Path, backbone: Path, cache: Path) -> None:
    task = build(annotated, backbone, "task.crops=2", "task.batch_size=7")
    task.prepare(cache, 1)
    once, again = list(task.training_loader(3, 1)), list(task.training_loader(3, 1))
    assert len(once) == 4
    for one, two in zip(once, again, strict=True):
        assert one["names"] == two["names"]
        assert torch.equal(one["features"], two["features"])
    other = list(task.training_loader(3, 2))
    assert [batch["names"] for batch in other] != [batch["names"] for batch in once]
    # Of two processes each makes its share of each batch: the same items.
    whole = task.training_loader(3, 1)
    halves = [next(iter(Batches(whole.groups, whole.make, (i, 2)))) for i in range(2)]
    for i, half in enumerate(halves):
        assert half["names"] == once[0]["names"][i::2]
        assert torch.equal(half["features"], once[0]["features"][i::2])


@pytest.mark.parametrize("task, frames", [("beats", (300, 2)), ("chords", (192,)), ("sections", (192,)), ("key", (6,))])
def test_lengths_and_rates_are_the_papers(task: str, frames: tuple[int, ...], backbone: Path) -> None:
    window = WINDOWS[task]
    model = HeadedEncoder.around(ohrwurm.load(backbone), [HeadSpec(task)], name="x", window=window)  # type: ignore[arg-type]
    heads: Any = model.heads
    count = heads[task].frames(round(window * 25))
    found = targets(HeadSpec(task), Annotations(), 0.0, count)  # type: ignore[arg-type]
    assert next(reversed(found.values())).shape == frames


def test_every_downstream_recipe_names_heads_and_windows_that_fit() -> None:
    for name in names():
        if name.startswith("downstream/"):
            found = resolve(name).task
            wanted = [head["task"] for head in head_settings(found["heads"])]
            assert wanted, name
            if name not in ("downstream/marble", "downstream/multi-task"):
                assert (found["window"] or WINDOWS[wanted[0]]) == WINDOWS[wanted[0]], name
