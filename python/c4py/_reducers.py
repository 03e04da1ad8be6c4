# SPDX-License-Identifier: Apache-2.0
"""Reducers: how contributions are combined. The common kinds of data are combined in C; the rest here."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import _c4py
from ._errors import Charm4PyError
from ._numpy import loaded_numpy, numpy

_BUILTIN = (
    "sum",
    "product",
    "max",
    "min",
    "logical_and",
    "logical_or",
    "logical_xor",
    "gather",
    "nop",
    "bit_and",
    "bit_or",
    "bit_xor",
    "minloc",
    "maxloc",
    "sum_ordered",
    "sum_compensated",
)


class Reducers:
    """The reducers by name, as attributes: ``Reducer.sum`` and so on; those of the program are added to them.

    sum, product, max, min: of numbers, of lists and arrays element by element, of objects with the
    operators.
    logical_and, logical_or, logical_xor: of truth values; xor is parity.
    gather: a list of all contributions, by index. nop: no data, a barrier.
    bit_and, bit_or, bit_xor: of integers. minloc, maxloc: of (value, location) pairs.
    sum_ordered: a sum with the same bits in every run. sum_compensated: a sum that loses nearly no
    digits.
    tuple(Reducer.sum, Reducer.max, ...): of tuples, each value by the reducer at its place.
    """

    def __init__(self) -> None:
        for name in _BUILTIN:
            setattr(self, name, _c4py.reducer_builtin(name))  # type: ignore[arg-type]

    def __reduce__(self) -> str:
        return "reducers"

    def addReducer(
        self,
        func: Callable[[list[Any]], Any],
        pre: Callable[[Any, Any], Any] | None = None,
        post: Callable[[Any], Any] | None = None,
    ) -> None:
        """Add a reducer of the program's, afterwards known as ``Reducer.<name of func>``.

        func(contributions) gets a list of contributions or partial results and returns one of the
        same kind; it is called along a tree, in any order. pre(data, chare) replaces the data at
        each contributor. post(result) makes the final result of the combined one, once for each
        place of delivery.

        Must be called on every rank, usually while the script is loaded. Does not block. Raises
        Charm4PyError for a name that is taken and TypeError for something that cannot be called.
        """
        for what, value in (("reducer", func), ("pre", pre), ("post", post)):
            if value is not None and not callable(value):
                raise TypeError(f"addReducer: {what} must be callable, not {type(value).__name__}")
        name = getattr(func, "__name__", None)
        if not isinstance(name, str) or not name.isidentifier():
            raise Charm4PyError(
                "addReducer: the function needs a name, which becomes the reducer's; use def"
            )
        if hasattr(self, name):
            raise Charm4PyError(f"addReducer: there is a reducer called '{name}' already")
        setattr(self, name, _c4py.reducer_add(name, func, pre, post))

    def addNative(self, name: str, function: Any, layout: Any) -> None:
        """Add a reducer that is a C function, afterwards known as ``Reducer.<name>``.

        function: as for ``c4py.native``; ``void merge(T *into, const T *from, size_t n)`` combines n
        elements with those in ``into``. T is what ``layout`` says: a dtype of numpy's, as
        ``np.float64``, or a signature, as ``"double lowest, int64_t where"``, for a struct.
        Contributions are arrays of that dtype and of one shape, single records or numbers; the
        result is what was contributed. Methods in C contribute by ``c4p_reducer_find()``.

        Must be called on every rank, before ``charm.start()`` and in the same order. Raises
        Charm4PyError for a name that is taken, without numpy, and for a library or function that is
        not there; TypeError or ValueError for what cannot be laid out or called.
        """
        from ._native import add_reducer

        if not isinstance(name, str) or not name.isidentifier():
            raise TypeError(f"addNative: {name!r} is no name of an attribute")
        if hasattr(self, name):
            raise Charm4PyError(f"addNative: there is a reducer called '{name}' already")
        file = sys._getframe(1).f_code.co_filename
        setattr(self, name, add_reducer(name, function, layout, file))

    def tuple(self, *reducers: Any) -> Any:
        """A reducer of tuples with as many values as reducers are given; the result is such a tuple, too.

        ``self.reduce(callback, (size, error), Reducer.tuple(Reducer.sum, Reducer.max))`` makes one
        reduction of what would be two. Values of numbers and arrays are combined in C. Reducers of
        the program may stand in it; gather, nop, sum_ordered and other tuples may not. Raises
        TypeError for them.
        """
        return _c4py.reducer_tuple(reducers)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"there is no reducer '{name}'; add it on every rank with Reducer.addReducer(), "
            "at the top level of the script"
        )


def _logical_xor(a: Any, b: Any) -> bool:
    return bool(a) != bool(b)


def _logical_and(a: Any, b: Any) -> bool:
    return bool(a) and bool(b)


def _logical_or(a: Any, b: Any) -> bool:
    return bool(a) or bool(b)


def _larger(a: Any, b: Any) -> Any:
    return b if b > a else a


def _smaller(a: Any, b: Any) -> Any:
    return b if b < a else a


#: name: (numpy function, the same for two Python objects)
_OPERATIONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "sum": ("add", operator.add),
    "product": ("multiply", operator.mul),
    "max": ("maximum", _larger),
    "min": ("minimum", _smaller),
    "logical_and": ("logical_and", _logical_and),
    "logical_or": ("logical_or", _logical_or),
    "logical_xor": ("logical_xor", _logical_xor),
}


def combine(name: str, contributions: Sequence[Any]) -> Any:
    """Combine contributions for which C has no loop: objects, mixed or nested lists, unusual dtypes.

    Called by the runtime with contributions or partial results. Raises TypeError for data that
    cannot be combined.
    """
    if len(contributions) == 1:
        return contributions[0]
    numpy_name, function = _OPERATIONS[name]
    for value in contributions:
        if value is None or isinstance(value, (str, bytes, dict)):
            raise TypeError(
                f"reducer '{name}' cannot combine values of type {type(value).__name__}"
            )
    if all(isinstance(value, (list, tuple, range)) or _is_array(value) for value in contributions):
        return _combine_elementwise(name, numpy_name, function, contributions)
    return functools.reduce(function, contributions)


def _is_array(value: Any) -> bool:
    np = loaded_numpy()
    return np is not None and isinstance(value, (np.ndarray, np.generic))


def _combine_elementwise(
    name: str, numpy_name: str, function: Callable[[Any, Any], Any], contributions: Sequence[Any]
) -> Any:
    np = numpy()
    if np is None:
        rows = [list(value) for value in contributions]
        if len({len(row) for row in rows}) > 1:
            raise TypeError(f"reducer '{name}' cannot combine lists of different lengths")
        return [functools.reduce(function, items) for items in zip(*rows)]
    arrays = [np.asarray(value) for value in contributions]
    if name in ("sum", "product"):  # truth values count
        arrays = [array.astype(np.int64) if array.dtype == bool else array for array in arrays]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise TypeError(
            f"reducer '{name}' cannot combine contributions of different shapes: {sorted(shapes)}"
        )
    return functools.reduce(getattr(np, numpy_name), arrays)


reducers = Reducers()
