# SPDX-License-Identifier: Apache-2.0
"""Entry methods that are C functions, and the memory in a chare that they work on. See docs/native.md."""

from __future__ import annotations

import cmath
import functools
import inspect
import numbers
import os
import sys
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NoReturn, TypeVar, cast

from . import _c4py
from ._errors import Charm4PyError
from ._numpy import numpy

_F = TypeVar("_F", bound=Callable[..., Any])

#: Attribute that the decorator sets on functions.
_NATIVE_MARK = "_c4py_native"

#: What every native method gets before its parameters.
_FIRST = ("the runtime", "the native state")


class NativeState:
    """Memory of a chare that its native methods get as their object; an attribute of the class.

    layout: a signature, as ``"double x[1000], int steps"``, or a structured dtype of numpy's; laid
    out as C does it, zero at first. ``self.state`` is a view of it, a record of numpy's:
    ``self.state["x"]`` an array, ``self.state["steps"] = 3`` an assignment. It moves with the
    chare, and is in checkpoints. A class has one. Raises ValueError or TypeError for what cannot be
    laid out, Charm4PyError without numpy.
    """

    def __init__(self, layout: Any) -> None:
        np = numpy()
        if np is None:
            raise Charm4PyError("NativeState needs numpy, which cannot be imported")
        self.dtype = _dtype(np, layout)
        if self.dtype.names is None or self.dtype.itemsize == 0:
            raise ValueError(
                f"NativeState takes a signature or a dtype with named fields, not {layout!r}"
            )
        if self.dtype.hasobject:
            raise TypeError("NativeState cannot hold Python objects: C does not know what they are")
        self.name = "state"
        #: Makes the memory of one chare.
        self.make = functools.partial(np.zeros, (), self.dtype)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, chare: Any, owner: type | None = None) -> Any:
        return self if chare is None else _c4py.native_state(chare)[()]

    def __set__(self, chare: Any, value: Any) -> NoReturn:
        raise AttributeError(
            f"{self.name} is native memory and stays; assign to what is in it: self.{self.name}['name'] = …"
        )


def _dtype(np: Any, layout: Any) -> Any:
    """Of a signature, the record that C makes of it; else what numpy takes for a dtype."""
    if isinstance(layout, str):
        return np.dtype([_field(*param) for param in _c4py.signature_read(layout)], align=True)
    return np.dtype(layout)


def _field(
    name: str, sort: str, dtype: str, count: int, factors: tuple[int, ...]
) -> tuple[Any, ...]:
    """A field of a dtype for a parameter of a signature."""
    if sort in ("text", "struct"):
        raise ValueError(
            f"'{name}': a native state with a {sort} is declared by a dtype of numpy's"
        )
    if factors:
        raise ValueError(f"'{name}': lengths in a native state are numbers")
    if sort == "ref":
        return (name, "u8", (count, 3) if count > 1 else (3,))
    return (name, dtype) if sort == "number" else (name, dtype, (count,))


def state_of(cls: type) -> tuple[str, Any, int] | None:
    """The native state of a class's objects: its name, what makes one, its size in bytes. None without one."""
    found = {}
    for base in reversed(cls.__mro__):
        found.update({n: v for n, v in vars(base).items() if isinstance(v, NativeState)})
    found = {n: v for n, v in found.items() if inspect.getattr_static(cls, n) is v}
    if len(found) > 1:
        names = " and ".join(sorted(found))
        raise Charm4PyError(f"class {cls.__name__} has several native states, {names}: make one")
    for name, state in found.items():
        return name, state.make, state.dtype.itemsize
    return None


# ---- functions -------------------------------------------------------------------------------------


