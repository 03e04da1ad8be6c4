# SPDX-License-Identifier: Apache-2.0
"""Sections: some members of collections, cut out and joined. Who the members are is asked of them; the C module makes the section."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import _c4py
from ._errors import Charm4PyError

Index = Any  # an int for groups, a tuple of ints for arrays


def split(
    proxy: Any,
    numsections: int,
    section_func: Callable[[Any], int | Sequence[int]] | None = None,
    elems: Iterable[Any] | None = None,
) -> list[Any]:
    """See ``charm.split()``: the same function."""
    _check_whole(proxy, "charm.split()")
    if not hasattr(numsections, "__index__") or numsections < 1:
        raise Charm4PyError(
            f"charm.split(): numsections must be a positive number, not {numsections!r}"
        )
    if (section_func is None) == (elems is None):
        raise Charm4PyError("charm.split(): give either section_func or elems")
    if elems is not None:
        parts = _parts_by_index(proxy, _index_lists(proxy, numsections, elems))
    else:
        if not callable(section_func):
            raise Charm4PyError(
                f"charm.split(): section_func must be a function of a chare, not {section_func!r}"
            )
        parts = _parts_by_answer(
            numsections, _members(_c4py.section_members(proxy, section_func)), section_func
        )
    for number, part in enumerate(parts):
        if not part:
            raise AssertionError(
                f"charm.split(): section {number} of {numsections} has no members: {proxy!r}"
            )
    return [_c4py.section_new(proxy, part) for part in parts]


def combine(*proxies: Any) -> Any:
    """See ``charm.combine()``: the same function."""
    if not proxies:
        raise Charm4PyError("charm.combine(): give the proxies of groups, arrays or sections")
    for proxy in proxies:
        _check_whole(proxy, "charm.combine()")
    futures = [_c4py.section_members(proxy, None) for proxy in proxies]
    members = [member for future in futures for member, _ in _members(future)]
    members.sort(key=_place)
    if not members:
        raise AssertionError("charm.combine(): the collections have no members")
    return _c4py.section_new(proxies[0], members)


def slice_of(proxy: Any, index: Any) -> Any:
    """What ``proxy[start:stop:step]`` and ``proxy[a:b, c:d]`` are: called by the C module."""
    if _c4py.proxy_is_element(proxy):
        raise TypeError(f"{proxy!r} is one element: nothing can be cut out of it")
    if isinstance(proxy, _c4py.GroupProxy):
        members = [proxy[i] for i in _ranks_in(index)]
    else:
        members = _members_in(proxy, index)
    if not members:
        raise AssertionError(f"{proxy!r}[{index!r}]: no member lies in this range")
    return _c4py.section_new(proxy, members)


def _place(member: Any) -> tuple[int, ...]:
    """Members are ordered by index, whichever collection they are of; those of equal index stay in the order of the arguments."""
    index = _own(member, "elemIdx")
    return index if isinstance(index, tuple) else (index,)


def _members(future: Any) -> list[tuple[Any, Any]]:
    """(proxy, answer) of all members; what one of them raised is raised."""
    answers: list[Any] = future.get()
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


def _check_whole(proxy: Any, who: str) -> None:
    if not isinstance(proxy, _c4py.Proxy):
        raise TypeError(f"{who} takes proxies of groups, arrays and sections, not {proxy!r}")
    if _c4py.proxy_is_element(proxy):
        raise AssertionError(f"{who}: {proxy!r} is one element, not a collection or a section")


# ---- by answer -----------------------------------------------------------------------------------


def _parts_by_answer(
    count: int, answers: Sequence[tuple[Any, Any]], section_func: Callable[[Any], Any]
) -> list[list[Any]]:
    parts: list[list[Any]] = [[] for _ in range(count)]
    name = getattr(section_func, "__qualname__", repr(section_func))
    for member, answer in answers:
        for number in _numbers(answer, name, member):
            if number >= count:
                raise AssertionError(
                    f"charm.split(): {name} says section {number} of {member!r}; there are sections 0 to {count - 1}"
                )
            if number >= 0 and (not parts[number] or parts[number][-1] is not member):
                parts[number].append(member)
    return parts


def _numbers(answer: Any, name: str, member: Any) -> list[int]:
    try:
        return [answer.__index__()]
    except (AttributeError, TypeError):  # numpy's arrays raise the latter
        pass
    try:
        return [number.__index__() for number in answer]
    except (AttributeError, TypeError):
        raise TypeError(
            f"charm.split(): {name} must return the number of a section or a list of such, not {answer!r} (of {member!r})"
        ) from None


# ---- by index ------------------------------------------------------------------------------------


def _parts_by_index(proxy: Any, lists: list[set[Index]]) -> list[list[Any]]:
    if isinstance(proxy, _c4py.GroupProxy):
        return [[proxy[i] for i in sorted(wanted)] for wanted in lists]
    members = [
        (_own(member, "elemIdx"), member)
        for member, _ in _members(_c4py.section_members(proxy, None))
    ]
    return [[member for index, member in members if index in wanted] for wanted in lists]


def _index_lists(proxy: Any, count: int, elems: Iterable[Any]) -> list[set[Index]]:
    items = list(elems)
    dims = _dims_of(proxy)
    if count == 1 and items and all(_is_index(item, dims) for item in items):
        items = [items]
    if len(items) != count:
        raise AssertionError(
            f"charm.split(): elems must be a list of {count} lists of indexes, one for each section; it has {len(items)}"
        )
    return [{_as_index(item, dims) for item in part} for part in items]


def _is_index(item: Any, dims: int | None) -> bool:
    if isinstance(item, tuple):
        return (dims is None or len(item) == dims) and all(hasattr(i, "__index__") for i in item)
    return hasattr(item, "__index__")


def _as_index(item: Any, dims: int | None) -> Index:
    """As ``elemIdx`` has it: a tuple for arrays; of a section it may be either."""
    if isinstance(item, (tuple, list)):
        return tuple(i.__index__() for i in item)
    number: int = item.__index__()
    return number if dims is None else (number,)


def _dims_of(proxy: Any) -> int | None:
    """How many numbers are in the indexes of an array's members; None if they are no tuples, or of any length."""
    if _c4py.section_is_mixed(proxy):
        return None
    if isinstance(proxy, (_c4py.ArrayProxy, _c4py.ArraySecProxy)):
        dims: int = _own(proxy, "ndims")
        return dims
    return None


