"""For type checkers: what _submodules makes."""

from ._chare import coro as coro
from ._chare import coro_ext as coro_ext
from ._chare import threaded as threaded
from ._chare import when as when

__all__ = ["coro", "coro_ext", "threaded", "when"]
