# SPDX-License-Identifier: Apache-2.0
"""For those who build on the runtime: what the package itself is made of.

Everything here belongs to the thread that called ``charm.start()``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from . import _c4py

__all__ = [
    "backlog_bytes",
    "build_info",
    "in_coroutine",
    "log",
    "poll",
    "post",
    "settings",
    "spawn",
    "time_s",
]


def poll() -> None:
    """From inside a long computation: move messages on; no entry method runs. Does not block."""
    _c4py.poll()


def post(func: Callable[..., Any], args: Sequence[Any] = ()) -> None:
    """Call func(*args) on this rank from the scheduler, soon, outside of coroutines. Does not block."""
    _c4py.post(func, args)


def spawn(
    func: Callable[..., Any],
    args: Sequence[Any] = (),
    done: Callable[[Any, BaseException | None], None] | None = None,
) -> None:
    """Run func(*args) as a new coroutine that belongs to no chare, at once, up to where it first waits.

    done(result, exception) is called at its end; without it an exception ends the program.
    """
    _c4py.spawn(func, args, done)


def in_coroutine() -> bool:
    """True where waiting is possible: in a coroutine."""
    return _c4py.in_coroutine()


def time_s() -> float:
    """Seconds since the runtime started, by a clock that never goes back."""
    return _c4py.time_s()


def log(level: Literal["error", "warn", "info", "debug"], text: str) -> None:
    """Write a line of text to the runtime's log, with the rank in front; C4PY_LOG says from which level on they are shown."""
    _c4py.log(level, text)


def backlog_bytes() -> int:
    """Bytes that wait on this rank because their receivers are slow."""
    return _c4py.backlog_bytes()


def build_info() -> dict[str, str]:
    """What this build was made with and runs on, as ``c4py_launcher --info`` shows."""
    return _c4py.build_info()


def settings() -> list[tuple[str, str, str]]:
    """(name, default, meaning) of every environment variable that the runtime knows."""
    return _c4py.settings()