def _own(proxy: Any, name: str) -> Any:
    """An attribute of proxies themselves, even where their chare has a method of that name."""
    for base in (_c4py.Proxy, _c4py.ArrayProxy, _c4py.ArraySecProxy):
        if name in vars(base) and isinstance(proxy, base):
            return vars(base)[name].__get__(proxy)
    raise AttributeError(name)


# ---- slices --------------------------------------------------------------------------------------


def _ranks_in(index: Any) -> range:
    """The ranks that one slice means; what is not given goes from end to end."""
    count = _c4py.num_ranks()
    if isinstance(index, tuple) and len(index) == 1:
        index = index[0]
    if not isinstance(index, slice):
        raise IndexError(f"a group has one dimension: group[start:stop:step], not {index!r}")
    start = 0 if index.start is None else index.start
    stop = count if index.stop is None else min(index.stop, count)
    step = 1 if index.step is None else index.step
    if start < 0 or step < 1:
        raise IndexError(
            f"group[{start}:{stop}:{step}]: negative numbers have no meaning in slices"
        )
    return range(start, stop, step)


def _range(part: Any, proxy: Any) -> range:
    if not isinstance(part, slice):
        number = part.__index__()
        return range(number, number + 1)
    if part.start is None or part.stop is None:
        raise AssertionError(
            f"{proxy!r}: a slice needs start and stop in each dimension, such as [0:4, 0:2]"
        )
    step = 1 if part.step is None else part.step
    if step < 1:
        raise IndexError(f"{proxy!r}: the step of a slice must be positive, not {step}")
    return range(part.start, part.stop, step)


def _members_in(proxy: Any, index: Any) -> list[Any]:
    if isinstance(proxy, _c4py.GroupSecProxy) and not _c4py.section_is_mixed(proxy):
        ranges = [_ranks_in(index)]
    else:
        ranges = [_range(part, proxy) for part in (index if isinstance(index, tuple) else (index,))]
    dims = _dims_of(proxy) or len(ranges)
    if len(ranges) != dims:
        raise AssertionError(f"{proxy!r} has {dims} dimensions, the slice {len(ranges)}")
    members = []
    for member, _ in _members(_c4py.section_members(proxy, None)):
        index = _own(member, "elemIdx")
        at = index if isinstance(index, tuple) else (index,)
        if len(at) == dims and all(i in r for i, r in zip(at, ranges)):
            members.append(member)
    return members
