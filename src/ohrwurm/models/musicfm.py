"""MusicFM, "A foundation model for music informatics" (Won, Hung, Le; ICASSP 2024): a Conformer that predicts tokens of
masked audio.

    waveform ─mel dB, normalised─▶ (128, T) ─residual convolutions, Linear─▶ tokens, 25 a second ─Conformer─▶ 13 states
                    └──4 frames each──▶ random-projection quantizer ─▶ targets ◀── Linear ─ last state

Any state is a representation of music: 0 is what the convolutions give, 1 to 12 are the layers'. Parameter names are
those of the published checkpoints but for the quantizer's. A lighter model is the same class with other numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ohrwurm.audio.log_spectrum import BANDS_PER_SEMITONE, WINDOWS, LogSpectrum
from ohrwurm.audio.spectral import MelSpectrogram
from ohrwurm.errors import ModelError
from ohrwurm.models.base import PRECISIONS, AudioEncoder, Encoded, ModelCard, Precision, ReadOut
from ohrwurm.models.conformer import Conformer, rotary_frequencies
from ohrwurm.models.int8 import has_int8
from ohrwurm.models.precision import has_bf16
from ohrwurm.models.quantizer import SEED, RandomProjectionQuantizer, stack_frames
from ohrwurm.models.registry import architecture, register_card
from ohrwurm.models.subsampling import Convolution, ConvSubsampling

SAMPLE_RATE, N_FFT, HOP = 24000, 2048, 240
FRAMES_PER_TOKEN = 4  # two halvings of time
FEATURE = f"melspec_{N_FFT}"  # its name in statistics files and checkpoints
FrontEnd = Literal["mel", "log-frequency"]
UNUSED = ("cls_token", "conformer.pos_conv_embed.")  # stored in checkpoints, never computed with


@architecture("musicfm")
class MusicFM(AudioEncoder):
    """Masked-token Conformer; the defaults are the published network of 329 million parameters.

    Args:
        stats: `mean` and `std` of the training corpus' mel decibels, by which the input is normalised. They are the
            checkpoint's other half: those of another corpus give other vectors. A published statistics file is read
            by `read_statistics`.
        n_mels: frequency bands, up to 12 kHz; of the mel front-end.
        front_end: ``mel`` as published, or ``log-frequency`` (`LogSpectrum`: 192 bands, two a semitone), in which
            a small model tells low notes apart and a transposition is a shift; its own invention, not MusicFM's.
        channels, first_channels: of the residual convolutions; those of the first block as of the second unless given.
        dim, depth, heads, ffn, kernel, dropout: the Conformer. Some sizes, in millions of parameters without the
            targets' part: 329 (published); 94 (channels 256, dim 768, depth 6, heads 12, ffn 3072);
            27 (128, 384, 6, 6, 1536); 5.4 (64, 192, 5, 4, 768).
        codes, code_dim, codebooks: size of the random codebook, of its vectors, and how many there are.
        convolution: see `ConvSubsampling`.

    >>> model = MusicFM({"mean": 6.8, "std": 18.4}, channels=8, dim=32, depth=3, heads=2, ffn=64).eval()
    >>> model.read_out(2)
    ReadOut(dim=32, frame_rate=25.0)
    >>> encoded = model(0.1 * torch.randn(2, 24000))
    >>> encoded.pooled.shape, encoded.frames.shape
    (torch.Size([2, 32]), torch.Size([2, 25, 32]))
    """

    def __init__(
        self,
        stats: Mapping[str, float] | None = None,
        n_mels: int = 128,
        channels: int = 512,
        dim: int = 1024,
        depth: int = 12,
        heads: int = 16,
        ffn: int = 4096,
        kernel: int = 31,
        dropout: float = 0.1,
        codes: int = 4096,
        code_dim: int = 16,
        codebooks: int = 1,
        convolution: Convolution = "auto",
        front_end: FrontEnd = "mel",
        first_channels: int | None = None,
    ) -> None:
        super().__init__()
        if front_end not in ("mel", "log-frequency"):
            raise ModelError(f"front_end={front_end!r}: mel or log-frequency")
        self.mean, self.std = _checked(stats)
        self.front_end = front_end
        self.spectrogram = spectrogram(front_end, n_mels)
        self.bands = n_mels if front_end == "mel" else LogSpectrum.bands
        self.conv = ConvSubsampling(self.bands, channels, dim, convolution, first_channels)
        self.conformer = Conformer(dim, depth, heads, ffn, kernel, dropout)
        self.linear = nn.Linear(dim, codebooks * codes)
        self.quantizers = nn.ModuleList(
            RandomProjectionQuantizer(FRAMES_PER_TOKEN * self.bands, codes, code_dim, SEED + i)
            for i in range(codebooks)
        )

    @property
    def layers(self) -> Mapping[int, ReadOut]:
        """0, the convolutions' tokens, to the depth of the Conformer; 25 frames a second."""
        out = ReadOut(self.conformer.dim, SAMPLE_RATE / HOP / FRAMES_PER_TOKEN)
        return dict.fromkeys(range(len(self.conformer.layers) + 1), out)

    @property
    def bands_per_semitone(self) -> int | None:
        """By how many bands of the features a semitone shifts the music; None where it does more than shift."""
        return BANDS_PER_SEMITONE if self.front_end == "log-frequency" else None

    @property
    def feature_hop(self) -> int:
        """Samples between frames of the features."""
        return HOP

    @property
    def feature_reach(self) -> int:
        """A frame of the features hears so many samples to either side of its own."""
        return (N_FFT if self.front_end == "mel" else max(size for size, _ in WINDOWS)) // 2

    def decibels(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → decibels `(B, bands, samples // 240)`, not normalised, always float32."""
        with torch.autocast(waveform.device.type, enabled=False):
            return self.spectrogram(waveform.float())[..., :-1]  # the published front-end drops the last frame

    def features(self, waveform: Tensor) -> Tensor:
        """Waveform `(B, samples)` → normalised decibels `(B, bands, samples // 240)`, always float32."""
        return (self.decibels(waveform) - self.mean) / self.std

    def hidden_states(self, features: Tensor) -> list[Tensor]:
        """All states `(B, tokens, dim)` of normalised features `(B, bands, T)`, from layer 0 to the last."""
        return list(self.conformer.states(self.conv(features)))

    def encode_features(self, features: Tensor) -> Encoded:
        """Normalised mel → `frames (B, tokens, dim)` of `self.layer` (default: the last), `pooled` their mean."""
        frames = self.conformer(self.conv(features), self.layer)
        return Encoded(pooled=frames.mean(dim=1), frames=frames)

    def forward(self, waveform: Tensor) -> Encoded:
        return self.encode_features(self.features(waveform))

    def logits(self, features: Tensor) -> Tensor:
        """Normalised mel → unnormalised log-probabilities of every token's codes `(B, tokens, codebooks, codes)`."""
        last = self.conformer(self.conv(features))
        scores = self.linear(last.to(self.linear.weight.dtype)).float()
        return scores.unflatten(-1, (len(self.quantizers), -1))

    def targets(self, features: Tensor) -> Tensor:
        """Normalised mel of unmasked audio → its tokens `(B, tokens, codebooks)`, what the logits are to predict.

        Raises:
            ModelError: the number of frames is no multiple of 4.
        """
        stacked = stack_frames(features, FRAMES_PER_TOKEN)
        return torch.stack([quantizer(stacked) for quantizer in self.quantizers], dim=-1)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        device = self.linear.weight.device
        has = {"bf16": has_bf16(device), "fp16": device.type == "cuda", "int8": has_int8(device)}
        return tuple(precision for precision in PRECISIONS if has.get(precision, True))

    def lower(self, precision: Precision) -> None:
        """As `AudioEncoder.lower`; "int8" has 8-bit linear layers, and bf16 or, without it, fp32 between them."""
        super().lower(precision)
        if precision == "fp32":
            return
        dtype = torch.float16 if precision == "fp16" else torch.bfloat16
        if precision == "int8" and not has_bf16(self.linear.weight.device):
            dtype = torch.float32
        self.conv.lower(dtype)
        self.conformer.lower(dtype, int8=precision == "int8")
        self.linear.to(dtype)

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A published checkpoint's tensors under this class's names.

        What is stored but never used (`UNUSED`) is dropped, counters stored as float become integers, and the constants
        of the front-end and of the positions are compared with this model's.

        Raises:
            ModelError: the constants differ: another front-end, or another size of the heads.
        """
        constants, ours = self._constants(), {}
        for key, value in state.items():
            if key in constants:
                right = constants[key]
                if value.shape != right.shape or (value.float() - right).abs().max() > 1e-4:
                    raise ModelError(
                        f"the checkpoint's {key} {tuple(value.shape)} is not this model's {tuple(right.shape)}: it was "
                        "trained with another n_mels, dim or heads. Set them in the card's parameters."
                    )
            elif key.startswith(UNUSED):
                continue
            elif key.endswith("num_batches_tracked"):
                ours[key] = value.long()
            elif key.startswith(f"quantizer_{FEATURE}_"):
                ours[key.replace(f"quantizer_{FEATURE}_", "quantizers.", 1)] = value
            else:
                ours[key] = value
        return ours

    def to_published(self) -> dict[str, Tensor]:
        """This model's weights under the published names; of the tensors that nothing computes with, zeros and ones."""
        dim = self.conformer.dim
        state = {
            key.replace("quantizers.", f"quantizer_{FEATURE}_", 1): value for key, value in self.state_dict().items()
        }
        return self._constants() | state | {
            "cls_token": torch.zeros(dim),
            "conformer.pos_conv_embed.conv.bias": torch.zeros(dim),
            "conformer.pos_conv_embed.conv.weight_g": torch.ones(1, 1, 128),
            "conformer.pos_conv_embed.conv.weight_v": torch.ones(dim, dim // 16, 128),
        }  # fmt: skip

    def _constants(self) -> dict[str, Tensor]:
        """What published checkpoints store and this class computes."""
        if not isinstance(self.spectrogram, MelSpectrogram):
            return {}
        prefix = f"preprocessor_{FEATURE}.mel_stft"
        width = self.conformer.dim // self.conformer.heads
        return {
            f"{prefix}.spectrogram.window": self.spectrogram.window.cpu(),
            f"{prefix}.mel_scale.fb": self.spectrogram.bank.cpu(),
            "conformer.embed_positions.inv_freq": rotary_frequencies(width, self.conformer.base),
        }


def spectrogram(front_end: FrontEnd, n_mels: int = 128) -> MelSpectrogram | LogSpectrum:
    """The front-end: waveform at 24 kHz `(B, samples)` → decibels `(B, bands, samples // 240 + 1)`."""
    return MelSpectrogram(SAMPLE_RATE, N_FFT, HOP, n_mels) if front_end == "mel" else LogSpectrum()


def read_statistics(file: str | Path) -> dict[str, float]:
    """`mean` and `std` of a statistics file as published beside the checkpoints (`msd_stats.json`, `fma_stats.json`).

    Raises:
        ModelError: no such file, or no statistics of this front-end in it.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "stats.json"
    >>> _ = file.write_text('{"melspec_2048_cnt": 9, "melspec_2048_mean": 6.8, "melspec_2048_std": 18.4}')
    >>> read_statistics(file)
    {'mean': 6.8, 'std': 18.4}
    """
    file = Path(file)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {name: float(content[f"{FEATURE}_{name}"]) for name in ("mean", "std")}
    except OSError as error:
        raise ModelError(
            f"{file}: no statistics file ({error.strerror}). It is published beside the weights."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{file}: holds no {FEATURE}_mean and {FEATURE}_std ({error!r}). Is it the statistics of a MusicFM?"
        ) from error


def _checked(stats: Mapping[str, float] | None) -> tuple[float, float]:
    if not isinstance(stats, Mapping) or not {"mean", "std"} <= stats.keys() or not stats["std"] > 0:
        raise ModelError(
            f"MusicFM needs the statistics that its weights were trained with, not {stats!r}: "
            "parameters={'stats': {'mean': ..., 'std': ...}}, or what ohrwurm.models.musicfm.read_statistics makes of "
            "the file published beside the weights."
        )
    return float(stats["mean"]), float(stats["std"])


_MEASURED = "lowest of 750 frames of layer 7 over 30 s, random weights (benchmarks/bench_musicfm.py), not the published"


def _register(corpus: str, trained_on: str, stats: Mapping[str, float], sha256: str) -> None:
    register_card(
        ModelCard(
            name=f"musicfm-{corpus}",
            architecture="musicfm",
            sample_rate=SAMPLE_RATE,
            window=30.0,
            hop=30.0,
            minimum=(N_FFT // 2 + 1) / SAMPLE_RATE,  # what can be reflected at its ends
            dim=1024,
            layer=7,
            frame_rate=25.0,
            good_for=("sound",),
            parameters={"stats": dict(stats)},
            features={"n_fft": N_FFT, "hop": HOP, "n_mels": 128, "f_max": 12000, "power": "power", "floor": 1e-10},
            pooling="mean-then-l2",
            description=f"Foundation model of 329 million parameters, trained on {trained_on} by predicting tokens of "
            "masked audio. 25 frames a second; layer 7 as its authors use it for frozen features, 12 to fine-tune. "
            f"Weights are not bundled: load(name, weights='pretrained_{corpus}.pt').",
            published={
                "note": "the repository's example gives a whole clip to get_latent; tasks cut 6 to 30 s, see the paper"
            },
            agreement={
                "bf16": {"cosine": 0.9999, "measured": _MEASURED},
                "int8": {"cosine": 0.9994, "measured": _MEASURED},
            },
            licence="weights MIT",
            paper="Won, Hung & Le, A Foundation Model for Music Informatics, ICASSP 2024",
            source="https://huggingface.co/minzwon/MusicFM",
            weights={
                "url": f"https://huggingface.co/minzwon/MusicFM/resolve/main/pretrained_{corpus}.pt",
                "sha256": sha256,
                "wrapper": "state_dict",
                "prefix": "model.",
            },
        )
    )


_register(
    "msd",
    "the Million Song Dataset",
    {"mean": 6.768444971712967, "std": 18.417922652295623},
    "218b483a0256ddef736267425fabb166fd97008983696bb9270def464b47bded",
)
_register(
    "fma",
    "the Free Music Archive (8,000 hours)",
    {"mean": 3.0710578151459664, "std": 20.999089814337626},
    "68392eee13d34c2941b3761934abb6b1e67b2e9df498695bda2ea5c1087d4b96",
)
