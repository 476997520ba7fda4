"""Joint text-audio models: TTMR's contrastive objective with stochastic text, on rendered clips.

Source: Doh, Won, Choi, Nam 2023, "Toward Universal Text-to-Music Retrieval", sections 2-3. A clip's text is drawn
anew at each access: some of its tags, in random order, or a sentence made of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ohrwurm.audio.augment_spectrum import decode_decibels, disturbed, encode_decibels
from ohrwurm.data.render import Rendition
from ohrwurm.evaluation.metrics import retrieval as metrics
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.text_static import StaticTextEncoder
from ohrwurm.models.ttmr import TTMR
from ohrwurm.objectives.contrastive import clip_loss
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.rendered import Example, plan_renditions, render_examples
from ohrwurm.training.schedules import with_warm_cosine
from ohrwurm.training.task import Task, generator, rounded


class MelExtractor:
    """Rendition → its mel spectrogram in 8 bits."""

    def __init__(self, **front_end: Any) -> None:
        self.front_end = front_end
        self._model: Any = None

    def __call__(self, rendition: Rendition) -> dict[str, np.ndarray]:
        import soxr

        if self._model is None:
            self._model = TTMR(text="none", text_dim=8, **self.front_end).eval()
        rate = self.front_end["sample_rate"]
        audio = soxr.resample(rendition.audio, rendition.sample_rate, rate).astype(np.float32)
        with torch.inference_mode():
            mel = self._model.features(torch.from_numpy(audio)[None])[0].numpy()
        return {"mel": encode_decibels(mel)}

    def __getstate__(self) -> dict[str, Any]:
        return {"front_end": self.front_end, "_model": None}


class RenderedTextTask(Task):
    """Train TTMR's contrastive-stochastic form with static text on rendered clips.

    Args:
        words: `words.safetensors` as `ohrwurm/words` exports it.
        model: parameters of `TTMR` (front-end, channels, Transformer).
        count: training clips, of `seconds` each; the network reads `window` seconds of them.
        captions: share of texts that are sentences; the rest are tag lists.
        longest: most tags in a drawn text; people ask with a few words, and a clip has about 25 tags.
    """

    monitor = "validation/mAP@10"
    mode = "max"

    def __init__(
        self,
        words: str,
        model: dict[str, Any],
        name: str = "ohrwurm-text",
        description: str = "",
        scores: tuple[str, ...] = ("pop909", "openewld", "freedoom"),
        count: int = 6000,
        seconds: float = 13.0,
        window: float = 5.0,
        hop: float = 5.0,
        batch_size: int = 64,
        captions: float = 0.4,
        longest: int = 8,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        test_count: int = 500,
        test_soundfont: str = "FluidR3_GM",
        data: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.words = load_words(Path(words))
        self.model = TTMR(text="none", text_dim=self.words.embedding.embedding_dim, **model)
        self.front_end = {
            k: v for k, v in model.items() if k in ("sample_rate", "n_fft", "hop", "n_mels", "f_min", "power")
        }
        self.rate = int(self.front_end["sample_rate"]) / int(self.front_end["hop"])  # mel frames a second

    def preparation(self, cache: Path) -> str:
        return f"renders {self.settings.count} training clips, unless they are in {cache}"

    def prepare(self, cache: Path, workers: int) -> None:
        """Render the clips and keep their mel spectrograms."""
        self.training_examples = self._examples("train", self.settings.count, cache, workers)
        self.validation_examples = self._examples("validation", self.settings.test_count, cache, workers)

    def _examples(self, split: str, count: int, cache: Path, workers: int) -> list[Example]:
        settings = self.settings
        plan = plan_renditions(
            settings.scores,
            split,
            settings.data,
            total=count,
            seconds=settings.seconds,
            soundfont=settings.test_soundfont if split == "test" else None,
        )
        extractor = MelExtractor(**self.front_end)
        identity = repr(sorted(self.front_end.items()))
        examples = render_examples(plan, extractor, cache / f"text-{split}", workers, identity)
        return [e for e in examples if e.tags]

    # Training ------------------------------------------------------------------------------------------------------

    def training_loader(self, seed: int, epoch: int) -> Batches:
        groups = shuffled(len(self.training_examples), self.settings.batch_size, generator(seed, epoch))

        def make(number: int, rows: np.ndarray) -> tuple[Tensor, list[str]]:
            draw = generator(seed, epoch, number)
            mels, texts = [], []
            for row in rows:
                example = self.training_examples[row]
                mels.append(disturbed(self.cut(example, draw), draw))
                texts.append(stochastic_text(example, self.settings.captions, self.settings.longest, draw))
            return torch.from_numpy(np.stack(mels)), texts

        return Batches(groups, make)

    def cut(self, example: Example, start: int | np.random.Generator) -> np.ndarray:
        """One window of a clip's mel from frame `start`, or at random; padded with silence if the clip is short."""
        frames = int(self.settings.window * self.rate)
        mel = example.arrays["mel"]
        if isinstance(start, np.random.Generator):
            start = int(start.integers(max(1, mel.shape[1] - frames + 1)))
        mel = decode_decibels(mel[:, start : start + frames])
        return np.pad(mel, ((0, 0), (0, frames - mel.shape[1])), constant_values=-100.0)

    def val_dataloader(self) -> Batches:
        return Batches(torch.arange(len(self.validation_examples)).split(64))

    def text_vectors(self, texts: list[str]) -> Tensor:
        """Texts → joint space; the word vectors stay as distilled, so that words never trained on keep their place."""
        with torch.no_grad():
            vectors = self.words(texts)
        return self.model.project_text(vectors)

    def training_step(self, batch: tuple[Tensor, list[str]], _: int) -> Tensor:
        mels, texts = batch
        audio = self.model.encode_features(mels).pooled
        loss = clip_loss(audio, self.text_vectors(texts), self.model.logit_scale).float()
        self.log("training/loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(texts))
        return loss

    def on_validation_epoch_start(self) -> None:
        self.collected: list[Tensor] = []

    def validation_step(self, rows: Tensor, _: int) -> None:
        self.collected.append(self.embed([self.validation_examples[i] for i in rows.tolist()]))

    def embed(self, examples: list[Example]) -> Tensor:
        """Audio vectors `(n, dim)`, each the mean over a clip's windows, as a collection makes them."""
        hop = int(self.settings.hop * self.rate)
        width = int(self.settings.window * self.rate)
        mels, owner = [], []
        for number, example in enumerate(examples):
            last = max(0, example.arrays["mel"].shape[1] - width)
            for start in sorted({*range(0, last + 1, hop), last}):
                mels.append(self.cut(example, start))
                owner.append(number)
        vectors = self.model.encode_features(torch.from_numpy(np.stack(mels))).pooled.float()
        index = torch.tensor(owner)
        total = torch.zeros(len(examples), vectors.shape[1]).index_add(0, index, vectors)
        return total / torch.bincount(index)[:, None]

    def on_validation_epoch_end(self) -> None:
        vectors = torch.cat(self.collected)
        figures = self.score(vectors, self.validation_examples[: len(vectors)])
        for name, value in figures.items():
            self.log(f"validation/{name}", value, prog_bar=name == "mAP@10")

    def score(self, audio: Tensor, examples: list[Example]) -> dict[str, float]:
        """Text-to-music retrieval: each clip's caption of all its tags against all clips."""
        text = self.text_vectors([", ".join(e.tags) for e in examples])
        cosine = nn.functional.normalize(text, dim=-1) @ nn.functional.normalize(audio, dim=-1).T
        return metrics.evaluate(cosine.float().numpy(), np.eye(len(examples), dtype=bool))

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.model.parameters() if p.ndim >= 2]
        plain = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [
            {"params": decayed, "weight_decay": self.settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.settings.lr)
        return with_warm_cosine(self, optimizer)

    # Result --------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def report(self) -> dict[str, Any]:
        """Held-out rendered clips with another SoundFont, with the chance level."""
        examples = self._examples("test", self.settings.test_count, self.cache, self.workers)
        vectors = torch.cat([self.embed(examples[i : i + 64]) for i in range(0, len(examples), 64)])
        return {
            "data": "rendered: held-out scores, other SoundFont",
            "protocol": "all tags of a clip as one text, against all clips",
            "n": f"{len(examples)} clips",
            "test": rounded(self.score(vectors, examples)),
            "chance": rounded(metrics.chance(np.eye(len(examples), dtype=bool))),
        }

    def export(self, folder: Path) -> None:
        """Write the model folder: audio encoder, projections and words."""
        settings = self.settings
        parameters = {
            **settings.model,
            "text": "static",
            "text_dim": self.words.embedding.embedding_dim,
            "text_parameters": self.words.parameters_for_card,
        }
        card = ModelCard(
            name=settings.name,
            architecture="ttmr",
            sample_rate=int(self.front_end["sample_rate"]),
            window=settings.window,
            hop=settings.hop,
            dim=int(settings.model.get("dim", 128)),
            good_for=("words", "sound"),
            joint=True,
            description=settings.description,
            parameters=parameters,
            paper="After TTMR (Doh et al., ICASSP 2023), contrastive, stochastic text; reduced",
            source="ohrwurm train ohrwurm/text",
        )
        model = registry.build(card)
        state = {f"text_encoder.{k}": v for k, v in self.words.state_dict().items()}
        model.load_state_dict({**self.model.state_dict(), **state})
        assert isinstance(model, TTMR)
        assert isinstance(model.text_encoder, StaticTextEncoder)
        # Half precision is enough for words; what is computed from them is in single precision.
        model.text_encoder.embedding.half()
        registry.save(model, folder)


def load_words(file: Path) -> StaticTextEncoder:
    """The static text encoder in a `words.safetensors`."""
    from safetensors.torch import load_file

    state = load_file(file)
    size, dim = state["embedding.weight"].shape
    words = StaticTextEncoder(dim=dim, size=size, vocabulary_bytes=state["vocabulary"].numel())
    words.load_state_dict(state)
    return words.eval().requires_grad_(False)


def stochastic_text(example: Example, captions: float, longest: int, draw: np.random.Generator) -> str:
    """A sentence, or 1 to `longest` of the tags in random order (TTMR's stochastic representation)."""
    if example.caption and draw.random() < captions:
        return example.caption
    tags = list(example.tags)
    count = int(draw.integers(1, min(longest, len(tags)) + 1))
    return ", ".join(tags[i] for i in draw.permutation(len(tags))[:count])
