"""What can happen to a recording before a model hears it: one degradation at one strength, the same for everybody.

Unlike `data.degrade`, which draws chains of them to train on, these are measured with: named, of stated strengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohrwurm.audio.augment import coloured_noise, gain
from ohrwurm.audio.augment_pitch import shift_pitch, stretch
from ohrwurm.audio.files import resample
from ohrwurm.audio.writing import write_audio
from ohrwurm.errors import DataError

Wave = NDArray[np.float32]
# Encoder and sample format of PyAV, ending of the file, and the rates it takes (Hz).
CODECS = {
    "mp3": ("libmp3lame", "fltp", "mp3", (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": ("libopus", "flt", "ogg", (48000,)),
}
LEAST = 0.5  # seconds that a crop leaves at least


@dataclass(frozen=True)
class Kind:
    """A degradation: what it is, the unit of its strength, and the strengths that are measured by default.

    Attributes:
        change: (waveform, rate, strength, generator) → waveform and rate; None for codecs.
    """

    about: str
    unit: str
    strengths: tuple[float, ...]
    change: Callable[[Wave, int, float, np.random.Generator], tuple[Wave, int]] | None = None


@dataclass(frozen=True)
class Condition:
    """A degradation at one strength.

    >>> condition("mp3=64").title, condition("gain=-6").title
    ('mp3 64 kbit/s', 'gain -6 dB')
    """

    name: str
    strength: float

    @property
    def title(self) -> str:
        """In words and with its unit."""
        return f"{self.name} {self.strength:g} {KINDS[self.name].unit}"

    def write(self, x: Wave, sample_rate: int, file: Path, rng: np.random.Generator) -> Path:
        """Degrade a mono waveform and write it, as a codec leaves it or else uncompressed; returns the file's path.

        Raises:
            DataError: nothing is left of the music.
        """
        kind = KINDS[self.name]
        if self.name in CODECS:
            made = file.with_suffix(f".{CODECS[self.name][2]}")
            encode(made, x, sample_rate, self.name, self.strength)
            return made
        if self.name == "vorbis":  # PyAV comes without libvorbis; libsndfile has it
            made = file.with_suffix(".ogg")
            write_audio(made, np.clip(x, -1, 1), sample_rate, "OGG", "VORBIS", 1 - self.strength)
            return made
        assert kind.change is not None
        y, rate = kind.change(x, sample_rate, self.strength, rng)
        if len(y) < LEAST * rate:
            raise DataError(f"{self.title}: leaves less than {LEAST} s of {len(x) / sample_rate:.1f} s")
        made = file.with_suffix(".wav")
        write_audio(made, np.clip(y, -1, 1), rate, "WAV", "FLOAT")
        return made


def condition(text: str) -> Condition:
    """From ``NAME=STRENGTH``.

    Raises:
        DataError: no such degradation, or no number.
    """
    name, _, strength = text.partition("=")
    if name not in KINDS:
        raise DataError(f"no degradation named {name!r}. Known: {', '.join(KINDS)}.")
    try:
        return Condition(name, float(strength))
    except ValueError as error:
        raise DataError(f"{text!r}: a strength is a number of {KINDS[name].unit}, as in {name}=1") from error


def conditions(names: tuple[str, ...] = ()) -> list[Condition]:
    """Of degradations by name, at all their strengths, or by ``NAME=STRENGTH``; all of them for none.

    >>> [c.title for c in conditions(("tempo=5", "offset"))]
    ['tempo 5 %', 'offset 0.5 s', 'offset 2 s', 'offset 5 s']
    """
    found = []
    for name in names or KINDS:
        if name in KINDS:
            found += [Condition(name, s) for s in KINDS[name].strengths]
        else:
            found.append(condition(name))
    return list(dict.fromkeys(found))


def encode(file: Path, x: Wave, sample_rate: int, codec: str, kilobits: float) -> None:
    """Write a mono waveform as MP3 or Opus of a constant bit rate.

    >>> import tempfile
    >>> noise = np.random.default_rng(0).uniform(-0.1, 0.1, 160000).astype(np.float32)
    >>> file = Path(tempfile.mkdtemp()) / "noise.mp3"
    >>> encode(file, noise, 16000, "mp3", 32)
    >>> 30 < file.stat().st_size * 8 / 10 / 1000 < 36
    True
    """
    import av

    encoder, form, _, rates = CODECS[codec]
    rate = sample_rate if sample_rate in rates else max(rates)
    samples = np.clip(resample(x, sample_rate, rate) if rate != sample_rate else x, -1, 1)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(encoder, rate=rate, options={"vbr": "off"} if codec == "opus" else {})
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = round(1000 * kilobits)
        stream.layout = "mono"
        stream.format = form
        for start in range(0, len(samples), rate):
            part = np.ascontiguousarray(samples[None, start : start + rate], np.float32)
            frame = av.AudioFrame.from_ndarray(part, format=form, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _noise(decay: float) -> Callable[[Wave, int, float, np.random.Generator], tuple[Wave, int]]:
    def add(x: Wave, rate: int, snr: float, rng: np.random.Generator) -> tuple[Wave, int]:
        level = np.sqrt(np.mean(np.square(x))) * 10 ** (-snr / 20)
        return x + np.float32(level) * coloured_noise(len(x), decay, rng).astype(np.float32), rate

    return add


def _middle(x: Wave, rate: int, seconds: float, _: np.random.Generator) -> tuple[Wave, int]:
    kept = min(len(x), round(seconds * rate))
    start = (len(x) - kept) // 2
    return x[start : start + kept], rate


KINDS: dict[str, Kind] = {
    "mp3": Kind("MP3 by LAME", "kbit/s", (128, 64, 32)),
    "opus": Kind("Opus", "kbit/s", (64, 24, 12)),
    "vorbis": Kind("Vorbis of a quality from 0 to 1", "quality", (0.6, 0.3, 0)),
    "gain": Kind("level; what is beyond full scale is clipped", "dB", (-30, -12, 6, 12),
                 lambda x, rate, db, _: (gain(x, db), rate)),
    "white-noise": Kind("white noise, signal to noise", "dB", (30, 20, 10, 0), _noise(0.0)),
    "pink-noise": Kind("pink noise, signal to noise", "dB", (30, 20, 10, 0), _noise(1.0)),
    "pitch": Kind("pitch at the same tempo (WSOLA)", "semitones", (-2, -1, -0.5, 0.5, 1, 2),
                  lambda x, rate, steps, _: (shift_pitch(x, rate, 100 * steps), rate)),
    "tempo": Kind("tempo at the same pitch (WSOLA)", "%", (-20, -10, -5, 5, 10, 20),
                  lambda x, rate, percent, _: (stretch(x, max(1, round(len(x) / (1 + percent / 100))), rate), rate)),
    "offset": Kind("the start cut off", "s", (0.5, 2, 5), lambda x, rate, s, _: (x[round(s * rate):], rate)),
    "length": Kind("only so much from the middle", "s", (20, 10, 5), _middle),
    "sample-rate": Kind("resampled", "Hz", (22050, 16000, 8000),
                        lambda x, rate, to, _: (resample(x, rate, round(to)), round(to))),
}  # fmt: skip
