"""`ohrwurm data version-files`: songs and their versions into the files that MOVE's and Re-MOVE's code reads."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohrwurm.cli.collection import reporting
from ohrwurm.cli.data import data
from ohrwurm.cli.progress import progress_bar

if TYPE_CHECKING:
    from ohrwurm.data.version_features import ProfileSet
    from ohrwurm.data.version_files import Teacher

EPILOG = "Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted."


class Names(StrEnum):
    """Whose code is to read the files."""

    re_move = "re-move"
    move = "move"


def register(app: typer.Typer) -> None:
    """Add the command to `ohrwurm data`."""
    data.command(name="version-files", epilog=EPILOG)(version_files)


def version_files(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help="A folder of profiles (Da-TACOS, .npz, chunks), or a manifest of audio with work_id and split.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; with --check not needed.")] = Path(),
    names: Annotated[Names, typer.Option("--names", help="Whose names the files get.")] = Names.re_move,
    chunks: Annotated[
        int | None, typer.Option(min=1, help="Training files; by default 17, for move 6.", show_default=False)
    ] = None,
    pitch: Annotated[
        str, typer.Option("--pitch", metavar="NAME", help="What extracts the pitch classes of audio.")
    ] = "crema-pcp-0.1.0",
    teacher: Annotated[
        str | None,
        typer.Option("--teacher", metavar="NAME", help="A version encoder, of whose vectors centroids.pt is made."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", exists=True, dir_okay=False, help="A weights file for the teacher.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing: check the files in SOURCE.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Files of audio at a time.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Write benchmark_crema.pt, ytrue_benchmark.pt, train_chunk_*.pt, val_chunk.pt and what belongs to them.

    Songs go where their split says (train, validation, test). Killed, the same command goes on.

    Example: ohrwurm data version-files da-tacos/da-tacos_benchmark_subset_crema data
    """
    if not check and out == Path():
        raise typer.BadParameter("give the folder for the files, or --check", param_hint="DIR")
    with reporting():
        from ohrwurm.data.version_files import check_version_files, write_version_files

        if check:
            faults = check_version_files(source)
            typer.echo(json.dumps({"faults": faults}) if as_json else "\n".join(faults) or "All fits together.")
            raise typer.Exit(1 if faults else 0)
        profiles, failed, unread = _profiles(source, pitch, workers)
        with progress_bar("Writing", quiet=as_json) as progress:
            found = write_version_files(
                profiles, out, code=names.value, chunks=chunks, teacher=_teacher(teacher, weights), leave_out=failed,
                progress=progress,
            )  # fmt: skip
    failures = {
        **unread,
        **{profiles.tracks[i].track_id: "no profile could be extracted" for i in sorted(failed)},
        **found.failures,
    }
    if as_json:
        typer.echo(json.dumps({"songs": found.songs, "others": found.others, "failures": failures}, indent=2))
        return
    for name, count in found.songs.items():
        typer.echo(f"{name}: {count} songs")
    typer.echo("\n".join(found.others))
    for track, reason in failures.items():
        typer.echo(f"left out {track}: {reason}")


def _profiles(source: Path, pitch: str, workers: int) -> tuple[ProfileSet, set[int], dict[str, str]]:
    """The profiles of a source, extracted from its audio if need be.

    Returns:
        With them the numbers of those that could not be extracted, and path → reason of what could not be read at all.
    """
    from ohrwurm.data.packs import is_pack
    from ohrwurm.data.recordings import Files, open_recordings
    from ohrwurm.data.sources import manifest_of
    from ohrwurm.data.version_features import holds_profiles, open_profiles
    from ohrwurm.folders import cache_folder
    from ohrwurm.training.pitch_features import extracted, extractor

    if holds_profiles(source):
        return open_profiles(source), set(), {}
    made_by = extractor(pitch)
    if is_pack(source):
        recordings = open_recordings(source, made_by.sample_rate)
    else:  # sets to test on alone are welcome here
        recordings = Files(manifest_of(source), made_by.sample_rate)
    profiles, failed = extracted(recordings, made_by, cache_folder(), workers)
    return profiles, failed, dict(getattr(recordings, "failed", ()))


def _teacher(name: str | None, weights: Path | None) -> Teacher | None:
    """Profile `(12, T)` → the vector of a version encoder `(dim,)`."""
    if name is None:
        return None
    import numpy as np
    import torch

    from ohrwurm.errors import ModelError
    from ohrwurm.models.registry import load
    from ohrwurm.models.version_encoder import VersionEncoder

    model = load(name, weights=weights)
    if not isinstance(model, VersionEncoder):
        raise ModelError(f"{name} is no teacher of vectors: take a version encoder (ohrwurm-versions, move-16000, ...)")

    def vector(profile: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            song = torch.from_numpy(np.array(profile, np.float32))[None]
            return model.encode_features(song).pooled[0].numpy()

    return vector
