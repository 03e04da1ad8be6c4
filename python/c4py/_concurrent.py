# SPDX-License-Identifier: Apache-2.0
"""Futures for other threads: what ``Future.as_concurrent()`` returns."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import Any

from . import _c4py


class ConcurrentFuture(concurrent.futures.Future):
    """What ``Future.as_concurrent()`` returns: a ``concurrent.futures.Future`` that follows a future of this rank.

    Other threads wait for it as for any other. On the thread of the runtime ``result()`` and
    ``exception()`` suspend the coroutine, as ``Future.get()`` does; ``concurrent.futures.wait()``
    and ``as_completed()`` would stop the whole rank there, for ever: use ``charm.wait()`` and
    ``charm.iwait()`` instead.
    """

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source
        self._thread = threading.get_ident()
        self.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        source.add_done_callback(self._settle)

    def _settle(self, source: Any) -> None:
        if self.done():
            return
        try:
            value = source.get()
        except Exception as error:
            self.set_exception(error)
        else:
            self.set_result(value)

    def _await_here(self, timeout: float | None) -> None:
        """On the thread of the runtime: let the coroutine wait instead of the thread."""
        if self.done() or threading.get_ident() != self._thread:
            return
        if timeout is not None:
            alarm = _c4py.LocalFuture()
            number = _c4py.call_later(max(0.0, timeout), _ring, (alarm,))
            next(iter(_c4py.iwait((self._source, alarm))))
            _c4py.cancel_later(number)
        else:
            _c4py.wait((self._source,))
        if self._source.ready():
            self._settle(self._source)

    def result(self, timeout: float | None = None) -> Any:
        """The value, or the exception raised; waits, for at most timeout seconds, then TimeoutError."""
        self._await_here(timeout)
        return super().result(self._rest(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The exception or None; waits as `result` does."""
        self._await_here(timeout)
        return super().exception(self._rest(timeout))

    def _rest(self, timeout: float | None) -> float | None:
        return 0.0 if threading.get_ident() == self._thread else timeout


def _ring(alarm: Any) -> None:
    if not alarm.ready():
        alarm.send()
