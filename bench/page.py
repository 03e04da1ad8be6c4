# SPDX-License-Identifier: Apache-2.0
"""The benchmark page: one file of HTML with everything in it."""

from collections import Counter
from html import escape
from pathlib import Path

import svg
from records import (
    contenders,
    found_in,
    is_busy,
    is_oversubscribed,
    state,
    value,
)
from rows import GROUPS, ROWS, SCALING
from tables import (
    about_records,
    figure_text,
    number,
    rate_text,
    ratio_texts,
    remarks,
    time_text,
    warnings,
)

STYLE = Path(__file__).with_name("page.css")
NUMBERS = (
    1,
    2,
    4,
    8,
    "figure",
    "ratio",
    "best",
    "target",
    "first",
    "last",
    "old",
    "new",
    "median",
    "noise",
)
STATES = ("reached", "within 1.5x", "MISSED")
CSS = {"reached": "good", "within 1.5x": "near", "MISSED": "bad", "": "plain", "left out": "plain"}
MARKS = {"reached": "✓", "within 1.5x": "≈", "MISSED": "✗", "": "", "left out": "–"}
HOW_TO_READ = """<p>A figure is a time unless it says otherwise, and the <b>ratio</b> divides it by what was measured in turn with it: <b>r</b>, a
round trip of as many bytes by plain blocking MPI; <b>m</b>, one call of a bound Python method; or the same thing done by what stands
under <b>of</b>. The ratio is that of the medians, <b>best</b> that of the best times. Smaller is better everywhere. In the last column the line in
the middle is the target, or, where nothing is to be reached, what it is compared with; bars that end in an arrow go beyond twice of it.</p>"""


def tag(name, content, css=""):
    return f"<{name}{f' class={chr(34)}{css}{chr(34)}' if css else ''}>{content}</{name}>"


def heading(text):
    return f'<h2 id="{text.split()[0].lower()}">{text}</h2>'


def table(title, names, lines, css=""):
    """Lines are rows of HTML; the numbers among the columns stand to the right."""
    first = f'<th class="what">{escape(title)}</th>'
    others = "".join(tag("th", name, "n" if name in NUMBERS else "") for name in names)
    body = f"<thead><tr>{first}{others}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table class="{css}">{body}</table></div>'


def mark(verdict):
    return (
        tag("span", f"{MARKS[verdict]} {escape(verdict)}", f"state {CSS[verdict]}")
        if verdict
        else ""
    )


def notes(texts):
    return "".join(tag("p", escape(text), "note") for text in texts)


# ---- head --------------------------------------------------------------------------------------


def facts(record):
    machine = record["machine"]
    lines = (
        ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"),
        ("measured", f"{record['time']}, load {record['load']:.1f} at the start"),
        ("commit", record["commit"]),
        ("built", record["compiler"]),
        ("MPI, Python", f"{record['mpi']}; {record['python']}"),
    )
    body = "".join(tag("dt", name) + tag("dd", escape(text)) for name, text in lines)
    return tag("dl", body) + notes(warnings(record))


def glance(record):
    """How many targets were reached, in numbers and in one bar; and which were missed."""
    busy, found = is_busy(record), found_in(record)
    judged = [(row, state(row, found[row.name], busy)) for row in ROWS if row.name in found]
    counts = Counter(verdict for row, verdict in judged if row.target is not None)
    total = sum(counts[verdict] for verdict in STATES)
    tiles = "".join(
        tag("li", f"<b>{counts[verdict]}</b> {mark(verdict)}", CSS[verdict]) for verdict in STATES
    )
    others = Counter("left out" if verdict == "left out" else "for comparison only" for _, verdict in judged if verdict not in STATES)  # fmt: skip
    tiles += "".join(tag("li", f"<b>{n}</b> {what}", "plain") for what, n in others.items())
    parts = "".join(
        f'<i class="{CSS[verdict]}" style="flex-grow:{counts[verdict]}"></i>' for verdict in STATES if counts[verdict]
    )  # fmt: skip
    return (
        f'{heading("At a glance")}<ul class="tiles">{tiles}</ul>'
        + (tag("div", parts, "stack") if total else "")
        + missed_list([row for row, verdict in judged if verdict == "MISSED"], found, busy)
    )


def missed_list(rows, found, best):
    lines = [
        f"{escape(row.text)}: <b>{number(value(row, found[row.name], best))}</b> {escape(row.unit)}, target {number(row.target)}"
        for row in rows
    ]
    return (
        "<p>Missed:</p><ul>" + "".join(tag("li", line) for line in lines) + "</ul>" if lines else ""
    )


