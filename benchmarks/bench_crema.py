"""cremaPCP from audio: CPU time a minute of audio, against the same steps taken one by one as the original takes them.

The reference is librosa's constant-Q once a harmonic, and a recurrent network that runs its two directions after one
another, gate by gate. Both sides alternate in one process, one thread; the least time of each counts. Weights are
random, which changes no time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ohrwurm.audio.pitch import HarmonicConstantQ, constant_q
from ohrwurm.models.crema import UNITS, VARIANTS, ChordNetwork, _Bidirectional


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    waveform = tones(arguments.seconds)
    print(f"CPU milliseconds a minute of audio, best of {arguments.repeats}, {arguments.seconds:g} s, one thread\n")
    print("".join(f"{name:>16}" for name in ("variant", "part", "step by step", "ours", "ratio", "difference")))
    for variant in VARIANTS:
        front, network = HarmonicConstantQ(VARIANTS[variant].harmonics), ChordNetwork(variant).eval()
        spectrum = front(waveform)
        parts: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]] = {
            "constant-Q": (lambda f=front: plain_spectrum(waveform, f), lambda f=front: f(waveform)),
            "network": (lambda n=network, s=spectrum: plain_pitch(n, s), lambda n=network, s=spectrum: n.pitch(s)),
        }
        total = np.zeros(2)
        for part, (plain, ours) in parts.items():
            with torch.inference_mode():
                difference = (plain() - ours()).abs()
                times = least(plain, ours, arguments.repeats) * 60_000 / arguments.seconds
            total += times
            row(variant, part, times, f"{difference.mean():.1e}" + (" dB" if part == "constant-Q" else ""))
        row(variant, "both", total, f"{60_000 / total[1]:.0f} x real time")


def row(variant: str, part: str, times: np.ndarray, note: str) -> None:
    plain, ours = times
    print("".join(f"{c:>16}" for c in (variant, part, f"{plain:.0f}", f"{ours:.0f}", f"{plain / ours:.1f}", note)))


def least(first: Callable[[], Tensor], second: Callable[[], Tensor], repeats: int) -> np.ndarray:
    """CPU seconds of both, alternating."""
    times = np.full(2, np.inf)
    for _ in range(repeats):
        for i, run in enumerate((first, second)):
            began = time.process_time()
            run()
            times[i] = min(times[i], time.process_time() - began)
    return times


def tones(seconds: float) -> Tensor:
    """Notes that come and go over a little noise, `(1, samples)`."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * HarmonicConstantQ.sample_rate)) / HarmonicConstantQ.sample_rate
    wave = 0.005 * rng.standard_normal(len(t))
    for frequency in 110.0 * 2 ** (np.array([0, 4, 7, 12, 16, 19]) / 12):
        loud = np.maximum(0.0, np.sin(t * frequency / 50))
        wave += loud * sum(0.05 / k * np.sin(2 * np.pi * frequency * k * t) for k in range(1, 7))
    return torch.from_numpy(wave.astype(np.float32))[None]


def plain_spectrum(waveform: Tensor, front: HarmonicConstantQ) -> Tensor:
    """librosa's transform from the samples for each harmonic."""
    frames = waveform.shape[-1] // front.hop
    channels = []
    for octave in front.octaves:
        lowest = front.lowest * 2**octave
        magnitude = constant_q(waveform[0].numpy(), front.sample_rate, lowest=lowest)[:, :frames].T
        decibels = 20 * np.log10(np.maximum(magnitude, 1e-5))
        channels.append(np.maximum(decibels - decibels.max(), -80))
    return torch.from_numpy(np.stack(channels, -1))[None]


def plain_pitch(network: ChordNetwork, spectrum: Tensor) -> Tensor:
    x = network.batch_normalization_1(spectrum).movedim(-1, 1)
    x = torch.conv2d(x, network.conv2d_1.kernel.permute(3, 2, 0, 1), network.conv2d_1.bias, padding=2)
    x = network.batch_normalization_2(torch.relu(x).movedim(1, -1)).movedim(-1, 1)
    x = torch.relu(torch.conv2d(x, network.conv2d_2.kernel.permute(3, 2, 0, 1), network.conv2d_2.bias))
    x = network.batch_normalization_3(x.squeeze(-1).transpose(1, 2))
    x = network.batch_normalization_4(plain_recurrence(network.bidirectional_1, x))
    return torch.sigmoid(network.chord_pitch(plain_recurrence(network.bidirectional_2, x)))


def plain_recurrence(layer: _Bidirectional, x: Tensor) -> Tensor:
    """The equations of the cell, one frame, one direction and one gate after the other."""
    results = []
    for i, name in enumerate(layer.names):
        w, u, b = layer.get_submodule(name).parameters()
        inputs = [x @ part + bias for part, bias in zip(w.chunk(3, 1), b.chunk(3), strict=True)]
        uz, ur, uc = u.chunk(3, dim=1)
        h, states = x.new_zeros(len(x), UNITS), []
        order = reversed(range(x.shape[1])) if i else range(x.shape[1])
        for t in order:
            z = (0.2 * (inputs[0][:, t] + h @ uz) + 0.5).clamp(0, 1)
            r = (0.2 * (inputs[1][:, t] + h @ ur) + 0.5).clamp(0, 1)
            h = z * h + (1 - z) * torch.tanh(inputs[2][:, t] + (r * h) @ uc)
            states.append(h)
        results.append(torch.stack(states[::-1] if i else states, dim=1))
    return torch.cat(results, dim=-1)


if __name__ == "__main__":
    main()
