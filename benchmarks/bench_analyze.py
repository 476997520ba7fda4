"""`ohrwurm.analyze` of whole files on one core, in times real time, with the share of every part.

All figures are CPU time: of this process on one thread, and of its decoding child. Beside it, in turns: the same
questions (beats, chords, key, sections) put to librosa, as `ohrwurm.evaluation.baselines` has them: its beat tracker,
templates on its constant-Q chroma with its Viterbi search, key profiles, novelty. Without files a song is
synthesised and written as MP3, 44.1 kHz, stereo.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402
from typing import TypeVar  # noqa: E402

import numpy as np  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402

from ohrwurm.analysis import decisions  # noqa: E402
from ohrwurm.analysis.hearing import hear_file  # noqa: E402
from ohrwurm.analysis.recording import decided, listening  # noqa: E402
from ohrwurm.audio.isolation import Decoder  # noqa: E402
from ohrwurm.models import registry  # noqa: E402
from ohrwurm.models.headed import HeadedEncoder  # noqa: E402

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="recordings; by default one is synthesised")
    parser.add_argument("--model", default="ohrwurm-frames", help="a model with heads")
    parser.add_argument("--seconds", type=float, default=240.0, help="of the synthesised song")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-librosa", action="store_true", help="leave the comparison out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = registry.load(arguments.model)
    assert isinstance(model, HeadedEncoder)
    with tempfile.TemporaryDirectory() as folder, Decoder() as decoder:
        files = arguments.files or [song(Path(folder) / "song.mp3", arguments.seconds)]
        ours: list[dict[str, float]] = []
        theirs: list[dict[str, float]] = []
        for turn in range(arguments.repeats + 1):  # the first warms up
            ours.append(whole_analysis(decoder, files, model))
            if not arguments.no_librosa:
                theirs.append(by_librosa(files))
            if not turn:
                ours, theirs = [], []
        seconds = sum(soundfile.info(file).duration for file in files)
    report(f"{model.card.name}, {seconds:.0f} s of audio", seconds, ours)
    if theirs:
        report("librosa", seconds, theirs)
        ratio = median(sum(turn.values()) for turn in theirs) / median(sum(turn.values()) for turn in ours)
        print(f"\nratio of librosa to ours: {ratio:.2f}")


def song(file: Path, seconds: float) -> Path:
    """Chords of saw-tooth tones, a drum on every beat; stereo, 44.1 kHz."""
    rng, rate = np.random.default_rng(0), 44100
    t = np.arange(int(0.5 * rate)) / rate
    drum = rng.normal(0, 0.3, len(t)) * np.exp(-t * 30)
    parts = []
    for beat in range(int(seconds * 2)):
        root = (0, 9, 5, 7)[beat // 4 % 4]
        tones = [110 * 2 ** ((root + tone) / 12) for tone in (0, 12, 16, 19)]
        parts.append(0.1 * sum((tone * t) % 1 - 0.5 for tone in tones) + drum * (1 if beat % 4 else 2))
    x = np.concatenate(parts)
    soundfile.write(file, np.stack([x, 0.8 * x], 1).clip(-1, 1), rate)
    return file


def whole_analysis(decoder: Decoder, files: Sequence[Path], model: HeadedEncoder) -> dict[str, float]:
    """CPU seconds of every part of the analysis of all files."""
    spent: dict[str, float] = {}

    def timed(part: str, work: Callable[[], T]) -> T:
        begun = time.process_time()
        found = work()
        spent[part] = spent.get(part, 0.0) + time.process_time() - begun
        return found

    heads, states = listening(model)
    for file in files:
        heard = timed("hearing", lambda file=file: hear_file(decoder, file, model, heads, states=states))  # type: ignore[misc]
        taken = heard.seconds
        parts = {"decode": taken.decode, "sound": taken.sound, "features": taken.features, "network": taken.network}
        spent["hearing"] -= taken.sound + taken.features + taken.network
        for part, seconds in parts.items():
            spent[part] = spent.get(part, 0.0) + seconds
        ways: dict[str, Callable[[], object]] = {
            "beats": lambda heard=heard: decisions.beats_of(heard),  # type: ignore[misc]
            "chords": lambda heard=heard: decisions.chords_of(heard),  # type: ignore[misc]
            "key": lambda heard=heard: decisions.keys_of(heard),  # type: ignore[misc]
            "sections": lambda heard=heard: decisions.sections_of(heard),  # type: ignore[misc]
        }
        decoding = 0.0
        for part, way in ways.items():
            before = spent.get(part, 0.0)
            timed(part, way)
            decoding += spent[part] - before
        timed("rest", lambda heard=heard: decided(heard))  # type: ignore[misc]
        spent["rest"] -= decoding  # which `decided` does once more
    spent["rest"] = max(spent["rest"], 0.0) + spent.pop("hearing")
    return spent


def by_librosa(files: Sequence[Path]) -> dict[str, float]:
    import librosa

    from ohrwurm.evaluation import baselines

    spent: dict[str, float] = {}
    for file in files:
        begun = time.process_time()
        x, rate = librosa.load(file, sr=baselines.RATE)
        spent["decode"] = spent.get("decode", 0.0) + time.process_time() - begun
        for name in ("beats", "chords", "key", "sections"):
            begun = time.process_time()
            getattr(baselines, name)(x, rate)
            spent[name] = spent.get(name, 0.0) + time.process_time() - begun
    return spent


def report(title: str, seconds: float, turns: list[dict[str, float]]) -> None:
    parts = {part: median(turn[part] for turn in turns) for part in turns[0]}
    total = median(sum(turn.values()) for turn in turns)
    print(f"\n{title:<40}{'CPU ms':>10}{'share':>8}{'x real time':>14}")
    order = ("decode", "sound", "features", "network", "beats", "chords", "key", "sections", "rest")
    for part in (name for name in order if name in parts):
        times = parts[part]
        print(f"{part:<40}{times * 1000:>10.1f}{times / total:>8.1%}{seconds / max(times, 1e-9):>14,.0f}")
    print(f"{'all':<40}{total * 1000:>10.1f}{'':>8}{seconds / total:>14,.1f}")


if __name__ == "__main__":
    main()
