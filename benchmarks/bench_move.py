"""CPU time of MOVE from pitch-class profile to vector, against the plain network as its authors run it.

The plain network is `PlainMOVE` below: eager float32, every layer a module of torch in the published order, the PReLU
on all twelve keys before their maximum. Both have the same weights (random, of the published size) and take the same
profiles in turns, so that whatever else the machine does falls on both. Ratios are of CPU time in this process.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from timing import interleaved
from torch import Tensor, nn

from ohrwurm.models.move import MOVE, tile_pitch_classes
from ohrwurm.models.precision import has_bf16

SONGS = ((1, 1800), (1, 400), (1, 2350), (1, 6460), (4, 1800), (16, 1800))  # (songs, frames); 2350 is Da-TACOS's mean


class PlainMOVE(nn.Module):
    """The published network, layer by layer, with the state dict of `MOVE`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.autopool_p = nn.Parameter(torch.zeros(()))
        self.conv1 = nn.Conv2d(1, 256, (12, 180))
        self.conv2 = nn.Conv2d(256, 256, (1, 5))
        self.conv3 = nn.Conv2d(256, 256, (1, 5), dilation=(1, 20))
        self.conv4 = nn.Conv2d(256, 256, (1, 5))
        self.conv5 = nn.Conv2d(256, 512, (1, 5), dilation=(1, 13))
        for i in range(1, 6):
            self.add_module(f"prelu{i}", nn.PReLU(init=0.01))
        self.keys = nn.MaxPool2d((12, 1))
        self.lin1 = nn.Linear(256, dim, bias=False)
        self.lin_bn = nn.BatchNorm1d(dim, affine=False)

    def forward(self, pcp: Tensor) -> Tensor:
        x = self.keys(self.get_submodule("prelu1")(self.conv1(pcp)))
        for i in range(2, 6):
            x = self.get_submodule(f"prelu{i}")(self.get_submodule(f"conv{i}")(x))
        weigh, weighed = x.squeeze(2).chunk(2, 1)
        x = (weighed * torch.softmax(self.autopool_p * weigh, -1)).sum(-1)
        return self.lin_bn(self.lin1(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    plain = PlainMOVE(arguments.dim).eval()
    fast = MOVE(dim=arguments.dim).eval()
    nn.init.constant_(plain.autopool_p, 1.0)
    fast.load_state_dict(plain.state_dict())
    lower = MOVE(dim=arguments.dim).eval()
    lower.load_state_dict(plain.state_dict())
    lower.lower_later_layers(torch.bfloat16)
    print(f"dim {arguments.dim}, {arguments.threads} thread(s), median of {arguments.repeats}; CPU milliseconds")
    if not has_bf16(torch.device("cpu")):
        print("this CPU has no bf16 instructions: its figures are those of an emulation")
    columns = ("songs x frames", "plain", "fp32", "ratio", "bf16", "ratio", "error fp32", "cosine bf16")
    print("".join(f"{name:>15}" for name in columns))
    with torch.inference_mode():
        for songs, frames in SONGS:
            print("".join(f"{cell:>15}" for cell in row(plain, fast, lower, songs, frames, arguments.repeats)))
        print()
        profile(fast, lower, arguments.repeats)


def row(plain: nn.Module, fast: MOVE, lower: MOVE, songs: int, frames: int, repeats: int) -> list[str]:
    """One line of the table."""
    pcp = tile_pitch_classes(torch.rand(songs, 12, frames) ** 3)
    repeats = max(3, repeats // songs)
    times = interleaved([lambda: plain(pcp), lambda: fast(pcp), lambda: lower(pcp)], repeats)
    expected = plain(pcp)
    error = float((fast(pcp) - expected).abs().max() / expected.abs().max())
    cosine = float(nn.functional.cosine_similarity(lower(pcp), expected).min())
    original, single, half = (1000 * t for t in times)
    return [
        f"{songs} x {frames}",
        f"{original:.1f}",
        f"{single:.1f}",
        f"{original / single:.2f}",
        f"{half:.1f}",
        f"{original / half:.2f}",
        f"{error:.1e}",
        f"{cosine:.6f}",
    ]


def profile(fast: MOVE, lower: MOVE, repeats: int) -> None:
    """Where the time goes, for one song of 1800 frames."""
    pcp = tile_pitch_classes(torch.rand(1, 12, 1800) ** 3)
    x = fast.first_layer(pcp)
    spectra = fast._spectra.of([fast.conv1.weight], lambda: (_ for _ in ()).throw(AssertionError("made again")))
    stages: dict[str, Callable[[], object]] = {
        "first layer (convolution, PReLU, max over keys)": lambda: fast.first_layer(pcp),
        "later convolutions, fp32": lambda: fast.later_layers(x),
        "later convolutions, bf16": lambda: lower.later_layers(x),
        "all, fp32": lambda: fast(pcp),
        "all, bf16": lambda: lower(pcp),
    }
    for name, seconds in zip(stages, interleaved(list(stages.values()), repeats), strict=True):
        print(f"{name:<50}{1000 * seconds:>8.1f} ms")
    multiplied = sum(
        conv.weight.numel() * (x.shape[-1] - lost)
        for conv, lost in zip((fast.conv2, fast.conv3, fast.conv4, fast.conv5), (4, 84, 88, 140), strict=True)
    )
    print(f"multiplications of the later convolutions: {multiplied / 1e9:.2f} G")
    print(f"kept for the first layer: {spectra.kernels.nbytes / 2**20:.1f} MB of kernel spectra, {spectra.length} long")


if __name__ == "__main__":
    main()
