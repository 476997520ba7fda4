"""Augmentations of waveforms, and the published chains of them as data.

An augmentation is called with a waveform `(n,)` in float32, its rate and a seeded generator, draws its settings and
returns a waveform of the same length. A chain, which is one too, applies each of its steps with a probability.

>>> import numpy as np
>>> clmr = chain("clmr")
>>> x = np.sin(np.arange(59049) / 20).astype(np.float32)
>>> view = clmr(x, 22050, np.random.default_rng(7))
>>> view.shape, view.dtype, bool((view == clmr(x, 22050, np.random.default_rng(7))).all())
((59049,), dtype('float32'), True)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import fft

from ohrwurm.audio.augment_filter import Filter
from ohrwurm.audio.augment_pitch import PitchShift
from ohrwurm.audio.augment_reverb import Reverb
from ohrwurm.errors import RecipeError


class Augmentation(Protocol):
    """What a chain is made of."""

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray: ...


@dataclass(frozen=True)
class Polarity:
    """The waveform upside down."""

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        return -x


@dataclass(frozen=True)
class Reverse:
    """The waveform backwards."""

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        return x[::-1].copy()


@dataclass(frozen=True)
class Noise:
    """White Gaussian noise, its standard deviation uniform in a range of shares of the signal's."""

    share: tuple[float, float] = (1e-4, 1e-2)

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        level = np.float32(draw.uniform(*self.share) * x.std(ddof=1)) if len(x) > 1 else np.float32(0)
        return x + level * draw.standard_normal(len(x), np.float32)


@dataclass(frozen=True)
class ColouredNoise:
    """Noise of a power falling with frequency as f^-decay (0 white, 1 pink, 2 brown, below 0 rising), at a
    signal-to-noise ratio in dB; both uniform in their ranges."""

    snr: tuple[float, float] = (3.0, 30.0)
    decay: tuple[float, float] = (-2.0, 2.0)

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        noise = coloured_noise(len(x), draw.uniform(*self.decay), draw)
        level = np.sqrt(np.mean(np.square(x))) * 10 ** (-draw.uniform(*self.snr) / 20)
        return x + np.float32(level) * noise


def coloured_noise(samples: int, decay: float, draw: np.random.Generator) -> np.ndarray:
    """Gaussian noise `(samples,)` with a power spectrum falling as f^-decay, of RMS 1.

    >>> pink = coloured_noise(10000, 1.0, np.random.default_rng(0))
    >>> float(np.sqrt(np.mean(pink**2)).round(3))
    1.0
    """
    size = fft.next_fast_len(samples, real=True)  # its period is not that of the result, which begins and ends freely
    spectrum = fft.rfft(draw.standard_normal(size, np.float32))
    spectrum *= np.maximum(np.arange(len(spectrum), dtype=np.float32), 1) ** np.float32(-decay / 2)
    noise = fft.irfft(spectrum, size)[:samples]
    return noise / np.sqrt(np.mean(np.square(noise)))


@dataclass(frozen=True)
class Gain:
    """Another level, uniform in a range of dB; with `clamp`, what is beyond 1 is cut."""

    decibels: tuple[float, float] = (-20.0, -1.0)
    clamp: bool = True

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        return gain(x, draw.uniform(*self.decibels), self.clamp)


def gain(x: np.ndarray, decibels: float, clamp: bool = True) -> np.ndarray:
    """`x` times 10^(decibels / 20).

    >>> gain(np.array([0.5, 2.0], np.float32), -6.0206).round(3).tolist()
    [0.25, 1.0]
    """
    y = x * np.float32(10 ** (decibels / 20))
    return np.clip(y, -1, 1, out=y) if clamp else y


@dataclass(frozen=True)
class Delay:
    """One echo, after one of the given times. It halves the direct sound too, as published."""

    milliseconds: tuple[float, ...] = (200.0, 250.0, 300.0, 350.0, 400.0, 450.0)
    volume: float = 0.5

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        return delay(x, sample_rate, self.milliseconds[int(draw.integers(len(self.milliseconds)))], self.volume)


def delay(x: np.ndarray, sample_rate: int, milliseconds: float, volume: float = 0.5) -> np.ndarray:
    """The mean of `x` and its echo, which is `volume` times as loud; as long as `x`.

    >>> delay(np.array([1.0, 0.0, 0.0]), 1000, 2.0).tolist()
    [0.5, 0.0, 0.25]
    """
    later = int(milliseconds * sample_rate / 1000)
    y = x * x.dtype.type(0.5)
    if later < len(x):
        y[later:] += x.dtype.type(volume / 2) * x[: len(x) - later]
    return y


AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "polarity": Polarity,
    "reverse": Reverse,
    "noise": Noise,
    "coloured-noise": ColouredNoise,
    "gain": Gain,
    "filter": Filter,
    "delay": Delay,
    "pitch": PitchShift,
    "reverb": Reverb,
}

Step = Mapping[str, Any]  # name, probability, and settings of the augmentation

