"""The tasks of the house models, each run for real on a few rendered tunes: they train, export and load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ohrwurm.audio.augment_spectrum import STEP, decode_decibels, encode_decibels
from ohrwurm.data.abc import read_abc
from ohrwurm.data.score import Score
from ohrwurm.models import registry
from ohrwurm.models.text_static import StaticTextEncoder
from ohrwurm.training import rendered
from ohrwurm.training.runner import run
from ohrwurm.training.tasks import rendered_text, rendered_versions
from ohrwurm.training.tasks.distil_text import build_vocabulary

TUNES = Path(registry.__file__).parents[1] / "demo" / "tunes"
PER_SPLIT = 3


@pytest.fixture
def tunes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine of the demo's tunes in place of the score collections, three a split."""
    files = sorted(TUNES.glob("*.abc"))[: 3 * PER_SPLIT]

    def read(names: tuple[str, ...], root: str | None, *, split: str) -> list[Score]:
        first = ["train", "validation", "test"].index(split) * PER_SPLIT
        return [read_abc(f) for f in files[first : first + PER_SPLIT]]

    monkeypatch.setattr(rendered, "read_scores", read)


def recipe(folder: Path, task: str, **settings: object) -> Path:
    file = folder / "recipe.yaml"
    task_section = {"class": f"ohrwurm.training.tasks.{task}", "test_soundfont": "TimGM6mb", **settings}
    file.write_text(yaml.safe_dump({"task": task_section, "trainer": {"max_epochs": 1}, "seed": 1}))
    return file


def test_pitch_then_versions(tunes: None, tmp_path: Path) -> None:
    small = recipe(tmp_path, "pitch.PitchTask", channels=4, count=10, seconds=4.0, frames=24, batch_size=4)
    pitch = run(small, out=tmp_path / "pitch", cache=tmp_path / "cache", workers=1)
    assert registry.load(pitch).profile(torch.zeros(1, 22050)).shape == (1, 12, 10)

    small = recipe(
        tmp_path, "rendered_versions.RenderedVersionTask", name="small", channels=4, dim=8, kernel_time=20,
        pitch=str(pitch), renditions=2, seconds=34.0, patch=340, works=3, songs=2,
    )  # fmt: skip
    folder = run(small, out=tmp_path / "versions", cache=tmp_path / "cache", workers=1)
    model = registry.load(folder)
    assert model.card.good_for == ("versions",)
    tone = torch.sin(torch.arange(22050 * 6) * 0.05)[None]
    vector = model(tone).pooled
    assert vector.shape == (1, 8)
    assert torch.isfinite(vector).all()
    # The exported encoder hears what the task trained on: same pitch weights inside.
    assert torch.equal(model.pitch.profile(tone), registry.load(pitch).profile(tone))


def test_text_model_answers_in_words(tunes: None, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    words = StaticTextEncoder(["piano", "guitar", "slow", "fast", "jazz", "##s"], dim=8)
    save_file(words.state_dict(), tmp_path / "words.safetensors")
    front_end = {"sample_rate": 16000, "n_fft": 512, "hop": 320, "n_mels": 16, "power": "power", "level": "peak"}
    network = {"channels": [4, 4, 4, 4], "attention_dim": 16, "layers": 1, "heads": 2, "dim": 8}
    small = recipe(
        tmp_path, "rendered_text.RenderedTextTask", words=str(tmp_path / "words.safetensors"),
        model=front_end | network, count=6, test_count=4, seconds=4.0, window=3.0, batch_size=3,
    )  # fmt: skip
    model = registry.load(run(small, out=tmp_path / "text", cache=tmp_path / "cache", workers=1))
    assert model.encode_text(["slow jazz pianos"]).shape == (1, 8)
    assert model(torch.randn(1, 48000)).pooled.shape == (1, 8)
    # Words survive the way into the model folder, up to half precision.
    torch.testing.assert_close(model.text_encoder(["slow"]), words(["slow"]), atol=2e-3, rtol=2e-3)


def test_rendered_examples_are_made_once_and_stale_ones_never_used(tunes: None, tmp_path: Path) -> None:
    plan = rendered.plan_renditions(("any",), "train", None, seconds=2.0, total=3)
    calls: list[str] = []

    def extract(rendition) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
        calls.append(rendition.score_id)
        return {"peak": np.array([np.abs(rendition.audio).max()])}

    first = rendered.render_examples(plan, extract, tmp_path / "x", 1)
    again = rendered.render_examples(plan, extract, tmp_path / "x", 1)
    assert len(calls) == 3
    assert [e.arrays["peak"][0] for e in first] == [e.arrays["peak"][0] for e in again]
    rendered.render_examples(plan, extract, tmp_path / "x", 1, identity="another extractor")
    assert len(calls) == 6


def test_versions_of_a_work_differ_and_overlap(tunes: None) -> None:
    plan = rendered.plan_renditions(("any",), "train", None, seconds=20.0, renditions=4)
    assert len(plan) == 4 * PER_SPLIT
    assert len({s.seed for s in plan}) == len(plan)
    assert all(float(s.start) <= 8.0 for s in plan)
    other = rendered.plan_renditions(("any",), "test", None, seconds=20.0, renditions=4)
    assert not {s.seed for s in plan} & {s.seed for s in other}
    assert not {s.score.work_id for s in plan} & {s.score.work_id for s in other}


def test_disturbed_profiles_stay_profiles() -> None:
    profile = np.random.default_rng(0).random((12, 300)).astype(np.float16)
    for seed in range(50):
        draw = np.random.default_rng(seed)
        changed = rendered_versions.crop(rendered_versions.disturb(profile, draw), 256, draw)
        assert changed.shape == (12, 256)
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert changed.dtype == np.float32


def test_decibels_survive_eight_bits() -> None:
    decibels = np.linspace(-98, 59, 1000, dtype=np.float32)
    restored = decode_decibels(encode_decibels(decibels))
    assert np.abs(restored - decibels).max() <= STEP / 2 + 1e-4


def test_stochastic_text_uses_only_true_tags() -> None:
    example = rendered.Example({}, "w", "s", ("piano", "slow", "solo"), "a slow piano solo", "style")
    draw = np.random.default_rng(0)
    texts = {rendered_text.stochastic_text(example, 0.3, 2, draw) for _ in range(200)}
    assert "a slow piano solo" in texts
    lists = texts - {"a slow piano solo"}
    assert all(set(t.split(", ")) <= {"piano", "slow", "solo"} and len(t.split(", ")) <= 2 for t in lists)
    assert len(lists) == 3 + 6  # every tag, every ordered pair


def test_vocabulary_holds_general_and_musical_words() -> None:
    from ohrwurm.data.texts import Description

    pieces = ["[PAD]", "the", "music", "##al", "##s", "é", "1980"]
    texts = [Description("A djembe groove", ("drum and bass", "djembe")), Description("djembe!", ("drum and bass",))]
    found = build_vocabulary(pieces, texts, 1)
    assert found[:5] == ["the", "music", "##al", "##s", "1980"]
    assert {"djembe", "groove", "drum and bass"} <= set(found)
    assert len(set(found)) == len(found)
