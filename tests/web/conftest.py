"""A small real collection: tones whose pitch is what the words of a tiny joint model mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from fastapi.testclient import TestClient
from torch import Tensor

from ohrwurm.analysis.facts import facts as facts_of
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import Tempo
from ohrwurm.collection import Collection
from ohrwurm.events import Beats, Key
from ohrwurm.models import registry
from ohrwurm.models.base import Encoded, JointModel, ModelCard
from ohrwurm.web.api import create_app

sys.path.insert(0, str(Path(__file__).parent))
from browsing import ARGUMENTS, CHROMIUM
from waltz import waltz

RATE = 16000
LOW, MIDDLE, HIGH = 200.0, 1000.0, 4000.0
EDGES = (0.0, 500.0, 2000.0, 8000.0)  # Hz: what "low", "middle" and "high" mean
VOCABULARY = {"low": (1.0, 0.0, 0.0), "middle": (0.0, 1.0, 0.0), "high": (0.0, 0.0, 1.0)}
NAME = "tones-of-the-web-tests"


class Tones(JointModel):
    """Share of the amplitude in three bands; a text is the sum of its known words."""

    def forward(self, waveform: Tensor) -> Encoded:
        spectrum = torch.fft.rfft(waveform).abs()
        frequency = torch.fft.rfftfreq(waveform.shape[-1], 1 / RATE)
        bands = [spectrum[:, (frequency >= a) & (frequency < b)].square().sum(1) for a, b in pairwise(EDGES)]
        return Encoded(torch.stack(bands, 1).sqrt())

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = [[VOCABULARY[w] for w in text.split() if w in VOCABULARY] or [(0.0, 0.0, 0.0)] for text in texts]
        return torch.stack([torch.tensor(row).sum(0) for row in rows])


def tone(*parts: tuple[float, float]) -> np.ndarray:
    """(frequency, seconds) after one another."""
    return np.concatenate([0.3 * np.sin(2 * np.pi * f * np.arange(int(s * RATE)) / RATE) for f, s in parts])


@pytest.fixture(scope="session")
def model() -> str:
    """Name of the tiny joint model, registered once."""
    if NAME not in registry._cards:
        registry.architecture(NAME)(Tones)
        registry.register_card(
            ModelCard(
                NAME,
                NAME,
                RATE,
                2.0,
                1.0,
                3,
                ("words", "sound", "versions"),
                "Bands of tones.",
                joint=True,
                features={"learned": False},
            )
        )
    return NAME


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of tones in several formats; `turn.flac` is low for 8 s, then high."""
    folder = tmp_path_factory.mktemp("music")
    tagged = {
        "turn.flac": ("The Turn", "Anna Ton", tone((LOW, 8), (HIGH, 6))),
        "high.flac": ("High Water", "Anna Ton", tone((HIGH, 6))),
    }
    for name, (title, artist, samples) in tagged.items():
        with soundfile.SoundFile(folder / name, "w", RATE, 1) as file:
            file.title, file.artist, file.album = title, artist, "Sines"
            file.write(samples)
    soundfile.write(folder / "low.wav", tone((LOW, 6)), RATE)
    soundfile.write(folder / "high again.ogg", tone((HIGH * 1.1, 6)), RATE)
    stereo = np.stack([tone((MIDDLE, 5)), tone((MIDDLE * 1.5, 5))], 1)
    soundfile.write(folder / "middle <b>&amp;.aiff", stereo, RATE)
    (folder / "broken.mp3").write_bytes(b"not music at all")
    return folder


@pytest.fixture(scope="session")
def collection(music: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The folder, indexed for real."""
    made = Collection(tmp_path_factory.mktemp("collection"))
    made.index([music], models=[model], workers=1)
    return made


@pytest.fixture(scope="session")
def client(collection: Collection) -> Iterator[TestClient]:
    """A client of the application over the collection, started and stopped as a server would."""
    app = create_app(collection, max_upload=1 << 20)
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def ids(client: TestClient) -> dict[str, str]:
    """File name → track id."""
    results = client.get("/api/search", params={"q": "high", "k": 50}).json()["results"]
    return {Path(r["path"]).name: r["id"] for r in results}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if CHROMIUM is None:
        pytest.skip("no Chromium found; set OHRWURM_CHROMIUM to one")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def heard(model: str, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Three songs, two of which were analysed: `waltz` of 60 s in F minor, `march` in Db major; `unheard`."""
    folder = tmp_path_factory.mktemp("heard")
    for name, parts in (("waltz", ((HIGH, 60),)), ("march", ((HIGH, 3), (LOW, 3))), ("unheard", ((LOW, 6),))):
        soundfile.write(folder / f"{name}.flac", tone(*parts), RATE)
    made = Collection(tmp_path_factory.mktemp("collection"))
    made.index([folder], models=[model], workers=1)
    made.add_analysis(folder / "waltz.flac", facts_of(waltz()))
    march = Analysis(
        "march.flac", 6.0, "frames:1", beats=Beats(np.arange(0.25, 6, 0.5), np.arange(12) % 4 + 1),
        tempo=Tempo(120.0, 0.0, 1.0, 0.9), metre=4, key=Key("Db major", 0.9),
    )  # fmt: skip
    made.add_analysis(folder / "march.flac", facts_of(march))
    return made
