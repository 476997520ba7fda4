"""CPU time of CLMR's augmentations, against the same definitions one by one through pedalboard and scipy; and what they
are of a training step.

The plain chain, `PLAIN` below, makes one view after the other: filters by `scipy.signal.oaconvolve`, pitch, reverb and
gain by pedalboard (Rubber Band's pitch shift; Freeverb for one ear, half of the network that CLMR's definition has),
the rest in numpy. Both sides draw the same settings from the same generators and take the same audio in turns. Ratios
are of CPU time in this process, one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import signal
from timing import interleaved

from ohrwurm.audio import augment
from ohrwurm.audio.augment_filter import high_pass, low_pass
from ohrwurm.audio.augment_pitch import shift_pitch
from ohrwurm.audio.augment_reverb import reverberate

RATE, SAMPLES = 22050, 59049
VIEWS = 60  # that the whole chain is timed on, so that all its branches come
PUBLISHED_BATCH = 48

View = Callable[[np.ndarray], np.ndarray]


def plain_filter(x: np.ndarray, cutoff: float, high: bool) -> np.ndarray:
    """Windowed sinc with replicated ends."""
    half = int(8 / (cutoff / RATE) / 2)
    k = np.arange(-half, half + 1)
    taps = np.hanning(2 * half + 1) * np.sinc(2 * cutoff / RATE * k)
    low = signal.oaconvolve(np.pad(x, half, mode="edge"), (taps / taps.sum()).astype(np.float32), "valid")
    return x - low if high else low


def plain_delay(x: np.ndarray, milliseconds: float) -> np.ndarray:
    later = int(milliseconds * RATE / 1000)
    echo = np.concatenate([np.zeros(later, x.dtype), x[:-later]])
    return (x + 0.5 * echo) / 2


def plain_steps() -> dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]]:
    """Each step with the settings that ours would draw."""
    import pedalboard

    def filtered(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        if draw.random() < 0.5:
            return plain_filter(x, draw.uniform(200, 1200), True)
        return plain_filter(x, draw.uniform(2200, 4000), False)

    def reverb(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        reverberance, damping, room = draw.integers(0, 100, 3) / 100
        effect = pedalboard.Reverb(room_size=reverberance, damping=damping, wet_level=room, dry_level=1.0)
        return effect(x, RATE)

    def noise(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        level = draw.uniform(1e-4, 1e-2) * x.std(ddof=1)
        return x + draw.normal(0, level, len(x)).astype(np.float32)

    return {
        "polarity": lambda x, draw: -x,
        "noise": noise,
        "gain": lambda x, draw: np.clip(pedalboard.Gain(draw.uniform(-20, -1))(x, RATE), -1, 1),
        "filter": filtered,
        "delay": lambda x, draw: plain_delay(x, (200, 250, 300, 350, 400, 450)[int(draw.integers(6))]),
        "pitch": lambda x, draw: pedalboard.PitchShift(int(draw.integers(-700, 701)) / 100)(x, RATE),
        "reverb": reverb,
    }


def plain_chain(steps: dict[str, Any]) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """CLMR's chain of plain steps."""

    def view(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        for step in augment.PUBLISHED["clmr"]:
            if draw.random() < step["probability"]:
                x = np.ascontiguousarray(steps[step["name"]](x, draw), np.float32)
        return x

    return view


def music(samples: int, seed: int = 0) -> np.ndarray:
    """Three tones that fade in turn, and some noise."""
    draw = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    tones = [np.sin(2 * np.pi * f * t) * np.exp(-((t * r) % 1) * 4) for f, r in ((110, 2), (329.6, 3), (880, 4))]
    return (0.2 * np.sum(tones, 0) + 0.02 * draw.standard_normal(samples)).astype(np.float32)


def print_augmentations(repeats: int) -> float | None:
    """A row for each augmentation and for the chain; seconds of ours a view."""
    x = music(SAMPLES)
    ours = augment.chain("clmr")
    ours.warm_up(RATE)
    try:
        plain = plain_steps()
    except ImportError:
        print("pedalboard is not installed: ours alone\n")
        plain = {}
    singles: list[tuple[str, View, View | None]] = [
        (name, lambda x, make=make: make()(x, RATE, np.random.default_rng(0)),
         (lambda x, step=plain[name]: step(x, np.random.default_rng(0))) if plain else None)
        for name, make in augment.AUGMENTATIONS.items() if name in {s["name"] for s in augment.PUBLISHED["clmr"]}
    ]  # fmt: skip
    singles += [
        ("high-pass 200 Hz", lambda x: high_pass(x, RATE, 200), lambda x: plain_filter(x, 200, True)),
        ("low-pass 3000 Hz", lambda x: low_pass(x, RATE, 3000), lambda x: plain_filter(x, 3000, False)),
        ("pitch -700", lambda x: shift_pitch(x, RATE, -700), None),
        ("pitch +700", lambda x: shift_pitch(x, RATE, 700), None),
        ("reverb, small room", lambda x: reverberate(x, RATE, 50, 50, 0), None),
        ("reverb, large room", lambda x: reverberate(x, RATE, 99, 99, 99), None),
    ]
    print(f"{'one view, ms':<22}{'plain':>10}{'ours':>10}{'ratio':>8}")
    for name, own, other in singles:
        sides = [lambda f=f: f(x) for f in (own, other) if f is not None]
        print_row(name, interleaved(sides, repeats))

    def whole(view: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[[], None]:
        def run() -> None:
            for seed in range(VIEWS):
                view(x, np.random.default_rng((1, seed)))

        return run

    sides = [whole(lambda x, draw: ours(x, RATE, draw))] + ([whole(plain_chain(plain))] if plain else [])
    times = [t / VIEWS for t in interleaved(sides, max(3, repeats // 5))]
    print_row("CLMR's chain", times)
    if plain:
        steps = {**plain, "pitch": lambda x, draw: shift_pitch(x, RATE, int(draw.integers(-700, 701)))}
        other = [t / VIEWS for t in interleaved([sides[0], whole(plain_chain(steps))], max(3, repeats // 5))]
        print_row("... pitch ours in both", other)
    return times[0]


def print_row(name: str, times: list[float]) -> None:
    own, *other = times
    plain = (f"{1e3 * other[0]:.3f}", f"{other[0] / own:.1f}") if other else ("", "")
    print(f"{name:<22}{plain[0]:>10}{1e3 * own:>10.3f}{plain[1]:>8}", flush=True)


def print_share(model: str, pairs: int, repeats: int) -> None:
    """What making a batch is of a step: CPU seconds of `pairs` pairs, from 30 s FLAC files and from a pack."""
    import soundfile

    from ohrwurm.data.packs import pack
    from ohrwurm.data.tracks import Manifest, Track
    from ohrwurm.training.tasks.views import ViewsTask

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracks = []
        for i in range(pairs + 4):
            soundfile.write(folder / f"{i}.flac", music(30 * RATE, i), RATE)
            split = "validation" if i >= pairs else "train"
            tracks.append(Track(str(i), str(folder / f"{i}.flac"), split))
        Manifest(tracks).write(folder / "music.csv")
        pack(Manifest(tracks), folder / "pack", RATE)
        tasks = [ViewsTask(str(folder / where), model, batch_size=pairs) for where in ("music.csv", "pack")]
        for task in tasks:
            task.prepare(folder, 0)
            task.on_fit_start()
            task.log = lambda *_, **__: None  # type: ignore[method-assign, assignment]
        step = Step(tasks[0])
        batch = next(iter(tasks[1].training_loader(0, 0)))
        epochs = iter(range(10**6))
        makers = [lambda task=task: next(iter(task.training_loader(0, next(epochs)))) for task in tasks]
        times = interleaved([lambda: step(batch), *makers], repeats)
    scale = PUBLISHED_BATCH / pairs
    note = "" if pairs == PUBLISHED_BATCH else f" (times {scale:.3g}, measured on {pairs})"
    print(f"\n{model}, a step of {PUBLISHED_BATCH} pairs{note}: {scale * times[0]:.1f} CPU s, forward and backward")
    for where, t in zip(("FLAC files", "a pack"), times[1:], strict=True):
        print(
            f"  its batch from {where}: {scale * t:.3f} CPU s, {t / (t + times[0]):.2%} of both together; "
            f"one process makes {pairs / t:.0f} pairs a second"
        )


class Step:
    """Forward, backward and Adam of a task, without a Trainer."""

    def __init__(self, task: Any) -> None:
        self.task, self.optimizer = task, task.configure_optimizers()

    def __call__(self, batch: dict[str, Any]) -> None:
        self.optimizer.zero_grad()
        self.task.training_step(batch, 0).backward()
        self.optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--model", default="samplecnn")
    parser.add_argument("--pairs", type=int, default=8, help="of the step that is timed; 48 take 16 GB")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{SAMPLES} samples (2.7 s), 1 thread, CPU time, median of {arguments.repeats}\n")
    began = time.process_time()
    print_augmentations(arguments.repeats)
    print_share(arguments.model, arguments.pairs, max(3, arguments.repeats // 5))
    print(f"\n{time.process_time() - began:.0f} CPU s in all")


if __name__ == "__main__":
    main()
