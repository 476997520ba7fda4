"""The parts of text-audio training: self-supervision, mixed precision, text encoders, labels, crops, rates."""

from __future__ import annotations

import inspect
import json
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import ohrwurm
from ohrwurm.data.packs import pack
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError, RecipeError
from ohrwurm.evaluation.metrics import retrieval
from ohrwurm.objectives.contrastive import nt_xent
from ohrwurm.training import recipes
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run
from ohrwurm.training.tasks.audio_text import AudioTextTask

MUSCALL = (
    "{audio_seconds: 2, width: 4, audio_dim: 16, dim: 16, text: static, text_dim: 16, n_mels: 32, blocks: [1, 1, 1]}"
)
TTMR = "{n_mels: 32, hop: 256, channels: [8, 8, 16, 16], attention_dim: 32, heads: 2, layers: 1, dim: 16, dropout: 0}"


def build(recipe: str, music: Path, *overrides: str, parameters: str = TTMR) -> AudioTextTask:
    torch.manual_seed(0)
    small = [f"task.data={music}", f"task.parameters={parameters}", "task.window=2", "task.batch_size=8"]
    task = resolve(recipe, [*small, "trainer.accelerator=cpu", "trainer.precision=32", *overrides]).build()
    assert isinstance(task, AudioTextTask)
    return task


def contrastive(music: Path, *overrides: str) -> AudioTextTask:
    return build("ttmr/laptop", music, "task.parameters.power=power", "task.parameters.text_dim=16", *overrides)


# Self-supervision ----------------------------------------------------------------------------------------------------


def test_self_supervision_is_its_share_of_the_loss_and_reaches_the_backbone(music: Path) -> None:
    task = build("muscall/self-supervised", music, "task.parameters.ssl_dim=8", parameters=MUSCALL)
    assert (task.settings.ssl_weight, task.settings.ssl_temperature) == (0.3, 0.5)
    batch = next(iter(task.training_loader(0, 0)))
    assert batch["second"].shape == batch["audio"].shape
    assert not torch.equal(batch["second"], batch["audio"])
    task.eval()
    views = [
        task.model.project_ssl(task.model.audio_backbone(task.model.features(batch[k]))) for k in ("audio", "second")
    ]
    task.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    expected = 0.7 * task.loss(batch, training=False) + 0.3 * nt_xent(*views, temperature=0.5)
    torch.testing.assert_close(task.loss(batch), expected)
    task.train()
    task.loss(batch).backward()
    assert all(p.grad is not None for p in task.model.audio_ssl.parameters())


def test_second_view_is_of_the_audio_before_its_own_augmentation(music: Path) -> None:
    more = ["task.parameters.ssl_dim=8", "task.augment={polarity: 1, noise: 0, pitch_shift: 0}"]
    more += ["task.ssl_augment={polarity: 0, noise: 0, gain: 0, pitch_shift: 0}"]
    task = build("muscall/self-supervised", music, *more, parameters=MUSCALL)
    batch = next(iter(task.training_loader(0, 0)))
    assert torch.equal(batch["audio"], -batch["second"])


def test_validation_hears_the_recordings_as_they_are(music: Path) -> None:
    task = build("muscall/base", music, "task.augment={noise: 1, polarity: 1}", parameters=MUSCALL)
    batch = next(iter(task.val_dataloader()))
    assert "second" not in batch
    recordings = task.examples.recordings
    for row, audio in zip(batch["rows"].tolist(), batch["audio"], strict=True):
        middle = (int(recordings.lengths[row]) - 32000) // 2  # MusCALL's, of 4 s clips
        assert np.array_equal(audio.numpy(), recordings.read(row, middle, 32000))
    first, again = (next(iter(contrastive(music).val_dataloader())) for _ in range(2))
    assert torch.equal(first["audio"], again["audio"])


def test_self_supervised_recipe_trains_to_a_model_that_finds_captions(music: Path, tmp_path: Path) -> None:
    more = ["task.window=2", "task.batch_size=8", "task.lr=3e-3", "task.schedule=constant", "trainer.max_epochs=12"]
    overrides = [f"task.data={music}", f"task.parameters={MUSCALL}", "task.parameters.ssl_dim=8", *more]
    run(
        "muscall/self-supervised", out=tmp_path / "run", cache=tmp_path / "cache", workers=0,
        overrides=[*overrides, "trainer.accelerator=cpu", "trainer.precision=32"],
    )  # fmt: skip
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert course["loss"][-3:].mean() < 0.9 * course["loss"][0]
    model: Any = ohrwurm.load(tmp_path / "run")
    assert model.project_ssl(torch.zeros(1, 16)).shape == (1, 8)


# Precision -----------------------------------------------------------------------------------------------------------


