# SPDX-License-Identifier: Apache-2.0
"""Chares in C as Python sees them: objects whose methods are typed entry methods (``c4p/typed.h``)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _c4py


class _Parameter(NamedTuple):
    """num: elements of an array, times the values of the parameters with these numbers; None: no array. size: bytes of an element."""

    num: int | None
    factors: tuple[int, ...]
    size: int


class _Entry(NamedTuple):
    number: int
    who: str
    parameters: tuple[_Parameter, ...]


#: What Python may call, by the number of the type and the method's name.
_entries: dict[int, dict[str, _Entry]] = {}


def expose(type_: int, type_name: str, entry: int, name: str, signature: str) -> None:
    """Let Python call an entry method, whose signature is valid and has no structs and references."""
    parameters = tuple(
        _Parameter(count if sort == "array" else None, factors, int(dtype[1:]))
        for _, sort, dtype, count, factors in _c4py.signature_read(signature)
    )
    made = _Entry(entry, f"{type_name}.{name}({signature})", parameters)
    _entries.setdefault(type_, {})[name] = made


class HostChare:
    """A chare in C, or all those of a collection: made by the host, and given to methods.

    Its methods are the entry methods that the host lets Python call, with the parameters of their
    signatures: numbers, texts, and for arrays numpy arrays or other buffers of as many elements of that
    type, in C order. They return None; with ``ret=True`` (or ``awaitable=True``), in a coroutine, a
    future that gets what the method answers. ``chares[index]`` is one of a collection. Raises
    TypeError, ValueError and OverflowError for wrong arguments, with nothing sent.
    """

    __slots__ = ("_type", "_at")

    def __init__(self, type_: int, at: tuple[int, int, int, bool]) -> None:
        self._type = type_
        self._at = at  # collection, key, is it one element

    def __getitem__(self, index: Any) -> HostChare:
        if self._at[3]:
            raise TypeError("this is one chare in C already: it has no elements")
        return HostChare(self._type, (self._at[0], *_c4py.typed_at(self._at[0], index), True))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        methods = _entries.get(self._type, {})
        if name not in methods:
            known = ", ".join(sorted(methods)) or "none"
            raise AttributeError(
                f"this chare in C has no method {name!r} that Python may call; there are: {known}"
            )
        entry = methods[name]

        def call(*args: Any, ret: bool = False, awaitable: bool = False) -> Any:
            items = _arguments(entry, args)
            future = _c4py.future_new() if ret or awaitable else None
            return _c4py.typed_call(entry.who, self._type, entry.number, self._at, items, future)

        call.__name__ = name
        return call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostChare) and (self._type, self._at) == (other._type, other._at)

    def __hash__(self) -> int:
        return hash((self._type, self._at))

    def __reduce__(self) -> Any:
        return HostChare, (self._type, self._at)


def parts(chare: Any) -> tuple[int, tuple[int, int, int, bool]] | None:
    """What C knows a chare by; None for anything else."""
    return (chare._type, chare._at) if isinstance(chare, HostChare) else None


def _arguments(entry: _Entry, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What C makes a message of: a number or text each, or an array, how many elements it must have, and their size."""
    if len(args) != len(entry.parameters):
        raise TypeError(
            f"{entry.who} takes {len(entry.parameters)} arguments, {len(args)} were given"
        )
    return tuple(
        (arg, None) if p.num is None else (arg, _elements(p.num, p.factors, args), p.size)
        for p, arg in zip(entry.parameters, args)
    )


def _elements(count: int, factors: tuple[int, ...], args: tuple[Any, ...]) -> int:
    return math.prod((operator.index(args[f]) for f in factors), start=count)


__all__ = ["HostChare", "expose", "parts"]
