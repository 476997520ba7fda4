"""From activations to beats, chords, keys and sections: CPU time, as a multiple of the music's.

Beats are decoded from what a head might say of a song whose tempo drifts, with beats missing and with noise. Beside
them: the same model by Viterbi over all of its positions as array operations in NumPy, a frame at a time, and librosa's
beat tracker (dynamic programming on an onset envelope, one tempo for all) given the beat activation as its envelope.
Chords beside Viterbi over frames and classes in NumPy. All in turns, in one process, on one thread; F-measures of what
is found tell that the alternatives do the same.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from timing import interleaved  # noqa: E402

from ohrwurm.analysis.bar_pointer import BarPointer  # noqa: E402
from ohrwurm.analysis.beats import beats_from_peaks  # noqa: E402
from ohrwurm.analysis.chords import decode_chord_parts, decode_chords  # noqa: E402
from ohrwurm.analysis.keys import key_curve  # noqa: E402
from ohrwurm.analysis.sections import decode_sections  # noqa: E402
from ohrwurm.analysis.smoothing import LEAST, change_matrix  # noqa: E402
from ohrwurm.analysis.targets import event_targets  # noqa: E402
from ohrwurm.analysis.tempo import tempo, tempo_curve  # noqa: E402

RATE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--long", type=float, default=3 * 3600.0, help="seconds of a long recording; 0 leaves it out")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    beats(arguments.seconds, arguments.repeats)
    others(arguments.seconds, arguments.repeats)
    if arguments.long:
        _, x = song(arguments.long)
        (seconds,) = interleaved([lambda: BarPointer().decode(x, RATE)], 1)
        print(
            f"\nbeats and downbeats of {arguments.long / 3600:g} h: {seconds:.1f} s, {arguments.long / seconds:,.0f} x"
        )


def song(seconds: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beats of a song between 100 and 120 beats a minute, and activations `(frames, 2)`."""
    rng = np.random.default_rng(0)
    count = int(seconds * 2)
    bpm = 110 + 10 * np.sin(np.arange(count) / 60)
    times = 0.2 + np.cumsum(60 / bpm)
    times = times[times < seconds - 0.5]
    frames, there = round(seconds * RATE), rng.random(len(times)) > 0.1
    heard = np.maximum(times + rng.normal(0, 0.008, len(times)), 0)
    beat = 0.9 * event_targets(np.sort(heard[there]), frames, RATE)
    down = 0.8 * event_targets(times[::4], frames, RATE)
    x = np.stack([np.maximum(beat, down), down], 1)
    return times, np.maximum(x, 0.1 * rng.random(x.shape))


def beats(seconds: float, repeats: int) -> None:
    import librosa
    import mir_eval

    times, x = song(seconds)
    model = BarPointer()
    found = model.decode(x, RATE)
    ways = {
        "bar pointer: beats and downbeats": lambda: model.decode(x, RATE).times,
        "the same, all positions in NumPy": lambda: all_positions(model, x) / RATE,
        "bar pointer: beats alone": lambda: model.decode_beats(x[:, 0], RATE).times,
        "librosa.beat.beat_track": lambda: librosa.beat.beat_track(
            onset_envelope=x[:, 0].astype(np.float32), sr=RATE, hop_length=1, units="time", trim=False
        )[1],
        "peaks: beats and downbeats": lambda: beats_from_peaks(x, RATE).times,
        "tempo and its curve": lambda: (tempo(found, x[:, 0], RATE), tempo_curve(found))[1][0],
    }
    print(f"{seconds:g} s of music at {RATE} Hz{'':<16}{'CPU ms':>10}{'x real time':>14}{'F-measure':>12}")
    taken = dict(zip(ways, interleaved(list(ways.values()), repeats), strict=True))
    for name, way in ways.items():
        score = "" if name.startswith("tempo") else f"{mir_eval.beat.f_measure(times, np.sort(way())):12.3f}"
        print(f"{name:<36}{taken[name] * 1000:>10.1f}{seconds / taken[name]:>14,.0f}{score}")
    ours, plain, alone, tracker = list(taken.values())[:4]
    print(f"ratio of all positions to ours: {plain / ours:.1f}; of librosa to beats alone: {tracker / alone:.2f}")


