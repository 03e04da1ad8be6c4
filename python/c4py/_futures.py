# SPDX-License-Identifier: Apache-2.0
"""Futures and channels: what the C module makes of them, under the names that programs import."""

from __future__ import annotations

from typing import Any

from . import _c4py
from ._c4py import Channel, CollectiveFuture, Future, LocalFuture, give
from ._errors import NotThreadedError

__all__ = [
    "Channel",
    "CollectiveFuture",
    "Future",
    "LocalFuture",
    "NotThreadedError",
    "ThreadManager",
    "give",
]


class ThreadManager:
    """What older programs ask ``charm.threadMgr``."""

    def isMainThread(self) -> bool:
        """True outside coroutines, where waiting is not possible."""
        return not _c4py.in_coroutine()


def _as_concurrent(future: Any) -> Any:
    from ._concurrent import ConcurrentFuture  # the module behind it is seldom needed

    return ConcurrentFuture(future)


_c4py.bind(as_concurrent=_as_concurrent)