def test_losses_are_taken_in_single_precision_whatever_the_network_computes_in(music: Path) -> None:
    """At a temperature of 0.01, half precision of the logits alone would be off by a few tenths."""
    task = contrastive(music, "task.parameters.temperature=0.01").eval()
    batch = next(iter(task.training_loader(0, 0)))
    exact = float(task.loss(batch).detach())
    whole = task.model.forward
    seen = []
    task.model.forward = lambda audio: seen.append(torch.is_autocast_enabled("cpu")) or whole(audio)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = task.loss(batch)
    assert seen == [True]
    assert mixed.dtype == torch.float64  # as the published temperature is
    assert float(mixed.detach()) == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("recipe", ["ttmr/laptop", "muscall/self-supervised"])
def test_mixed_precision_trains_and_validates(recipe: str, music: Path, tmp_path: Path) -> None:
    parameters, size = (TTMR, "text_dim=16") if recipe.startswith("ttmr") else (MUSCALL, "ssl_dim=8")
    overrides = [f"task.data={music}", f"task.parameters={parameters}", f"task.parameters.{size}", "task.window=2"]
    overrides += [
        "task.batch_size=8",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        "trainer.precision=bf16-mixed",
    ]
    run(recipe, out=tmp_path / "run", cache=tmp_path / "cache", workers=0, overrides=overrides)
    course = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert np.isfinite(course["validationloss"]).all()


def test_apples_gpus_get_no_double_precision(music: Path) -> None:
    task = contrastive(music)
    assert task.model.logit_scale.dtype == torch.float64
    task._trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("mps")))  # type: ignore[assignment]
    task.setup("fit")
    assert task.model.logit_scale.dtype == torch.float32


# Text encoders -------------------------------------------------------------------------------------------------------


def one_step(task: AudioTextTask) -> None:
    """A step changes what learns; what nothing is learned by is out of training."""
    batch = next(iter(task.training_loader(0, 0)))
    learning = {name: p for name, p in task.named_parameters() if p.requires_grad}
    before = {name: p.detach().clone() for name, p in learning.items()}
    optimizer = torch.optim.SGD(learning.values(), 1.0)
    task.loss(batch).backward()
    assert [name for name, p in learning.items() if p.grad is None] == []
    optimizer.step()
    assert sum(not torch.equal(before[name], p) for name, p in learning.items()) > 0.8 * len(learning)


def test_bert_starts_from_its_folder_and_learns_without_its_pooler(music: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the optional extra 'text'")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "flute",
        "organ",
        "buzz",
        "noise",
        "low",
        "middle",
        "high",
        ",",
    ]
    config = {"vocab_size": len(words), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "intermediate_size": 16, "max_position_embeddings": 64}  # fmt: skip
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    bert = transformers.BertModel(transformers.BertConfig(**config))
    bert.save_pretrained(tmp_path)
    text = ["task.parameters.text=bert", "task.parameters.text_dim=16", f"task.pretrained_text={tmp_path}"]
    text += [f"task.parameters.text_parameters.tokenizer={tmp_path}"]
    text += [f"task.parameters.text_parameters.config={config}".replace("'", "")]
    task = build("ttmr/contrastive-bert-stochastic", music, *text)
    embedding = task.model.text_encoder.embeddings.word_embeddings.weight
    assert torch.equal(embedding, bert.embeddings.word_embeddings.weight)
    assert not any(p.requires_grad for p in task.model.text_encoder.pooler.parameters())
    one_step(task)
    with pytest.raises(RecipeError, match=r"pretrained_text=.*/nothing: .*give a folder|Give a folder"):
        build("ttmr/contrastive-bert-stochastic", music, *text, f"task.pretrained_text={tmp_path / 'nothing'}")


def test_glove_takes_vectors_from_a_file_and_names_a_tag_without_one(music: Path, tmp_path: Path) -> None:
    words = ["flute", "organ", "buzz", "noise", "low", "middle", "high"]
    draw = np.random.default_rng(0)
    lines = [" ".join([word, *map(str, draw.standard_normal(8).round(3))]) for word in words]
    (tmp_path / "glove.txt").write_text("\n".join(lines) + "\n")
    text = ["task.parameters.text_dim=8", f"task.parameters.text_parameters.vectors={tmp_path / 'glove.txt'}"]
    for recipe in ("ttmr/contrastive-glove-caption", "ttmr/triplet-glove-stochastic"):
        one_step(build(recipe, music, *text))
    (tmp_path / "glove.txt").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(ModelError, match="no word vector for 'high'"):
        build("ttmr/triplet-glove-tag", music, *text)


# Data ----------------------------------------------------------------------------------------------------------------


