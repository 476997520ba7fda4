"""SIGTERM (batch systems) and Ctrl-C end a run with its work saved."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback

from ohrwurm.errors import Interrupted

if TYPE_CHECKING:
    from lightning import Trainer

    from ohrwurm.training.limits import Limits


class StopSignals(Callback):
    """A context in which SIGTERM and SIGINT stop the run at the next batch (in training) or at once (elsewhere).

    A second SIGINT raises KeyboardInterrupt without saving. Outside of the main thread, where Python installs no
    handlers, it does nothing.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._training = False
        self._previous: dict[int, Any] = {}
        self._process = os.getpid()

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        # Lightning has put its own SIGTERM handler over ours; it would stop between a batch and our checkpoint.
        for number in self._previous:
            signal.signal(number, self._handle)
        self._training = True

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self._training = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a forked worker inherited this handler; it just ends
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if self.limits.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.limits.signal = number
        if not self._training:
            raise Interrupted("stopped by a signal; what is prepared is kept, the same command goes on from there.")
