"""The pitch convolution through the frequency domain against the direct one."""

from __future__ import annotations

import pytest
import torch

from ohrwurm.models.move import tile_pitch_classes
from ohrwurm.models.pitch_convolution import KernelSpectra, pitch_convolution_fft, repeats


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("frames, kernel", [(40, 40), (61, 40), (300, 24), (777, 24)])
def test_frequency_domain_equals_direct_forward_and_backward(frames: int, kernel: int, tiled: bool) -> None:
    generator = torch.Generator().manual_seed(frames)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        pcp = torch.rand(2, 12, frames, generator=generator, dtype=dtype)
        pcp = tile_pitch_classes(pcp) if tiled else torch.rand(2, 1, 23, frames, generator=generator, dtype=dtype)
        weight = torch.randn(3, 1, 12, kernel, generator=generator, dtype=dtype)
        bias = torch.randn(3, generator=generator, dtype=dtype)
        wanted = torch.randn(2, 3, 12, frames - kernel + 1, generator=generator, dtype=dtype)
        results = []
        for convolve in (torch.nn.functional.conv2d, pitch_convolution_fft):
            inputs = [t.clone().requires_grad_() for t in (pcp, weight, bias)]
            out = convolve(*inputs)
            (out * wanted).sum().backward()
            gradients = [t.grad for t in inputs]
            if tiled:  # rows that are one pitch class share their gradient; where it goes is free
                gradients[0] = gradients[0][:, :, :12] + torch.nn.functional.pad(gradients[0][:, :, 12:], (0, 0, 0, 1))
            results.append([out.detach(), *gradients])
        for direct, fft in zip(*results, strict=True):
            assert direct.shape == fft.shape
            assert (direct - fft).abs().max() <= tolerance * direct.abs().max()


@pytest.mark.parametrize("keys", [12, 1])
@pytest.mark.parametrize("frames, songs", [(24, 1), (60, 2), (127, 1), (128, 3), (500, 2)])
@torch.inference_mode()
def test_extremes_over_the_keys_equal_those_of_the_direct_convolution(frames: int, songs: int, keys: int) -> None:
    """Songs shorter than, as long as and longer than one block (128 frames), with and without bias."""
    generator = torch.Generator().manual_seed(frames)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        pcp = tile_pitch_classes(torch.rand(songs, 12, frames, generator=generator, dtype=dtype))[:, :, : 11 + keys]
        weight = torch.randn(7, 1, 12, 24, generator=generator, dtype=dtype)
        bias = torch.randn(7, generator=generator, dtype=dtype)
        direct = torch.nn.functional.conv2d(pcp, weight, bias)
        spectra = KernelSpectra(weight, keys)
        assert spectra.length == 128
        high, low = spectra.extremes(pcp, bias=bias, lowest=True)
        assert low is not None
        for found, expected in ((high, direct.amax(2)), (low, direct.amin(2))):
            assert found.shape == expected.shape
            assert (found - expected).abs().max() <= tolerance * direct.abs().max()
        without, none = spectra.extremes(pcp)
        assert none is None
        torch.testing.assert_close(without + bias[:, None], high)


def test_profile_that_was_rolled_does_not_repeat() -> None:
    tiled = tile_pitch_classes(torch.rand(2, 12, 5))
    assert repeats(tiled)
    assert not repeats(tiled.roll(1, 2))
    assert not repeats(tiled[:, :, :12])
