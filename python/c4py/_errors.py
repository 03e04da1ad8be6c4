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
    """The traceback of an exception as text, without the frames of this package before the user's first one.

    An exception that came from another rank shows the traceback of its origin in front.
    """
    tb = exc.__traceback__
    first = tb
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_HERE):
        first = first.tb_next
    # An error raised by the package itself for a caller in C has no frame of the user: show what
    # there is.
    text = "".join(traceback.format_exception(type(exc), exc, first if first is not None else tb))
    remote = getattr(exc, "remote_stacktrace", None)
    if isinstance(remote, tuple) and len(remote) == 2:
        return f"{str(remote[1]).rstrip()}\n\nwhich was sent from rank {remote[0]} and raised again here:\n\n{text}"
    return text
