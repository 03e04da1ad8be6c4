# SPDX-License-Identifier: Apache-2.0
"""Chare classes: the decorators of entry methods, and what a class looks like to the runtime."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any, TypeVar

from . import _c4py
from ._c4py import Chare
from ._errors import Charm4PyError
from ._native import condition_spec, entry_spec, is_native, native, state_of
from .wait import parse_cond_str

_F = TypeVar("_F", bound=Callable[..., Any])
_C = TypeVar("_C", bound=type)

#: Attributes that the decorators set on functions.
CORO_MARK = "_c4py_coro"
NOTIFY_MARK = "_c4py_notify"
WHEN_MARK = "_c4py_when"

#: What a class may be used for; accepted by ``charm.register``, where it has no effect.
MAINCHARE, GROUP, ARRAY = range(3)

#: Methods that are called by name and not by a message, besides special methods.
_CALLED = frozenset(("migrated", "regrouped"))
#: Methods of the base class that are no entry methods.
_NOT_ENTRIES = frozenset(("wait", "contribute", "reduce", "allreduce", "AtSync", "migrated"))
#: Methods of the base class that the runtime relies on; a class must not replace them.
_FINAL = (
    "wait",
    "contribute",
    "reduce",
    "allreduce",
    "AtSync",
    "migrate",
    "setMigratable",
    "__flush_wait_queues__",
    "__addThreadEventSubscriber__",
)
#: Methods of the base class that may be called through a proxy: name, parameter names.
_BASE_ENTRIES = {"AtSync": (), "migrate": ("toPe",), "setMigratable": ("flag",)}

_STORE_ATTR, _EXTENDED_ARG = dis.opmap["STORE_ATTR"], dis.opmap["EXTENDED_ARG"]
#: Names in a function that may set an attribute whose name is not written in it.
_BY_NAME = frozenset(("setattr", "__setattr__", "__dict__", "vars"))

_METHODS = (FunctionType, staticmethod, classmethod)


class ArrayMap(Chare):
    """Base class of placements of arrays.

    A subclass defines ``procNum(self, index)``: the rank for an index, which is a tuple. It is
    asked on any rank, so the answer must be the same everywhere and always. Make a group of it and
    pass that as ``map=`` to `Array`.
    """

    def procNum(self, index: tuple[int, ...]) -> int:
        """The rank on which the element with this index is made."""
        raise NotImplementedError(f"{type(self).__name__} must define procNum(self, index)")


# ---- decorators ------------------------------------------------------------------------------------


def _mark(decorator: str, func: Any, **marks: Any) -> None:
    target = func.__func__ if isinstance(func, (staticmethod, classmethod)) else func
    if not callable(target) or isinstance(target, type):
        raise TypeError(f"@{decorator} is for functions and methods, not for {target!r}")
    try:
        for name, value in marks.items():
            setattr(target, name, value)
    except AttributeError:
        raise TypeError(f"@{decorator} cannot mark {target!r}; wrap it in a function") from None


def coro(func: _F) -> _F:
    """Mark a method or function as a coroutine: it may wait, for futures, channels, ``self.wait()`` and so on.

    An entry method so marked runs on a stack of its own; while it waits its rank runs other
    methods. Called directly it is an ordinary function that runs in the caller's context. Returns
    func itself. Raises TypeError for what is no function.
    """
    _mark("coro", func, **{CORO_MARK: True})
    return func


threaded = coro


def coro_ext(event_notify: bool = False) -> Callable[[_F], _F]:
    """Mark a coroutine like `coro`, with options.

    event_notify: call ``threadPaused(data)`` and ``threadResumed(data)`` of the objects added with
    ``self.__addThreadEventSubscriber__(target, data)`` when the coroutine stops and goes on. Raises
    TypeError without parentheses: write ``@coro_ext()``.
    """
    if callable(event_notify):
        raise TypeError("coro_ext takes options: write @coro_ext(event_notify=True), or @coro")

    def decorate(func: _F) -> _F:
        _mark("coro_ext", func, **{CORO_MARK: True, NOTIFY_MARK: bool(event_notify)})
        return func

    return decorate


def when(cond_str: str | native) -> Callable[[_F], _F]:
    """Run the method only when a condition holds; until then its messages wait, the oldest first.

    cond_str: a Python expression of ``self``, of the method's parameters (not of ``*args`` and
    ``**kwargs``) and of globals of the module, for example ``@when('self.step == step')``; it may
    go over several lines. It is looked at again after each method of the chare. An exception in it
    is one of the call. Raises SyntaxError when it is no expression. Or
    ``native(function, signature)``, a function in C, as that of a native method must be.
    """

    def decorate(func: _F) -> _F:
        if isinstance(cond_str, native):
            _mark("when", func, **{WHEN_MARK: cond_str})
            return func
        inner: Any = func.__func__ if isinstance(func, (staticmethod, classmethod)) else func
        code = getattr(inner, "__code__", None)
        if code is None:
            raise TypeError(f"@when is for methods, not for {inner!r}")
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        skip = 0 if isinstance(func, staticmethod) or not code.co_argcount else 1
        positions = {name: i for i, name in enumerate(names[skip:])}
        _mark("when", func, **{WHEN_MARK: parse_cond_str(cond_str, inner.__module__, positions)})
        return func

    return decorate


def is_async(func: Any) -> bool:
    """True if a function is an ``async def``."""
    while isinstance(func, (MethodType, staticmethod, classmethod)):
        func = func.__func__
    code = getattr(func, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_COROUTINE)


def is_coroutine(func: Any) -> bool:
    """True if a function is marked with @coro or is an ``async def``."""
    while isinstance(func, (MethodType, staticmethod, classmethod)):
        func = func.__func__
    return getattr(func, CORO_MARK, False) or is_async(func)


# ---- registration ----------------------------------------------------------------------------------

#: ``charm.registered``: the classes that this rank knows, with the collections they may be in.
registered: dict[type, set[Any]] = {}

_pending: dict[type, None] = {}  # registered before the start, in the order seen
_times_added: dict[str, int] = {}  # how often a class of this name was added


def register(cls: _C) -> _C:
    """Class decorator: make a chare class known wherever it is defined. Returns the class.

    Classes of the script itself are found without it. Needed on every rank. Raises Charm4PyError
    for other classes.
    """
    check_chare_class(cls, "register")
    if not _c4py.class_registered(cls):
        _pending[cls] = None
    return cls


def check_chare_class(cls: Any, who: str) -> None:
    """Raise Charm4PyError unless cls is a subclass of Chare that may be used as a chare."""
    if not isinstance(cls, type) or not issubclass(cls, Chare):
        what = f"class {cls.__name__}" if isinstance(cls, type) else f"{cls!r}"
        raise Charm4PyError(f"{who}: {what} is not a chare class; it must derive from Chare")


def class_name(cls: type) -> str:
    """The name under which a class is known on all ranks."""
    return f"{cls.__module__}.{cls.__qualname__}"


def classes_of_module(module: Any, bad_bases: Iterable[type]) -> list[type]:
    """The chare classes among the attributes of a module. Raises Charm4PyError for those with a wrong base class."""
    found = []
    for name in sorted(vars(module)):
        value = vars(module)[name]
        if not isinstance(value, type):
            continue
        for bad in bad_bases:
            if issubclass(value, bad) and value is not bad:
                raise Charm4PyError(
                    f"class {value.__name__} derives from {bad.__name__}, which makes collections; "
                    f"derive from Chare and create it with {bad.__name__}({value.__name__}, …)"
                )
        if issubclass(value, Chare) and value is not Chare and value is not ArrayMap:
            found.append(value)
    return found


def prepare_classes(classes: Iterable[type], with_pending: bool = True) -> list[tuple[Any, ...]]:
    """What the runtime must know of these and of all pending classes, in the same order on all ranks.

    Raises Charm4PyError or AssertionError for mistakes in a class.
    """
    every = dict(_pending) if with_pending else {}
    every.update(dict.fromkeys(classes))
    seen: dict[str, type] = {}
    prepared = []
    for cls in sorted(every, key=class_name):
        name = class_name(cls)
        if seen.setdefault(name, cls) is not cls:
            raise Charm4PyError(f"two different chare classes are called {name}; rename one")
        if not _c4py.class_registered(cls):
            _check_final(cls)
            _check_python_calls(cls)
            init = inspect.getattr_static(cls, "__init__")
            hook = inspect.getattr_static(cls, "migrated")
            waits = _c4py.CORO | _c4py.ASYNC
            flags = _flags_of(init) & waits | (_flags_of(hook) & waits) << _c4py.HOOK_SHIFT
            specs = entry_specs(cls)
            own, by_name = _own_methods(cls, {spec[0] for spec in specs})
            specs = [(n, f | _c4py.OWN if n in own else f, *rest) for n, f, *rest in specs]
            for spec in specs:
                if spec[1] & _c4py.OWN and len(spec) > 6:
                    raise Charm4PyError(
                        f"class {cls.__name__} assigns to self.{spec[0]}, which is a native method"
                    )
            flags = flags | _c4py.LOOK if by_name else flags
            prepared.append((cls, name, specs, flags, state_of(cls)))
    return prepared


def add_classes(prepared: Iterable[tuple[Any, ...]]) -> None:
    """Register what `prepare_classes` returned with the runtime.

    A class of a name that is taken, because it was defined once more while the program runs, gets a
    number: ``__main__.Worker#2``.
    """
    for cls, name, *rest in prepared:
        times = _times_added.get(name, 0) + 1
        _times_added[name] = times
        _c4py.class_add(cls, name if times == 1 else f"{name}#{times}", *rest)
        _pending.pop(cls, None)
        registered[cls] = {GROUP} if issubclass(cls, ArrayMap) else {GROUP, ARRAY}


def _check_final(cls: type) -> None:
    for base in cls.__mro__:
        if base is Chare:
            break
        for name in _FINAL:
            if name in vars(base):
                raise Charm4PyError(
                    f"class {cls.__name__} redefines {name}(), which belongs to the runtime; rename the method"
                )


def _check_python_calls(cls: type) -> None:
    """Methods that Python calls, and not a message, cannot be native."""
    for name in dir(cls):
        if name in _CALLED or (name.startswith("__") and name.endswith("__")):
            if is_native(inspect.getattr_static(cls, name, None)):
                raise Charm4PyError(
                    f"class {cls.__name__}: {name}() cannot be native, since no message calls it; call C from a method in Python"
                )


def entry_specs(cls: type) -> list[tuple[Any, ...]]:
    """What the runtime must know of each entry method, sorted by name."""
    specs = []
    for name in sorted(dir(cls)):
        if name.startswith("__") and name.endswith("__"):
            continue
        raw = inspect.getattr_static(cls, name, None)  # a metaclass may list what is not there
        if name in _NOT_ENTRIES or _of_base(cls, name):
            if name in _BASE_ENTRIES:
                specs.append((name, 0, _BASE_ENTRIES[name], (), None, None))
            continue
        if isinstance(raw, type) or not isinstance(raw, _METHODS) and not callable(raw):
            continue
        specs.append(_entry_spec(cls, name, raw))
    return specs


def _codes_of(func: Any) -> Iterator[CodeType]:
    """The code of a method or property, of what it wraps, and of the functions inside."""
    inner: list[Any] = []
    funcs = [func.fget, func.fset] if isinstance(func, property) else [func]
    while funcs and len(inner) < 20:
        func = funcs.pop()
        func = func.__func__ if isinstance(func, (staticmethod, classmethod)) else func
        if isinstance(func, FunctionType):
            inner.append(func.__code__)
            funcs.append(getattr(func, "__wrapped__", None))
    while inner:
        code = inner.pop()
        if isinstance(code, CodeType):
            yield code
            inner.extend(code.co_consts)


def _stored_names(code: CodeType) -> Iterator[str]:
    """The attributes that this code assigns to."""
    arg = 0
    for op, low in zip(code.co_code[::2], code.co_code[1::2]):
        arg = arg << 8 | low
        if op == _STORE_ATTR:
            yield code.co_names[arg]
        if op != _EXTENDED_ARG:
            arg = 0


def _own_methods(cls: type, names: set[str]) -> tuple[set[str], bool]:
    """Which of these methods the class's code replaces on single objects, as in ``self.work = self.fast``; True if it may do so by name.

    Looking up each method on each object would cost every call; so the class's code is searched for
    assignments to attributes of that name, and what only the running program knows (setattr,
    __dict__) is looked at when an object has been made.
    """
    own: set[str] = set()
    by_name = False
    for base in cls.__mro__:
        for raw in vars(base).values() if base not in (Chare, object) else ():
            for code in _codes_of(raw):
                used = names.intersection(code.co_names) - own
                by_name = by_name or not _BY_NAME.isdisjoint(code.co_names)
                if used:
                    own.update(used.intersection(_stored_names(code)))
    return own, by_name


def _of_base(cls: type, name: str) -> bool:
    """True if the attribute is the one of Chare."""
    return name in vars(Chare) and inspect.getattr_static(cls, name) is vars(Chare)[name]


def _flags_of(raw: Any) -> int:
    func = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
    flags = 0
    if getattr(func, CORO_MARK, False):
        flags |= _c4py.CORO
    if getattr(func, NOTIFY_MARK, False):
        flags |= _c4py.NOTIFY
    code = getattr(func, "__code__", None)
    if code is not None:
        if code.co_flags & inspect.CO_COROUTINE:
            flags |= _c4py.ASYNC
        if code.co_flags & inspect.CO_VARARGS:
            flags |= _c4py.VARARGS
        if code.co_flags & inspect.CO_VARKEYWORDS:
            flags |= _c4py.VARKW
    return flags


def _entry_spec(cls: type, name: str, raw: Any) -> tuple[Any, ...]:
    func = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
    flags = _flags_of(raw)
    cond = getattr(func, WHEN_MARK, None)
    if is_native(func):
        return entry_spec(cls, name, func, cond, is_coroutine(func))
    code = getattr(func, "__code__", None)
    if code is None:  # a partial, a C function, an object with __call__: whatever it takes
        return (name, flags, None, (), None, cond)
    if isinstance(cond, native):
        cond = condition_spec(cls, name, func, cond)
    names = code.co_varnames[: code.co_argcount]
    params = names if isinstance(raw, staticmethod) else names[1:]
    if not isinstance(raw, staticmethod) and not names and not flags & _c4py.VARARGS:
        raise Charm4PyError(
            f"method {name} of class {cls.__name__} lacks its first parameter 'self'"
        )
    kwonly_names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if "ret" in params or "ret" in kwonly_names:
        raise AssertionError(
            f"method {name} of class {cls.__name__} has a parameter called 'ret', "
            "which is how callers ask for the return value; rename it"
        )
    kwdefaults = func.__kwdefaults__ or {}
    kwonly = {n: kwdefaults.get(n, _c4py.REQUIRED) for n in kwonly_names} or None
    defaults = tuple(func.__defaults__ or ())[-len(params) :] if params else ()
    return (name, flags, tuple(sys.intern(p) for p in params), defaults, kwonly, cond)
