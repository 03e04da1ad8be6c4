# SPDX-License-Identifier: Apache-2.0
"""The functions of `c4py.ray`: tasks on the pool, actors as single chares, references to the object store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any, NoReturn

from .. import _c4py
from .._c4py import Chare
from .._chare import coro, is_async, register
from .._collections import Group, _check_class, await_creation
from .._errors import Charm4PyError, NotThreadedError
from .._pool import _pool
from .._store import ObjectRef, ObjectStore, _store, bare
from .._tasks import ITEM, Job, capture, describe_error, run_async

__all__ = ["get", "get_object_store", "init", "put", "remote", "wait"]

_AWAITS = 2  # what _c4py.wait_kind() says in an async def


def init() -> Any:
    """Make the object store on all ranks. To be called in a coroutine on rank 0, before anything else of ``ray``.

    Waits until it is there; in an ``async def``: ``await ray.init()``. Further calls do nothing.
    Raises Charm4PyError on another rank, NotThreadedError outside coroutines.
    """
    if _store.peers is not None:
        return _c4py.wait(())
    if _c4py.rank() != 0:
        where = f"on rank {_c4py.rank()}" if _c4py.rank() > 0 else "before charm.start()"
        raise Charm4PyError(
            f"ray.init() was called {where}; call it in a coroutine on rank 0, such as the entry function"
        )
    if _c4py.wait_kind() == 0:
        raise NotThreadedError(
            "ray.init() has to wait: call it in a coroutine, such as the entry function"
        )
    return await_creation([Group(ObjectStore)])


def get_object_store() -> Any:
    """The proxy of the group that is the object store. Programs do not need it. Raises Charm4PyError before ``ray.init()``."""
    _store.need("ray.get_object_store()")
    return _store.peers


def put(obj: Any) -> ObjectRef:
    """Store a copy of the object obj on this rank and return a reference to it. Any rank and context; does not block.

    Others get it with ``ray.get(ref)``; it is deleted when the last reference anywhere is gone.
    Raises Charm4PyError before ``ray.init()``, TypeError for what cannot be pickled.
    """
    _store.need("ray.put()")
    return _store.put(obj)


def get(refs: Any) -> Any:
    """The value of a reference, or the list of values of a list or tuple of references. Any rank.

    Blocks the coroutine until they are on this rank; in an ``async def``: ``await ray.get(refs)``.
    An exception of the call behind a reference is raised. Values are shared by all who get them on
    a rank: do not change them. Raises TypeError for anything but references, NotThreadedError when
    it has to wait outside a coroutine.
    """
    if isinstance(refs, ObjectRef):
        return _get_one(refs) if _c4py.wait_kind() == _AWAITS else refs.get()
    _check_refs(refs, "ray.get()", " a reference or")
    for ref in refs:
        _store.demand(ref)
    if _c4py.wait_kind() == _AWAITS:
        return _get_all(refs)
    return [ref.get() for ref in refs]


async def _get_one(ref: ObjectRef) -> Any:
    return await ref


async def _get_all(refs: Sequence[ObjectRef]) -> list[Any]:
    return [await ref for ref in refs]


def _check_refs(refs: Any, who: str, also: str = "") -> None:
    if not isinstance(refs, (list, tuple)):
        raise TypeError(f"{who} takes{also} a list of references, not {type(refs).__name__}")
    for ref in refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(
                f"{who} takes{also} a list of references; it has a {type(ref).__name__}"
            )


def wait(
    refs: Sequence[ObjectRef], num_returns: int = 1, timeout: Any = None, fetch_local: bool = True
) -> Any:
    """Wait until at least num_returns of these references have their values on this rank: (ready ones, the others).

    Both lists keep the order of refs; there may be more ready ones than asked for. A failed call
    counts as ready. Blocks the coroutine; in an ``async def``: ``await ray.wait(refs)``. Raises
    NotImplementedError for timeout and fetch_local=False, ValueError for a num_returns that can
    never be, TypeError for other things than references.
    """
    if timeout is not None:
        raise NotImplementedError("ray.wait(timeout=…) is not available")
    if not fetch_local:
        raise NotImplementedError("ray.wait(fetch_local=False) is not available")
    _check_refs(refs, "ray.wait()")
    if not 0 < num_returns <= len(refs):
        raise ValueError(
            f"ray.wait(): num_returns={num_returns}, but there are {len(refs)} references"
        )
    if _c4py.wait_kind() == _AWAITS:
        return _wait_async(refs, num_returns)
    for count, _ in enumerate(_c4py.iwait(refs), 1):
        if count >= num_returns:
            break
    return _by_readiness(refs)


async def _wait_async(refs: Sequence[ObjectRef], num_returns: int) -> Any:
    count = 0
    async for _ in _c4py.iwait(refs):  # type: ignore[attr-defined]
        count += 1
        if count >= num_returns:
            break
    return _by_readiness(refs)


def _by_readiness(refs: Iterable[ObjectRef]) -> tuple[list[ObjectRef], list[ObjectRef]]:
    ready: list[ObjectRef] = []
    rest: list[ObjectRef] = []
    for ref in refs:
        (ready if ref.ready() else rest).append(ref)
    return ready, rest


# ---- remote ------------------------------------------------------------------------------------------


def remote(*args: Any, **options: Any) -> Any:
    """Decorator: a function can be run as a task, a class becomes that of actors.

    A function gets ``f.remote(*args, **kwargs)``, which runs it on a worker of ``charm.pool`` and
    returns a reference to its result; ``f(...)`` still runs here. A class becomes an `ActorClass`.
    References given as arguments are replaced by their values before the function or method runs;
    those inside containers are passed through. Tasks and methods run as coroutines: they may call
    ``remote`` and ``ray.get`` themselves. Classes must be decorated at the top level of a module,
    on all ranks. Raises NotImplementedError for options.
    """
    if options or len(args) != 1:
        raise NotImplementedError("ray.remote() takes no options; write @ray.remote")
    target = args[0]
    if isinstance(target, type):
        return ActorClass(target)
    if not isinstance(target, FunctionType):
        raise TypeError(f"ray.remote takes a function or a class, not {type(target).__name__}")

    target.remote = _StartTask(target)  # type: ignore[attr-defined]
    return target


class _StartTask:
    """What ``f.remote`` is. An object, so that it works on the rank to which a function travels by value."""

    __slots__ = ("_func",)

    def __init__(self, func: FunctionType) -> None:
        self._func = func

    def __call__(self, *args: Any, **kwargs: Any) -> ObjectRef:
        """Run the function on a worker of the pool; returns a reference to its result at once. Any rank and context."""
        func = self._func
        _store.need(f"{func.__qualname__}.remote()")
        ref = _store.new_ref()
        job = Job(func, 1, 1)
        job.future = _Failure(ref)
        _pool._enqueue([(job, 0, _run_task, (ref, func, capture(args), capture(kwargs)), ITEM)])
        return ref


class _Failure:
    """What the pool tells the end of a task: only an exception is news, a result went to the store."""

    __slots__ = ("ref",)

    def __init__(self, ref: ObjectRef) -> None:
        self.ref = ref

    def send(self, value: Any) -> None:
        if isinstance(value, Exception):
            _store.fulfil(self.ref, None, value)


@coro
def _run_task(ref: ObjectRef, func: Callable[..., Any], args: Any, kwargs: Any) -> None:
    _store.fulfil(ref, _call(func, args, kwargs))


def _call(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """In a coroutine: call with the values of references, when all are here."""
    for arg in (*args, *kwargs.values()):
        if isinstance(arg, ObjectRef):
            _store.demand(arg)
    values = [arg.get() if isinstance(arg, ObjectRef) else arg for arg in args]
    named = {n: arg.get() if isinstance(arg, ObjectRef) else arg for n, arg in kwargs.items()}
    if not is_async(func):
        return func(*values, **named)

    async def call(_: None) -> Any:
        return await func(*values, **named)

    return run_async(call, None)


# ---- actors ------------------------------------------------------------------------------------------


class ActorClass:
    """What ``@ray.remote`` makes of a class: ``C.remote(*args)`` makes an actor. ``C(...)`` raises Charm4PyError."""

    def __init__(self, cls: type) -> None:
        self.__name__ = cls.__name__
        self.__qualname__ = cls.__qualname__
        self.__module__ = cls.__module__
        self.__doc__ = cls.__doc__
        self._next_pe = -1
        self._chare = _make_chare_class(cls)

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle:
        """Make an actor with these constructor arguments and return its `ActorHandle` at once. Any rank, any context.

        Actors go round the ranks, from the calling one on. An exception of the constructor is
        raised by ``ray.get()`` of each call of the actor. An actor lives until the job ends.
        """
        _store.need(f"{self.__qualname__}.remote()")
        _check_class(self._chare, f"{self.__qualname__}.remote")
        if self._next_pe < 0:
            self._next_pe = _c4py.rank()
        pe, self._next_pe = self._next_pe, (self._next_pe + 1) % _c4py.num_ranks()
        proxy = _c4py.chare_new(self._chare, (), pe, False)
        proxy._ray_begin(args, kwargs)
        return ActorHandle(proxy)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise Charm4PyError(
            f"{self.__qualname__} is a class of actors: make one with {self.__qualname__}.remote(…)"
        )

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise TypeError(
            f"{self.__qualname__} is a class of actors, from which none can be derived; derive from the class "
            "before it is decorated, and decorate both"
        )

    def __repr__(self) -> str:
        return f"<ActorClass {self.__module__}.{self.__qualname__}>"


def _make_chare_class(cls: type) -> type:
    """The chare class of the actors of a class. Its name is that of the class, so that reports show it."""

    def __init__(self: Any) -> None:
        self._ray_state = "new"
        self._ray_error = None
        self._ray_waiting = []

    @coro
    def _ray_begin(self: Any, args: Any, kwargs: Any) -> None:
        """Run the constructor of the user's class."""
        try:
            _call(getattr(cls, "__init__").__get__(self), args, kwargs)  # noqa: B009
        except Exception as error:
            self._ray_error = bare(describe_error(error, _c4py.rank()))
        self._ray_state = "ready"
        for future in self._ray_waiting:
            future.send()
        self._ray_waiting = []

    @coro
    def _ray_call(self: Any, ref: ObjectRef, name: str, args: Any, kwargs: Any) -> None:
        """Run a method and store what it returns."""
        try:
            if self._ray_state != "ready":
                future = _c4py.LocalFuture()
                self._ray_waiting.append(future)
                future.get()
            if self._ray_error is not None:
                raise bare(self._ray_error)
            value = _call(getattr(self, name), args, kwargs)
        except Exception as error:
            _store.fulfil(ref, None, error)
        else:
            _store.fulfil(ref, value)

    bases = (cls,) if issubclass(cls, Chare) else (cls, Chare)
    names = {
        "__init__": __init__,
        "_ray_begin": _ray_begin,
        "_ray_call": _ray_call,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
    }
    return register(type(cls.__name__, bases, names))


