"""Score → waveform through a General MIDI SoundFont (tinysoundfont), every note at its exact sample."""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohrwurm.data.score import DURATION, ONSET, PITCH, VELOCITY, Score
from ohrwurm.errors import DataError

_FOLDERS = (
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
    "~/.local/share/soundfonts",
)
MAX_VOICES = 96
_HEADROOM_DB = -12.0
_COMMON_LEVEL = 0.03  # RMS of one note
_DRUM_SECONDS = 0.5
# Presets that are out of tune or silent in a SoundFont, and the program that stands in for them.
_FAULTY = {"TimGM6mb.sf2": {78: 74}}  # its whistle sounds a minor third too high: recorder


def default_soundfont() -> Path:
    """The small General MIDI SoundFont (TimGM6mb) that the pretty_midi package carries.

    Raises:
        DataError: pretty_midi is not installed.
    """
    spec = importlib.util.find_spec("pretty_midi")
    path = Path(spec.origin).parent / "TimGM6mb.sf2" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DataError("no SoundFont: pretty_midi is not installed; pip install 'ohrwurm[synth]'")
    return path


def find_soundfont(name: str | Path | None = None) -> Path:
    """A SoundFont by path, or by file name in `OHRWURM_SOUNDFONT` (a file or a folder) and the usual folders.

    None gives `default_soundfont`.

    Raises:
        DataError: there is no such file; the message lists where it was looked for.
    """
    if name is None:
        return default_soundfont()
    path = Path(name).expanduser()
    if path.is_file():
        return path
    wanted = path.name if path.suffix.lower() in (".sf2", ".sf3") else f"{path.name}.sf2"
    if wanted == "TimGM6mb.sf2":
        return default_soundfont()
    given = os.environ.get("OHRWURM_SOUNDFONT")
    places = [Path(p).expanduser() for p in ([given] if given else []) + list(_FOLDERS)]
    for place in places:
        found = place if place.is_file() and place.name == wanted else place / wanted
        if found.is_file():
            return found
    raise DataError(
        f"{name}: no such SoundFont (looked in {', '.join(map(str, places))}); give its path, set "
        "OHRWURM_SOUNDFONT, or install one (Debian: apt install fluid-soundfont-gm gives FluidR3_GM.sf2)"
    )


@functools.lru_cache(maxsize=3)
def _loaded(path: Path, modified: float) -> Any:
    """The SoundFont's samples, kept for the life of the process; players are cheap clones of it."""
    try:
        from tinysoundfont import _tinysoundfont as engine
    except ImportError as error:
        raise DataError(
            "rendering needs tinysoundfont; pip install --no-deps tinysoundfont (see the README)"
        ) from error
    try:
        return engine.SoundFont(str(path))
    except Exception as error:
        raise DataError(f"{path}: not a readable SoundFont ({error})") from error


@functools.lru_cache(maxsize=4096)
def _levelling(path: Path, modified: float, program: int, pitch: int) -> float:
    """A gain that brings a program near a common loudness: SoundFonts differ by up to 20 dB from one to another.

    By the RMS of a note of 0.6 s; three quarters of the difference in dB are made up for.
    """
    from tinysoundfont import _tinysoundfont as engine

    font = engine.SoundFont(_loaded(path, modified))
    font.set_output(engine.OutputMode.Mono, 11025, _HEADROOM_DB)
    font.channel_set_bank(0, 0)
    font.channel_set_preset_number(0, program, False)
    samples = np.zeros(6615, dtype=np.float32)
    font.channel_note_on(0, pitch, 0.75)
    font.render(samples.view(np.uint8))
    level = float(np.sqrt((samples**2).mean()))
    return float(np.clip((_COMMON_LEVEL / max(level, 1e-5)) ** 0.75, 0.3, 4.0))


def synthesize(
    score: Score,
    soundfont: str | Path | None = None,
    sample_rate: int = 22050,
    seconds: float | None = None,
    start: float = 0.0,
) -> NDArray[np.float32]:
    """Play the parts of a score: mono float32 `(samples,)` with its peak at 0.9, silence for no notes.

    Notes begin at `round(onset * sample_rate)` exactly. Without `seconds`, one second is added at the end for
    what rings on.

    Raises:
        DataError: the score has no parts (arrange it first), or the SoundFont is missing or unreadable.
    """
    if not score.parts:
        raise DataError(f"{score.score_id}: no parts to play; arrange it first (ohrwurm.data.arrange)")
    if start or (seconds is not None and seconds < score.seconds):
        score = score.excerpt(start, score.seconds - start if seconds is None else seconds)
    total = score.seconds + 1.0 if seconds is None else seconds
    path = find_soundfont(soundfont)
    original = _loaded(path, path.stat().st_mtime)
    from tinysoundfont import _tinysoundfont as engine

    font = engine.SoundFont(original)  # a fresh player: `reset` would let old voices ring into the beginning
    font.set_output(engine.OutputMode.Mono, sample_rate, _HEADROOM_DB)
    font.set_max_voices(MAX_VOICES)
    faulty = _FAULTY.get(path.name, {})
    for channel, part in enumerate(score.parts):
        font.channel_set_bank(channel, 0)
        program = part.program if part.is_drum else faulty.get(part.program, part.program)
        font.channel_set_preset_number(channel, program, part.is_drum)
        level = 1.0
        if part.role and not part.is_drum:  # arranged by us; bands keep the balance they came with
            pitch = 12 * round(float(np.median(part.notes[:, PITCH])) / 12) if len(part.notes) else 60
            level = _levelling(path, path.stat().st_mtime, program, pitch)
        font.channel_set_volume(channel, part.gain * level)
    samples = np.zeros(round(total * sample_rate), dtype=np.float32)
    raw = samples.view(np.uint8)  # the engine writes float32 into bytes
    at = 0
    for sample, kind, channel, pitch, velocity in _events(score, sample_rate):
        if sample >= len(samples):
            break
        if sample > at:
            font.render(raw[4 * at : 4 * sample])
            at = sample
        if kind:
            font.channel_note_on(channel, pitch, velocity)
        else:
            font.channel_note_off(channel, pitch)
    font.render(raw[4 * at :])
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    return samples * np.float32(0.9 / peak) if peak > 1e-6 else samples


def _events(score: Score, sample_rate: int) -> list[tuple[int, int, int, int, float]]:
    """`(sample, 1 for on / 0 for off, channel, pitch, velocity 0-1)` in order; at one sample, ends come first."""
    events: list[tuple[int, int, int, int, float]] = []
    for channel, part in enumerate(score.parts):
        notes = part.notes
        on = np.round(notes[:, ONSET] * sample_rate).astype(int)
        off = np.maximum(np.round((notes[:, ONSET] + notes[:, DURATION]) * sample_rate).astype(int), on + 1)
        pitch = notes[:, PITCH].astype(int).tolist()
        velocity = (notes[:, VELOCITY] / 127.0).tolist()
        events.extend(zip(on.tolist(), [1] * len(on), [channel] * len(on), pitch, velocity, strict=True))
        if part.is_drum:  # strokes ring, but not for ever: cymbals that pile up would take the voices of the tune
            off = on + round(_DRUM_SECONDS * sample_rate)
        events.extend(zip(off.tolist(), [0] * len(on), [channel] * len(on), pitch, velocity, strict=True))
    events.sort()
    return events