# ---- rows --------------------------------------------------------------------------------------


def row_cells(row, one, record):
    best = is_busy(record)
    verdict, judged = state(row, one, best), value(row, one, best)
    what = escape(row.text) + "".join(
        f" <small>{escape(text)}</small>" for text in remarks(row, one, record)
    )
    reference = (
        row.target or 1.0
    )  # where nothing is to be reached: as much as what it is compared with
    bar = "" if judged is None else svg.target_bar(judged / reference, CSS[verdict])
    cells = [tag("th", what, "what"), tag("td", figure_text(row, one), "n")]
    cells += [tag("td", text, "n") for text in ratio_texts(row, one)]
    cells += [tag("td", escape(row.unit)), tag("td", number(row.target), "n")]
    return tag("tr", "".join([*cells, tag("td", mark(verdict)), tag("td", bar, "barcell")]))


def tables_of(record):
    found = found_in(record)
    yield f"{heading('All figures')}{HOW_TO_READ}"
    for group, rows in GROUPS.items():
        lines = [row_cells(row, found[row.name], record) for row in rows if row.name in found]
        if lines:
            names = ("figure", "ratio", "best", "of", "target", "state", "against the target")
            yield table(group, names, lines, "rows")


def bars_of(row, one, record):
    """Everybody's time as a bar; the longest takes the whole width."""
    who = contenders(row, one, is_busy(record))
    longest, ours = max(seconds for _, seconds in who), who[0][1]
    cells = []
    for i, (name, seconds) in enumerate(who):
        cells.append(tag("span", escape(name), "who"))
        cells.append(svg.length_bar(seconds / longest, "theirs" if i else "ours"))
        cells.append(tag("span", time_text(seconds), "n"))
        cells.append(tag("span", rate_text(row, seconds), "n rate") if row.nbytes else "")
        times = seconds / ours
        cells.append(tag("span", f"{times:,.0f} ×" if times >= 100 else f"{times:.2g} ×", "n"))
    crowd = " <small>oversubscribed</small>" if is_oversubscribed(row, record) else ""
    left_out = "".join(f"<small>without {escape(name)}: {escape(why)}</small>" for name, why in one.get("without", {}).items())  # fmt: skip
    return f'<figure><figcaption>{escape(row.text)}{crowd}</figcaption><div class="bars{" rates" if row.nbytes else ""}">{"".join(cells)}</div>{left_out}</figure>'


def beside_others(record):
    """Against what a user would pick instead."""
    found, best = found_in(record), is_busy(record)
    blocks = []
    for group, rows in GROUPS.items():
        some = [row for row in rows if contenders(row, found.get(row.name, {}), best)]
        if some:
            bars = "".join(bars_of(row, found[row.name], record) for row in some)
            blocks.append(f'<h3>{escape(group)}</h3><div class="grid2">{bars}</div>')
    if blocks:
        about = (
            f"<p>{'Best times' if best else 'Medians'} of what was measured in turn, in the same run; shorter is better. The last number is the "
            "multiple of the time in the first line: above 1, the other one is slower.</p>"
        )
        yield f"{heading('Beside others')}{about}{''.join(blocks)}"


# ---- scaling -----------------------------------------------------------------------------------


def ideal_points(kind, start, ranks, cores):
    """Time if nothing were lost: as many ranks as there are cores share the work, no more."""
    for n in ranks:
        yield n, start / min(n, cores) if kind == "strong" else start * max(n / cores, 1)


def scaling_plot(series, times, cores):
    """times: of each contender, by the number of ranks."""
    ranks = sorted({n for by_ranks in times.values() for n in by_ranks})
    start = min(by_ranks[ranks[0]] for by_ranks in times.values() if ranks[0] in by_ranks)
    ideal = list(ideal_points(series.kind, start, ranks, cores))
    every = [seconds for by_ranks in times.values() for seconds in by_ranks.values()]
    plot = svg.LogPlot(ranks, every + [seconds for _, seconds in ideal], time_text)
    plot.shade(cores * 1.25, "oversubscribed")
    plot.axes("ranks", "time per step")
    plot.ideal(ideal)
    ends = [(ideal[-1][1], "ideal", "label muted")]
    for i, (name, by_ranks) in enumerate(times.items()):
        points = [(n, by_ranks[n], n > cores) for n in sorted(by_ranks)]
        plot.line(svg.Line(name, i, points))
        ends.append((points[-1][1], name, f"label c{i}"))
    plot.labels(ends)
    title = f"{series.text}: {series.kind} scaling"
    below = table("ranks", ranks, scaling_rows(times, ranks, cores), "small")
    return tag("figure", tag("figcaption", escape(title)) + plot.render(title) + below)


