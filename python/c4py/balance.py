# SPDX-License-Identifier: Apache-2.0
"""Load balancing offline: run strategies on a record of loads, for any number of ranks, and compare them.

::

    python -m c4py.balance dump.jsonl --ranks 128 --strategy greedy,refine,mine.py:function --plot out.png

The record has one line of JSON for each object and, optionally, for each rank of each round::

    {"round": 3, "object": "Cell[3,4]", "rank": 0, "load": 0.01, "bytes": 1000, "coords": [3, 4], "edges": [["Cell[3,5]", 4096]]}
    {"round": 3, "pe": 0, "host": 0, "background": 0.001, "speed": 1.0}

A strategy of your own is a function that takes a `View` and returns the rank of each object.
Needs no job and no MPI; docs/load-balancing.md says what each built-in strategy is for.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _c4py
from ._balance import Record, View, judge, read, run
from ._runtime import say_nothing_at_exit

__all__ = ["View", "judge", "read", "run"]
for _public in (View, judge, read, run):
    _public.__module__ = __name__
del _public


class Result(NamedTuple):
    """One row of the table."""

    name: str
    plan: Any
    worth: dict[str, Any]
    seconds: float


class _Failure(Exception):
    """What ends the tool with one line."""


# ---- strategies -----------------------------------------------------------------------------------


def _load_function(text: str) -> Callable[[View], Any]:
    """The function named by FILE.py:FUNCTION."""
    path, _, name = text.rpartition(":")
    spec = importlib.util.spec_from_file_location("c4py_balance_strategy", path)
    if spec is None or spec.loader is None or not os.path.exists(path):
        raise _Failure(f"there is no Python file '{path}'")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        spec.loader.exec_module(module)
    except Exception:
        raise _Failure(f"{path} cannot be imported:\n{traceback.format_exc()}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise _Failure(f"{path} has no function '{name}'")
    return function


def _strategies(text: str) -> list[tuple[str, Any, bool]]:
    """(name, name or function, must work) of a list separated by commas; "all" means all built-in ones that can work."""
    found: list[tuple[str, Any, bool]] = []
    for word in text.split(","):
        if word == "all":
            found += [(name, name, False) for name, _ in _c4py.lb_builtins()]
        elif ".py:" in word:
            found.append((word.rpartition(":")[2], _load_function(word), True))
        elif (name := _c4py.lb_find(word)) is not None:
            found.append((name, name, True))
        else:
            raise _Failure(f"there is no strategy '{word}'; --list names them")
    return found


def _measure(name: str, strategy: Any, view: View) -> Result:
    start = time.perf_counter()
    try:
        plan = run(strategy, view)
    except ValueError as error:
        raise _Failure(f"{name}: {error}") from None
    except Exception:
        if isinstance(strategy, str):
            raise
        raise _Failure(f"{name} raised an exception:\n{traceback.format_exc()}") from None
    seconds = time.perf_counter() - start
    return Result(name, plan, judge(view, plan), seconds)


# ---- output ---------------------------------------------------------------------------------------


def _bytes_text(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def table(view: View, results: Sequence[Result]) -> str:
    """What the strategies would do, one line each."""
    head = ("strategy", "max/avg", "longest", "moved", "bytes moved", "between ranks", "time")
    rows = [head]
    for name, _, worth, seconds in results:
        mean = worth["mean"] or 1.0
        rows.append(
            (
                name,
                f"{worth['max_after'] / mean:.3f}",
                f"{worth['max_after']:.4g} s",
                f"{100 * worth['moved'] / max(view.num_objects, 1):.1f} %",
                _bytes_text(worth["moved_bytes"]) if view.bytes is not None else "-",
                _bytes_text(worth["cut_after"]) if view.edge_first is not None else "-",
                f"{1000 * seconds:.3g} ms",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _draw(axes: Any, times: Any, mean: float, color: str, title: str) -> None:
    """The ranks' seconds as bars, or as an area where there are too many to tell apart."""
    if len(times) <= 256:
        axes.bar(range(len(times)), times, width=0.8, color=color)
    else:
        axes.fill_between(range(len(times)), times, step="mid", color=color, linewidth=0)
    axes.axhline(mean, color="black", linewidth=0.8, linestyle="--")
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlim(-0.7, len(times) - 0.3)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)