def test_classes_are_those_of_the_recipe_the_data_set_or_the_alphabet(music: Path, tmp_path: Path) -> None:
    own = ["noise", "buzz", "organ", "flute", "theremin"]
    task = build("ttmr/classification", music, f"task.parameters.tags={own}")
    assert (task.examples.tags, list(task.model.tags)) == (own, own)
    assert build("ttmr/classification", music).examples.tags == sorted(
        build("ttmr/classification", music).examples.tags
    )
    assert build("ttmr/classification", music, "task.parameters.tags=[jazz, low]").examples.labels(0).shape == (2,)
    with pytest.raises(DataError, match="no training track has any of the 2 tags"):
        build("ttmr/classification", music, "task.parameters.tags=[jazz, rock]")
    with pytest.raises(ModelError, match="no label list 'ecal'"):
        build("ttmr/classification", music, "task.parameters.tags=ecal")
    alike = [Track(t.track_id, t.path, t.split, ("a", "b")) for t in Manifest.read(music)]
    Manifest(alike).write(tmp_path / "alike.csv")
    with pytest.raises(DataError, match="no tag that is trained tells"):
        build("ttmr/classification", tmp_path / "alike.csv")


def test_tagger_is_judged_beside_the_chance_of_its_tags(music: Path) -> None:
    task = build("ttmr/classification", music)
    task._trainer = None
    report = task.eval().report()
    tracks = [task.examples.track(row) for row in task.judged]
    relevant = [[tag in t.tags for t in tracks] for tag in task.examples.tags if any(tag in t.tags for t in tracks)]
    assert report["chance"]["mAP@10"] == pytest.approx(retrieval.chance(relevant)["mAP@10"], abs=1e-4)
    assert report["data"] == "music.csv, validation tracks"
    assert report["protocol"] == "tags rank the tracks, macro average; all windows"


def test_pack_trains_as_the_files_do(music: Path, tmp_path: Path) -> None:
    pack(Manifest.read(music), tmp_path / "packed", 16000)
    of_files, of_pack = (
        next(iter(contrastive(source).training_loader(3, 1))) for source in (music, tmp_path / "packed")
    )
    assert of_files["texts"] == of_pack["texts"]
    torch.testing.assert_close(of_files["audio"], of_pack["audio"], rtol=0, atol=2e-5)


def test_data_sets_as_published_are_trained_on(music: Path, tmp_path: Path) -> None:
    """MusCALL's, and ECALS' with its own order of classes, made of the little clips."""
    muscall, ecals = tmp_path / "audiocaption", tmp_path / "msd"
    classes = ["organ", "flute", "never", "buzz", "low", "noise", "middle", "high"]
    items: dict[str, list[dict[str, Any]]] = {"train": [], "validation": []}
    annotation = {}
    for number, track in enumerate(Manifest.read(music)):
        audio, _ = soundfile.read(track.path, dtype="float32")
        for file in (muscall / "audio" / f"{number}.npy", ecals / "npy" / f"{number}.npy"):
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, audio)
        items[track.split].append({"audio_id": number, "caption": track.caption, "audio_path": f"{number}.npy"})
        annotation[str(number)] = {"track_id": str(number), "tag": list(track.tags)}
    ids = {split: [str(item["audio_id"]) for item in rows] for split, rows in items.items()}
    for file, content in {
        muscall / "dataset_train.json": items["train"],
        muscall / "dataset_val.json": items["validation"],
        ecals / "ecals_annotation" / "annotation.json": annotation,
        ecals / "ecals_annotation" / "ecals_tags.json": classes,
        ecals / "ecals_annotation" / "ecals_track_split.json": {
            "train_track": ids["train"][:10], "extra_track": ids["train"][10:], "valid_track": ids["validation"],
            "test_track": [],
        },
    }.items():  # fmt: skip
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    (ecals / "lastfm_annotation").mkdir()
    seven = {number: f"7{number}" for number in annotation}
    (ecals / "lastfm_annotation" / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps(seven))
    paths = {place: f"{number}.mp3" for number, place in seven.items()}
    (ecals / "lastfm_annotation" / "7D_id_to_path.pkl").write_bytes(pickle.dumps(paths))

    one_step(build("muscall/base", muscall, parameters=MUSCALL))
    task = build("ttmr/classification", ecals)
    assert list(task.model.tags) == classes
    assert (len(task.examples.training), len(task.examples.validation)) == (18, 6)
    one_step(task)
    batch = task.examples.batch([0, 1], (0, 0), training=True)
    tags = [annotation[name]["tag"] for name in batch["names"]]
    assert [[task.examples.tags[i] for i in row.nonzero()] for row in batch["labels"]] == [
        [tag for tag in task.examples.tags if tag in own] for own in tags
    ]


def test_missing_files_are_left_out_and_counted(music: Path, tmp_path: Path) -> None:
    gone = Track("gone", str(tmp_path / "gone.wav"), "train", ("low",), "A tune.")
    Manifest([*Manifest.read(music), gone]).write(tmp_path / "more.csv")
    task = contrastive(tmp_path / "more.csv")
    assert len(task.examples.recordings.tracks) == 24
    assert task.eval().report()["left_out"] == 1


