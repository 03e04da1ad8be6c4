# SPDX-License-Identifier: Apache-2.0
"""Message-driven, migratable Python objects ("chares") on all ranks of an MPI job.

The programming interface is that of Charm4py.

The pieces, and how they fit:

* ``charm`` is the runtime of this rank: start, exit, ranks, waiting, timers, the task pool
  (``_runtime``, ``_pool``).
* ``Chare`` is the base of the program's classes; ``coro``, ``when`` and ``register`` mark methods
  and classes (``_chare``); ``native`` makes a C function a method (``_native``).
* ``Group``, ``Array`` and ``Chare(cls, …)`` make chares and return proxies, on which methods are
  called (``_collections``).
* ``Future`` and ``Channel`` are what coroutines wait for (``_futures``); ``Reducer`` combines
  contributions (``_reducers``).
* ``lowlevel`` is for those who extend the package, ``testing`` for tests of programs.

What happens per message is done by the C module ``_c4py``; the Python files say what names mean.
The submodules that programs written for Charm4py import are made in ``_submodules``.
"""

from . import _submodules, liveviz, lowlevel, ray, wait
from ._c4py import Channel, Chare, give
from ._chare import ArrayMap, coro, coro_ext, register, threaded, when
from ._collections import Array, Group
from ._errors import Charm4PyError
from ._native import NativeState, native
from ._options import Options
from ._runtime import charm, readonlies
from ._runtime import reducers as Reducer
from ._submodules import (
    ObjectStore,
    channel,
    chare,
    entry_method,
    object_store,
    pool,
    reduction,
    sections,
    threads,
)

# Show where users find them, not where they are defined.
for _public in (
    *(Array, ArrayMap, Channel, Chare, Charm4PyError, Group, NativeState, ObjectStore, Options),
    *(coro, coro_ext, native, register, when),
):
    _public.__module__ = __name__
for _public in (
    threads.Future,
    threads.LocalFuture,
    threads.CollectiveFuture,
    threads.NotThreadedError,
):
    _public.__module__ = threads.__name__
del _public


def __getattr__(name: str) -> object:
    """Load what few programs need when it is asked for; ``interactive`` also so that it can be run with -m."""
    if name in ("balance", "interactive", "testing"):
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


Future = charm.createFuture
charm4py_version = _submodules.version
__version__ = _submodules.version

__all__ = [
    "Array",
    "ArrayMap",
    "Channel",
    "Chare",
    "Charm4PyError",
    "Future",
    "Group",
    "NativeState",
    "ObjectStore",
    "Options",
    "Reducer",
    "channel",
    "chare",
    "charm",
    "charm4py_version",
    "coro",
    "coro_ext",
    "entry_method",
    "give",
    "liveviz",
    "lowlevel",
    "native",
    "object_store",
    "pool",
    "ray",
    "readonlies",
    "reduction",
    "register",
    "sections",
    "threaded",
    "threads",
    "wait",
    "when",
]
