"""`ohrwurm data folders`, `mirdata` and `join`: recordings that lie in some other order become a manifest."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ohrwurm.cli.data import data


class Meaning(StrEnum):
    """What a folder is."""

    TAGS = "tags"
    WORKS = "works"


def register(app: typer.Typer) -> None:
    """The commands belong to `ohrwurm data`, which is on the command line already."""


@data.command()
def folders(
    folder: Annotated[
        Path,
        typer.Argument(exists=True, file_okay=False, help="Folder of folders, perhaps in train, validation, test."),
    ],
    meaning: Annotated[Meaning, typer.Option("--as", help="What each is: a tag, or the work of all versions in it.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Manifest to write; by default manifest.csv in the folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Write a manifest of recordings that are sorted into folders: one folder a tag, or one a work.

    Example: ohrwurm data folders covers --as works
    """
    from ohrwurm.data.class_folders import read

    found = read(folder, meaning.value)
    out = out or folder / "manifest.csv"
    found.write(out)
    groups = Counter(t.work_id or t.tags[0] for t in found)
    splits = dict(Counter(t.split or "none" for t in found))
    if as_json:
        typer.echo(json.dumps({"manifest": str(out), "tracks": len(found), meaning.value: groups, "splits": splits}))
    else:
        typer.echo(f"{len(found)} recordings in {len(groups)} {meaning.value}: {out}")


@data.command()
def mirdata(
    name: Annotated[str, typer.Argument(help="The data set as mirdata knows it, e.g. beatles.")],
    home: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The folder that mirdata calls data_home.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Manifest to write: .csv, .jsonl or .parquet.")],
    version: Annotated[str, typer.Option(help="Of mirdata's index.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Write a manifest of a data set that mirdata reads (pip install 'ohrwurm[datasets]').

    Example: ohrwurm data mirdata gtzan_genre ~/mir_datasets/gtzan_genre --out gtzan.csv
    """
    from ohrwurm.data.mirdata_sets import read

    found = read(name, home, version)
    found.write(out)
    splits, missing = dict(Counter(t.split or "none" for t in found)), len(found.missing_files())
    if as_json:
        typer.echo(json.dumps({"manifest": str(out), "tracks": len(found), "splits": splits, "missing files": missing}))
    else:
        typer.echo(f"{len(found)} recordings, {missing} of them not there: {out}")


@data.command()
def join(
    sources: Annotated[list[Path], typer.Argument(exists=True, help="Manifests, data sets as published, or folders.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Manifest to write: .csv, .jsonl or .parquet.")],
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=A,B", help="Leave out tracks with one of these values; may be given again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Write one manifest of several.

    Example: ohrwurm data join rendered piano --without "style=metal,waltz" --out all.csv
    """
    from ohrwurm.data.joining import joined

    leave_out: dict[str, list[str]] = {}
    for rule in without or []:
        column, equals, values = rule.partition("=")
        if not (column and equals and values):
            raise typer.BadParameter(f"{rule!r}: a column and values, style=metal,waltz", param_hint="--without")
        leave_out.setdefault(column.strip(), []).extend(value.strip() for value in values.split(","))
    found = joined(sources, leave_out)
    found.write(out)
    splits = dict(Counter(track.split or "none" for track in found))
    if as_json:
        typer.echo(json.dumps({"manifest": str(out), "tracks": len(found), "splits": splits}))
    else:
        typer.echo(f"{len(found)} recordings: {out}")