def plot(view: View, results: Sequence[Result], path: str) -> None:
    """Draw the seconds of each rank now and under each plan into a file. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(results) + 1
    columns = 1 if count <= 2 else 2 if count <= 6 else 3
    rows = -(-count // columns)
    figure = Figure(figsize=(5.2 * columns, 1.9 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    before = judge(view, view.rank)
    mean = before["mean"] or 1.0
    title = f"now: max/avg {before['max_before'] / mean:.2f}"
    _draw(panels[0], view.times(view.rank), mean, "#b0584f", title)
    for axes, (name, plan, worth, _) in zip(panels[1:], results):
        moved = 100 * worth["moved"] / max(view.num_objects, 1)
        title = f"{name}: max/avg {worth['max_after'] / mean:.2f}, {moved:.0f} % moved"
        _draw(axes, view.times(plan), mean, "#4f7fb0", title)
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)  # also where an empty place is below
    figure.supxlabel("rank", fontsize=9)
    figure.supylabel("seconds in a round (dashed: ideal)", fontsize=9)
    figure.savefig(path, dpi=130)


# ---- command line ---------------------------------------------------------------------------------


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m c4py.balance",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("record", nargs="?", help="file of JSON lines; - for standard input")
    parser.add_argument("--ranks", type=int, metavar="N", help="as if there were N ranks")
    parser.add_argument(
        "--strategy",
        default="greedy-refine,refine",
        metavar="NAME[,NAME...]",
        help="built-in ones by name, 'all', or FILE.py:FUNCTION (default: %(default)s)",
    )
    parser.add_argument("--round", type=int, metavar="R", help="the round (default: the last)")
    parser.add_argument("--seed", type=int, default=0, help="for strategies that use chance")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw the loads of all ranks (png, pdf, svg)"
    )
    parser.add_argument("--list", action="store_true", help="name the built-in strategies")
    args = parser.parse_args(argv)
    if not args.list and args.record is None:
        parser.error("which record? (or --list)")
    if args.ranks is not None and not 1 <= args.ranks <= 1 << 24:
        parser.error(f"--ranks must be 1 or more, not {args.ranks}")
    if not 0 <= args.seed < 1 << 64:
        parser.error("--seed must be from 0 to 2^64 - 1")
    return args


def _chosen(args: argparse.Namespace) -> Record:
    try:
        if args.record == "-":
            records = list(read(sys.stdin, "standard input"))
        else:
            with open(args.record, encoding="utf-8") as file:
                records = list(read(file, args.record))
    except OSError as error:
        raise _Failure(f"{args.record}: {error.strerror}") from None
    except ValueError as error:
        raise _Failure(str(error)) from None
    if not records:
        raise _Failure(f"{args.record} is empty")
    for record in records:
        if record.round == args.round:
            return record
    if args.round is not None:
        known = ", ".join(str(record.round) for record in records)
        raise _Failure(f"{args.record} has no round {args.round}; it has {known}")
    return records[-1]


def _work(args: argparse.Namespace) -> None:
    strategies = _strategies(args.strategy)
    try:
        view = _chosen(args).view(args.seed)
        view = view.on_ranks(args.ranks or view.num_ranks)
        before = judge(view, view.rank)
    except (ValueError, OverflowError) as error:
        raise _Failure(f"{args.record}: {error}") from None
    hosts = f" of {view.num_nodes} hosts" if view.num_nodes > 1 else ""
    print(f"{view.num_objects} objects on {view.num_ranks} ranks{hosts}, round {view.round}")
    ratio = before["max_before"] / (before["mean"] or 1.0)
    between = (
        f", {_bytes_text(before['cut_before'])} between ranks" if view.edge_to is not None else ""
    )
    print(f"now: max/avg {ratio:.3f}, longest {before['max_before']:.4g} s{between}\n")
    results = []
    for name, strategy, must_work in strategies:
        try:
            results.append(_measure(name, strategy, view))
        except _Failure as failure:
            if must_work:
                raise
            print(f"left out: {failure}")
    print(table(view, results))
    if args.plot:
        try:
            plot(view, results, args.plot)
        except ImportError:
            raise _Failure("--plot needs matplotlib, which this Python does not have") from None
        except (OSError, ValueError) as error:
            raise _Failure(f"{args.plot}: {error}") from None
        print(f"\ndrawn into {args.plot}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line tool; returns the exit status."""
    args = _arguments(argv)
    if args.list:
        for name, what in _c4py.lb_builtins():
            print(f"{name:14} {what}")
        return 0
    try:
        _work(args)
    except _Failure as failure:
        print(f"c4py.balance: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    say_nothing_at_exit()
    sys.exit(main())
