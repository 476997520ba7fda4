"""Pitch-class profiles of works and their versions, from files: what version identification trains on without audio.

Three layouts are read, each as a folder:

* Da-TACOS: ``W_1_crema/P_7_crema.h5``, HDF5 with the data set `crema` `(n, 12)`, eight rows a frame. The work is in the
  name of the folder.
* Re-MOVE's and MOVE's chunks: ``train_chunk_1.pt`` ..., ``val_chunk.pt``, ``benchmark_crema.pt``, each
  ``{"data": [(1, 23, T), ...], "labels": [work, ...]}``.
* profiles: ``*.npz``, each with an array `profile` `(12, T)` and `facts`, JSON as bytes with `work_id`; such as
  training on rendered scores keeps them. Beside them may be ``identity.json``, which names the extractor.

Where a part of the path says train, val(idation), test or benchmark, that is the split. A manifest may also name
`.npz` and `.h5` files in place of audio, and a `.pt` file with the number of the song in it as `row`.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ohrwurm.audio.pitch import ROWS_PER_FRAME
from ohrwurm.data.packs import is_pack
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError, ModelError
from ohrwurm.unpickle import read_pickle

SUFFIXES = (".npz", ".h5", ".pt")
PUBLISHED_EXTRACTOR = "crema-pcp-0.1.0"  # by the dates of its releases, that of Da-TACOS
IDENTITY = "identity.json"
SPLITS = {
    "train": "train", "training": "train", "val": "validation", "validation": "validation",
    "test": "test", "benchmark": "test",
}  # fmt: skip


class ProfileSet:
    """Profiles by number.

    Attributes:
        tracks: in order, with `work_id` and `split`; the path is that of the file the profile is in.
        extractor: what made the profiles: the name of a model, or its provenance (``name:digest``); empty if unknown.
        parts: for each track, the part of the data set it belongs to (its chunk); empty where there are none.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        read: Callable[[int], np.ndarray],
        extractor: str = "",
        parts: Sequence[str] | None = None,
    ) -> None:
        self.tracks = list(tracks)
        self.extractor = extractor
        self.parts = list(parts) if parts is not None else [""] * len(self.tracks)
        self._read = read

    def read(self, index: int) -> np.ndarray:
        """The profile of a track, `(12, T)`.

        Raises:
            DataError: its file is damaged, or holds something else.
        """
        found = self._read(index)
        if found.ndim != 2 or found.shape[0] != 12 or found.shape[1] == 0 or not np.isfinite(found).all():
            raise DataError(
                f"{self.tracks[index].path}: not a pitch-class profile (12, frames) of finite numbers, "
                f"but {found.shape}. Extract it again, or take {self.tracks[index].track_id} out."
            )
        return found


def holds_profiles(source: str | Path) -> bool:
    """Whether `source` is one of the layouts of profiles, and not audio."""
    source = Path(source)
    if source.is_dir():
        return not is_pack(source)
    return source.is_file() and are_profiles(Manifest.read(source).tracks)


def are_profiles(tracks: Sequence[Track]) -> bool:
    """Whether tracks lead to profiles, and not to audio.

    >>> are_profiles([Track("P_1", "W_1_crema/P_1_crema.h5")]), are_profiles([Track("a", "a.flac")])
    (True, False)
    """
    return bool(tracks) and Path(tracks[0].path).suffix in SUFFIXES


def profiles_of(tracks: Sequence[Track]) -> ProfileSet:
    """The profiles that tracks lead to, as a manifest or a benchmark names them.

    What is missing or damaged is found when it is read.
    """
    tracks = list(tracks)
    store = _Chunks(sorted({Path(t.path) for t in tracks if t.path.endswith(".pt")}))
    first = Path(tracks[0].path) if tracks else Path()
    made_by = identity_in(first.parent) or (PUBLISHED_EXTRACTOR if first.suffix in (".h5", ".pt") else "")
    return ProfileSet(tracks, lambda i: _of_track(tracks[i], store), made_by)