# Rates ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 2])
def test_rate_follows_epochs_whatever_the_number_of_batches_a_step(accumulate: int, music: Path) -> None:
    """18 tracks in batches of 8: two batches an epoch, one or two steps."""
    task = contrastive(music, "task.schedule=warm-cosine-epochs", "task.warmup_epochs=2", "task.lr=1")
    task._trainer = SimpleNamespace(max_epochs=4, accumulate_grad_batches=accumulate)  # type: ignore[assignment]
    made = task.configure_optimizers()
    rates = []
    for _ in range(8 // accumulate):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    expected = [0, 0.25, 0.5, 0.75, 1, 0.8535534, 0.5, 0.1464466]
    assert rates == pytest.approx(expected[::accumulate], abs=1e-6)


# Recipes -------------------------------------------------------------------------------------------------------------

TTMR_RATES = {
    "classification": 1e-3,
    "contrastive-bert-caption": 5e-5, "contrastive-bert-stochastic": 5e-5, "contrastive-bert-tag": 5e-5,
    "contrastive-glove-caption": 5e-5, "contrastive-glove-stochastic": 5e-5, "contrastive-glove-tag": 5e-5,
    "triplet-bert-caption": 5e-5, "triplet-bert-stochastic": 5e-5, "triplet-bert-tag": 1e-4,
    "triplet-glove-caption": 1e-4, "triplet-glove-stochastic": 1e-4, "triplet-glove-tag": 1e-4,
}  # fmt: skip


@pytest.mark.parametrize("name", TTMR_RATES)
def test_ttmr_recipes_hold_the_published_settings(name: str) -> None:
    found = resolve(f"ttmr/{name}", [])
    task, trainer = found.task, found.trainer
    assert task["lr"] == TTMR_RATES[name]
    assert (task["window"], task["batch_size"], task["warmup_epochs"], task["min_lr"]) == (9.91, 64, 10, 1e-9)
    assert (task["optimizer"], tuple(task["betas"]), task["eps"], task["weight_decay"]) == (
        "adam",
        (0.9, 0.999),
        1e-8,
        0,
    )
    assert (task["schedule"], task["monitor"], task["margin"], task["clamp"]) == (
        "warm-cosine-epochs",
        "loss",
        0.4,
        "loss",
    )
    assert (trainer.max_epochs, trainer.patience, trainer.patience_resets, trainer.precision) == (100, 20, False, "32")
    assert (trainer.clip, trainer.accumulate, task["augment"]) == (None, 1, None)
    objective, *text = name.split("-")
    assert task["loss"] == objective
    if text:
        encoder, representation = text
        assert task["representation"] == representation
        assert task["pretrained_text"] == ("bert-base-uncased" if encoder == "bert" else None)


def test_muscall_recipes_hold_the_published_settings() -> None:
    found = resolve("muscall/base", [])
    task, trainer = found.task, found.trainer
    assert (task["lr"], tuple(task["betas"]), task["eps"], task["weight_decay"]) == (5e-5, (0.9, 0.98), 1e-6, 0.2)
    assert (task["optimizer"], task["decay_all"], task["schedule"], task["clamp"]) == (
        "adamw",
        True,
        "cycling",
        "parameter",
    )
    assert (task["batch_size"], task["window"], task["representation"], task["ssl_weight"]) == (256, 20, "sentence", 0)
    assert (task["augment"], task["validation_crop"]) == ({"noise": 0.3, "pitch_shift": 0.4}, "centre")
    assert (task["monitor"], task["validation_size"]) == ("R@10", 1000)
    assert (trainer.max_epochs, trainer.precision, trainer.clip, trainer.patience) == (100, "16-mixed", None, None)
    assert resolve("muscall/content-aware", []).task["loss"] == "content-aware"
    ssl = resolve("muscall/self-supervised", []).task
    assert ssl["parameters"] == {"ssl_dim": 128}
    assert (ssl["ssl_weight"], ssl["ssl_temperature"]) == (0.3, 0.5)
    assert ssl["ssl_augment"] == {"polarity": 0.8, "noise": 0.3, "gain": 0.2, "pitch_shift": 0.4}
    assert resolve("muscall/laptop", []).trainer.precision == "32"


def test_every_setting_and_recipe_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    section = text[text.index("## Text and audio") : text.index("## Views")]
    settings = [name for name in inspect.signature(AudioTextTask.__init__).parameters if name not in ("self", "data")]
    assert [name for name in settings if not re.search(rf"`(task)?\.{name}\b", section)] == []
    found = {name.split("-")[0] for name in recipes.names() if name.startswith(("ttmr/", "muscall/"))}
    assert [name for name in found if f"`{name}" not in section and name != "ttmr/base"] == []
