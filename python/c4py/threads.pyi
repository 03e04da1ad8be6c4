"""For type checkers: what _submodules makes."""

from ._c4py import CollectiveFuture as CollectiveFuture
from ._c4py import Future as Future
from ._c4py import LocalFuture as LocalFuture
from ._errors import NotThreadedError as NotThreadedError
from ._futures import ThreadManager as EntryMethodThreadManager

__all__ = [
    "CollectiveFuture",
    "EntryMethodThreadManager",
    "Future",
    "LocalFuture",
    "NotThreadedError",
]
