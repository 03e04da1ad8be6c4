# SPDX-License-Identifier: Apache-2.0
"""All exceptions of the package, and how their tracebacks are shown."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterator
from typing import Any


class Charm4PyError(Exception):
    """A mistake in the use of the runtime, or a failure that it reports. ``message`` is the text."""

    def __init__(self, message: object = "") -> None:
        super().__init__(message)
        self.message = message


class NotThreadedError(Charm4PyError):
    """Something had to wait outside a coroutine. The text names the method that needs ``@coro``."""


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def format_exception(exc: BaseException) -> str:
    """The traceback of an exception as text, with the frames of the user's code only.

    Frames of this package at the end stay unless they are those of a check that refused something: then they are where
    it failed. An exception that came from another rank shows the traceback of its origin in front, and so do those that
    it was raised from.
    """
    seen: set[int] = set()
    parts: list[str] = []
    while True:
        seen.add(id(exc))
        parts.append(_format_one(exc))
        earlier, direct = _earlier(exc)
        if earlier is None or id(earlier) in seen:
            return "".join(reversed(parts))
        parts.append(CAUSE if direct else CONTEXT)
        exc = earlier


def _format_one(exc: BaseException) -> str:
    """The same without those that it was raised from."""
    report = traceback.TracebackException(type(exc), exc, exc.__traceback__)
    _hide_package(report, isinstance(exc, Charm4PyError))
    text = "".join(report.format(chain=False))
    remote = getattr(exc, "remote_stacktrace", None)
    if isinstance(remote, tuple) and len(remote) == 2:
        return f"{str(remote[1]).rstrip()}{FROM_RANK.format(remote[0])}{text}"
    return text


def format_stack() -> str:
    """Where the user's code is, as text like that of a traceback."""
    frames = [frame for frame in traceback.extract_stack() if not _is_ours(frame)]
    return "Stack (most recent call last):\n" + "".join(traceback.format_list(frames)).rstrip()


def _earlier(exc: BaseException) -> tuple[BaseException | None, bool]:
    """The exception that this one was raised from, if it is to be shown, and whether the code said so (``from``)."""
    if exc.__cause__ is not None or exc.__suppress_context__:
        return exc.__cause__, True
    return exc.__context__, False


def _hide_package(report: traceback.TracebackException, refused: bool) -> None:
    """Take the frames of this package out of a traceback."""
    stack = report.stack
    last_of_user = max((i for i, frame in enumerate(stack) if not _is_ours(frame)), default=-1)
    if refused and last_of_user >= 0:
        del stack[last_of_user + 1 :]
    stack[:] = [f for i, f in enumerate(stack) if i > last_of_user or not _is_ours(f)]


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_HERE)


# ---- tracebacks that travel ----------------------------------------------------------------------

MAX_CAUSES = 10
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
FROM_RANK = "\n\nwhich came from rank {} and was raised again here:\n\n"


def describe_exception(exc: BaseException) -> Any:
    """What a remote rank needs for showing this exception's traceback: plain data, cheap to make.

    (type, text, frames, notes, (rank, description) if it came from another rank and was raised again, whether it was
    raised from another one on purpose, that one or None); a frame is (file, line, function, text of the line). The
    lines are read here: the other rank may not have the file. Exceptions with a form of their own (syntax errors,
    groups) are text at once.
    """
    return _describe(exc, MAX_CAUSES)


def _describe(exc: BaseException, more: int) -> Any:
    if isinstance(exc, SyntaxError) or hasattr(exc, "exceptions"):
        return format_exception(exc)
    cls = type(exc)
    name = cls.__qualname__
    if cls.__module__ not in ("builtins", "__main__"):
        name = f"{cls.__module__}.{name}"
    cause, direct = _earlier(exc)
    earlier = _describe(cause, more - 1) if cause is not None and more else None
    notes = tuple(str(note) for note in getattr(exc, "__notes__", ()))
    return name, text_of(exc), _frames(exc), notes, _origin(exc), direct, earlier


def _origin(exc: BaseException) -> tuple[int, Any] | None:
    """(rank, description) of an exception that came from another rank."""
    remote = getattr(exc, "remote_stacktrace", None)
    if isinstance(remote, RemoteStacktrace):
        return tuple.__getitem__(remote, 0), tuple.__getitem__(remote, 1)
    return remote if isinstance(remote, tuple) and len(remote) == 2 else None


def text_of(exc: BaseException) -> str:
    """What str() says, if it says something."""
    try:
        return str(exc)
    except Exception:
        return "(its text cannot be made)"


def _frames(exc: BaseException) -> tuple[Any, ...]:
    frames = []
    tb = exc.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        name = code.co_filename
        frames.append((name, tb.tb_lineno, code.co_name))
        tb = tb.tb_next
    last_of_user = max((i for i, f in enumerate(frames) if not f[0].startswith(_HERE)), default=-1)
    if isinstance(exc, Charm4PyError) and last_of_user >= 0:
        del frames[last_of_user + 1 :]
    return tuple(
        (*f, linecache.getline(f[0], f[1]).strip())
        for i, f in enumerate(frames)
        if i > last_of_user or not f[0].startswith(_HERE)
    )


def format_description(description: Any) -> str:
    """The text that `describe_exception` stands for."""
    if isinstance(description, str):
        return description
    name, text, frames, notes, origin, direct, earlier = description
    parts = []
    if earlier is not None:
        parts += [format_description(earlier), CAUSE if direct else CONTEXT]
    if origin is not None:
        parts += [format_description(origin[1]).rstrip(), FROM_RANK.format(origin[0])]
    if frames:
        parts.append("Traceback (most recent call last):\n")
        parts += traceback.StackSummary.from_list(
            [traceback.FrameSummary(f, n, where, line=line) for f, n, where, line in frames]
        ).format()
    parts.append(f"{name}: {text}\n" if text else f"{name}\n")
    parts += [f"{note}\n" for note in notes]
    return "".join(parts)


class RemoteStacktrace(tuple):
    """``exc.remote_stacktrace``: the pair (rank, text of the traceback there). The text is made when it is looked at."""

    __slots__ = ()

    def __new__(cls, rank: int, description: Any) -> RemoteStacktrace:
        return super().__new__(cls, (rank, description))

    def _pair(self) -> tuple[int, str]:
        return super().__getitem__(0), format_description(super().__getitem__(1))

    def __getitem__(self, at: Any) -> Any:
        return super().__getitem__(0) if at == 0 else self._pair()[at]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pair())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and self._pair() == tuple(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._pair())

    def __repr__(self) -> str:
        return repr(self._pair())

    def __reduce__(self) -> Any:
        return RemoteStacktrace, (super().__getitem__(0), super().__getitem__(1))


# ---- exceptions that cannot travel ---------------------------------------------------------------


def substitute(type_name: str, text: str, why: str, rank: int, trace: tuple[int, str]) -> Exception:
    """What a waiter gets instead of an exception that cannot be pickled: all that can be told about it, as text.

    why: what pickle said.
    """
    error = Charm4PyError(
        f"{type_name}: {text} (raised on rank {rank}; the exception itself could not be sent, because of {why}; keep what "
        f"cannot be pickled out of it, or give {type_name} a __reduce__ that fits its constructor)\n{trace[1]}"
    )
    error.remote_stacktrace = trace  # type: ignore[attr-defined]
    return error
