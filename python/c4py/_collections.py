# SPDX-License-Identifier: Apache-2.0
"""Making chares: groups, arrays and single ones. Checks what users pass; the C module does the rest."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from . import _c4py
from ._c4py import Chare
from ._chare import ArrayMap, check_chare_class, class_name
from ._errors import Charm4PyError

MAX_DIMS = 6


def _check_class(cls: Any, who: str) -> None:
    check_chare_class(cls, who)
    if not _c4py.class_registered(cls):
        if _c4py.rank() < 0:
            raise Charm4PyError(
                f"{who}({cls.__name__}): chares can be made only after charm.start()"
            )
        raise Charm4PyError(
            f"{who}({cls.__name__}): class {class_name(cls)} is not registered; decorate it with "
            f"@register, or name it in charm.start(…, classes=[{cls.__name__}]) or its module in modules=[…]"
        )


def _check_args(args: Any, who: str) -> Sequence[Any]:
    if not isinstance(args, (list, tuple)):
        raise TypeError(
            f"{who}: args must be a list or tuple of constructor arguments, not {type(args).__name__}"
        )
    return args


def _whole_number(value: Any, who: str, what: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{who}: {what} must be a whole number, not {value!r}") from None


# Group and Array are classes so that isinstance() may be asked; no object of them ever exists.
# Subclasses of users are refused when the module that has them is registered.


class Group:
    """``Group(cls, args=[])`` makes one chare of a class on every rank and returns the proxy of the group.

    chare_type: the class. args: list or tuple of constructor arguments. onPEs: ranks, one at least,
    that alone get a member; the proxy is then that of a section, and all constructors run later.

    The element's index is its rank. On the calling rank the constructor has run when this returns,
    up to its first suspension; elsewhere it runs soon. Works on any rank, in or out of coroutines;
    made in a coroutine, the proxy can be given to ``charm.awaitCreation()``. Raises Charm4PyError
    for a class that is no chare class or is not registered.
    """

    def __new__(cls, chare_type: Any, args: Sequence[Any] = (), onPEs: Any = None) -> _MadeGroup:
        _check_class(chare_type, "Group")
        awaitable = _c4py.in_coroutine() and not issubclass(chare_type, ArrayMap)
        if onPEs is not None:
            ranks = _check_ranks(onPEs)
            some: Any = _c4py.group_new_on(chare_type, _check_args(args, "Group"), ranks, awaitable)
            return some
        made: Any = _c4py.group_new(chare_type, _check_args(args, "Group"), awaitable)
        return made


def _check_ranks(ranks: Any) -> list[int]:
    """The ranks of ``onPEs``, in order, each once."""
    numbers = sorted({_whole_number(rank, "Group", "each of onPEs") for rank in ranks})
    if not numbers:
        raise AssertionError("Group: onPEs is empty; a group has one member at least")
    for rank in numbers:
        if not 0 <= rank < _c4py.num_ranks():
            raise IndexError(
                f"Group: onPEs has {rank}; there are ranks 0 to {_c4py.num_ranks() - 1}"
            )
    return numbers


class Array:
    """``Array(cls, dims, args=[])`` makes an array of chares, spread over the ranks, and returns its proxy.

    chare_type: the class. dims: size, or sizes of up to 6 dimensions; every index is filled. ndims:
    with ``dims=None``, the number of dimensions of an empty array, filled by ``proxy.ckInsert()``
    and closed by ``proxy.ckDoneInserting()``; sizes that are all 0 mean such an array, too.
    args: list or tuple of constructor arguments. map: proxy of a group of an `ArrayMap` class,
    which places the elements.
    useAtSync: the elements take part in load balancing.

    The elements of the calling rank have been constructed when this returns, the others soon after.
    Works on any rank; made in a coroutine, the proxy can be given to ``charm.awaitCreation()``.
    Raises Charm4PyError for wrong classes and shapes.
    """

    def __new__(
        cls,
        chare_type: Any,
        dims: Any = None,
        ndims: int = -1,
        args: Sequence[Any] = (),
        map: Any = None,
        useAtSync: bool = False,
    ) -> _MadeArray:
        _check_class(chare_type, "Array")
        if issubclass(chare_type, ArrayMap):
            raise Charm4PyError(
                f"Array({chare_type.__name__}): a class derived from ArrayMap makes groups only"
            )
        shape, ndims = _check_shape(dims, ndims)
        if map is not None:
            _check_map(map)
        awaitable = shape is not None and _c4py.in_coroutine()
        made: Any = _c4py.array_new(
            chare_type, shape, ndims, _check_args(args, "Array"), map, bool(useAtSync), awaitable
        )
        return made


if TYPE_CHECKING:
    # What comes back is a proxy. A type checker believes that only of subclasses.
    class _MadeGroup(Group, _c4py.GroupProxy): ...

    class _MadeArray(Array, _c4py.ArrayProxy): ...


def _check_shape(dims: Any, ndims: Any) -> tuple[tuple[int, ...] | None, int]:
    """(sizes or None for an empty array, number of dimensions), or Charm4PyError."""
    ndims = _whole_number(ndims, "Array", "ndims")
    if dims is None:
        if ndims == -1:
            raise Charm4PyError("Array: give dims, or ndims for an empty array to insert into")
        _check_ndims(ndims)
        return None, ndims
    if isinstance(dims, (str, bytes)):
        raise TypeError(f"Array: dims must be a whole number or a sequence of such, not {dims!r}")
    sizes = (dims,) if not hasattr(dims, "__iter__") else tuple(dims)
    shape = tuple(_whole_number(size, "Array", "each of dims") for size in sizes)
    _check_ndims(len(shape))
    if ndims not in (-1, len(shape)):
        raise Charm4PyError(
            f"Array: dims {shape} has {len(shape)} dimensions, but ndims says {ndims}"
        )
    if min(shape) < 0:
        raise Charm4PyError(f"Array: dims {shape} has a negative size")
    return shape if any(shape) else None, len(shape)


def _check_ndims(ndims: int) -> None:
    if not 1 <= ndims <= MAX_DIMS:
        raise Charm4PyError(f"Array: an array has 1 to {MAX_DIMS} dimensions, not {ndims}")


def _check_map(map_: Any) -> None:
    if not isinstance(map_, _c4py.Proxy) or not issubclass(_c4py.proxy_class(map_), ArrayMap):
        raise Charm4PyError(
            f"Array: map must be the proxy of a group of an ArrayMap class, Group(MyMap), not {map_!r}"
        )


def make_chare(cls: Any, args: Sequence[Any] = (), onPE: int = -1) -> Any:
    """What ``Chare(cls, args=[], onPE=-1)`` does: make one chare of a class and return its proxy.

    cls: the class. args: list or tuple of constructor arguments. onPE: the rank; -1 leaves the
    choice to the runtime, which goes round. Works on any rank. Raises Charm4PyError for wrong
    classes and IndexError for a rank that is none.
    """
    _check_class(cls, "Chare")
    if issubclass(cls, ArrayMap):
        raise Charm4PyError(
            f"Chare({cls.__name__}): a class derived from ArrayMap makes groups only"
        )
    pe = _whole_number(onPE, "Chare", "onPE")
    if not -1 <= pe < _c4py.num_ranks():
        raise IndexError(
            f"Chare({cls.__name__}): there is no rank {pe}; ranks go from 0 to {_c4py.num_ranks() - 1}"
        )
    return _c4py.chare_new(cls, _check_args(args, "Chare"), pe, _c4py.in_coroutine())


def await_creation(proxies: Sequence[Any]) -> Any:
    """Wait until all constructors of these collections have finished; see ``charm.awaitCreation``."""
    futures = []
    for proxy in proxies:
        if not isinstance(proxy, _c4py.Proxy):
            raise Charm4PyError(
                f"awaitCreation takes proxies of new collections, not {type(proxy).__name__}"
            )
        # past methods of that name, which a chare may have
        made = vars(_c4py.Proxy)["creation_future"]
        try:
            futures.append(made.__get__(proxy))
        except AttributeError:
            _refuse_await(proxy)
        made.__delete__(proxy)
    return _c4py.wait(futures)


def _refuse_await(proxy: Any) -> NoReturn:
    raise Charm4PyError(
        f"awaitCreation: this {type(proxy).__name__} cannot be waited for; it must be the very object that Group, Array or "
        "Chare returned in a coroutine, not a copy, each only once, and not of an empty array or an ArrayMap"
    ) from None


__all__ = ["Array", "ArrayMap", "Chare", "Group", "await_creation", "make_chare"]
