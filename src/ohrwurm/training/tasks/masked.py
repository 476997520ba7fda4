"""Masked token modelling: MusicFM's pre-training, and BEST-RQ's, at any size, on any manifest of music without labels.

Parts of each crop become noise; the Conformer predicts what a fixed random quantizer says of the audio that was there.

Sources: Won, Hung, Le, "A foundation model for music informatics", ICASSP 2024; Chiu et al., "Self-supervised learning
with random-projection quantizer for speech recognition", ICML 2022.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.data.recordings import open_recordings
from ohrwurm.data.splits import train_and_validation
from ohrwurm.data.statistics import sample_of
from ohrwurm.errors import DataError, RecipeError
from ohrwurm.models import registry
from ohrwurm.models.musicfm import SAMPLE_RATE, MusicFM, read_statistics
from ohrwurm.objectives.masked import (
    BLOCK_SECONDS,
    NOISE_LEVEL,
    PROBABILITY,
    count_codes,
    hide_frames,
    masked_prediction,
    perplexity,
)
from ohrwurm.training.batches import Batches, shuffled
from ohrwurm.training.encoders import after
from ohrwurm.training.limits import VALIDATION
from ohrwurm.training.masking import TOKEN, Masking
from ohrwurm.training.predictions import Predictions
from ohrwurm.training.schedules import by_step, inverse_square_root, warm_cosine, warm_up
from ohrwurm.training.statistics import mel_statistics
from ohrwurm.training.task import Task, generator, rounded, torch_generator

log = logging.getLogger(__name__)
PROBED = 16  # training crops whose targets are looked at before the first step
USAGE_EVERY = 10  # batches between looks at which codes are used
UNMEASURED = {"mean": 0.0, "std": 1.0}  # until `prepare` has heard the training tracks


class MaskedTask(Task):
    """Pre-train a MusicFM of any size on audio alone.

    Args:
        data: a manifest (CSV, JSONL, Parquet) or a pack at 24 kHz; `--data` on the command line.
        model: card to start from: ``musicfm-msd``, ``musicfm-fma``, or the model folder of an earlier training.
        parameters: replace those of the card: front_end, channels, first_channels, dim, depth, heads, ffn, kernel,
            dropout, codes, code_dim, codebooks.
        weights: to go on from: a checkpoint (published or of one's own), or ``own`` for those that come with `model`;
            empty for random ones.
        statistics: file with mean and deviation of the mel decibels; without one, those of `weights`, or with random
            weights those of the training tracks.
        statistics_tracks: most tracks that they are measured on, a fixed sample.
        name, description: of the trained model's card.
        layer: the layer that the trained model's vectors come from; the last unless given (`ohrwurm.load(...,
            layer=)` chooses another one).
        window: seconds of a crop; a shorter track is padded, and what is padded is not predicted.
        crops: random crops of each track in an epoch.
        mask: ``blocks`` (MusicFM): each block of `mask_seconds` is hidden with `mask_probability`, on a grid;
            ``spans`` (BEST-RQ): at each token a span of `mask_seconds` begins with `mask_probability`.
        mask_in: where the noise replaces what is hidden: in the ``waveform`` (MusicFM) or the normalised ``features``
            (BEST-RQ).
        mask_seconds: whole tokens of 0.04 s.
        mask_probability, noise: share, and deviation of the white noise.
        random_grid: let the grid of blocks begin anywhere, crop by crop. As published it begins with the crop, and
            what is left at its end is never hidden.
        freeze_bn: batch norms keep their statistics: to go on from given weights with little data.
        batch_size: of all processes together.
        lr, betas, eps, weight_decay: of AdamW; norms and biases are not decayed.
        schedule: after `warmup_steps`: ``cosine`` to 0 over the run, ``inverse-sqrt``, or ``constant``.
        validation_size: most tracks to validate on, a fixed sample.
    """

    monitor = "validation/masked accuracy"
    mode = "max"

    def __init__(
        self,
        data: str = "",
        model: str = "musicfm-msd",
        parameters: dict[str, Any] | None = None,
        weights: str = "",
        statistics: str = "",
        statistics_tracks: int = 1000,
        name: str = "my-musicfm",
        description: str = "A foundation model of music: predicts tokens of masked audio. Trained with ohrwurm.",
        layer: int | None = None,
        window: float = 30.0,
        crops: int = 1,
        mask: Literal["blocks", "spans"] = "blocks",
        mask_in: Literal["waveform", "features"] = "waveform",
        mask_seconds: float = BLOCK_SECONDS,
        mask_probability: float = PROBABILITY,
        noise: float = NOISE_LEVEL,
        random_grid: bool = False,
        freeze_bn: bool = False,
        batch_size: int = 16,
        lr: float = 5e-4,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        schedule: Literal["cosine", "inverse-sqrt", "constant"] = "cosine",
        warmup_steps: int = 10_000,
        validation_size: int = 200,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        self.tokens = round(window * SAMPLE_RATE) // TOKEN
        self.masking = Masking(mask, mask_in, mask_seconds, mask_probability, noise, random_grid)
        self._check_settings()
        self.recordings = open_recordings(data, SAMPLE_RATE)
        self._check_data()
        self.model = self._built()

    def _check_settings(self) -> None:
        settings = self.settings
        if not settings.data:
            raise RecipeError("what to train on? give a manifest or a pack: --data MANIFEST")
        if self.tokens <= self.masking.span:
            raise RecipeError(
                f"window={settings.window}: longer than what is hidden at a time, {settings.mask_seconds} s"
            )
        for key in ("crops", "batch_size", "statistics_tracks", "validation_size"):
            if settings[key] < 1:
                raise RecipeError(f"{key}={settings[key]}: at least 1")

    def _check_data(self) -> None:
        settings, tracks, lengths = self.settings, self.recordings.tracks, self.recordings.lengths
        long_enough = [i for i in range(len(tracks)) if lengths[i] >= self.masking.span * TOKEN]
        if len(long_enough) < len(tracks):
            log.warning("left out: %d tracks shorter than %g s", len(tracks) - len(long_enough), settings.mask_seconds)
        used = [tracks[i] for i in long_enough]
        train, validation = train_and_validation(used)
        self.training_rows, validation_rows = [long_enough[i] for i in train], [long_enough[i] for i in validation]
        self.validation_rows = sample_of(tracks, validation_rows, settings.validation_size)
        test = [i for i in long_enough if tracks[i].split == "test"]
        self.test_rows = sample_of(tracks, test, settings.validation_size)
        crops = len(self.training_rows) * settings.crops
        if settings.batch_size > crops:
            raise DataError(
                f"{settings.data}: {crops} crops of {len(self.training_rows)} training tracks are fewer than a batch "
                f"of {settings.batch_size}. Set task.batch_size={crops} or lower, or a larger task.crops."
            )
        short = sum(lengths[i] < self.tokens * TOKEN for i in self.training_rows)
        if 2 * short > len(self.training_rows):
            log.warning(
                "%d of %d training tracks are shorter than the window of %g s and padded: set task.window lower",
                short, len(self.training_rows), settings.window,
            )  # fmt: skip

    def _built(self) -> MusicFM:
        settings = self.settings
        card = registry.card(settings.model)
        if card.architecture != "musicfm":
            raise RecipeError(f"model={settings.model} is a {card.architecture}; masked training is for a musicfm")
        parameters = {**card.parameters, **(settings.parameters or {})}
        self.unmeasured = not settings.statistics and not settings.weights
        if settings.statistics:
            parameters["stats"] = read_statistics(settings.statistics)
        elif self.unmeasured:
            parameters["stats"] = dict(UNMEASURED)
        changes: dict[str, Any] = {"parameters": parameters, "layer": settings.layer}
        card = dataclasses.replace(
            card, **changes, name=settings.name, description=settings.description, window=settings.window,
            hop=settings.window, results=(), agreement={}, sha256="", published={}, weights={}, licence="your own",
            paper=after(card.paper), source="ohrwurm train",
        )  # fmt: skip
        if settings.weights:
            weights = None if settings.weights == "own" else settings.weights
            found = registry.load(settings.model, weights=weights, **changes)
        else:
            found = registry.build(card)
        assert isinstance(found, MusicFM)
        heard = card.features if found.front_end == "mel" else {"front_end": found.front_end, "bands": found.bands}
        found.card = dataclasses.replace(card, dim=found.conformer.dim, features=dict(heard))
        return found.train()

    def train(self, mode: bool = True) -> MaskedTask:
        """Training or eval mode; with `freeze_bn` batch norms stay in eval mode."""
        super().train(mode)
        if mode and self.settings.freeze_bn:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    # Data ----------------------------------------------------------------------------------------------------------

    def prepare(self, cache: Path, workers: int) -> None:
        """Measure the statistics where none are given, and see whether the targets say anything."""
        settings = self.settings
        if self.unmeasured:
            rows = sample_of(self.recordings.tracks, self.training_rows, settings.statistics_tracks)
            found = mel_statistics(
                self.recordings, rows, cache, n_mels=self.model.bands, front_end=self.model.front_end,
                workers=max(1, workers),
            )  # fmt: skip
            self._normalise({"mean": found.moments.mean, "std": found.moments.std})
            log.info("mel of %d tracks, %.2f h: %.2f dB, deviation %.2f dB", len(rows), found.hours, *self.statistics)
        self.train()
        self._look_at_targets()

    @property
    def statistics(self) -> tuple[float, float]:
        """Mean and deviation of the mel decibels that the input is normalised by."""
        return self.model.mean, self.model.std

    def _normalise(self, statistics: dict[str, float]) -> None:
        if not statistics["std"] > 0:
            raise DataError(f"{self.settings.data}: all mel decibels are {statistics['mean']:g}; is it silence?")
        self.model.mean, self.model.std = statistics["mean"], statistics["std"]
        parameters = {**self.model.card.parameters, "stats": dict(statistics)}
        self.model.card = dataclasses.replace(self.model.card, parameters=parameters)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["statistics"] = dict(zip(("mean", "std"), self.statistics, strict=True))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._normalise(checkpoint["statistics"])  # the weights' own, whatever has become of the files since

    @torch.inference_mode()
    def _look_at_targets(self) -> None:
        books = len(self.model.quantizers)
        codes = self.model.linear.out_features // books
        counts = torch.zeros(books, codes, dtype=torch.long)
        for row in sample_of(self.recordings.tracks, self.training_rows, PROBED):
            item = self.item(row, 0, self.seed, VALIDATION)
            audio = item["audio"][: int(item["valid"]) * TOKEN]
            if len(audio) > TOKEN:
                counts += count_codes(self.model.targets(self.model.features(audio[None])), codes)
        used, spread = float((counts > 0).sum(1).float().mean()), perplexity(counts)
        said = f"the targets of {PROBED} crops use {used:.0f} of {codes} codes, perplexity {spread:.0f}"
        log.info("%s", said)
        if spread < max(4.0, 0.01 * codes):
            log.warning(
                "%s: there is little to learn. Stationary noise does this, silence, or statistics of other audio "
                "(task.statistics).", said,
            )  # fmt: skip

    def item(self, row: int, crop: int, *numbers: int) -> dict[str, Tensor]:
        """One track's random crop, what of it is hidden, and the noise instead; a function of all the numbers.

        Returns:
            audio `(samples,)`; masked `(tokens,)`; valid, the number of tokens that are not padded; and either hidden
            `(samples,)`, the audio with noise in it, or noise `(bands, frames)`.
        """
        draw = torch_generator(*numbers, row, crop)
        samples, length = self.tokens * TOKEN, int(self.recordings.lengths[row])
        start = int(torch.randint(max(0, length - samples) + 1, (1,), generator=draw))
        audio = torch.from_numpy(self.recordings.read(row, start, samples))
        valid = min(samples, length - start) // TOKEN
        masked = self.masking.draw(self.tokens, draw)
        masked[valid:] = False
        item = {"audio": audio, "masked": masked, "valid": torch.tensor(valid)}
        return item | self.masking.hide(audio, masked, self.model.bands, draw)

    def batch(self, crops: list[tuple[int, int]], *numbers: int) -> dict[str, Any]:
        """Items of these (row, crop) together, and the names of their tracks."""
        items = [self.item(row, crop, *numbers) for row, crop in crops]
        names = [self.recordings.tracks[row].track_id for row, _ in crops]
        return {key: torch.stack([item[key] for item in items]) for key in items[0]} | {"names": names}

    def names(self, batch: dict[str, Any]) -> list[str]:
        return batch["names"]

    def training_loader(self, seed: int, epoch: int) -> Batches:
        crops = [(row, crop) for row in self.training_rows for crop in range(self.settings.crops)]
        groups = shuffled(len(crops), self.settings.batch_size, generator(seed, epoch))
        rows = [[crops[i] for i in group] for group in groups]
        return Batches(rows, lambda _, group: self.batch(group, seed, epoch), self.share, self.workers)

    def fixed_batches(self, rows: list[int]) -> Batches:
        """One crop of each of these tracks, with masks of its own: the same ones always."""
        size = self.settings.batch_size
        groups = [[(row, 0) for row in rows[i : i + size]] for i in range(0, len(rows), size)]
        return Batches(groups, lambda _, group: self.batch(group, self.seed, VALIDATION), workers=self.workers)

    def val_dataloader(self) -> Batches:
        return self.fixed_batches(self.validation_rows)

    # Objective -----------------------------------------------------------------------------------------------------

    def predict(self, batch: dict[str, Any], model: MusicFM | None = None) -> tuple[Tensor, Tensor]:
        """Logits `(B, tokens, codebooks, codes)` of the hidden audio, targets `(B, tokens, codebooks)` of all of it."""
        model = model or self.model
        clean = model.features(batch["audio"])
        if "hidden" in batch:
            features = model.features(batch["hidden"])
        else:
            features = hide_frames(clean, batch["masked"], batch["noise"])
        return model.logits(features), model.targets(clean)

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        logits, targets = self.predict(batch)
        loss, accuracy = masked_prediction(logits, targets, batch["masked"])
        # The mean over all masked tokens of the joint batch, of which the processes may have unequal numbers.
        mine = batch["masked"].sum().float()
        together = self.joint(torch.stack([mine, loss.detach() * mine, accuracy * mine])[None]).sum(0)
        tokens = together[0].clamp(min=1)
        self.log("training/loss", together[1] / tokens, on_epoch=True, on_step=False, prog_bar=True, batch_size=1)
        self.log("training/masked accuracy", together[2] / tokens, on_epoch=True, on_step=False, batch_size=1)
        if index % USAGE_EVERY == 0:
            for name, codes in (("target", targets), ("prediction", logits.argmax(-1))):
                spread = perplexity(count_codes(codes[batch["masked"]], logits.shape[-1]))
                self.log(f"training/{name} perplexity", spread, on_epoch=True, on_step=False, batch_size=1)
        return loss * mine * self.share[1] / tokens

    def configure_optimizers(self) -> Any:
        settings = self.settings
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for parameter in self.model.parameters():
            groups[parameter.ndim >= 2].append(parameter)
        optimizer = torch.optim.AdamW(
            [{"params": groups[True], "weight_decay": settings.weight_decay},
             {"params": groups[False], "weight_decay": 0.0}],
            lr=settings.lr, betas=tuple(settings.betas), eps=settings.eps,
        )  # fmt: skip
        warm = settings.warmup_steps
        if settings.schedule == "inverse-sqrt":
            return by_step(optimizer, lambda step: inverse_square_root(step, warm))
        if settings.schedule == "constant":
            return by_step(optimizer, lambda step: warm_up(step, warm))
        return by_step(optimizer, lambda step: warm_up(step, warm) * warm_cosine(self.fraction_done, 0.0))

    def on_fit_start(self) -> None:
        if self.trainer.precision not in ("32-true", "bf16-mixed", "16-mixed"):
            raise RecipeError(
                f"trainer.precision={self.trainer.precision}: the front-end needs float32; take 32, bf16-mixed or, on "
                "a CUDA GPU, 16-mixed"
            )

    # Validation and result -----------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.predictions = Predictions()

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        self.predictions.add(*self.predict(batch), batch["masked"])

    def on_validation_epoch_end(self) -> None:
        for name, value in self.predictions.figures().items():
            self.log(f"validation/{name}", value, prog_bar=name == "masked accuracy")

    @torch.inference_mode()
    def measure(self, model: MusicFM, rows: list[int]) -> Predictions:
        """What `model` predicts of one crop of each of these tracks; the same crops and masks always."""
        predictions = Predictions()
        for batch in self.fixed_batches(rows):
            there = {key: x.to(self.device) if isinstance(x, Tensor) else x for key, x in batch.items()}
            predictions.add(*self.predict(there, model), there["masked"])
        return predictions

    def report(self) -> dict[str, Any]:
        """Masked prediction on the test tracks (without any: on the validation tracks), beside random weights, and
        beside the most frequent code of these very tracks."""
        rows = self.test_rows or self.validation_rows
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            untrained = registry.build(self.model.card).to(self.device)
        assert isinstance(untrained, MusicFM)
        trained = self.measure(self.model, rows)
        return {
            "data": f"{Path(self.settings.data).name}, {'test' if self.test_rows else 'validation'} tracks",
            "protocol": f"{self.settings.mask} of {self.settings.mask_seconds:g} s hidden in one crop of "
            f"{self.settings.window:g} s of each track, the same for all; tokens predicted",
            "n": f"{len(rows)} tracks, {trained.tokens} hidden tokens",
            "test": rounded(trained.figures()),
            "interval": {"masked accuracy": [round(end, 4) for end in trained.interval()]},
            "baseline": rounded(self.measure(untrained, rows).figures()),
            "baseline_name": "random initialisation",
            "chance": rounded(trained.chance()),
        }

    def export(self, folder: Path) -> None:
        """Write the model folder; the statistics are among the card's parameters."""
        registry.save(self.model, folder)