def _of_track(track: Track, store: _Chunks) -> np.ndarray:
    if not Path(track.path).is_file():
        raise DataError(f"{track.path}: missing; get it again, or take {track.track_id} out")
    if not track.path.endswith(".pt"):
        return _profile(track.path)
    try:
        return store.profile(Path(track.path), int(track.annotations["row"]))
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(f"{track.path}: {track.track_id} names no song in it; its row is wrong or missing") from error


def open_profiles(source: str | Path) -> ProfileSet:
    """The profiles of a folder or manifest; see the module.

    Raises:
        DataError: nothing of these layouts is there, several sets of one split, or a damaged file.
    """
    source = Path(source)
    if source.is_file():
        tracks = Manifest.read(source).tracks
        missing = [t.path for t in tracks if not Path(t.path).is_file()]
        if missing:
            raise DataError(f"{source}: {len(missing)} of {len(tracks)} files are missing, e.g. {missing[0]}")
        listed = profiles_of(tracks)
        listed.extractor = listed.extractor or identity_in(source.parent)
        return listed
    if not source.is_dir():
        raise DataError(f"{source}: no such folder or manifest")
    for reader in (_chunks, _da_tacos, _kept):
        found = reader(source)
        if found is not None:
            return found
    raise DataError(
        f"{source}: no profiles here: neither W_*_crema/P_*_crema.h5 (Da-TACOS) nor *.pt chunks (Re-MOVE) nor *.npz "
        "with a profile; for audio give a manifest with work_id, or a pack"
    )


def split_of(name: str) -> str:
    """The split that a part of a path speaks of; empty if none.

    >>> split_of("versions-train-1a2b"), split_of("val_chunk"), split_of("folk/W_1_crema")
    ('train', 'validation', '')
    """
    words = re.split(r"[^a-z]+", name.lower())
    return next((SPLITS[word] for word in words if word in SPLITS), "")


# Da-TACOS -------------------------------------------------------------------------------------------------------------


def _da_tacos(folder: Path) -> ProfileSet | None:
    files = sorted(folder.glob("**/*_crema/*_crema.h5"))
    if not files:
        return None
    benchmark = "benchmark" in folder.name  # given itself: nobody trains on that
    tracks = [
        Track(
            track_id=file.stem.removesuffix("_crema"),
            path=str(file),
            split="test" if benchmark else split_of(str(file.parent.parent.relative_to(folder))),
            work_id=file.parent.name.removesuffix("_crema"),
        )
        for file in files
    ]
    return ProfileSet(Manifest(tracks).tracks, lambda i: _profile(tracks[i].path), PUBLISHED_EXTRACTOR)


def _profile(path: str) -> np.ndarray:
    """`(12, T)` out of a `.h5` or `.npz` file."""
    return _crema(path) if path.endswith(".h5") else _npz(path)


def _crema(path: str) -> np.ndarray:
    try:
        import h5py
    except ImportError as error:
        raise DataError(f"{path}: reading HDF5 needs h5py. Install it: pip install 'ohrwurm[crema]'.") from error
    try:
        with h5py.File(path, "r") as content:
            return content["crema"][::ROWS_PER_FRAME].astype(np.float32).T
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a Da-TACOS feature file ({error}). Fetch it again.") from error


# Chunks ---------------------------------------------------------------------------------------------------------------


def _chunks(folder: Path) -> ProfileSet | None:
    store = _Chunks(sorted(folder.glob("*.pt"), key=_natural))
    found = list(store)
    if not found:
        return None
    tracks = [
        Track(f"{file.stem}/{i}", str(file), split_of(file.stem) or "train", work_id=w, annotations={"row": i})
        for file, i, w in found
    ]
    made_by = identity_in(folder) or PUBLISHED_EXTRACTOR
    return ProfileSet(tracks, lambda n: store.profile(*found[n][:2]), made_by, [file.stem for file, *_ in found])


