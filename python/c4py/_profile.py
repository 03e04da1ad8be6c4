# SPDX-License-Identifier: Apache-2.0
"""Profiling: what ``charm.printStats()`` prints. The clocks run in C (embed/profile.c); here they get their names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import _c4py

#: Chares of the package itself are shown from so many seconds on.
_INTERNAL_FROM = 0.001

#: (class, entry method, seconds in the method, in sends, in unpacking, how often)
_Row = tuple[str, str, float, float, float, int]

_ACCOUNTS = {
    "program": "functions run as coroutines",
    "reductions": "reductions of objects",
    "custom reductions": "custom reductions",
    "timers": "timer callbacks",
    "migrating out": "migrating out",
}


def start() -> None:
    """Begin to collect figures on this rank; after the runtime is up, before classes are registered."""
    _c4py.set_option("profiling", True)
    for cls, names in (
        (_c4py.Chare, ("contribute", "reduce", "allreduce")),
        (_c4py.Channel, ("send",)),
    ):
        for name in names:
            setattr(cls, name, _charged_as_send(getattr(cls, name)))


def _charged_as_send(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same method; its time counts as sending."""

    @functools.wraps(method)
    def charged(self: Any, *args: Any, **kwargs: Any) -> Any:
        entered = _c4py.profile_enter_send()
        try:
            return method(self, *args, **kwargs)
        finally:
            _c4py.profile_leave_send(entered)

    return charged


def report() -> str:
    """The figures of this rank as a table of text; one line that says so if none are collected."""
    rank = _c4py.rank()
    figures = _c4py.profile()
    if figures is None:
        return (
            f"[{rank}] charm.printStats(): nothing was measured; "
            "set charm.options.profiling = True before charm.start(), on every rank"
        )
    entries, accounts, sent, received = figures
    lines = [f"Timings of rank {rank}, in seconds:", ""]
    lines.append(_line("", "em", "send", "recv", "total", "calls"))
    total = [0.0, 0.0, 0.0]
    calls = 0
    for name, rows in _by_class(entries):
        lines += [f"{name}:"] if len(rows) > 1 else []
        lines += [
            _row_line(f"  {name}.{row[1]}" if len(rows) == 1 else f"  {row[1]}", row)
            for row in rows
        ]
        sums = [sum(float(row[i]) for row in rows) for i in (2, 3, 4)]
        class_calls = sum(row[5] for row in rows)
        if len(rows) > 1:
            lines.append(_row_line("  (all)", (name, "", *sums, class_calls)))
        total = [a + b for a, b in zip(total, sums)]
        calls += class_calls
    for row in accounts:
        if row[0] in _ACCOUNTS and (row[5] or row[2] or row[3]):
            lines.append(_row_line(_ACCOUNTS[row[0]], row))
            total = [a + b for a, b in zip(total, row[2:5])]
            calls += row[5]
    lines.append(_row_line("all", ("", "", *total, calls)))
    lines += ["", _sizes_line("sent", sent), _sizes_line("received", received)]
    return "\n".join(lines)


def _by_class(entries: Sequence[_Row]) -> list[tuple[str, list[_Row]]]:
    """The rows of each class that is to be shown, under the class's name without its module."""
    classes: dict[str, list[_Row]] = {}
    for row in entries:
        classes.setdefault(row[0], []).append(row)
    shown = []
    for full_name, rows in classes.items():
        used = sum(row[2] + row[3] + row[4] for row in rows)
        if not full_name.startswith("c4py.") or used > _INTERNAL_FROM:
            shown.append((full_name.rpartition(".")[2], rows))
    return shown


def _line(name: str, *columns: str) -> str:
    return f"{name:<36}" + "".join(f"{column:>11}" for column in columns)


def _row_line(name: str, row: Sequence[Any]) -> str:
    run, send, recv, calls = row[2:6]
    return _line(
        name, f"{run:.6f}", f"{send:.6f}", f"{recv:.6f}", f"{run + send + recv:.6f}", str(calls)
    )


def _sizes_line(what: str, sizes: Sequence[int]) -> str:
    count, by_reference, least, most, total = sizes
    line = f"messages {what}: {count}"
    if by_reference:
        line += f", {by_reference} of them on this rank without packing"
    packed = count - by_reference
    if packed:
        line += f"; bytes: min {least}, mean {total / packed:.1f}, max {most}, total {total}"
    return line
