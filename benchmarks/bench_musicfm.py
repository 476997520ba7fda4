"""CPU time of MusicFM from waveform to the vectors of a layer, against the plain network as its authors run it.

The plain network is `plain` below: eager float32, every layer a call of its own in the published order (batch norms
not folded, channels first, attention as two products and a softmax), all layers and the logits, whatever layer is
asked for. Both have the same weights and take the same clip in turns, so that whatever else the machine does falls on
both. Ratios are of CPU time in this process. Without a checkpoint the weights are random, normal of a variance that
keeps that of the signal; agreement on them is only that.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ohrwurm.models import registry
from ohrwurm.models.conformer import Layer, rotary_table
from ohrwurm.models.musicfm import SAMPLE_RATE, MusicFM


def plain(model: MusicFM, waveform: Tensor) -> tuple[list[Tensor], Tensor]:
    """All states and the logits of `model`'s weights, layer by layer."""
    x = model.features(waveform)[:, None]
    for block in model.conv.conv:
        main = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
        x = torch.relu(main + block.bn3(block.conv3(x)))
    x = model.conv.linear(x.permute(0, 3, 1, 2).flatten(2))
    conformer = model.conformer
    cosine, sine = rotary_table(x.shape[1], conformer.dim // conformer.heads, conformer.base, x.device)
    cosine, sine = torch.cat([cosine, cosine], -1), torch.cat([sine, sine], -1)
    states = [x]
    for layer in conformer.layers:
        states.append(_plain_layer(layer, states[-1], cosine, sine))
    states[-1] = conformer.layer_norm(states[-1])
    return states, model.linear(states[-1])


def _plain_layer(layer: Layer, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    x = x + 0.5 * layer.ffn1(layer.ffn1_layer_norm(x))
    x = x + _plain_attention(layer, layer.self_attn_layer_norm(x), cosine, sine)
    module = layer.conv_module
    y = functional.glu(module.pointwise_conv1(module.layer_norm(x).transpose(1, 2)), dim=1)
    y = functional.silu(module.batch_norm(module.depthwise_conv(y)))
    x = x + module.pointwise_conv2(y).transpose(1, 2)
    x = x + 0.5 * layer.ffn2(layer.ffn2_layer_norm(x))
    return layer.final_layer_norm(x)


def _plain_attention(layer: Layer, y: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    attention = layer.self_attn
    slices = y.unflatten(-1, (attention.heads, -1))  # (B, L, heads, width)
    first, second = slices.chunk(2, -1)
    rotated = (slices * cosine + torch.cat([-second, first], -1) * sine).flatten(2)
    q, k, v = (
        linear(z).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for linear, z in ((attention.linear_q, rotated), (attention.linear_k, rotated), (attention.linear_v, y))
    )
    weights = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)
    return attention.linear_out((weights @ v).transpose(1, 2).flatten(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="a published checkpoint; agreement on random weights is only that")
    parser.add_argument("--layer", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.weights:
        made = registry.load("musicfm-msd", weights=arguments.weights, layer=arguments.layer)
    else:
        made = registry.build(registry.card("musicfm-msd"))
        made.read_out(arguments.layer)
        for parameter in made.parameters():
            if parameter.ndim >= 2:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    assert isinstance(made, MusicFM)
    clip = clip_of(round(arguments.seconds * SAMPLE_RATE))
    weights = "published" if arguments.weights else "random"
    print(
        f"MusicFM, layer {arguments.layer}, {arguments.seconds:g} s, {arguments.threads} thread(s), {weights} weights"
    )
    print(f"CPU seconds, median of {arguments.repeats}")
    ways: dict[str, Callable[[], Tensor]] = {"plain fp32": lambda: plain(made, clip)[0][arguments.layer]}
    lowered: dict[str, MusicFM] = {}
    for precision in made.precisions:
        model = lowered[precision] = copy.deepcopy(made)
        if precision != "fp32":
            model.lower(precision)
        ways[precision] = lambda model=model: model(clip).frames  # type: ignore[misc]
    report(ways, arguments.repeats, arguments.seconds)
    print(f"\n{'CPU s of':14}{'mel':>8}{'convolutions':>14}{'Conformer':>11}")
    for precision, model in lowered.items():
        print(f"{precision:14}" + "{:8.2f}{:14.2f}{:11.2f}".format(*stages(model, clip)))


def clip_of(samples: int) -> Tensor:
    """Partials that come and go over noise: something for every frame to differ by."""
    generator = torch.Generator().manual_seed(1)
    time_ = torch.arange(samples) / SAMPLE_RATE
    pitch = 110 * 2 ** (torch.randint(0, 36, (24,), generator=generator) / 12)
    beat = 0.25 * torch.randint(1, 12, (24,), generator=generator)
    tones = (
        torch.sin(2 * torch.pi * f * time_) * torch.sin(torch.pi * time_ / b).abs()
        for f, b in zip(pitch, beat, strict=True)
    )
    return (sum(tones, torch.zeros(samples)) / 24 + 0.02 * torch.randn(samples, generator=generator))[None]


@torch.inference_mode()
def report(ways: dict[str, Callable[[], Tensor]], repeats: int, seconds: float) -> None:
    """Time all ways in turns; print medians, ratios to the first, and agreement with it."""
    right = {name: way() for name, way in ways.items()}  # warm, and the vectors
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            spent[name].append(time.process_time() - begun)
    reference, *_ = right.values()
    first, *_ = (statistics.median(times) for times in spent.values())
    print(f"{'':14}{'CPU s':>8}{'x plain':>9}{'x real time':>13}   cosine to plain: lowest frame, pooled vector")
    for name, times in spent.items():
        took = statistics.median(times)
        frames = functional.cosine_similarity(right[name], reference, dim=-1).min()
        pooled = functional.cosine_similarity(right[name].mean(1), reference.mean(1)).min()
        print(f"{name:14}{took:8.2f}{first / took:9.2f}{seconds / took:13.2f}   {frames:.6f}, {pooled:.6f}")


@torch.inference_mode()
def stages(model: MusicFM, clip: Tensor) -> tuple[float, float, float]:
    """CPU seconds of each part of one pass."""
    marks = [time.process_time()]
    features = model.features(clip)
    marks.append(time.process_time())
    tokens = model.conv(features)
    marks.append(time.process_time())
    model.conformer(tokens, model.layer)
    marks.append(time.process_time())
    return marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2]


if __name__ == "__main__":
    main()
