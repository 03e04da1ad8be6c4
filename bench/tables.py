# SPDX-License-Identifier: Apache-2.0
"""A benchmark record, and the comparison of two, as text: absolute figure, ratio to what it is compared with, target, and where it stands."""

from launch import ranks_text
from records import found_in, is_busy, is_oversubscribed, state, value
from rows import ABSOLUTE, GROUPS

COLUMNS = ("what", "figure", "ratio", "best", "of", "target", "state")


def time_text(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def rate_text(row, seconds):
    """Of messages of some size: how many bytes, or how many messages, in a second."""
    if not row.nbytes:
        return ""
    if row.nbytes > 8:
        return f"{row.nbytes / seconds / 1e6:,.0f} MB/s"
    return f"{1e-6 / seconds:.3g} million/s"


def number(found):
    return "" if found is None else f"{found:.3g}"


def head(record):
    machine = record["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    yield f"commit {record['commit']}, {record['compiler']}, {record['mpi']}, Python {record['python']}, {record['time']}"
    yield from warnings(record)


def warnings(record):
    if record["scale"] < 1:
        yield f"short run (scale {record['scale']}): less exact"
    if is_busy(record):
        yield f"the machine was busy (load {record['load']:.1f}): judged by the best times, not by the medians"


def figure_text(row, one):
    if "bytes" in one:
        return f"{one['bytes']:.3g} B"
    return time_text(one["seconds"]) if "seconds" in one else ""


def ratio_texts(row, one):
    """Of the medians and of the best times; what is no ratio stands under "figure" already."""
    if row.unit == "B":
        return "", ""
    median = "" if row.unit in ABSOLUTE else number(value(row, one, False))
    return median, number(value(row, one, True))


def remarks(row, one, record):
    """What must be known of a row besides its state."""
    if is_oversubscribed(row, record):
        yield "oversubscribed"
    for name, why in one.get("without", {}).items():
        yield f"without {name}: {why}"


def line(row, one, record):
    """Texts for COLUMNS."""
    verdict = [state(row, one, is_busy(record)), *remarks(row, one, record)]
    numbers = (*ratio_texts(row, one), row.unit, number(row.target))
    return row.text, figure_text(row, one), *numbers, "; ".join(filter(None, verdict))


def rows_of(record):
    """Each group, with the texts of its rows that were measured."""
    found = found_in(record)
    for group, rows in GROUPS.items():
        lines = [line(row, found[row.name], record) for row in rows if row.name in found]
        if lines:
            yield group, lines


def against(record):
    """One line for each of those who did the same, beside what the ratio names."""
    found = found_in(record)
    for rows in GROUPS.values():
        for row in rows:
            for name, their in found.get(row.name, {}).get("against", {}).items():
                yield f"{row.text}: {name} takes {time_text(their['seconds'])}"


def scaling(record):
    for point in record.get("scaling", ()):
        crowd = ", oversubscribed" if point["oversubscribed"] else ""
        name = f"{point['series']}, {point['contender']}, {ranks_text(point['ranks'])}{crowd}"
        yield f"{name:60} {time_text(point['seconds']):>9} a step"


def table(record):
    """Lines of the table, for a terminal."""
    yield from head(record)
    for group, lines in rows_of(record):
        yield ""
        for what, figure, ratio, best, of, target, verdict in [(group, *COLUMNS[1:]), *lines]:
            yield f"{what:62} {figure:>8} {ratio:>7} {best:>7} {of:16} {target:>6}  {verdict}".rstrip()
    for title, lines in (("For comparison", against(record)), ("Scaling", scaling(record))):
        lines = list(lines)
        if lines:
            yield from ("", title, *(f"  {text}" for text in lines))


def markdown(record):
    """The same for a page."""
    yield from (f"- {text}" for text in head(record))
    for group, lines in rows_of(record):
        yield from (
            "",
            f"**{group}**",
            "",
            f"| {' | '.join(COLUMNS)} |",
            "|---|--:|--:|--:|---|--:|---|",
        )
        yield from (f"| {' | '.join(fields)} |" for fields in lines)
    beside = list(against(record))
    if beside:
        yield from ("", "For comparison:", "", *(f"- {text}" for text in beside))


# ---- two records -------------------------------------------------------------------------------


def change_text(change):
    row = change.row
    values = f"{number(change.old)} -> {number(change.new)} {row.unit}"
    moved = f"median {change.median:+.0%}, best {change.best:+.0%}, noise {change.noise:.0%}"
    return f"{row.name:20} {values:32} {moved}"


def about_records(old, new):
    """What was compared, and what makes it doubtful."""
    yield f"old: commit {old['commit']}, {old['time']}, load {old['load']:.1f}"
    yield f"new: commit {new['commit']}, {new['time']}, load {new['load']:.1f}"
    if old["machine"] != new["machine"]:
        yield "the records are of different machines: even ratios change with the processor"
    for what in ("compiler", "mpi", "python", "scale"):
        if old[what] != new[what]:
            yield f"another {what}: {old[what]}, then {new[what]}"


def comparison(changes, old, new):
    """Lines for a terminal."""
    yield from about_records(old, new)
    for kind, title in (("regression", "Regressions"), ("improvement", "Improvements")):
        of_kind = [change for change in changes if change.kind == kind]
        yield from (
            "",
            f"{title}: {len(of_kind) or 'none'}",
            *(f"  {change_text(c)}" for c in of_kind),
        )
    for kind, title in (("gone", "Only in the old record"), ("new", "Only in the new record")):
        names = [change.row.name for change in changes if change.kind == kind]
        if names:
            yield f"{title}: {', '.join(names)}"
    same = sum(change.kind == "same" for change in changes)
    yield f"{same} rows within their noise"
