"""Every error that Ohrwurm raises on purpose. Each message says what happened, to which file, and what to do next."""

from __future__ import annotations


class OhrwurmError(Exception):
    """Base of all errors raised on purpose; the command line prints it without a traceback."""


class AudioError(OhrwurmError):
    """A file could not be used as audio.

    `reason` is a short stable word (``unreadable``, ``empty``, ``no-audio``, ``too-long``, ``timeout``,
    ``crashed``, ``memory``, ``missing``, ``too-short`` for the published windows, ``model`` where the model fails on
    it) that the collection stores and groups by.
    """

    def __init__(self, path: object, reason: str, detail: str = "") -> None:
        self.path = str(path)
        self.reason = reason
        self.detail = detail
        super().__init__(f"{self.path}: {reason}" + (f" ({detail})" if detail else ""))

    def __reduce__(self) -> tuple[type[AudioError], tuple[str, str, str]]:
        return type(self), (self.path, self.reason, self.detail)


class ModelError(OhrwurmError):
    """A model is unknown, or a checkpoint does not fit it."""


class CardError(ModelError):
    """A model does not return what its card promises: no other file would fare better."""


class TransferError(OhrwurmError):
    """A file could not be fetched or sent: no network, not there, damaged on the way, no space left."""


class ProvenanceError(OhrwurmError):
    """Vectors of different models, front-ends or windows were about to be compared."""


class CollectionError(OhrwurmError):
    """A collection is missing, locked, or of another version."""


class DataError(OhrwurmError):
    """A manifest, score or benchmark file is not as expected."""


class RecipeError(OhrwurmError):
    """A training recipe is unknown or has a wrong setting."""


class TrainingError(OhrwurmError):
    """A training run cannot go on: the loss is not a number, nothing to monitor, a folder of another run."""


class Interrupted(OhrwurmError):
    """A signal asked the process to stop; its work is saved and the same command goes on from there."""