class native:
    """Make an entry method a C function, which the scheduler calls without the interpreter.

    function: ``"libkernels.so:force"``, a function in a library that lies beside the file of the
    program, or where the loader finds it; or anything that has an address: a numba ``cfunc``, a
    function of ctypes or cffi, a number. It is
    ``void force(c4p_rt_t *rt, void *state, parameters...)``.
    signature: the parameters, as ``"double dt, int n, double x[n]"``: the language of c4p/typed.h.
    The method has parameters of the same names; its body never runs. Calls by proxy check their
    arguments. Raises TypeError or ValueError for what does not fit; what is wrong with a library
    is said when the class is registered, by Charm4PyError.

    Given to ``@when`` it is a condition:
    ``bool ready(c4p_rt_t *rt, void *state, parameters...)``; of a native method with the method's
    parameters, or the first of them, and of a method in Python with any of its parameters, by name.
    """

    def __init__(self, function: Any, signature: str) -> None:
        self.function = function
        self.signature = signature
        self.parameters = _c4py.signature_read(signature)
        names = [param[0] for param in self.parameters]
        for name, sort, _, count, factors in self.parameters:
            if sort == "ref" and (count != 1 or factors):
                raise ValueError(f"native: '{name}': Python has no arrays of references to give")
        if isinstance(function, str):
            if not all(function.rpartition(":")[::2]):
                raise ValueError(f"native: 'LIBRARY:FUNCTION' is wanted, not {function!r}")
        else:
            _check_count(function, f'by the signature, "{signature}", it', *_FIRST, *names)
            address_of(function)

    def __call__(self, func: _F) -> _F:
        if not isinstance(func, FunctionType):
            raise TypeError(f"@native is for methods, not for {func!r}")
        code = func.__code__
        names = code.co_varnames[: code.co_argcount]
        rest = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_COROUTINE
        odd = code.co_kwonlyargcount or code.co_flags & rest or func.__defaults__
        wanted = ["self", *(param[0] for param in self.parameters)]
        if list(names[1:]) != wanted[1:] or odd or not names:
            raise TypeError(
                f"@native: {func.__qualname__} must be declared as its signature says: "
                f"def {func.__name__}({', '.join(wanted)})"
            )

        @functools.wraps(func)
        def call(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
            raise TypeError(
                f"{func.__qualname__}() is native: call it by a proxy, as self.thisProxy[self.thisIndex].{func.__name__}(…)"
            )

        setattr(call, _NATIVE_MARK, (self, code.co_filename))
        return cast(_F, call)

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", self.function)
        return f"{name}({self.signature})"

    def _load(self, file: str, who: str) -> Any:
        """The function; a library lies beside that file. Raises Charm4PyError."""
        return _load(self.function, file, who) if isinstance(self.function, str) else self.function


class NativeCond:
    """A condition of a native method, for the runtime. cond_str: as reports show it."""

    __slots__ = ("cond_str", "spec")

    def __init__(self, cond: native, function: Any) -> None:
        self.cond_str = repr(cond)
        self.spec = (address_of(function), len(cond.parameters), function)


class NativeCallCond:
    """A condition in C of a method in Python, for the runtime. positions: of its parameters among the method's."""

    __slots__ = ("cond_str", "positions", "spec")

    def __init__(self, cond: native, function: Any, positions: tuple[int, ...]) -> None:
        self.cond_str = repr(cond)
        self.spec = (address_of(function), cond.signature, function)
        self.positions = positions


def condition_spec(cls: type, name: str, func: Any, cond: native) -> NativeCallCond:
    """What the runtime must know of the condition of a method in Python."""
    who = f"method {name} of class {cls.__name__}"
    code = func.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    wanted = [param[0] for param in cond.parameters]
    for parameter in wanted:
        if parameter not in names:
            raise Charm4PyError(
                f"{who} takes ({', '.join(names)}): its condition {cond!r} asks for '{parameter}'"
            )
    positions = tuple(names.index(parameter) for parameter in wanted)
    return NativeCallCond(cond, cond._load(code.co_filename, who), positions)


def is_native(func: Any) -> bool:
    """Is this what `native` made? Objects that have any attribute that is asked for, as mocks do, are not."""
    return _NATIVE_MARK in getattr(func, "__dict__", ())


def entry_spec(cls: type, name: str, func: Any, cond: Any, coroutine: bool) -> tuple[Any, ...]:
    """What the runtime must know of a native method. cond: what @when was given, or None."""
    made, file = getattr(func, _NATIVE_MARK)
    who = f"method {name} of class {cls.__name__}"
    if coroutine:
        raise Charm4PyError(f"{who} is native: it cannot be a coroutine")
    if cond is not None:
        if not isinstance(cond, native):
            raise Charm4PyError(
                f"{who} is native: its condition must be, too, as @when(native('LIBRARY:FUNCTION', '{made.signature}'))"
            )
        if cond.parameters != made.parameters[: len(cond.parameters)]:
            raise Charm4PyError(
                f"{who} takes ({made.signature}): its condition must take the same or the first of them, "
                f"not ({cond.signature})"
            )
        cond = NativeCond(cond, cond._load(file, who))
    function = made._load(file, who)
    params = tuple(sys.intern(param[0]) for param in made.parameters)
    return (name, 0, params, (), None, cond, (address_of(function), made.signature, function))


def address_of(function: Any) -> int:
    """The address of a C function. Raises TypeError for what has none."""
    address = None
    if isinstance(function, int) and not isinstance(function, bool):
        address = function
    elif isinstance(getattr(function, "address", None), int):  # numba
        address = function.address
    elif type(function).__module__ == "_cffi_backend":
        import _cffi_backend

        address = int(_cffi_backend.FFI().cast("uintptr_t", function))
    elif "ctypes" in sys.modules and isinstance(function, sys.modules["_ctypes"].CFuncPtr):
        ctypes = sys.modules["ctypes"]
        address = ctypes.cast(function, ctypes.c_void_p).value
    if address is None:
        raise TypeError(
            f"native: {function!r} is no C function: 'LIBRARY:FUNCTION', a numba cfunc, a function of ctypes or cffi, "
            "or an address is wanted"
        )
    if not 0 < address < 1 << 64:
        raise ValueError(f"native: {address} is no address of a function")
    return address


def _check_count(function: Any, must: str, *params: str) -> None:
    """What a numba cfunc or a ctypes function knows of its parameters must fit. must: begins what is said."""
    known = getattr(getattr(function, "_sig", None), "args", None)  # numba
    if known is None:
        known = getattr(function, "argtypes", None)
    if known is not None and len(known) != len(params):
        raise TypeError(
            f"native: {function!r} takes {len(known)} parameters; {must} must take {len(params)}: "
            f"{', '.join(params)}"
        )


def _load(function: str, file: str, who: str) -> Any:
    """The function LIBRARY:FUNCTION. Raises Charm4PyError that says where it was looked for."""
    import ctypes

    library, _, name = function.rpartition(":")
    beside = os.path.join(os.path.dirname(os.path.abspath(file)), library)
    path, tried = beside, ""
    if not os.path.exists(beside):
        tried = f"{beside} does not exist; "
        if os.path.basename(library) == library:
            path = library
    try:
        loaded = ctypes.CDLL(path)
    except OSError as error:
        raise Charm4PyError(
            f"{who}: no native function '{function}': {tried}the loader says: {error}"
        ) from None
    try:
        return loaded[name]
    except AttributeError:
        raise Charm4PyError(f"{who}: {path} has no function '{name}'") from None


# ---- reducers --------------------------------------------------------------------------------------


def add_reducer(name: str, function: Any, layout: Any, file: str) -> Any:
    """See Reducers.addNative(). file: the library lies beside it."""
    np = numpy()
    if np is None:
        raise Charm4PyError(f"the native reducer '{name}' needs numpy, which cannot be imported")
    dtype = _dtype(np, layout)
    if dtype.hasobject or dtype.itemsize == 0 or dtype.subdtype:
        raise TypeError(
            f"addNative: '{name}' takes elements of plain memory, numbers or records, which {dtype} has not"
        )
    if isinstance(function, str):
        function = _load(function, file, f"reducer {name}")
    else:
        _check_count(function, "a reducer", "into", "from", "the number of elements")
    address = address_of(function)
    fold = functools.partial(_fold, np, address)
    take = functools.partial(_contribution, np, name, dtype)
    return _c4py.reducer_add_native(
        name, address, function, dtype, dtype.itemsize, fold, take, _finished
    )


def _contribution(np: Any, name: str, dtype: Any, data: Any, chare: Any = None) -> Any:
    """The contribution as an array of that dtype in C's order. Raises TypeError, ValueError."""
    records = isinstance(data, (tuple, list)) and dtype.names
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(data, dtype if records else None)
    except (TypeError, ValueError, OverflowError) as error:
        kind = ValueError if isinstance(error, OverflowError) else type(error)
        raise kind(f"the reducer {name} takes elements of {dtype}: {error}") from None
    if records and not _is_kept(array.tolist(), data):
        raise ValueError(f"the reducer {name} takes elements of {dtype}: {data!r} does not fit")
    if array.dtype != dtype:
        array = _converted(np, name, dtype, array)
    if array.size == 0:
        raise ValueError(f"the reducer {name} cannot combine arrays without elements")
    return np.require(array, requirements="CA")


def _is_kept(made: Any, given: Any) -> bool:
    """What is in records is what it was: numpy wraps integers, cuts what is behind the point and the ends of texts, repeats a number
    to fill an array, and reads numbers from texts."""
    made, given = (x.tolist() if hasattr(x, "tolist") else x for x in (made, given))
    if isinstance(made, (tuple, list)):
        several = isinstance(given, Sequence) and not isinstance(given, (str, bytes))
        return several and len(given) == len(made) and all(map(_is_kept, made, given))
    if isinstance(made, (bytes, str)) and isinstance(given, (bytes, str)):
        given = given.encode() if isinstance(made, bytes) and isinstance(given, str) else given
        return bool(made == given.rstrip("\0" if isinstance(given, str) else b"\0"))
    if isinstance(made, (float, complex)):
        return isinstance(given, numbers.Number) and (not cmath.isinf(made) or _is_infinite(given))
    return not isinstance(made, (int, str, bytes)) or bool(made == given)


def _is_infinite(number: Any) -> bool:
    try:
        return cmath.isinf(number)
    except OverflowError:  # a large integer
        return False


def _converted(np: Any, name: str, dtype: Any, array: Any) -> Any:
    """Numbers become those of the reducer's, if they are in its range."""
    plain = not array.dtype.names and not dtype.names
    integers = array.dtype.kind in "iu" and dtype.kind in "iu"  # also without a sign
    if not plain or not (integers or np.can_cast(array.dtype, dtype, "same_kind")):
        raise TypeError(f"the reducer {name} combines elements of {dtype}, not of {array.dtype}")
    with np.errstate(over="ignore"):
        made = array.astype(dtype)
    lost = dtype.kind in "iu" and not np.array_equal(made, array)
    if lost or (dtype.kind == "f" and np.any(np.isinf(made) & ~np.isinf(array))):
        raise ValueError(f"the reducer {name} combines elements of {dtype}: {array} does not fit")
    return made


def _finished(array: Any) -> Any:
    """A record for a record, a number for a number."""
    return array if array.ndim else array[()] if array.dtype.names else array.item()


def _fold(np: Any, address: int, values: list[Any]) -> Any:
    """Combine arrays: for reductions of tuples, which are made in Python."""
    import ctypes

    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(address)
    first, *rest = map(np.asarray, values)
    into = first.copy()
    for value in rest:
        if value.shape != into.shape:
            raise TypeError(
                f"members of one reduction contributed arrays of the shapes {into.shape} and {value.shape}"
            )
        call(into.ctypes.data, value.ctypes.data, into.size)
    return into


__all__ = ["NativeState", "add_reducer", "entry_spec", "is_native", "native", "state_of"]
