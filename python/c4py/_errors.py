# SPDX-License-Identifier: Apache-2.0
"""All exceptions of the package, and how their tracebacks are shown."""

from __future__ import annotations

import os
import traceback
from typing import NoReturn


class Charm4PyError(Exception):
    """A mistake in the use of the runtime, or a failure that it reports. ``message`` is the text."""

    def __init__(self, message: object = "") -> None:
        super().__init__(message)
        self.message = message


class NotThreadedError(Charm4PyError):
    """Something had to wait outside a coroutine. The text names the method that needs ``@coro``."""


def not_available(what: str) -> NoReturn:
    """Raise Charm4PyError for a part of the interface that this version lacks."""
    raise Charm4PyError(f"{what}: not available in this version of c4py")


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def format_exception(exc: BaseException) -> str:
    """The traceback of an exception as text, with the frames of the user's code only.

    Frames of this package at the end stay unless they are those of a check that refused something: then they are where
    it failed. An exception that came from another rank shows the traceback of its origin in front.
    """
    report = traceback.TracebackException(type(exc), exc, exc.__traceback__)
    _hide_package(report, isinstance(exc, Charm4PyError))
    text = "".join(report.format())
    remote = getattr(exc, "remote_stacktrace", None)
    if isinstance(remote, tuple) and len(remote) == 2:
        return f"{str(remote[1]).rstrip()}\n\nwhich came from rank {remote[0]} and was raised again here:\n\n{text}"
    return text


def _hide_package(report: traceback.TracebackException, refused: bool) -> None:
    """Take the frames of this package out of a traceback and those of its causes."""
    stack = report.stack
    last_of_user = max((i for i, frame in enumerate(stack) if not _is_ours(frame)), default=-1)
    if refused and last_of_user >= 0:
        del stack[last_of_user + 1 :]
    stack[:] = [f for i, f in enumerate(stack) if i > last_of_user or not _is_ours(f)]
    for other in (report.__cause__, report.__context__):
        if other is not None:
            _hide_package(other, refused)


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_HERE)