def scaling_rows(times, ranks, cores):
    for name, by_ranks in times.items():
        texts = [time_text(by_ranks[n]) + "*" * (n > cores) if n in by_ranks else "" for n in ranks]
        cells = "".join(tag("td", text, "n") for text in texts)
        yield tag("tr", tag("th", escape(name), "what") + cells)


def scaling_of(record):
    cores, best = record["machine"]["cores"], is_busy(record)
    plots = []
    for series in SCALING:
        times = {}
        for point in record["scaling"]:
            if point["series"] == series.name:
                seconds = point["best_seconds" if best else "seconds"]
                times.setdefault(point["contender"], {})[point["ranks"]] = seconds
        if times:
            plots.append(scaling_plot(series, times, cores))
    about = (
        f"<p>Time of a step on more and more ranks; the machine has {cores} cores. Hollow points (* in the tables) are oversubscribed: more "
        "ranks than cores share them, and no less time can be expected. The dashed line loses nothing on these cores.</p>"
    )
    yield f'{heading("Scaling")}{about}{facts(record)}<div class="grid2">{"".join(plots)}</div>'


# ---- history and comparison --------------------------------------------------------------------


def history_of(records):
    """How each figure went from record to record."""
    best = any(map(is_busy, records))
    lines = []
    for row in ROWS:
        values = [value(row, found_in(record).get(row.name, {}), best) for record in records]
        seen = [found for found in values if found is not None]
        if len(seen) > 1:
            texts = (number(seen[0]), number(seen[-1]), escape(row.unit))
            cells = "".join(tag("td", text, "n") for text in texts[:2]) + tag("td", texts[2])
            lines.append(tag("tr", tag("th", escape(row.text), "what") + tag("td", svg.sparkline(values, row.target)) + cells))  # fmt: skip
    if lines:
        which = (
            "Best ratios, since some of these records are of a busy machine" if best else "Ratios"
        )
        first, last = records[0], records[-1]
        about = f"<p>{which}, of {len(records)} records, from {escape(first['time'])} ({escape(first['commit'])}) to {escape(last['time'])} ({escape(last['commit'])}); the dashed line is the target.</p>"
        yield heading("History") + about + table("what", ("", "first", "last", "of"), lines)


def change_rows(changes):
    for change in changes:
        row = change.row
        texts = (
            number(change.old),
            number(change.new),
            f"{change.median:+.0%}",
            f"{change.best:+.0%}",
            f"{change.noise:.0%}",
        )
        cells = "".join(tag("td", text, "n") for text in texts) + tag("td", escape(row.unit))
        yield tag("tr", tag("th", escape(row.text), "what") + cells)


def comparison_of(changes, old, new):
    one, other, *doubts = about_records(old, new)
    about = tag("p", f"{escape(one)}<br>{escape(other)}")
    yield heading("Compared with an older record") + about + notes(doubts)
    names = ("old", "new", "median", "best", "noise", "of")
    for kind, title, css in (
        ("regression", "Regressions", "bad"),
        ("improvement", "Improvements", "good"),
    ):
        found = [change for change in changes if change.kind == kind]
        yield f'<h3><span class="state {css}">{len(found)}</span> {title}</h3>'
        if found:
            yield table("what", names, change_rows(found))
    for kind, title in (("gone", "Only in the old record"), ("new", "Only in the new record")):
        texts = [change.row.text for change in changes if change.kind == kind]
        if texts:
            yield tag("p", f"{title}: {escape('; '.join(texts))}.")
    yield tag(
        "p", f"{sum(change.kind == 'same' for change in changes)} rows are within their noise."
    )


# ---- the page ----------------------------------------------------------------------------------


def page(records, changes=None, old=None):
    """The last record with rows and the last with scaling, all others as history; changes: from `old` to the last one."""
    with_rows = [record for record in records if record["rows"]]
    with_scaling = [record for record in records if record.get("scaling")]
    parts = []
    if with_rows:
        record = with_rows[-1]
        parts += [facts(record), glance(record)]
        if changes is not None:
            parts += comparison_of(changes, old, record)
        parts += [*beside_others(record), *tables_of(record)]
    if with_scaling:
        parts += scaling_of(with_scaling[-1])
    if len(with_rows) > 1:
        parts += history_of(with_rows)
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>C4Py benchmarks</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<style>\n{style}</style></head>\n<body><main><h1>C4Py benchmarks</h1>\n{chr(10).join(parts)}\n</main></body></html>\n"
    )
