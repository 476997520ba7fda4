"""crema, "Structured training for large-vocabulary chord recognition" (McFee & Bello, ISMIR 2017): the chord network
whose pitch output is cremaPCP, the input of MOVE and Re-MOVE.

    waveform ─constant-Q decibels─▶ (T, 216, channels) ─5 x 5 filter─▶ (T, 216) ─all bins at once─▶ (T, filters)
             ─two bidirectional GRUs─▶ encoding (T, 256) ─▶ 12 pitch classes, root, bass ─▶ chord

Two networks were published. Weights are kept in the layout of the published Keras files, kernels `(inputs, outputs)`,
so that these names and ours are one list. Only inference: batch norms use their moving statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ohrwurm.audio import pitch
from ohrwurm.errors import ModelError
from ohrwurm.models.base import AudioEncoder, Encoded, ModelCard
from ohrwurm.models.registry import architecture, register_card

UNITS = 128  # of a GRU, in each direction
NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Variant:
    """What the two published networks differ in: input channels, filters over all bins, batch norms inside."""

    harmonics: tuple[int, ...]
    filters: int
    normalised: bool


VARIANTS = {"0.1.0": Variant((1,), 36, False), "0.2": Variant((1, 2), 72, True)}


class Chords(NamedTuple):
    """What the network says of each frame, as probabilities `(B, T, n)`.

    Attributes:
        pitch: 12, each pitch class sounds (index 0 = C); independent of each other. This is cremaPCP.
        root, bass: 13, C to B and none.
        tag: 170, the chord.
    """

    pitch: Tensor
    root: Tensor
    bass: Tensor
    tag: Tensor


def _kernel(*shape: int) -> nn.Parameter:
    """Untrained weights of unit gain, the outputs on the last axis."""
    inputs = torch.Size(shape[:-1]).numel()
    return nn.Parameter(torch.randn(shape) / inputs**0.5)


class _Norm(nn.Module):
    """Keras batch norm over the last axis, by its moving statistics."""

    moving_mean: Tensor
    moving_variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("moving_mean", torch.zeros(channels))
        self.register_buffer("moving_variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.gamma * torch.rsqrt(self.moving_variance + NORM_EPSILON)
        return (x - self.moving_mean) * scale + self.beta


class _Layer(nn.Module):
    """The weights of a dense layer or convolution: `kernel (..., inputs, outputs)` and `bias`."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.kernel = _kernel(*shape)
        self.bias = nn.Parameter(torch.zeros(shape[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """`(..., inputs)` → `(..., outputs)`; a convolution over all of its input is that too."""
        return x @ self.kernel.flatten(0, -2) + self.bias


class _GRU(nn.Module):
    """The weights of one direction: columns are update z, reset r, candidate c."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.kernel = _kernel(inputs, 3 * UNITS)
        self.recurrent_kernel = _kernel(UNITS, 3 * UNITS)
        self.bias = nn.Parameter(torch.zeros(3 * UNITS))


class _Bidirectional(nn.Module):
    """Keras 2's GRU in both directions, `(B, T, inputs)` → `(B, T, 2 * UNITS)`, forward first.

        z, r = hard(x W + b + h U),  c = tanh(x W + b + (r h) U),  h' = z h + (1 - z) c

    The reset comes before the recurrent product, and hard(v) is 0.2 v + 0.5 within 0 and 1. In `torch.nn.GRU` and in
    Keras 3 neither is so: these weights would run there and be wrong.
    """

    def __init__(self, index: int, inputs: int) -> None:
        super().__init__()
        self.names = (f"forward_gru_{index}", f"backward_gru_{index}")
        for name in self.names:
            self.add_module(name, _GRU(inputs))

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):  # rounding would add up along the recurrence
            with torch.autocast(x.device.type, enabled=False):
                return self(x.float())
        directions = [self.get_submodule(name) for name in self.names]
        kernel, recurrent, bias = (
            torch.stack([getattr(d, name) for d in directions]) for name in ("kernel", "recurrent_kernel", "bias")
        )
        # The line inside the hard sigmoid goes into the weights; what is left of it is a clamp.
        slope = torch.ones_like(bias)
        slope[:, : 2 * UNITS] = 0.2
        offset = torch.zeros_like(bias)
        offset[:, : 2 * UNITS] = 0.5
        both = torch.stack([x, x.flip(1)])  # (2, B, T, inputs): the two directions run as one
        inputs = both @ (kernel * slope[:, None])[:, None] + (bias * slope + offset)[:, None, None]
        recurrent = recurrent * slope[:, None]  # (2, UNITS, 3 * UNITS)
        gates, candidate = recurrent[..., : 2 * UNITS].contiguous(), recurrent[..., 2 * UNITS :].contiguous()
        h = x.new_zeros(2, x.shape[0], UNITS)
        states = []
        for step in inputs.unbind(2):  # (2, B, 3 * UNITS) a frame
            z, r = torch.baddbmm(step[..., : 2 * UNITS], h, gates).clamp(0.0, 1.0).chunk(2, dim=-1)
            c = torch.tanh(torch.baddbmm(step[..., 2 * UNITS :], r * h, candidate))
            h = torch.lerp(c, h, z)
            states.append(h)
        forward, backward = torch.stack(states, dim=2)  # each (B, T, UNITS)
        return torch.cat([forward, backward.flip(1)], dim=-1)


class ChordNetwork(nn.Module):
    """Constant-Q decibels `(B, T, 216, channels)` of `HarmonicConstantQ` → `Chords`.

    Args:
        variant: "0.2" (2 channels) or "0.1.0" (1 channel), the releases of crema that the networks came with.

    >>> estimates = ChordNetwork("0.1.0")(torch.zeros(1, 20, 216, 1))
    >>> estimates.pitch.shape, estimates.root.shape, estimates.tag.shape
    (torch.Size([1, 20, 12]), torch.Size([1, 20, 13]), torch.Size([1, 20, 170]))
    """

    def __init__(self, variant: str = "0.2") -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ModelError(f"no chord network of crema {variant}; published: {', '.join(VARIANTS)}")
        shape = VARIANTS[variant]
        channels, bins = len(shape.harmonics), pitch.HarmonicConstantQ.bins

        def norm(size: int) -> nn.Module:
            return _Norm(size) if shape.normalised else nn.Identity()

        self.batch_normalization_1 = _Norm(channels)
        self.conv2d_1 = _Layer(5, 5, channels, 1)
        self.batch_normalization_2 = norm(1)
        self.conv2d_2 = _Layer(1, bins, 1, shape.filters)
        self.batch_normalization_3 = norm(shape.filters)
        self.bidirectional_1 = _Bidirectional(1, shape.filters)
        self.batch_normalization_4 = norm(2 * UNITS)
        self.bidirectional_2 = _Bidirectional(2, 2 * UNITS)
        self.chord_pitch = _Layer(2 * UNITS, 12)
        self.chord_root = _Layer(2 * UNITS, 13)
        self.chord_bass = _Layer(2 * UNITS, 13)
        self.batch_normalization_5 = norm(2 * UNITS + 12 + 13 + 13)
        self.chord_tag = _Layer(2 * UNITS + 12 + 13 + 13, 170)

    def encode(self, spectrum: Tensor) -> Tensor:
        """`(B, T, 216, channels)` → what all outputs are read from, `(B, T, 256)`."""
        x = self.batch_normalization_1(spectrum).movedim(-1, 1)  # (B, channels, T, 216)
        x = torch.conv2d(x, self.conv2d_1.kernel.permute(3, 2, 0, 1), self.conv2d_1.bias, padding=2)
        x = self.batch_normalization_2(torch.relu(x).movedim(1, -1)).squeeze(-1)  # (B, T, 216)
        x = self.batch_normalization_3(torch.relu(self.conv2d_2(x)))  # (B, T, filters)
        return self.bidirectional_2(self.batch_normalization_4(self.bidirectional_1(x)))

    def pitch(self, spectrum: Tensor) -> Tensor:
        """`Chords.pitch` alone, `(B, T, 12)`."""
        return torch.sigmoid(self.chord_pitch(self.encode(spectrum)))

    def forward(self, spectrum: Tensor) -> Chords:
        encoding = self.encode(spectrum)
        pitches = torch.sigmoid(self.chord_pitch(encoding))
        root = torch.softmax(self.chord_root(encoding), dim=-1)
        bass = torch.softmax(self.chord_bass(encoding), dim=-1)
        everything = self.batch_normalization_5(torch.cat([encoding, pitches, root, bass], dim=-1))
        return Chords(pitches, root, bass, torch.softmax(self.chord_tag(everything), dim=-1))


@architecture("crema-pcp")
class CremaPCP(AudioEncoder):
    """Pitch-class profile of audio at 44,100 Hz, as the published version identification systems read it.

    `profile(waveform (B, samples))` gives `(B, 12, T)` probabilities in (0, 1), index 0 = C, T = samples // 4096
    (92.88 ms a frame). `forward` returns the profile as frames `(B, T, 12)` and its mean. Chords come from
    `network(spectrum(waveform))`. Give whole recordings: levels are relative to their maximum.

    Args:
        variant: "0.2", or "0.1.0", by whose dates Da-TACOS and the published MOVE checkpoints were made with it.

    >>> net = CremaPCP("0.1.0").eval()
    >>> net.profile(torch.zeros(1, 44100)).shape
    torch.Size([1, 12, 10])
    """

    sample_rate = pitch.HarmonicConstantQ.sample_rate
    hop = pitch.HarmonicConstantQ.hop

    def __init__(self, variant: str = "0.2") -> None:
        super().__init__()
        self.network = ChordNetwork(variant)
        self.spectrum = pitch.HarmonicConstantQ(VARIANTS[variant].harmonics)

    def profile(self, waveform: Tensor) -> Tensor:
        """Pitch-class probabilities `(B, 12, T)` of `waveform (B, samples)`."""
        return self.network.pitch(self.spectrum(waveform)).transpose(1, 2)

    def forward(self, waveform: Tensor) -> Encoded:
        profile = self.profile(waveform)
        return Encoded(pooled=profile.mean(2), frames=profile.transpose(1, 2))

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keras names, `conv2d_1/kernel:0` (from `crema_weights.keras_state`), are ours with other signs."""
        return {f"network.{key.removesuffix(':0').replace('/', '.')}": value for key, value in state.items()}

    def to_published(self) -> dict[str, Tensor]:
        """The weights under the names of the published Keras file."""
        return {f"{key.replace('.', '/')}:0": value for key, value in self.network.state_dict().items()}


def _card(variant: str, description: str) -> ModelCard:
    return register_card(
        ModelCard(
            name=f"crema-pcp-{variant}",
            architecture="crema-pcp",
            parameters={"variant": variant},
            sample_rate=CremaPCP.sample_rate,
            window=600.0,
            hop=600.0,
            minimum=1.0,
            dim=12,
            frame_rate=CremaPCP.sample_rate / CremaPCP.hop,
            good_for=(),
            description=description,
            features={
                "spectrum": "constant-Q, 36 bins an octave, 6 octaves from C1, dB to the maximum, at least -80",
                "harmonics": list(VARIANTS[variant].harmonics),
                "hop": CremaPCP.hop,
            },
            published={"place": "whole", "note": "crema and acoss analyse a recording at once"},
            licence="ISC",
            paper="McFee & Bello, Structured training for large-vocabulary chord recognition, ISMIR 2017",
            source="https://github.com/bmcfee/crema (training/chords/resources/model.h5)",
        )
    )


_card("0.2", "cremaPCP: twelve pitch-class probabilities every 93 ms, by the chord network of crema 0.2.")
_card("0.1.0", "cremaPCP by the chord network of crema 0.1.0, most likely that of Da-TACOS and the published MOVE.")
