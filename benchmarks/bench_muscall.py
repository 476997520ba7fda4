"""CPU time of MusCALL, from waveform and from tokens to vectors, against the plain network as its authors run it.

The plain network is `PlainMusCALL` below: eager float32, every layer of torch one after the other in the published
order, every token a query of the attention pooling, texts padded to all 77 positions. Both have the same random weights
and take the same noise in turns. Ratios are of CPU time in this process.
"""

from __future__ import annotations

import argparse
import copy

import torch
from timing import interleaved
from torch import Tensor, nn
from torch.profiler import profile

from ohrwurm.models.muscall import AttentionPool, Bottleneck, MusCALL
from ohrwurm.models.text import TokenTextEncoder

SECONDS = 20.0
BATCHES = (1, 4, 16)
TEXTS, END = 16, 49407
WIDTHS = (24, 8, 10, 10, 8, 14, 12, 12)


class PlainMusCALL(nn.Module):
    """The layers of a `MusCALL`, called one after the other as the published code calls them."""

    def __init__(self, model: MusCALL) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)

    def forward(self, waveform: Tensor) -> Tensor:
        net = self.model.audio_backbone
        x = self.mel(waveform).unsqueeze(1)
        for conv, bn in ((net.conv1, net.bn1), (net.conv2, net.bn2), (net.conv3, net.bn3)):
            x = torch.relu(bn(conv(x)))
        x = nn.functional.avg_pool2d(x, 2)
        for stage in range(1, net.stages + 1):
            for block in net.get_submodule(f"layer{stage}").children():
                assert isinstance(block, Bottleneck)
                x = self._block(block, x)
        return self.model.audio_projection(self._attention(net.attnpool, x))

    def mel(self, waveform: Tensor) -> Tensor:
        """Decibels by the steps of torchaudio."""
        mel = self.model.mel
        spectrum = torch.stft(waveform, mel.n_fft, mel.hop, window=mel.window, return_complex=True)
        power = (spectrum / mel.window.square().sum().sqrt()).abs().pow(2.0)
        banded = torch.matmul(power.transpose(-1, -2), mel.bank).transpose(-1, -2)
        decibels = 10.0 * torch.log10(torch.clamp(banded, min=mel.floor))
        return torch.max(decibels, (decibels.amax(dim=(-2, -1)) - mel.top_db).view(-1, 1, 1))

    @staticmethod
    def _block(block: Bottleneck, x: Tensor) -> Tensor:
        out = torch.relu(block.bn1(block.conv1(x)))
        out = torch.relu(block.bn2(block.conv2(out)))
        if block.stride > 1:
            out = nn.functional.avg_pool2d(out, block.stride)
        out = block.bn3(block.conv3(out))
        if block.downsample is not None:
            x = block.downsample(nn.functional.avg_pool2d(x, block.stride) if block.stride > 1 else x)
        return torch.relu(out + x)

    @staticmethod
    def _attention(pool: AttentionPool, x: Tensor) -> Tensor:
        def heads(part: Tensor) -> Tensor:
            return part.unflatten(-1, (pool.heads, -1)).transpose(1, 2)

        cells = x.flatten(2).transpose(1, 2)
        tokens = torch.cat([cells.mean(1, keepdim=True), cells], dim=1) + pool.positional_embedding
        q, k, v = heads(pool.q_proj(tokens)), heads(pool.k_proj(tokens)), heads(pool.v_proj(tokens))
        weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, dim=-1)
        return pool.c_proj((weights @ v).transpose(1, 2).flatten(2))[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"{arguments.threads} thread(s), median of {arguments.repeats}; CPU milliseconds; random weights")
    columns = ("what", "batch", "plain", "fast", "ratio", "x real time", "error", "cosine")
    print("".join(f"{name:>{width}}" for name, width in zip(columns, WIDTHS, strict=True)))
    model = MusCALL().eval()
    lowered = copy.deepcopy(model)
    forms = [("20 s, fp32", model)]
    if "bf16" in model.precisions:
        lowered.lower("bf16")
        forms.append(("20 s, bf16", lowered))
    else:
        print("this CPU has no bfloat16 instructions: no bf16")
    with torch.inference_mode():
        for name, form in forms:
            for batch in BATCHES:
                print_audio(name, model, form, batch, arguments.repeats)
        print_text(model, arguments.repeats)
        print("\nwhere the time of four windows goes in fp32:")
        print_profile(model)


def print_audio(name: str, model: MusCALL, form: MusCALL, batch: int, repeats: int) -> None:
    """The line of one batch of windows."""
    plain = PlainMusCALL(model).eval()
    waveform = torch.randn(batch, round(SECONDS * 16000)) * 0.1
    slow, fast = interleaved([lambda: plain(waveform), lambda: form(waveform)], repeats)
    print_row(name, batch, slow, fast, f"{batch * SECONDS / fast:.0f}", plain(waveform), form(waveform).pooled)


def print_text(model: MusCALL, repeats: int) -> None:
    """The line of captions of 10 to 25 tokens."""
    head = model.textual_head
    assert isinstance(head, TokenTextEncoder)
    padded, mask = torch.zeros(2, TEXTS, head.max_tokens, dtype=torch.long)
    for i in range(TEXTS):
        length = 10 + i
        padded[i, : length - 1] = torch.randint(1, END - 1, (length - 1,))
        padded[i, length - 1] = END
        mask[i, :length] = 1
    longest = int(mask.sum(1).max())

    def encode(ids: Tensor, tokens: Tensor | None) -> Tensor:
        return model.project_text(head.pool(head.encode_tokens(ids, tokens), ids, tokens))

    plain, found = encode(padded, None), encode(padded[:, :longest], mask[:, :longest])
    slow, fast = interleaved(
        [lambda: encode(padded, None), lambda: encode(padded[:, :longest], mask[:, :longest])], repeats
    )
    print_row("captions, fp32", TEXTS, slow, fast, "", plain, found)


def print_row(name: str, batch: int, slow: float, fast: float, real_time: str, expected: Tensor, found: Tensor) -> None:
    """One line of the table."""
    error = float((found - expected).abs().max() / expected.abs().max())
    cosine = float(nn.functional.cosine_similarity(found, expected).min())
    cells = (name, batch, f"{1000 * slow:.1f}", f"{1000 * fast:.1f}", f"{slow / fast:.2f}", real_time)
    cells += (f"{error:.1e}", f"{cosine:.7f}")
    print("".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


def print_profile(model: MusCALL, most: int = 8) -> None:
    """The operations that most of the time goes to."""
    waveform = torch.randn(4, round(SECONDS * 16000)) * 0.1
    with profile() as recorded:
        model(waveform)
    operations = sorted(recorded.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in operations)
    for event in operations[:most]:
        print(f"{event.key:<40}{event.self_cpu_time_total / 1000:>8.1f} ms {event.self_cpu_time_total / total:>6.0%}")


if __name__ == "__main__":
    main()
