"""Works of little profiles, and MOVE trained on them in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ohrwurm.training import checkpoints
from ohrwurm.training.recipes import resolve
from ohrwurm.training.runner import run

NETWORK = "{channels: 6, kernel_time: 20, convolutions: [[5, 1], [5, 3]]}"
SMALL = [
    f"task.parameters={NETWORK}", "task.dim=16", "task.patch=64", "task.batch_size=16", "task.songs=2",
    "task.optimizer=ranger", "task.lr=5e-3", "trainer.max_epochs=3", "trainer.validate_every=1",
    "trainer.accelerator=cpu",
]  # fmt: skip

WAVEFORM = [  # a small network of another kind
    "task.student=ttmr-contrastive-bert-stochastic", "task.dim=16", "task.window=3", "task.parameters=null",
    "task.parameters={sample_rate: 16000, n_mels: 16, hop: 320, channels: [4, 4, 4, 4], attention_dim: 16, heads: 2, "
    "layers: 1, text: none, text_dim: 8}",
]  # fmt: skip
LEARN = ["task.optimizer=adamw", "task.transposition=corrected", "trainer.validate_every=5"]


def keep(file: Path, profile: np.ndarray, work: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    facts = np.frombuffer(json.dumps({"work_id": work}).encode(), np.uint8)
    np.savez(file, profile=profile.astype(np.float16), facts=facts)


def compose_profiles(folder: Path) -> Path:
    """A folder of profiles: works are sequences of chords, their versions in other keys and tempos, under drones.

    Versions of the same works are held out, so that seconds of training show.
    """
    for split, versions in (("train", range(3)), ("validation", range(3, 5)), ("test", range(5, 7))):
        for work in range(16):
            chords = np.random.default_rng((0, work)).random((12, 12)) ** 4
            for version in versions:
                draw = np.random.default_rng((1, work, version))
                at = np.linspace(0, 11, int(90 * draw.uniform(0.8, 1.2)))
                song = np.stack([np.interp(at, np.arange(12), row) for row in chords])
                drone = 0.2 * draw.random((12, 1)) ** 2
                song = np.roll(0.7 * song, draw.integers(12), 0) + drone + 0.2 * draw.random(song.shape)
                keep(folder / f"songs-{split}" / f"{work:02d}-{version}.npz", song.clip(0, 1), f"work {work}")
        (folder / f"songs-{split}" / "identity.json").write_text('{"identity": "chroma:1"}')
    return folder


def train(recipe: str, out: Path, profiles: Path, *overrides: str) -> tuple[Path, dict[str, Any], np.ndarray]:
    """Model folder, results and course of a run."""
    settings = [f"task.data={profiles}", *SMALL, *overrides]
    folder = run(recipe, out=out, overrides=settings, cache=out.parent / "cache", workers=0)
    results = json.loads((out / "report.json").read_text())["results"]
    return folder, results, np.genfromtxt(out / "log.csv", delimiter=",", names=True)


def build(recipe: str, *overrides: str) -> Any:
    torch.manual_seed(0)
    return resolve(recipe, overrides).build()


def weights(out: Path) -> dict[str, torch.Tensor]:
    return checkpoints.read(checkpoints.last(out))["state_dict"]


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
