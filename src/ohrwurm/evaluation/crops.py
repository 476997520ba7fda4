"""One random crop a recording, encoded once: what CLMR's linear evaluation trains its head on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ohrwurm.audio.augment import crop_start
from ohrwurm.data.recordings import Files
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.embedding.files import shared_lock
from ohrwurm.embedding.workers import default_workers, torch_threads
from ohrwurm.errors import AudioError
from ohrwurm.evaluation.vectors import FILES_A_ROUND, Rows, collect, folder_of
from ohrwurm.models.base import AudioEncoder


def crop_vectors(
    tracks: Sequence[Track],
    model: AudioEncoder,
    *,
    seed: int = 0,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """The vector of one window of each recording, as the model returns it, from anywhere in it.

    Where a crop begins depends on the seed and the content of the file. A recording shorter than a window is not used.

    Returns:
        One array `(1, dim)` a recording.

    Raises:
        DataError: not one of the recordings could be used.
    """
    rate = model.card.sample_rate
    samples = round(model.card.window * rate)
    device = next((t.device for t in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    lock = shared_lock(model) or nullcontext()
    by_path = {str(Path(t.path)): t for t in tracks}

    def make(files: list[Path], contents: list[str]) -> list[NDArray[np.float32] | AudioError]:
        recordings = Files(Manifest({str(f): by_path[str(f)] for f in files}.values()), rate)
        reasons = dict(recordings.failed)
        number = {str(Path(t.path)): i for i, t in enumerate(recordings.tracks)}

        def one(file: Path, content: str) -> NDArray[np.float32] | AudioError:
            index = number.get(str(file))
            if index is None:
                return AudioError(file, reasons.get(by_path[str(file)].path, "unreadable"))
            length = int(recordings.lengths[index])
            if length < samples:
                detail = f"{length / rate:.3g} s of audio, and a crop has {samples / rate:.3g} s"
                return AudioError(file, "too-short", detail)
            start = crop_start(length, samples, np.random.default_rng((seed, int(content, 16))))
            try:
                crop = torch.from_numpy(recordings.read(index, start, samples))[None]
            except AudioError as error:
                return error
            with lock, torch.inference_mode():
                pooled: NDArray[np.float32] = model(crop.to(device)).pooled.float().cpu().numpy()
            return pooled

        with torch_threads(1), ThreadPoolExecutor(workers or default_workers()) as pool:
            return list(pool.map(one, files, contents))

    size = FILES_A_ROUND * (workers or default_workers())
    kept = None if cache is None else folder_of(cache, "crops", model)
    shape = (1, model.card.dim)
    paths = [t.path for t in tracks]
    return collect(paths, make, shape, folder=kept, size=size, name=f"-{seed}", progress=progress)
