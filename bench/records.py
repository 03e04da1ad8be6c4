# SPDX-License-Identifier: Apache-2.0
"""Records of ./dev bench: read, judged against the targets, and compared with one another."""

import json
from typing import NamedTuple

from rows import ABSOLUTE, BY_NAME, RANKS_OF, RESULTS, ROWS

FORMAT = 2  # of a record; 1 had neither contenders nor spreads
NOISE = 0.1  # changes up to this are never reported
NEAR = 1.5  # times the target


class RecordError(Exception):
    """A file that cannot be used; the text says what to do."""


# ---- reading -----------------------------------------------------------------------------------


def read_records(path):
    """All records of a file, the oldest first."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [(n, line) for n, line in enumerate(file, 1) if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not lines:
        raise RecordError(f"{path} is empty; ./dev bench writes records")
    return [checked(line, f"{path}, line {n}") for n, line in lines]


def checked(line, where):
    """A line's record."""
    try:
        record = json.loads(line)
        format_, rows, cores = record.get("format", 1), record["rows"], record["machine"]["cores"]
    except ValueError as error:
        raise RecordError(f"{where}: no JSON ({error}); was it cut off? Remove the line") from None
    except (KeyError, TypeError, AttributeError):
        raise RecordError(f"{where}: this is no record of ./dev bench") from None
    if format_ != FORMAT:
        raise RecordError(
            f"{where}: a record of format {format_}, and this is a reader of format {FORMAT}; use the bench/report of commit "
            f"{record.get('commit', 'unknown')}, or measure again into a new file"
        )
    if not isinstance(rows, list) or not isinstance(cores, int):
        raise RecordError(f"{where}: this is no record of ./dev bench")
    return record


def pick(spec):
    """The record that FILE or FILE:N stands for: the last one that has rows, or the N-th, from the end if N is negative."""
    path, colon, number = str(spec).rpartition(":")
    if not colon or not number.lstrip("-").isdigit():
        path, number = spec, None
    found = read_records(path)
    if number is None:
        found = [record for record in found if record["rows"]]
    elif not 1 <= abs(int(number)) <= len(found):
        raise RecordError(f"{spec}: {path} has records 1 to {len(found)}, or -1 to -{len(found)} from the end")  # fmt: skip
    else:
        n = int(number)
        found = [found[n - 1 if n > 0 else n]]
    if not found or not found[-1]["rows"]:
        raise RecordError(f"{spec}: only scaling was measured there, and that has no rows")
    return found[-1]


def unknown_rows(records):
    """Names of rows that stand in a record and not in bench/rows.py."""
    return sorted({one["row"] for record in records for one in record["rows"]} - set(BY_NAME))


def found_in(record):
    """What was measured, by the row's name."""
    return {one["row"]: one for one in record["rows"] if one["row"] in BY_NAME}


# ---- judging -----------------------------------------------------------------------------------


def is_busy(record):
    """Others used the machine meanwhile: the medians say little, and the best times are judged instead."""
    return record.get("load", 0) > 0.5 * record["machine"]["cores"]


def is_oversubscribed(row, record):
    return RANKS_OF[row.program] > record["machine"]["cores"]


def value(row, one, best):
    """What is judged, in the row's unit: of the best times or of the medians; None if there is no such figure."""
    if row.unit == "B":
        return one.get("bytes")
    if row.unit in ABSOLUTE:
        seconds = one.get("best_seconds" if best else "seconds")
        return None if seconds is None else seconds * 1e9
    return one.get("best_ratio" if best else "ratio")


def state(row, one, best):
    """'reached', 'within 1.5x' or 'MISSED'; empty where nothing is to be reached; 'left out' without a figure."""
    found = value(row, one, best)
    if found is None:
        return "left out"
    if row.target is None:
        return ""
    if found <= row.target:
        return "reached"
    return "within 1.5x" if found <= NEAR * row.target else "MISSED"


def contenders(row, one, best):
    """Who did the same: (name, seconds), what the row is about first; empty if there is nobody beside it, or another row has them."""
    result = RESULTS.get(row.name)
    if "seconds" not in one or (result and result.alone):
        return []
    kind = "best_seconds" if best else "seconds"
    found = {result.ours if result else "C4Py": one[kind]}
    if row.unit not in (*ABSOLUTE, "r", "m") and "yardstick" in one:
        found[row.unit] = one["best_yardstick" if best else "yardstick"]
    found.update({name: their[kind] for name, their in one.get("against", {}).items()})
    return list(found.items()) if len(found) > 1 else []


# ---- comparing ---------------------------------------------------------------------------------


class Change(NamedTuple):
    """Of one row from a record to another: by which part the median and the best grew, and what is noise."""

    row: object
    kind: str  # 'regression', 'improvement', 'same', 'gone', 'new'
    old: float | None = None
    new: float | None = None
    median: float = 0.0
    best: float = 0.0
    noise: float = NOISE


def growth(old, new):
    """1.0: twice as much. What is less than a byte, or nothing, has not grown."""
    if abs(new - old) < 1e-12:
        return 0.0
    return (new - old) / max(old, 1e-12)


def change_of(row, old, new):
    """A change counts if median and best both moved by more than the noise: 10 %, or the spread of either record if that is more."""
    values = [value(row, one, best) for best in (False, True) for one in (old, new)]
    if None in values:
        kind = "gone" if value(row, old, False) is not None else "new"
        return Change(row, kind, values[0], values[1])
    noise = max(NOISE, old.get("spread", 0.0), new.get("spread", 0.0))
    median, best = growth(*values[:2]), growth(*values[2:])
    kind = "same"
    if min(median, best) > noise:
        kind = "regression"
    elif max(median, best) < -noise / (1 + noise):  # as far down as the noise is up
        kind = "improvement"
    return Change(row, kind, values[0], values[1], median, best, noise)


def compare(old, new):
    """The changes of all rows that one of the records has, in the order of the table."""
    before, after = found_in(old), found_in(new)
    return [
        change_of(row, before.get(row.name, {}), after.get(row.name, {}))
        for row in ROWS
        if row.name in before or row.name in after
    ]
