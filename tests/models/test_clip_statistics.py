"""jukemir's simple representations: the features they name, in the order they name, whatever the gain."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.clip_statistics import ClipStatistics

TONE = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(44100) / 22050)


@pytest.mark.filterwarnings("ignore:n_fft=")
@pytest.mark.parametrize("kind, size", [("chroma", 12), ("mfcc", 20)])
def test_vector_is_mean_and_deviation_of_features_and_their_differences(kind: str, size: int) -> None:
    clip = TONE + 0.05 * torch.randn(44100, generator=torch.Generator().manual_seed(0))
    found = registry.load(f"{kind}-statistics")(clip[None]).pooled[0].numpy().reshape(3, 2, size)
    x = (clip / clip.abs().max()).numpy()
    made = {"chroma": librosa.feature.chroma_cqt, "mfcc": lambda **k: librosa.feature.mfcc(n_mfcc=20, **k)}[kind]
    features = made(y=x, sr=22050, hop_length=512)
    first = features[:, 1:] - features[:, :-1]
    for order, moved in enumerate((features, first, first[:, 1:] - first[:, :-1])):
        np.testing.assert_allclose(found[order, 0], moved.mean(1), atol=2e-4)
        np.testing.assert_allclose(
            found[order, 1], np.sqrt(((moved - moved.mean(1, keepdims=True)) ** 2).mean(1)), atol=2e-4
        )
    if kind == "chroma":
        assert found[0, 0].argmax() == 9  # A


@pytest.mark.parametrize("kind", ["chroma", "mfcc"])
def test_gain_has_no_say_and_silence_no_warning(kind: str, recwarn: pytest.WarningsRecorder) -> None:
    model = registry.load(f"{kind}-statistics")
    loud, quiet, silent = model(torch.stack([TONE, 0.01 * TONE, torch.zeros(44100)])).pooled
    torch.testing.assert_close(loud, quiet, atol=1e-3, rtol=1e-3)
    assert silent.isfinite().all()
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


def test_other_features_are_refused() -> None:
    with pytest.raises(ModelError, match="chroma, mfcc"):
        ClipStatistics("cqt")  # type: ignore[arg-type]
