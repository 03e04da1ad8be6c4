#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Render a benchmark record as a table: absolute figure, ratio to the yardstick, target, and where it stands."""

import json
import sys
from pathlib import Path

from rows import ROWS


def time_text(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def state(value, target):
    if value <= target:
        return "reached"
    return "within 1.5x" if value <= 1.5 * target else "MISSED"


def is_busy(record):
    """Others used the machine meanwhile: the medians say little, and the best times are judged instead."""
    return record.get("load", 0) > 0.5 * record["machine"]["cores"]


def head(record):
    machine = record["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    yield f"commit {record['commit']}, {record['compiler']}, {record['mpi']}, {record['time']}"
    if record["scale"] < 1:
        yield f"short run (scale {record['scale']}): less exact"
    if is_busy(record):
        yield f"the machine was busy (load {record['load']:.1f}): judged by the best times, not by the medians"


def line(row, one, busy):
    """Name, figure, ratio, best ratio, target, state: texts."""
    target = f"{row.target:g} {row.unit}"
    if row.unit == "B":
        value = one["bytes"]
        return row.text, f"{value:.3g} B", "", "", target, state(value, row.target)
    value = one["best_ratio"] if busy else one["ratio"]
    ratios = f"{one['ratio']:.3g} {row.unit}", f"{one['best_ratio']:.3g} {row.unit}"
    return row.text, time_text(one["seconds"]), *ratios, target, state(value, row.target)


def lines(record):
    """All rows that were measured, in the order of the table."""
    found = {row["row"]: row for row in record["rows"]}
    yield "what", "figure", "ratio", "best", "target", "state"
    for row in ROWS:
        if row.name in found:
            yield line(row, found[row.name], is_busy(record))
    if "mpi4py_pingpong" in found:
        one = found["mpi4py_pingpong"]
        ratios = f"{one['ratio']:.3g} r", f"{one['best_ratio']:.3g} r"
        yield (
            "for comparison: mpi4py, send and recv of one int",
            time_text(one["seconds"]),
            *ratios,
            "",
            "",
        )


def table(record):
    """Lines of the table, for a terminal."""
    yield from head(record)
    yield ""
    for what, figure, ratio, best, target, verdict in lines(record):
        yield f"{what:52} {figure:>9} {ratio:>9} {best:>9} {target:>7}  {verdict}".rstrip()


def markdown(record):
    """The same for a page."""
    yield from (f"- {text}" for text in head(record))
    yield ""
    for i, fields in enumerate(lines(record)):
        yield "| " + " | ".join(fields) + " |"
        if i == 0:
            yield "|---|--:|--:|--:|--:|---|"


def print_table(record):
    print("\n".join(table(record)))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--markdown"]):
        sys.exit("usage: report.py RECORDS.jsonl [--markdown]")
    last = json.loads(Path(sys.argv[1]).read_text().splitlines()[-1])
    print("\n".join(markdown(last) if sys.argv[2:] else table(last)))
