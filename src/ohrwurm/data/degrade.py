"""What happens to music before it reaches a listener: rooms, equalisers, noise, codecs, tuning. Seeded; truth kept.

Nothing here moves the music in time, except tuning and speed, whose factor is returned.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohrwurm.audio.writing import write_audio

Wave = NDArray[np.float32]
# soundfile format, subtype, and the compression levels (0 best - 1 smallest) to draw from
_CODECS = (("MP3", "MPEG_LAYER_III", (0.5, 0.95)), ("OGG", "VORBIS", (0.5, 0.95)))


@dataclass(frozen=True)
class Degradation:
    """What was done, in order, and how many times longer the music is now."""

    names: tuple[str, ...] = ()
    time_factor: float = 1.0


def degrade(
    audio: Wave, sample_rate: int, rng: np.random.Generator, *, strength: float = 1.0
) -> tuple[Wave, Degradation]:
    """A random chain of degradations; each is left out with some probability, so that clean audio remains.

    Args:
        audio: mono float32 `(samples,)`.
        strength: factor on the probability of each.

    Returns:
        The new waveform (its length changes with tuning) and what was done.
    """
    done: list[str] = []
    factor = 1.0

    def draw(probability: float) -> bool:
        return bool(rng.random() < probability * strength)

    if draw(0.35):
        cents = float(rng.uniform(-40, 40))
        audio, factor = retuned(audio, sample_rate, cents)
        done.append(f"tuning {cents:+.0f} cents")
    if draw(0.5):
        seconds, wet = float(rng.uniform(0.15, 1.8)), float(rng.uniform(0.05, 0.4))
        audio = reverberated(audio, sample_rate, seconds, wet, rng)
        done.append(f"reverb {seconds:.1f} s, {wet:.2f}")
    if draw(0.5):
        tilt = float(rng.uniform(-6, 6))
        cutoff = float(np.exp(rng.uniform(np.log(2500), np.log(10000)))) if rng.random() < 0.4 else None
        audio = equalised(audio, sample_rate, tilt, cutoff)
        done.append(f"tilt {tilt:+.1f} dB" + (f", low-pass {cutoff:.0f} Hz" if cutoff else ""))
    if draw(0.35):
        snr = float(rng.uniform(12, 40))
        audio = noised(audio, snr, rng)
        done.append(f"noise {snr:.0f} dB")
    if draw(0.3):
        name, subtype, (low, high) = _CODECS[int(rng.integers(len(_CODECS)))]
        level = float(rng.uniform(low, high))
        audio = coded(audio, sample_rate, name, subtype, level)
        done.append(f"{name.lower()} {level:.2f}")
    if draw(0.9):
        peak = float(np.abs(audio).max()) or 1.0
        gain = float(10 ** (rng.uniform(-18, 0) / 20))
        audio = audio * np.float32(gain / peak)
        done.append(f"peak {20 * np.log10(gain):.0f} dB")
    return np.clip(audio, -1.0, 1.0).astype(np.float32), Degradation(tuple(done), factor)


def retuned(audio: Wave, sample_rate: int, cents: float) -> tuple[Wave, float]:
    """Higher by `cents` by playing it faster; returns also the factor on its length."""
    import soxr

    factor = 2.0 ** (-cents / 1200.0)
    out = soxr.resample(audio, sample_rate, sample_rate * factor, quality="HQ")
    return np.asarray(out, dtype=np.float32), len(out) / max(1, len(audio))


def reverberated(audio: Wave, sample_rate: int, seconds: float, wet: float, rng: np.random.Generator) -> Wave:
    """A room: exponentially decaying noise (-60 dB after `seconds`) added behind the undelayed sound."""
    from scipy.signal import oaconvolve

    count = max(8, int(seconds * sample_rate))
    time = np.arange(count) / sample_rate
    response = rng.standard_normal(count).astype(np.float32) * np.exp(-6.9 * time / seconds).astype(np.float32)
    response /= np.sqrt((response**2).sum())
    tail = oaconvolve(audio, response)[: len(audio)]
    return ((1 - wet) * audio + wet * tail).astype(np.float32)


def equalised(audio: Wave, sample_rate: int, tilt: float, cutoff: float | None = None) -> Wave:
    """Tilted by `tilt` dB from 100 Hz to 5 kHz, and without what lies above `cutoff`; zero phase, so nothing moves."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(audio) + sample_rate // 8)
    spectrum = rfft(audio, size)
    frequency = np.fft.rfftfreq(size, 1 / sample_rate).astype(np.float32)
    octaves = np.log2(np.clip(frequency, 50.0, 10000.0) / 700.0)
    gain = 10.0 ** (tilt * octaves / np.log2(50.0) / 20.0)
    if cutoff is not None:
        gain = gain / np.sqrt(1.0 + (frequency / cutoff) ** 8)
    return irfft(spectrum * gain.astype(np.float32), size)[: len(audio)].astype(np.float32)


def noised(audio: Wave, snr: float, rng: np.random.Generator) -> Wave:
    """With white or, as often, pinkish noise, `snr` dB below the music."""
    noise = rng.standard_normal(len(audio)).astype(np.float32)
    if rng.random() < 0.5:
        from scipy.signal import lfilter

        noise = lfilter([1.0], [1.0, -0.95], noise).astype(np.float32)
    power = float((audio**2).mean())
    scale = np.sqrt(power / max(float((noise**2).mean()), 1e-12)) * 10 ** (-snr / 20)
    return audio + noise * np.float32(scale)


def coded(audio: Wave, sample_rate: int, name: str, subtype: str, level: float) -> Wave:
    """Through a lossy codec and back, aligned to the sample by cross-correlation where the codec delays."""
    import soundfile

    buffer = io.BytesIO()
    write_audio(buffer, audio, sample_rate, name, subtype, level)
    buffer.seek(0)
    out, _ = soundfile.read(buffer, dtype="float32")
    delay = _delay(audio, out, sample_rate)
    out = out[delay:] if delay >= 0 else np.concatenate([np.zeros(-delay, np.float32), out])
    return np.pad(out, (0, max(0, len(audio) - len(out))))[: len(audio)]


def _delay(before: Wave, after: Wave, sample_rate: int) -> int:
    """Samples by which `after` is late, within 0.1 s, by cross-correlation of the loudest seconds."""
    from scipy.signal import correlate

    window = min(len(before), len(after), 2 * sample_rate)
    if window < 1024:
        return 0
    energy = np.convolve(before[: len(after)] ** 2, np.ones(1), mode="valid")
    sums = np.add.reduceat(energy, np.arange(0, max(1, len(energy) - window + 1), window))
    begin = int(np.argmax(sums)) * window if len(energy) >= window else 0
    begin = min(begin, min(len(before), len(after)) - window)
    correlation = correlate(after[begin : begin + window], before[begin : begin + window], method="fft")
    reach = sample_rate // 10
    middle = window - 1
    near = correlation[middle - reach : middle + reach + 1]
    return int(np.argmax(near)) - reach if len(near) and near.max() > 0 else 0
