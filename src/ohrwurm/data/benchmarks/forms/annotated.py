"""What sets of annotations in time share: audio that is mostly not theirs to give, and published folds.

`beat_this` is the layout of the annotations of "Beat This!": `annotations/beats/*.beats`, and `8-fold.folds` (name,
tab, fold) for cross-validation. A track's fold is the annotation `fold`; no split is set: every fold is tested in turn.

Source: Foscarin, Schlüter, Widmer, "Beat this! Accurate beat tracking without DBN postprocessing", ISMIR 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ohrwurm.data.benchmarks.base import Layout, first_there, read_tsv
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

ENDINGS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".au")
FOLDS = "8-fold.folds"


def audio_in(folder: Path, *stems: str) -> Path:
    """Where the audio of a track is: the first of `folder/stem` with an ending of audio; as the first `.wav` where
    there is none."""
    return first_there(folder / f"{stem}{ending}" for stem in stems for ending in ENDINGS)


def folds_in(folder: Path) -> dict[str, int]:
    """Track → published fold, where the file of folds lies in the folder.

    Raises:
        DataError: a row that is none.
    """
    if not (folder / FOLDS).is_file():
        return {}
    found = {}
    for where, (name, fold) in read_tsv(folder / FOLDS, 2):
        if not fold.isdecimal():
            raise DataError(f"{where}: {fold!r} is no fold")
        found[name] = int(fold)
    return found


def with_fold(annotations: Mapping[str, object], fold: int | None) -> dict[str, object]:
    """Annotations with the fold, where it is known.

    >>> with_fold({"beats": "a.beats"}, 3), with_fold({}, None)
    ({'beats': 'a.beats', 'fold': 3}, {})
    """
    return {**annotations, **({} if fold is None else {"fold": fold})}


def files_of(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern, in order.

    Raises:
        DataError: there are none.
    """
    found = sorted(folder.glob(pattern))
    if not found:
        raise DataError(f"{folder / pattern}: no such files; they are part of this data set's layout")
    return found


def beat_this(pattern: str, variants: tuple[str, ...], audio: Callable[[Path, str], Path], split: str = "") -> Layout:
    """The layout of "Beat This!" for the set whose files `annotations/beats/` + `pattern` are.

    Args:
        audio: (folder, name) → where a track's audio is.
        split: of all tracks.
    """
    marks = (f"annotations/beats/{pattern}",)
    return Layout('annotations of "Beat This!"', marks, partial(_read, pattern, audio, split), variants)


def _read(pattern: str, audio: Callable[[Path, str], Path], split: str, folder: Path, variant: str) -> Manifest:
    folds = folds_in(folder)
    return Manifest(
        Track(
            file.stem,
            str(audio(folder, file.stem)),
            split,
            annotations=with_fold({"beats": str(file)}, folds.get(file.stem)),
        )
        for file in files_of(folder / "annotations" / "beats", pattern)
    )


def audio_beside(folder: Path, name: str) -> Path:
    """`audio/NAME.wav`, or with another ending.

    >>> audio_beside(Path("set"), "a").as_posix()
    'set/audio/a.wav'
    """
    return audio_in(folder / "audio", name)