# In the order of the papers. Spijkervet, Burgoyne, "Contrastive learning of musical representations", ISMIR 2021, which
# TUNe took over; and the self-supervision of Manco, Benetos, Quinton, Fazekas, "Contrastive audio-language learning for
# music", ISMIR 2022.
PUBLISHED: dict[str, tuple[Step, ...]] = {
    "clmr": (
        {"name": "polarity", "probability": 0.8},
        {"name": "noise", "probability": 0.01},
        {"name": "gain", "probability": 0.3},
        {"name": "filter", "probability": 0.8},
        {"name": "delay", "probability": 0.3},
        {"name": "pitch", "probability": 0.6},
        {"name": "reverb", "probability": 0.6},
    ),
    "muscall": (
        {"name": "polarity", "probability": 0.8},
        {"name": "coloured-noise", "probability": 0.3},
        {"name": "gain", "probability": 0.2, "decibels": (-18.0, 6.0), "clamp": False},
        {"name": "pitch", "probability": 0.4, "cents": (-400, 400)},
    ),
    "none": (),
}
MUSCALL_FLAGS = {"polarity": "polarity", "noise": "coloured-noise", "gain": "gain", "pitch_shift": "pitch"}


class Chain:
    """Augmentations one after the other, each with its probability.

    >>> quieter = Chain([(Gain((-6, -6)), 1.0)])
    >>> quieter(np.ones(2, np.float32), 22050, np.random.default_rng(0)).round(2).tolist()
    [0.5, 0.5]
    """

    def __init__(self, steps: Sequence[tuple[Augmentation, float]]) -> None:
        self.steps = tuple(steps)

    def __call__(self, x: np.ndarray, sample_rate: int, draw: np.random.Generator) -> np.ndarray:
        """A view `(n,)` of the waveform `x (n,)`; `x` stays as it is.

        A step whose result is not finite is left out.
        """
        for augmentation, probability in self.steps:
            if draw.random() < probability:
                y = augmentation(x, sample_rate, draw)
                if np.isfinite(np.dot(y, y)):
                    x = y
        return x

    def warm_up(self, sample_rate: int) -> None:
        """Compile what the steps need, so that processes forked from this one need not."""
        for augmentation, _ in self.steps:
            augmentation(np.zeros(sample_rate // 4, np.float32), sample_rate, np.random.default_rng(0))


def chain(steps: str | Sequence[Step], probabilities: Mapping[str, float] | None = None) -> Chain:
    """A chain from data.

    Args:
        steps: the name of a published chain, or for each step its ``name`` (of `AUGMENTATIONS`), its ``probability``
            (1 unless given) and the settings of the augmentation that are not the default.
        probabilities: other probabilities for steps of these names.

    Raises:
        RecipeError: an unknown name or setting, or a probability out of range.

    >>> [type(step).__name__ for step, _ in chain([{"name": "gain"}, {"name": "reverse"}]).steps]
    ['Gain', 'Reverse']
    >>> chain("clmr", {"ptich": 0.0})
    Traceback (most recent call last):
        ...
    ohrwurm.errors.RecipeError: augmentations: no step 'ptich' in the chain; did you mean pitch?
    """
    if isinstance(steps, str):
        steps = PUBLISHED[_known(steps, PUBLISHED, "no published chain")]
    changed = dict(probabilities or {})
    made = []
    for step in steps:
        settings = dict(step)
        name = _known(str(settings.pop("name", "")), AUGMENTATIONS, "no augmentation")
        probability = changed.pop(name, settings.pop("probability", 1.0))
        settings.pop("probability", None)
        if not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise RecipeError(f"augmentations: {name} with probability {probability!r}; it lies between 0 and 1")
        try:
            made.append((AUGMENTATIONS[name](**_as_tuples(settings)), float(probability)))
        except TypeError as error:
            raise RecipeError(f"augmentations: {name}: {error}") from error
    if changed:
        _known(next(iter(changed)), [str(step["name"]) for step in steps], "no step", " in the chain")
    return Chain(made)


def muscall_chain(probabilities: Mapping[str, float]) -> Chain:
    """MusCALL's chain by its own flags: ``polarity``, ``noise``, ``gain`` and ``pitch_shift``, 0 where not given.

    Raises:
        RecipeError: another flag.

    >>> [probability for _, probability in muscall_chain({"noise": 0.3, "pitch_shift": 0.4}).steps]
    [0.0, 0.3, 0.0, 0.4]
    """
    for flag in probabilities:
        _known(flag, MUSCALL_FLAGS, "MusCALL has no")
    return chain("muscall", {step: probabilities.get(flag, 0.0) for flag, step in MUSCALL_FLAGS.items()})


def crop_start(length: int, samples: int, draw: np.random.Generator) -> int:
    """Where a random crop of `samples` starts in a recording of `length`: anywhere it fits, or at 0.

    >>> crop_start(10, 10, np.random.default_rng(0))
    0
    """
    return int(draw.integers(max(0, length - samples) + 1))


def _known(name: str, known: Mapping[str, Any] | Sequence[str], what: str, where: str = "") -> str:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise RecipeError(f"augmentations: {what} {name!r}{where}; {hint}")
    return name


def _as_tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
