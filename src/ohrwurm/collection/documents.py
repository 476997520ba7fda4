"""Analyses in full, one JSON file for each content and model, in a folder of the collection.

A file is written before the row that speaks of it, and under the name of its model: whatever kills the process, a row
never leads to the analysis of another model, and what no row leads to is removed by the next run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ohrwurm.atomic import remove_unfinished, write_text
from ohrwurm.errors import CollectionError


class Documents:
    """The files below `folder`, which need not exist.

    >>> import tempfile
    >>> documents = Documents(Path(tempfile.mkdtemp()) / "analyses")
    >>> documents.write("0123456789", "model:1", {"beats": [0.5, 1.0]})
    >>> documents.read("0123456789", "model:1")
    {'beats': [0.5, 1.0]}
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._again = f"Make it again: ohrwurm analyze --overwrite --collection {folder.parent}"

    def path(self, content: str, model: str) -> Path:
        """Where the analysis of a content by a model lies."""
        return self.folder / content[:2] / f"{content}-{hashlib.sha256(model.encode()).hexdigest()[:12]}.json"

    def write(self, content: str, model: str, document: Mapping[str, Any]) -> None:
        """Write an analysis, atomically."""
        write_text(self.path(content, model), json.dumps(document, ensure_ascii=False, allow_nan=False))

    def read(self, content: str, model: str) -> dict[str, Any]:
        """An analysis as it was written.

        Raises:
            CollectionError: it is not there, or damaged.
        """
        path = self.path(content, model)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CollectionError(f"{path}: the analysis cannot be read ({error}). {self._again}") from error
        if not isinstance(found, dict):
            raise CollectionError(f"{path} holds no analysis. {self._again}")
        return found

    def remove(self, content: str, model: str) -> None:
        """Remove an analysis that another has replaced."""
        self.path(content, model).unlink(missing_ok=True)

    def keep(self, wanted: Iterable[tuple[str, str | None]]) -> None:
        """Remove all analyses but those of some contents by some models, and what a killed process left."""
        if not self.folder.is_dir():
            return
        names = {self.path(content, model).name for content, model in wanted if model}
        remove_unfinished(self.folder)
        for file in self.folder.glob("*/*.json"):
            if file.name not in names:
                file.unlink(missing_ok=True)
