"""Each paper's own windows, through files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from small import SmallConvolution

from ohrwurm.audio import files
from ohrwurm.audio.isolation import Decoder
from ohrwurm.audio.windows import pool
from ohrwurm.embedding import embed, embed_file
from ohrwurm.embedding.protocol import under, windowing
from ohrwurm.errors import AudioError, ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard

GOLDEN = Path(__file__).parents[1] / "golden" / "tune"

# What the papers do, at a size for tests: 1 s windows of 8 kHz.
PAPERS = {
    "TTMR": {"remainder": "drop", "short": "refuse"},
    "TTMR, evaluation": {"place": "even", "count": 3, "pooling": "mean"},
    "CLMR": {"remainder": "drop-last", "pooling": "mean"},
    "MusCALL": {"place": "centre", "short": "pad"},
    "MOVE": {"place": "whole", "short": "refuse"},
    "kept": {"window": 0.75, "remainder": "keep"},
    "padded": {"window": 0.75, "hop": 0.75, "remainder": "pad"},
}


def by_hand(x: np.ndarray, paper: str) -> list[np.ndarray]:
    """The windows as the papers' scripts cut them."""
    n, w = len(x), 6000 if paper in ("kept", "padded") else 8000
    if paper == "TTMR":
        return [x[k * w : (k + 1) * w] for k in range(n // w)]
    if paper == "TTMR, evaluation":
        hop = (n - w) // 3
        return [x[k * hop : k * hop + w] for k in range(3)]
    if paper == "CLMR":
        return [piece.numpy() for piece in torch.split(torch.from_numpy(x), w)[:-1]]
    if paper == "MusCALL":
        start = (n - w) // 2
        return [x[start : start + w]]
    if paper == "MOVE":
        return [x]
    if paper == "kept":  # the hop is the card's, half a second
        whole = [x[k : k + w] for k in range(0, n - w + 1, 4000)]
        rest = x[4000 * len(whole) :]
        return whole if 4000 * (len(whole) - 1) + w == n else [*whole, np.pad(rest, (0, max(0, 800 - len(rest))))]
    return [np.pad(x[k : k + w], (0, max(0, k + w - n))) for k in range(0, n, w)]


def test_windows_are_those_of_the_papers(songs):
    models = {
        paper: SmallConvolution(minimum=0.1, published=published if paper == "kept" else {"hop": 1.0, **published})
        for paper, published in PAPERS.items()
    }
    with Decoder() as decoder:
        for path in (songs[0], songs[2], songs[3], songs[4]):  # longer than two windows
            waveform = np.asarray(files.load(path, sample_rate=8000)[0])
            results = embed_file(path, list(models.values()), decoder=decoder, protocol="published")
            for (paper, model), result in zip(models.items(), results, strict=True):
                windows = by_hand(waveform, paper)
                with torch.inference_mode():
                    expected = np.concatenate([model(torch.from_numpy(w.copy())[None]).pooled.numpy() for w in windows])
                np.testing.assert_allclose(result.windows, expected, atol=1e-6, err_msg=paper)
                rule = PAPERS[paper].get("pooling", "mean-then-l2")
                pooled = pool(expected, np.ones(len(expected)), rule)
                np.testing.assert_allclose(result.vector, pooled, atol=1e-6, err_msg=paper)
                assert result.card.protocol == "published"
                assert result.provenance != model.card.provenance


def test_a_track_shorter_than_a_window_follows_the_paper(songs):
    short = songs[1]  # 0.4 s
    refusing = SmallConvolution(minimum=0.1, published=PAPERS["TTMR"])
    with pytest.raises(AudioError, match="no less than 1 s") as caught:
        embed(short, refusing, protocol="published")
    assert caught.value.reason == "too-short"
    assert isinstance(embed([short], refusing, protocol="published")[0], AudioError)
    waveform = torch.from_numpy(np.asarray(files.load(short, sample_rate=8000)[0]))
    lengths = {"CLMR": len(waveform), "MusCALL": 8000, "padded": 6000, "MOVE": len(waveform)}
    models = [SmallConvolution(minimum=0.1, published=PAPERS[paper]) for paper in lengths]
    with Decoder() as decoder, torch.inference_mode():
        results = embed_file(short, models, decoder=decoder, protocol="published")
        for result, model, length in zip(results, models, lengths.values(), strict=True):
            padded = torch.nn.functional.pad(waveform, (0, length - len(waveform)))
            np.testing.assert_allclose(result.windows, model(padded[None]).pooled.numpy(), atol=1e-6)
    whole = SmallConvolution(minimum=0.1, published={**PAPERS["MOVE"], "minimum": 0.5})
    with pytest.raises(AudioError, match=r"no less than 0\.5 s"):
        embed(short, whole, protocol="published")


def test_one_window_exactly_is_kept_though_it_is_the_last(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 8000)
    result = embed(tmp_path / "one.wav", SmallConvolution(published=PAPERS["CLMR"]), protocol="published")
    assert result.windows.shape == (1, 6)


def test_protocol_can_come_with_the_card(songs):
    loaded = registry.load("test-embedding-levels", protocol="published")
    asked = embed(songs[0], "test-embedding-levels", protocol="published")
    given = embed(songs[0], loaded)
    np.testing.assert_array_equal(given.vector, asked.vector)
    assert given.provenance == asked.provenance
    assert abs(float(np.linalg.norm(asked.vector)) - 1) > 1e-3  # the paper does not normalise


def test_a_note_is_no_part_of_the_provenance_and_nonsense_is_refused(songs):
    card = SmallConvolution(published=PAPERS["CLMR"]).card
    published = dataclasses.replace(card, protocol="published")
    noted = dataclasses.replace(published, published={**PAPERS["CLMR"], "note": "section 4"})
    other = dataclasses.replace(published, published=PAPERS["TTMR"])
    assert noted.provenance == published.provenance != other.provenance
    assert dataclasses.replace(card, published={}).provenance == card.provenance
    with pytest.raises(ModelError, match="no published windowing"):
        embed(songs[0], SmallConvolution(), protocol="published")
    for wrong in ({"remainder": "eat"}, {"words": 3}, {"short": "stretch"}, {"place": "even"}):
        with pytest.raises(ModelError, match="does not hold together"):
            embed(songs[0], SmallConvolution(published=wrong), protocol="published")


def test_clmr_evaluation_through_files(tmp_path):
    """The golden run of CLMR's evaluation: chunks of 64 samples, the last one dropped though it may be whole.

    Its encoder hands on the first samples of a chunk; probabilities are averaged over the chunks of a track.
    """
    with np.load(GOLDEN / "clmr_evaluate.npz") as golden:
        stored = {key.removeprefix("gtzan/"): golden[key] for key in golden if key.startswith("gtzan/")}
    chunk, classes = int(stored["chunk"]), int(stored["n_classes"])
    rate = 22050

    class FirstSamples(AudioEncoder):
        card = ModelCard(
            "first-samples", "none", rate, 1.0, 1.0, classes, (), "",
            published={"window": chunk / rate, "hop": chunk / rate, "remainder": "drop-last", "pooling": "mean"},
        )  # fmt: skip

        def forward(self, waveform: torch.Tensor) -> Encoded:
            return Encoded((8 * waveform[:, :classes]).softmax(1))

    tracks = np.split(stored["audio_concat"], np.cumsum(stored["audio_len"])[:-1])
    paths = [tmp_path / f"{i}.wav" for i in range(len(tracks))]
    for path, track in zip(paths, tracks, strict=True):
        assert np.abs(track).max() < 8
        soundfile.write(path, track / 8, rate, subtype="FLOAT")  # within full scale
    scores = np.stack([one.vector for one in embed(paths, FirstSamples(), protocol="published")])
    assert float((scores.argmax(1) == stored["labels"]).mean()) == pytest.approx(float(stored["Accuracy"]), abs=1e-6)


def test_published_windows_of_every_card_hold_together():
    named = [card for card in map(registry.card, registry.names()) if card.published]
    named = [card for card in named if not card.name.startswith("test-")]
    assert len(named) > 40
    for card in named:
        assert windowing(under(card, "published")).window >= 1, card.name
        assert card.published.get("note"), f"{card.name}: say in the note where the paper's windows are written"
