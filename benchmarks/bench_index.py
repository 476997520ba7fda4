"""Throughput of `ohrwurm index` in times real time, on one core and on two, and where the time goes.

It is compared with decoding alone (the same isolated decoder, the same files, nothing else): what remains is the price
of the models and the store. Without `--music`, files are synthesised: MP3, FLAC and OGG, stereo, 44.1 kHz.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 60
KINDS = ("mp3", "flac", "ogg")
DECODE, FEATURES, STORE = "decode (child process)", "of the models: features", "store"
LOADING, REST = "before: loading the models", "scan, hash, tags, start of decoders"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, help="folder of audio files; synthesised by default")
    parser.add_argument("--files", type=int, default=12, help=f"files of {SECONDS} s to synthesise")
    parser.add_argument("--model", action="append", help="repeatable; by default those of a new collection")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.music, arguments.child, arguments.model)))
        return
    with tempfile.TemporaryDirectory() as folder:
        music = arguments.music or synthesise(Path(folder) / "music", arguments.files)
        allowed = sorted(os.sched_getaffinity(0))
        rows = {}
        for cores in (1, 2):
            if len(allowed) < cores:
                print(f"{cores} cores are not at hand here")
                continue
            command = [sys.executable, __file__, "--music", str(music), "--child", str(cores)]
            for model in arguments.model or []:
                command += ["--model", model]
            # A process of its own: affinity binds only threads that start after it.
            done = subprocess.run(
                ["taskset", "-c", ",".join(map(str, allowed[:cores])), *command], stdout=subprocess.PIPE, check=True
            )
            rows[cores] = json.loads(done.stdout.splitlines()[-1])
    show(rows)


def show(rows: dict[int, dict[str, Any]]) -> None:
    """Print the tables."""
    first = next(iter(rows.values()))
    print(f"{first['files']} files, {first['audio'] / 60:.1f} minutes of audio; models: {', '.join(first['models'])}")
    print("times real time; a warm-up run on one file, which loads models and libraries, is left out\n")
    print(f"{'cores':>6}{'index':>10}{'decode alone':>15}{'index / decode alone':>23}{'speed-up':>10}")
    for cores, row in rows.items():
        index, decode = row["audio"] / row["index"], row["audio"] / row["decode alone"]
        speed_up = first["index"] / row["index"]
        print(f"{cores:>6}{index:>10.0f}{decode:>15.0f}{index / decode:>23.2f}{speed_up:>10.2f}")
    print("\nwhere the time of the run on one core goes (share of its wall clock)")
    for name, seconds in first["split"].items():
        print(f"{name:>36}{seconds:>9.2f} s{seconds / first['index']:>8.1%}")


def measure(music: Path, workers: int, models: list[str] | None) -> dict[str, Any]:
    """Index `music` with the cores this process was given."""
    import torch

    from ohrwurm.audio.folder import walk
    from ohrwurm.audio.isolation import Decoder
    from ohrwurm.collection import Collection, engines
    from ohrwurm.collection.store import Store
    from ohrwurm.models import registry

    torch.set_num_threads(1)
    clock = Clock()
    files = [path for path, _ in walk([music])]
    with tempfile.TemporaryDirectory() as folder:
        warm = Collection(Path(folder) / "warm", models=models)
        warm.index(files[0])
        rates = sorted({model.card.sample_rate for model in warm._loaded.values()})
        began = time.perf_counter()
        decode_all(files, rates, workers, Decoder)
        alone = time.perf_counter() - began

        clock.wrap(Store, ("put", "drop_orphans", "drop_stale", "compact", "activate", "add_roots"), STORE)
        collection = Collection(Path(folder) / "collection", models=models)
        clock.wrap(registry, ("load",), LOADING)
        try_file = engines.try_file

        def counted(*args: Any, **kwargs: Any) -> Any:
            found = try_file(*args, **kwargs)
            clock.add(DECODE, found[0].timing.decode)
            for e in found:
                clock.add(f"model {e.card.name}", e.timing.model)
            return found

        engines.try_file = counted
        listen_to_features(clock)
        report = collection.index(music, workers=workers)
        names = [space.name for space in collection.store.spaces()]
    models_now = sorted(name for name in clock.seconds if name.startswith("model "))
    order = [DECODE, *models_now, FEATURES, STORE, LOADING]
    split = {name: clock.seconds.get(name, 0.0) for name in order}
    split[REST] = report.seconds - sum(seconds for name, seconds in split.items() if name not in (FEATURES, LOADING))
    return {
        "files": report.indexed,
        "audio": report.audio_seconds,
        "models": names,
        "index": report.seconds,
        "decode alone": alone,
        "split": split,
    }


def decode_all(files: list[str], rates: list[int], workers: int, decoder: Callable) -> None:
    """Decode and resample everything, `workers` files at a time."""
    waiting = list(files)

    def work() -> None:
        with decoder() as own:
            while True:
                try:
                    path = waiting.pop()
                except IndexError:
                    return
                for _ in own.stream(path, rates):
                    pass

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Clock:
    """Adds up seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()
        self._inside = threading.local()

    def add(self, name: str, seconds: float) -> None:
        with self._lock:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def wrap(self, owner: Any, methods: tuple[str, ...], name: str) -> None:
        """Time methods; one that is called within another of the same name is not counted twice."""
        for method in methods:
            setattr(owner, method, self._timed(getattr(owner, method), name))

    def _timed(self, function: Callable, name: str) -> Callable:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._inside, name, False):
                return function(*args, **kwargs)
            setattr(self._inside, name, True)
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.add(name, time.perf_counter() - began)
                setattr(self._inside, name, False)

        return timed


def listen_to_features(clock: Clock) -> None:
    """Time the front-ends of `ohrwurm.audio` (mel, chroma, CQT) inside the models."""
    from torch import nn

    from ohrwurm.audio import pitch, spectral

    for module in (spectral, pitch):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__:
                methods = tuple(m for m in ("forward", "profile") if m in vars(value))
                clock.wrap(value, methods, FEATURES)


def synthesise(folder: Path, count: int) -> Path:
    """Write files of noise and moving tones; codecs take about as long for them as for music."""
    import numpy as np
    import soundfile

    folder.mkdir()
    rng = np.random.default_rng(0)
    rate = 44100
    time_axis = np.arange(SECONDS * rate) / rate
    for i in range(count):
        tones = sum(
            np.sin(2 * np.pi * f * time_axis + 3 * np.sin(time_axis * f / 900)) for f in rng.uniform(80, 4000, 6)
        )
        noise = rng.standard_normal((len(time_axis), 2))
        wave = 0.08 * tones[:, None] + 0.02 * noise
        wave = wave.astype(np.float32)
        with soundfile.SoundFile(folder / f"{i:03}.{KINDS[i % len(KINDS)]}", "w", rate, 2) as file:
            for start in range(0, len(wave), rate):  # in pieces: libsndfile's Vorbis encoder dies of long ones
                file.write(wave[start : start + rate])
    return folder


if __name__ == "__main__":
    main()
