"""CPU time of TTMR from waveform to vector, against the plain network as its authors run it; and of `ohrwurm-text`.

The plain network is `PlainTTMR` below: eager float32, every layer of torch one after the other in the published order,
attention as two matrix products and a softmax. Both have the same weights and take the same noise in turns, so that
whatever else the machine does falls on both. Ratios are of CPU time in this process. The published sizes have random
weights; those of `ohrwurm-text` are trained.
"""

from __future__ import annotations

import argparse
import copy

import torch
from timing import interleaved
from torch import Tensor, nn
from torch.profiler import profile

from ohrwurm.models import nnpack, registry
from ohrwurm.models.ttmr import TTMR
from ohrwurm.models.ttmr_cnn import ResidualBlock
from ohrwurm.models.ttmr_transformer import Attention

PUBLISHED_SECONDS = 9.91
BATCHES = (1, 2, 8)


class PlainTTMR(nn.Module):
    """The layers of a `TTMR`, called one after the other as the published code calls them."""

    def __init__(self, model: TTMR) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)

    def forward(self, waveform: Tensor) -> Tensor:
        model = self.model
        mel = model.mel(waveform)
        if model.level == "peak":
            mel = (mel - mel.amax((-2, -1), keepdim=True)).clamp(min=-80.0)
        front = model.audio_encoder.frontend
        x = front.input_bn(mel.unsqueeze(1))
        for i in range(1, front.depth + 1):
            x = self._block(front.get_submodule(f"layer{i}"), x)
        cells = x.permute(0, 3, 1, 2).flatten(2) if front.mix_type == "cf" else x.flatten(2).transpose(1, 2)
        tokens = front.fc(cells)
        x = torch.cat([model.audio_encoder.cls_token.expand(len(tokens), 1, -1), tokens], 1)
        x = x + model.audio_encoder.pos_embedding[:, : x.shape[1]]
        for layer in model.audio_encoder.transformer.layers:
            attention, feed_forward = layer  # type: ignore[misc]
            x = x + self._attention(attention.fn["fn"], attention.fn["norm"](x))
            x = x + feed_forward.fn["fn"](feed_forward.fn["norm"](x))
        return model.audio_projector(x[:, 0])

    @staticmethod
    def _block(block: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(block, ResidualBlock)
        out = torch.relu(block.bn_1(block.conv_1(x)))
        out = block.bn_2(block.conv_2(out))
        if block.reshapes:
            x = block.bn_3(block.conv_3(x))
        return block.pool(torch.relu(x + out))

    @staticmethod
    def _attention(attention: Attention, x: Tensor) -> Tensor:
        def heads(part: Tensor) -> Tensor:
            return part.unflatten(-1, (attention.heads, -1)).transpose(1, 2)

        q, k, v = map(heads, attention.to_qkv(x).chunk(3, dim=-1))
        weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, dim=-1)
        return attention.to_out((weights @ v).transpose(1, 2).flatten(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(f"{arguments.threads} thread(s), median of {arguments.repeats}; CPU milliseconds")
    if not nnpack._ready():
        print("this torch has no NNPACK here: convolutions are direct")
    columns = ("model", "clips", "plain", "fast", "ratio", "x real time", "error", "cosine")
    print("".join(f"{name:>{width}}" for name, width in zip(columns, WIDTHS, strict=True)))
    bundled = registry.load("ohrwurm-text")
    assert isinstance(bundled, TTMR)
    published = TTMR(text="none").eval()
    for name, model, seconds in (
        ("published, cf", published, PUBLISHED_SECONDS),
        ("published, ft", TTMR(text="none", mix_type="ft").eval(), PUBLISHED_SECONDS),
        ("ohrwurm-text", bundled, bundled.card.window),
    ):
        for clips in BATCHES:
            print_row(name, model, clips, seconds, arguments.repeats)
    print("\nwhere the time of one published clip goes:")
    print_profile(published)


WIDTHS = (16, 8, 10, 10, 8, 14, 12, 12)


@torch.inference_mode()
def print_row(name: str, model: TTMR, clips: int, seconds: float, repeats: int) -> None:
    """One line of the table."""
    plain = PlainTTMR(model).eval()
    waveform = torch.randn(clips, round(seconds * 16000)) * 0.1
    slow, fast = interleaved([lambda: plain(waveform), lambda: model(waveform)], max(3, repeats // clips))
    expected, found = plain(waveform), model(waveform).pooled
    error = float((found - expected).abs().max() / expected.abs().max())
    cosine = float(nn.functional.cosine_similarity(found, expected).min())
    real_time = clips * seconds / fast
    cells = (name, clips, f"{1000 * slow:.1f}", f"{1000 * fast:.1f}", f"{slow / fast:.2f}", f"{real_time:.0f}")
    cells += (f"{error:.1e}", f"{cosine:.7f}")
    print("".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


@torch.inference_mode()
def print_profile(model: TTMR, most: int = 6) -> None:
    """The operations that most of the time goes to."""
    waveform = torch.randn(1, round(PUBLISHED_SECONDS * 16000)) * 0.1
    with profile() as recorded:
        model(waveform)
    operations = sorted(recorded.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in operations)
    for event in operations[:most]:
        print(f"{event.key:<40}{event.self_cpu_time_total / 1000:>8.1f} ms {event.self_cpu_time_total / total:>6.0%}")


if __name__ == "__main__":
    main()