def others(seconds: float, repeats: int) -> None:
    rng = np.random.default_rng(0)
    chords = rng.dirichlet(np.full(25, 0.3), round(seconds * 16))
    root, bass = (rng.dirichlet(np.full(13, 0.3), len(chords)) for _ in range(2))
    pitch = rng.random((len(chords), 12))
    boundary, function = rng.random(round(seconds * 8)) ** 8, rng.dirichlet(np.ones(7), round(seconds * 8))
    keys = rng.dirichlet(np.ones(24), max(1, round(seconds / 2)))
    ways = {
        "chords, 25 classes at 16 Hz": lambda: decode_chords(chords),
        "the same, frame by frame in NumPy": lambda: frame_by_frame(chords),
        "chords, 170 classes by parts": lambda: decode_chord_parts(root, bass, pitch),
        "sections at 8 Hz": lambda: decode_sections(boundary, function),
        "key curve at 0.5 Hz": lambda: key_curve(keys),
    }
    print()
    taken = interleaved(list(ways.values()), repeats)
    for name, time in zip(ways, taken, strict=True):
        print(f"{name:<36}{time * 1000:>10.1f}{seconds / time:>14,.0f}")
    print(f"ratio of chords frame by frame to ours: {taken[1] / taken[0]:.1f} (ours keeps a least duration besides)")


def all_positions(model: BarPointer, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frames of the beats by Viterbi over every position of every beat, each step as array operations."""
    bars = model.bars(RATE)
    lengths, beats, count = bars.lengths, len(bars.positions), len(bars.lengths)
    ends = np.cumsum(lengths) - 1
    starts = ends - lengths + 1
    size = int(lengths.sum())
    place = np.arange(size) - np.repeat(starts, lengths)
    row = np.where(place < np.repeat(bars.widths, lengths), 0, 2) + np.zeros((beats, 1), np.int64)
    row[(row == 0) & (bars.positions > 1)[:, None]] = 1
    downbeat = x[:, 1]
    loudest = x.max(1)
    seen = np.stack([downbeat, np.maximum(x[:, 0] - downbeat, 0), 1 - loudest], 1)
    seen = np.log(np.maximum(seen, model.least) / [1, 1, model.observation - 1])
    before = np.arange(beats) - 1
    before[bars.firsts] = bars.firsts + np.array(bars.metres) - 1  # metres do not change into each other
    score = np.full((beats, size), -np.log(bars.states)) + seen[0][row]
    back = np.zeros((len(x), beats, count), np.uint8)
    for t in range(1, len(x)):
        total = score[before][:, ends, None] + bars.change
        back[t] = total.argmax(1)
        score[:, 1:] = score[:, :-1]
        score[:, starts] = total.max(1)
        score += seen[t][row]
    beat, state = divmod(int(score.argmax()), size)
    t = len(x) - 1
    found = []
    while t >= 0:
        length = int(np.searchsorted(ends, state))
        t -= int(place[state])
        if t >= 0:
            found.append(t + int(loudest[t : t + bars.widths[length]].argmax()))
            length = int(back[t, beat, length])
            beat, state, t = int(before[beat]), int(ends[length]), t - 1
    return np.array(found[::-1], np.float64)


def frame_by_frame(x: NDArray[np.float64]) -> NDArray[np.int64]:
    """Classes by Viterbi, each step as array operations."""
    log, change = np.log(x + LEAST), change_matrix(x.shape[1], 32.0)
    score, back = log[0], np.zeros(x.shape, np.int64)
    for t in range(1, len(x)):
        total = score[:, None] + change
        back[t] = total.argmax(0)
        score = total.max(0) + log[t]
    found = np.zeros(len(x), np.int64)
    found[-1] = score.argmax()
    for t in range(len(x) - 1, 0, -1):
        found[t - 1] = back[t, found[t]]
    return found


if __name__ == "__main__":
    main()
