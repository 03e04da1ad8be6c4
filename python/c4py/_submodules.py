# SPDX-License-Identifier: Apache-2.0
"""The submodule names of Charm4py: ``charm4py.threads``, ``charm4py.charm`` and so on.

They are small module objects made from the table below, known to the import system under both
package names, so that an object is the same whichever way it was imported. (``c4py.charm`` the
attribute is the runtime, ``c4py.charm`` the module, as in ``from c4py.charm import Charm4PyError``,
is one of these.)
"""

from __future__ import annotations

import importlib.machinery
import sys
from types import ModuleType
from typing import Any

from . import (
    _c4py,
    _chare,
    _collections,
    _errors,
    _futures,
    _pool,
    _reducers,
    _runtime,
    _sections,
    _store,
)
from ._store import ObjectStore

version: str = _c4py.version


def _make(name: str, doc: str, **names: Any) -> ModuleType:
    module = ModuleType(f"c4py.{name}", doc)
    module.__dict__.update(names)
    module.__package__ = "c4py"
    module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
    for package in ("c4py", "charm4py"):
        sys.modules[f"{package}.{name}"] = module
    return module


_make(
    "charm",
    "The runtime's class and its errors.",
    Charm=_runtime.Charm,
    CharmRemote=_runtime.CharmRemote,
    Charm4PyError=_errors.Charm4PyError,
    Options=_runtime.Options,
    charm=_runtime.charm,
    readonlies=_runtime.readonlies,
)
threads = _make(
    "threads",
    "Futures and coroutines.",
    Future=_c4py.Future,
    LocalFuture=_c4py.LocalFuture,
    CollectiveFuture=_c4py.CollectiveFuture,
    NotThreadedError=_errors.NotThreadedError,
    EntryMethodThreadManager=_futures.ThreadManager,
)
chare = _make(
    "chare",
    "Chares, groups and arrays.",
    Chare=_c4py.Chare,
    Group=_collections.Group,
    Array=_collections.Array,
    ArrayMap=_chare.ArrayMap,
    register=_chare.register,
    MAINCHARE=_chare.MAINCHARE,
    GROUP=_chare.GROUP,
    ARRAY=_chare.ARRAY,
)
channel = _make("channel", "Channels between two chares.", Channel=_c4py.Channel)
reduction = _make(
    "reduction", "Reducers.", ReducerContainer=_reducers.Reducers, Reducer=_runtime.reducers
)
entry_method = _make(
    "entry_method",
    "Decorators of entry methods.",
    coro=_chare.coro,
    coro_ext=_chare.coro_ext,
    threaded=_chare.coro,
    when=_chare.when,
)
pool = _make(
    "pool",
    "The pool of tasks.",
    Pool=_pool.Pool,
    PoolAgent=_pool.PoolAgent,
    pool=_pool._pool,
    Charm4PyError=_errors.Charm4PyError,
)
sections = _make(
    "sections", "Sections of collections.", split=_sections.split, combine=_sections.combine
)
object_store = _make(
    "object_store",
    "The object store behind ray.",
    ObjectStore=ObjectStore,
    ObjectRef=_store.ObjectRef,
)
