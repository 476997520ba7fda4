"""CPU time of SampleCNN and TUNe from waveform to vector, against the plain networks as their authors run them.

The plain networks, `PlainSampleCNN` and `PlainTune` below, are eager float32: every layer of torch one after the other
in the published order, all windows of a file in one batch. Both sides have the same weights and take the same audio in
turns, so that whatever else the machine does falls on both. Ratios are of CPU time in this process. Weights are random,
batch norms adapted to the audio, so that no layer is silent; "cosine" is the lowest of all windows, "centred" the
same after the mean over windows, which all vectors share, is taken away.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import torch
from timing import interleaved
from torch import Tensor, nn
from torch.profiler import profile

from ohrwurm.models import registry
from ohrwurm.models.samplecnn import SampleCNN
from ohrwurm.models.unet import UNet
from ohrwurm.models.waveform import SAMPLE_RATE, WINDOW, WaveformEncoder

WINDOWS = 8  # of a file: 21.4 s
TIMED = ("samplecnn", "tune-5-tail", "tune-plus", "tune-vanilla")
WIDTHS = (24, 16, 10, 10, 8, 14, 10, 12, 12)


class PlainSampleCNN(nn.Module):
    """Convolution, batch norm, ReLU and pooling, block after block."""

    def __init__(self, model: SampleCNN) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)

    def forward(self, waveform: Tensor) -> Tensor:
        x = waveform.unsqueeze(1)
        for block in self.model.sequential:
            for layer in block:  # type: ignore[attr-defined]
                x = layer(x)
        return x.flatten(1)


class PlainTune(nn.Module):
    """The blocks of a U-Net with a tail, concatenating what two paths bring."""

    def __init__(self, model: UNet) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        self.pool = nn.MaxPool1d(3, stride=3)

    def forward(self, waveform: Tensor) -> Tensor:
        x, features = waveform.unsqueeze(1), {}
        for step in self.model.steps:
            if step.path == "expanding":
                x = self.model.get_submodule(step.spread)(x)
            elif features:
                x = self.pool(x)
            if len(step.parts) > 1:
                x = torch.cat([x, features[step.level]], dim=1)
            for layer in self.model.get_submodule(step.block).layers:  # type: ignore[union-attr]
                x = layer(x)
            features[step.level] = x
        return nn.functional.avg_pool1d(x, x.shape[2]).squeeze(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=list(TIMED))
    parser.add_argument("--agreement", action="store_true", help="only: bf16 against fp32, of every published size")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.agreement:
        print_agreement()
        return
    print(f"{arguments.threads} thread(s), median of {arguments.repeats}; CPU milliseconds for {WINDOWS} windows")
    print_row("model", "windows a call", "plain", "fast", "ratio", "x real time", "error", "cosine", "centred")
    for name in arguments.models:
        print_model(name, arguments.repeats)
    for name in arguments.models[:2]:
        print_profile(name)


def audio(windows: int) -> Tensor:
    """Windows that differ: tones of random pitch and level in noise of random level."""
    generator = torch.Generator().manual_seed(7)
    time = torch.arange(WINDOW) / SAMPLE_RATE
    pitch = 60 * 2 ** (7 * torch.rand(windows, 6, 1, generator=generator))
    level = torch.rand(windows, 6, 1, generator=generator) ** 2 * 0.3
    noise = torch.randn(windows, WINDOW, generator=generator) * 0.2 * torch.rand(windows, 1, generator=generator) ** 2
    return (level * torch.sin(2 * torch.pi * pitch * time)).sum(1) + noise


def untrained(name: str) -> Any:
    """The published size with random weights, its batch norms at the statistics of the audio."""
    torch.manual_seed(0)
    model = registry.build(registry.card(name))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.momentum = None  # a plain average
        model.train()
        model(audio(WINDOWS))
    return model.eval()


def lowered(model: WaveformEncoder) -> WaveformEncoder | None:
    """The same in bf16, where this CPU has it."""
    if "bf16" not in model.precisions:
        return None
    fast = copy.deepcopy(model)
    fast.lower("bf16")
    return fast


@torch.no_grad()
def print_model(name: str, repeats: int) -> None:
    """The lines of one model: in fp32 and bf16, all windows in one call and one by one (as `ohrwurm.embed`)."""
    model = untrained(name)
    plain = PlainSampleCNN(model) if isinstance(model, SampleCNN) else PlainTune(model)
    plain.eval()
    waveform = audio(WINDOWS)
    expected = plain(waveform)
    for form, kind in ((model, "fp32"), (lowered(model), "bf16")):
        if form is None:
            print("this CPU has no bfloat16 instructions: no bf16")
            continue
        for batch in (WINDOWS, 1):

            def encode(form: WaveformEncoder = form, batch: int = batch) -> Tensor:
                return torch.cat([form(part).pooled for part in waveform.split(batch)])

            slow, fast = interleaved([lambda: plain(waveform), encode], repeats)
            found = encode()
            real_time = WINDOWS * WINDOW / SAMPLE_RATE / fast
            row = (f"{1000 * slow:.0f}", f"{1000 * fast:.0f}", f"{slow / fast:.2f}", f"{real_time:.0f}")
            error = f"{float((found - expected).abs().max() / expected.abs().max()):.1e}"
            print_row(f"{name}, {kind}", batch, *row, error, *cosines(found, expected))


def cosines(found: Tensor, expected: Tensor) -> tuple[str, str]:
    """Lowest cosine over windows, and the same without what all windows share."""
    mean = expected.mean(0)
    pairs = ((found, expected), (found - mean, expected - mean))
    lowest = [float(nn.functional.cosine_similarity(a, b).min()) for a, b in pairs]
    return f"{lowest[0]:.6f}", f"{lowest[1]:.6f}"


@torch.no_grad()
def print_agreement() -> None:
    """bf16 against fp32 for every published size."""
    print_row("model", "", "", "", "", "", "", "cosine", "centred")
    waveform = audio(WINDOWS)
    for name in registry.names():
        if registry.card(name).architecture not in ("samplecnn", "tune", "tune-hybrid"):
            continue
        model = untrained(name)
        fast = lowered(model)
        if fast is None:
            print("this CPU has no bfloat16 instructions")
            return
        print_row(name, "", "", "", "", "", "", *cosines(fast(waveform).pooled, model(waveform).pooled))


def print_row(*cells: object) -> None:
    """One line of a table."""
    print("".join(f"{cell!s:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


@torch.no_grad()
def print_profile(name: str, most: int = 6) -> None:
    """The operations that most of the time goes to, plain and fast."""
    model, waveform = untrained(name), audio(WINDOWS)
    plain = PlainSampleCNN(model) if isinstance(model, SampleCNN) else PlainTune(model)
    for kind, network in (("plain", plain.eval()), ("fast", model)):
        network(waveform)
        with profile() as recorded:
            network(waveform)
        operations = sorted(recorded.key_averages(), key=lambda event: -event.self_cpu_time_total)
        total = sum(event.self_cpu_time_total for event in operations)
        print(f"\n{name}, {kind}, fp32: {total / 1000:.0f} ms")
        for event in operations[:most]:
            print(
                f"{event.key:<40}{event.self_cpu_time_total / 1000:>8.1f} ms {event.self_cpu_time_total / total:>6.0%}"
            )


if __name__ == "__main__":
    main()