class ActorHandle:
    """An actor, on any rank: ``handle.method.remote(*args)`` calls a method and returns a reference. May be sent."""

    __slots__ = ("_proxy",)

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy

    def __getattr__(self, name: str) -> ActorMethod:
        if name.startswith("__"):
            raise AttributeError(name)
        cls = _c4py.proxy_class(self._proxy)
        if not callable(getattr(cls, name, None)):
            raise AttributeError(f"actor class {cls.__name__} has no method '{name}'")
        return ActorMethod(self._proxy, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorHandle) and self._proxy == other._proxy

    def __hash__(self) -> int:
        return hash(self._proxy)

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorHandle, (self._proxy,)

    def __repr__(self) -> str:
        return f"<actor {_c4py.proxy_class(self._proxy).__name__}>"


class ActorMethod:
    """A method of an actor, to be called with ``.remote()``."""

    __slots__ = ("_name", "_proxy")

    def __init__(self, proxy: Any, name: str) -> None:
        self._proxy = proxy
        self._name = name

    def remote(self, *args: Any, **kwargs: Any) -> ObjectRef:
        """Call the method and return a reference to what it returns, at once. Any rank, any context.

        Calls of one actor run in the order in which they arrive, each as soon as its arguments are
        there.
        """
        _store.need(f"{self._name}.remote()")
        ref = _store.new_ref()
        self._proxy._ray_call(ref, self._name, args, kwargs)
        return ref

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"methods of actors are called with .remote(): {self._name}.remote(…)")
