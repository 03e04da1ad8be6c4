# SPDX-License-Identifier: Apache-2.0
"""When a checkpoint is due, and reading the pickles of one.

Only what is known to do no harm is looked up in them, so that a file cannot run code: registered chare classes, the classes of
``charm.options.checkpoint_classes``, and the names below.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import _c4py
from ._chare import registered
from ._errors import Charm4PyError

#: Names by module. What they make when called with any arguments is data.
_SAFE = {
    "builtins": "set frozenset complex bytearray range slice bool int float str bytes list tuple dict object "
    "Ellipsis NotImplemented ArithmeticError AssertionError AttributeError BufferError EOFError Exception ImportError "
    "IndexError KeyError LookupError MemoryError NameError NotImplementedError OSError OverflowError RuntimeError "
    "StopIteration TypeError UnicodeError ValueError ZeroDivisionError",
    "collections": "OrderedDict deque Counter",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "pathlib": "Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath",
    "uuid": "UUID",
    "array": "array _array_reconstructor",
    "random": "Random",
    "numpy": "ndarray dtype bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble "
    "complex64 complex128 clongdouble datetime64 timedelta64 str_ bytes_ void",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "c4py._c4py": "_channel_load _load_proxy _load_reducer _moving_self _moving_channel",
}
_NAMES = {module: frozenset(names.split()) for module, names in _SAFE.items()}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _NAMES.get(module, ()):
            return super().find_class(module, name)
        if module == "collections" and name == "defaultdict":
            return super().find_class(module, name)  # its factory is looked up here as well
        for cls in _own_classes():
            if cls.__module__ == module and cls.__qualname__ == name:
                return cls
        from ._runtime import charm

        trust = "`trust` of c4p_python_restart()" if charm._hosted else "++trust-checkpoint"
        raise Charm4PyError(
            f"it needs {module}.{name}, which a checkpoint may not use: name the class in "
            f"charm.options.checkpoint_classes, or give {trust} if nobody else can have written the files"
        )


def _own_classes() -> Iterable[type]:
    from ._runtime import charm

    yield from (cls for cls in registered if isinstance(cls, type))
    yield from charm.options.checkpoint_classes


def safe_loads(data: Any, *, buffers: Any = None) -> Any:
    """As ``pickle.loads``, but it finds only what is safe."""
    return _Unpickler(io.BytesIO(data), buffers=buffers).load()


class WrongSetting(Charm4PyError):
    """What the launcher was told about checkpoints cannot be."""


#: Exit status of a run that has written a checkpoint and is to be started again.
REQUEUE = 85

_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def seconds(text: str, setting: str) -> float:
    """A time as 90s, 10m, 1h30m or a number of seconds. Raises Charm4PyError that names the setting."""
    if _NUMBER.fullmatch(text):
        return float(text)
    found = _TIME.fullmatch(text)
    if not text or not found or not any(found.groups()):
        raise WrongSetting(f"{setting}={text}: write a time as 90s, 10m or 1h30m")
    hours, minutes, rest = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest or 0)


class Schedule:
    """Where this run writes its checkpoints, and when one is due. From the launcher's options, see docs/checkpoint.md.

    folder: "" for none. every: seconds, 0 for never. walltime: seconds from the start, 0 for no end. A stop file asks, by being
    there, for a checkpoint and the end of the run. Raises WrongSetting.
    """

    def __init__(
        self, environ: Any = os.environ, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self.folder = environ.get("C4PY_CHECKPOINT", "")
        self.every = (
            seconds(environ["C4PY_EVERY"], "C4PY_EVERY") if environ.get("C4PY_EVERY") else 0.0
        )
        self.walltime = (
            seconds(environ["C4PY_WALLTIME"], "C4PY_WALLTIME")
            if environ.get("C4PY_WALLTIME")
            else 0.0
        )
        self._stay = environ.get("C4PY_USR2", "exit") == "go-on"
        self._restart = environ.get("C4PY_RESTART", "")
        self.trust = environ.get("C4PY_TRUST_CHECKPOINT", "0") == "1"
        self._begun = self._last = now()
        self._signalled = False
        self._stop_file = environ.get("C4PY_STOP_FILE", "")
        self._stop = False
        self._look_again = 0.0
        if not self.folder and (self.every or self.walltime or self._stop_file):
            raise WrongSetting(
                "C4PY_EVERY, C4PY_WALLTIME and C4PY_STOP_FILE need a directory: C4PY_CHECKPOINT, or --checkpoint DIR"
            )

    def restart_from(self, flag: str | None) -> str | None:
        """The directory of the checkpoint to go on from. flag: the value of ``+restart``. Raises WrongSetting."""
        wanted = flag or self._restart
        if wanted != "auto":
            return wanted or None
        if not self.folder:
            raise WrongSetting(
                "restart auto needs the directory of this run's checkpoints: --checkpoint DIR"
            )
        return self.folder if os.path.exists(os.path.join(self.folder, "manifest")) else None

    def signalled(self, *_: Any) -> None:
        """SIGUSR2 has come."""
        self._signalled = True

    def listen(self, forward: Callable[[], None]) -> None:
        """Take SIGUSR2 from now on. forward: what other ranks than 0 do with it."""
        if self.folder:
            signal.signal(
                signal.SIGUSR2, self.signalled if _c4py.rank() == 0 else lambda *_: forward()
            )

    def _late(self) -> bool:
        return self.walltime > 0 and self._now() - self._begun >= self.walltime

    def _stopped(self) -> bool:
        """Is the stop file there? Few looks a second: its file system may be slow."""
        now = self._now()
        if self._stop_file and not self._stop and now >= self._look_again:
            self._look_again = now + 0.2
            self._stop = os.path.exists(self._stop_file)
        return self._stop

    def _take_stop(self) -> bool:
        """False if there is no stop file, or if it was withdrawn meanwhile."""
        wanted, self._stop = self._stop, False
        try:
            if wanted:
                os.rename(self._stop_file, self._stop_file + ".taken")
        except FileNotFoundError:
            return False
        return wanted

    def due(self) -> bool:
        """Is it time for a checkpoint?"""
        passed = self.every > 0 and self._now() - self._last >= self.every
        return self._signalled or passed or self._late() or self._stopped()

    def written(self) -> bool:
        """There is one. True if the run is to end now."""
        leave = self._late() or (self._signalled and not self._stay)
        leave = self._take_stop() or leave
        self._last = self._now()
        self._signalled = False
        return leave
