"""Does the loader keep up? What a random crop costs, and how long a training step waits for its batch.

Crops: CPU time of one, at the model's rate and mono, from stereo songs at 44.1 kHz as they are (by seeking), from a
pack of them, and by decoding the whole song and cutting, in turns. Steps: small models train on the same songs; of each
step the wall time until its batch is there, and that of forward, backward and update. The first steps, in which worker
processes start, are left out. Ratios of one line carry over to other machines; with workers they need a core for each,
and nothing else running.
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
from timing import interleaved

from ohrwurm.audio.files import load
from ohrwurm.audio.writing import write_audio
from ohrwurm.data.packs import pack
from ohrwurm.data.recordings import Recordings, open_recordings
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.training.recipes import resolve

FORMATS = {"flac": ("FLAC", "PCM_16"), "mp3": ("MP3", "MPEG_LAYER_III"), "ogg": ("OGG", "VORBIS")}
NATIVE = 44100
SEEN = 2  # first batches, not counted
MODELS = {
    "TTMR, small": ("ttmr/laptop", 16000, 5.0),
    "SampleCNN, small": ("clmr/laptop", 22050, 2.678),
}


def compose(folder: Path, songs: int, seconds: float) -> dict[str, Path]:
    """The same songs in all formats, each a manifest."""
    tracks: dict[str, list[Track]] = {suffix: [] for suffix in FORMATS}
    for i in range(songs):
        audio, split = song(seconds, i), "validation" if i < 2 else "train"
        for suffix, (container, subtype) in FORMATS.items():
            file = folder / f"{i}.{suffix}"
            write_audio(file, audio, NATIVE, container, subtype)
            words = (f"tag{i % 5}", f"kind{i % 3}")
            tracks[suffix].append(Track(str(i), str(file), split, words, f"A song of kind {i % 3}."))
    for suffix, found in tracks.items():
        Manifest(found).write(folder / f"{suffix}.csv")
    return {suffix: folder / f"{suffix}.csv" for suffix in FORMATS}


def song(seconds: float, seed: int) -> np.ndarray:
    """Chords over noise, `(samples, 2)`: no silence, which would be cheap to decode."""
    draw = np.random.default_rng(seed)
    t = np.arange(round(seconds * NATIVE)) / NATIVE
    notes = 110 * 2 ** (draw.integers(0, 36, (2, 6)) / 12)
    tones = sum(np.sin(2 * np.pi * notes[:, i, None] * t * (1 + 1e-4 * i)) for i in range(6))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * t / 0.9)
    noise = 0.1 * draw.standard_normal((2, len(t)))
    return (0.12 * tones * swell + noise).T.clip(-1, 1).astype(np.float32)


def print_crops(places: dict[str, Path], folder: Path, repeats: int) -> None:
    """CPU milliseconds of a crop from each source."""
    for name, (_, rate, seconds) in MODELS.items():
        samples = round(seconds * rate)
        packed = open_recordings(packed_at(places["flac"], folder, rate), rate)
        sources: dict[str, Callable[[], object]] = {"pack": crop_of(packed, samples)}
        for suffix, manifest in places.items():
            sources[f"{suffix}, by seeking"] = crop_of(open_recordings(manifest, rate), samples)
            path = str(manifest.parent / f"2.{suffix}")
            sources[f"{suffix}, whole song"] = lambda path=path, rate=rate: load(path, sample_rate=rate)
        times = interleaved(list(sources.values()), repeats)
        print(f"{f'crop of {seconds:.3g} s at {rate} Hz ({name})':<46}{'CPU ms':>10}{'x pack':>9}")
        for source, taken in zip(sources, times, strict=True):
            print(f"  {source:<44}{1e3 * taken:>10.3f}{taken / times[0]:>9.0f}", flush=True)


def crop_of(recordings: Recordings, samples: int) -> Callable[[], object]:
    """Reads another random crop at each call."""
    draw = np.random.default_rng(0)

    def crop() -> object:
        row = int(draw.integers(len(recordings.tracks)))
        return recordings.read(row, int(draw.integers(int(recordings.lengths[row]) - samples)), samples)

    return crop


def packed_at(manifest: Path, folder: Path, rate: int) -> Path:
    """The pack of a manifest at a rate, made once."""
    place = folder / f"pack-{rate}"
    if not place.is_dir():
        pack(Manifest.read(manifest), place, rate)
    return place


def print_steps(places: dict[str, Path], folder: Path, steps: int, batch: int, workers: list[int]) -> None:
    """How much of a step is waiting, for each model, source and number of workers."""
    for name, (recipe, rate, _) in MODELS.items():
        sources = {**places, "pack": packed_at(places["flac"], folder, rate)}
        print(f"\n{f'{name}, batches of {batch}':<30}{'workers':>9}{'step, ms':>11}{'waiting, ms':>13}{'share':>8}")
        for source, place in sources.items():
            for count in workers:
                step, waited = timed(recipe, place, folder, count, steps, batch)
                share = waited / (waited + step)
                print(f"  {source:<28}{count:>9}{1e3 * step:>11.0f}{1e3 * waited:>13.1f}{share:>8.1%}", flush=True)


def timed(recipe: str, place: Path, folder: Path, workers: int, steps: int, batch: int) -> tuple[float, float]:
    """Mean wall seconds of a step, and of waiting for its batch."""
    torch.manual_seed(0)
    task: Any = resolve(recipe, [f"task.data={place}", f"task.batch_size={batch}", "trainer.accelerator=cpu"]).build()
    task.workers = workers
    task.prepare(folder / "cache", 0)
    task.log = lambda *_, **__: None
    optimizer = torch.optim.Adam([p for p in task.parameters() if p.requires_grad], 1e-4)
    times, batches = [], endless(task)
    for _ in range(SEEN + steps):
        began = time.perf_counter()
        data = next(batches)
        ready = time.perf_counter()
        optimizer.zero_grad()
        task.training_step(data, 0).backward()
        optimizer.step()
        times.append((time.perf_counter() - ready, ready - began))
    step, waited = np.mean(times[SEEN:], axis=0)
    return float(step), float(waited)


def endless(task: Any) -> Any:
    """Batches of one epoch that is long enough: the training tracks over and over."""
    from ohrwurm.training.batches import Batches

    groups = [rows for epoch in range(1000) for rows in task.training_loader(0, epoch).groups]
    yield from Batches(groups, task.training_loader(0, 0).make, workers=task.workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=18)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a song")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = compose(folder, arguments.songs, arguments.seconds)
        print(f"{arguments.songs} songs of {arguments.seconds:.0f} s at {NATIVE} Hz, stereo; 1 thread\n")
        print_crops(places, folder, arguments.repeats)
        print_steps(places, folder, arguments.steps, arguments.batch, arguments.workers)


if __name__ == "__main__":
    main()