class _Chunks:
    """The chunks among some files; their tensors stay in the files until they are used."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self._content: dict[Path, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "_content": {}}  # opened anew in each process

    def __iter__(self) -> Iterator[tuple[Path, int, str]]:
        """(file, number in it, work) of every song."""
        for file in self.files:
            content = self._of(file)
            if not isinstance(content, dict) or not {"data", "labels"} <= content.keys():
                continue  # ytrue_val.pt, centroids.pt, red_label_idx.pt: what follows from the chunks
            if len(content["data"]) != len(content["labels"]):
                raise DataError(f"{file}: {len(content['data'])} songs but {len(content['labels'])} labels")
            for number, label in enumerate(content["labels"]):
                yield file, number, str(label)

    def _of(self, file: Path) -> Any:
        if file not in self._content:
            try:
                self._content[file] = read_pickle(file, mapped=True)
            except ModelError as error:
                raise DataError(str(error)) from error
        return self._content[file]

    def profile(self, file: Path, number: int) -> np.ndarray:
        song = np.asarray(self._of(file)["data"][number])
        rows = song[0] if song.ndim == 3 else song
        if rows.ndim == 2 and rows.shape[0] == 23 and not np.array_equal(rows[12:], rows[:11]):
            raise DataError(f"{file}: song {number} is not 12 pitch classes tiled to 23 rows")
        return rows[:12].astype(np.float32)


def _natural(file: Path) -> list[Any]:
    """Sorts chunk 2 before chunk 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.stem)]


# Profiles -------------------------------------------------------------------------------------------------------------


def _kept(folder: Path) -> ProfileSet | None:
    folders = [folder] if _has_profiles(folder) else [f for f in sorted(folder.iterdir()) if _has_profiles(f)]
    if not folders:
        return None
    splits = [split_of(f.name) if f != folder else "" for f in folders]
    for split in splits:
        if len(folders) > 1 and (not split or splits.count(split) > 1):
            names = ", ".join(f.name for f, s in zip(folders, splits, strict=True) if s == split)
            raise DataError(
                f"{folder}: which of {names} is the {split or 'data'}? Give a folder with one of each split"
            )
    made_by = {name for f in folders if (name := identity_in(f))}
    if len(made_by) > 1:
        raise DataError(f"{folder}: profiles of different extractors: {', '.join(sorted(made_by))}")
    tracks = []
    for each, split in zip(folders, splits, strict=True):
        for file in sorted(each.glob("*.npz")):
            facts = _facts(file)
            tracks.append(
                Track(
                    f"{each.name}/{file.stem}", str(file), split or str(facts.get("split", "")),
                    work_id=str(facts.get("work_id", "")),
                )
            )  # fmt: skip
    return ProfileSet(tracks, lambda i: _npz(tracks[i].path), next(iter(made_by), ""))


def identity_in(folder: Path) -> str:
    """What made the files of a folder, as `identity.json` says; empty where nothing is noted."""
    try:
        return str(json.loads((folder / IDENTITY).read_text(encoding="utf-8"))["identity"])
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{folder / IDENTITY}: not readable ({error})") from error


def _has_profiles(folder: Path) -> bool:
    first = next(iter(sorted(folder.glob("*.npz"))), None) if folder.is_dir() else None
    try:
        return first is not None and "profile" in _members(first)
    except DataError:
        return True  # a damaged file is to be named, not passed over


def _facts(file: Path) -> dict[str, Any]:
    facts = _members(file).get("facts")
    try:
        return {} if facts is None else json.loads(bytes(facts))
    except ValueError as error:
        raise DataError(f"{file}: its facts are no JSON ({error})") from error


def _npz(path: str) -> np.ndarray:
    content = _members(Path(path))
    if "profile" not in content:
        raise DataError(f"{path}: holds no array 'profile', only {', '.join(content) or 'nothing'}")
    return content["profile"]


def _members(file: Path) -> Mapping[str, np.ndarray]:
    """The arrays in a `.npz`."""
    try:
        with np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: damaged ({error}). Remove it, and make it again.") from error
