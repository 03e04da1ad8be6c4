#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw what bench/balancing.py has recorded, and put its table into docs/load-balancing.md. Needs matplotlib.

bench/balancing_page.py build/bench/balancing.jsonl                docs/images/balancing-PROGRAM.png, and the table
bench/balancing_page.py build/bench/balancing.jsonl --out FOLDER   only the figures, into that folder

Several records may be given, such as one for each number of ranks. Where the machine was busy, so that ranks waited for a
core, the time per step says nothing: then the processor time of the busiest rank is drawn, and said to be.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from balancing import EVEN_ON
from update_page import put

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError:
    sys.exit(f"the figures are drawn with matplotlib, which {sys.executable} does not have")

DOCS = Path(__file__).resolve().parent.parent / "docs"
LIMIT = 1.1  # of max/avg
TITLES = {
    "hotspot": "A flame that drifts over a plate",
    "clusters": "A cloud of particles that drifts",
}
# Colours of Okabe and Ito, which can be told apart without seeing all colours; and markers.
STYLES = {
    "none": ("#000000", "o", "no balancing"),
    "greedy-refine": ("#0072B2", "s", "greedy-refine"),
    "diffusion": ("#D55E00", "^", "diffusion"),
    "own": ("#009E73", "D", "the program's own"),
}


def runs_of(runs, program, strategy, ranks):
    return [
        run["periods"]
        for run in runs
        if (run["program"], run["strategy"], run["ranks"]) == (program, strategy, ranks)
    ]


def is_busy(runs, cores):
    """Others used the machine: steps took much longer than the busiest rank computed."""
    waits = [
        period["seconds_per_step"] * period["steps"] / period["max"]
        for run in runs
        if run["ranks"] == cores
        for period in run["periods"]
    ]
    return statistics.median(waits) > 1.25


def step_seconds(period, busy):
    """Of one step: on the wall, or the processor time of the busiest rank."""
    return period["max"] / period["steps"] if busy else period["seconds_per_step"]


def times(repetitions, busy):
    """Milliseconds per step of each period, of the fastest run in it."""
    return [1e3 * min(step_seconds(p, busy) for p in same) for same in zip(*repetitions)]


def evenness(periods):
    return [p["max"] / p["mean"] for p in periods]


def draw_times(axes, runs, program, cores):
    busy = is_busy(runs, cores)
    for strategy, (colour, marker, _) in STYLES.items():
        found = runs_of(runs, program, strategy, cores)
        steps = [p["step"] for p in found[0]]
        axes.plot(steps, times(found, busy), color=colour, marker=marker, markersize=4)
    axes.set_ylim(0, 1.1 * max(max(line.get_ydata()) for line in axes.lines))
    what = f"processor time per step, busiest of {cores}" if busy else f"time per step, {cores}"
    axes.set_title(f"{what} ranks", fontsize=10)
    axes.set_xlabel("step")
    axes.set_ylabel("milliseconds")


def draw_evenness(axes, runs, program, ranks):
    for strategy, (colour, marker, label) in STYLES.items():
        found = evenness(runs_of(runs, program, strategy, ranks)[0])
        axes.plot(found, color=colour, marker=marker, markersize=4, label=label)
    axes.axhline(LIMIT, color="#777777", linestyle="--", linewidth=1, label=f"limit, {LIMIT}")
    axes.set_title(f"max/avg of the ranks' loads, {ranks} ranks", fontsize=10)
    axes.set_xlabel("round")
    axes.xaxis.get_major_locator().set_params(integer=True)


def draw(runs, program, cores, path):
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, *right = figure.subplots(1, 3)
    draw_times(left, runs, program, cores)
    right[1].sharey(right[0])
    for axes, ranks in zip(right, EVEN_ON):
        draw_evenness(axes, runs, program, ranks)
    right[0].set_ylim(
        0.9, 1.04 * max(max(line.get_ydata()) for a in right for line in a.lines[:-1])
    )
    for axes in (left, *right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = right[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(TITLES[program], fontsize=12)
    figure.savefig(path, dpi=110)


def rows(runs, program, cores, kinds):
    """Of each strategy: time per step once it is even, and max/avg at first, best of the next two rounds, median of all after."""
    for strategy in STYLES:
        found = runs_of(runs, program, strategy, cores)
        cells = [f"{statistics.median(times(found, busy)[2:]):.1f} ms" for busy in kinds]
        for ranks in sorted({cores, *EVEN_ON}):
            first, *later = evenness(runs_of(runs, program, strategy, ranks)[0])
            cells.append(f"{first:.2f}, {min(later[:2]):.2f}, {statistics.median(later):.2f}")
        yield f"| {program} | {strategy} | {' | '.join(cells)} |"


def page(head, runs, programs, cores):
    machine, busy = head["machine"], is_busy(runs, cores)
    load = [run["load"] for run in runs]
    yield f"{machine['cpu']}, {cores} cores, {machine['system']}; {head['mpi']}, Python {head['python']}; commit {head['commit']}, {head['time']};"
    yield f"load average {min(load):.1f} to {max(load):.1f}."
    if busy:
        yield "So others used the machine, ranks waited for a core, and the time per step says nothing: it is left out."
    yield ""
    columns = [] if busy else [f"time per step, {cores} ranks"]
    columns.append(f"busiest of {cores} ranks")
    columns += [f"max/avg, {ranks} ranks" for ranks in sorted({cores, *EVEN_ON})]
    yield f"| program | strategy | {' | '.join(columns)} |"
    yield f"|---|---|{'--:|' * len(columns)}"
    for program in programs:
        yield from rows(runs, program, cores, [True] if busy else [False, True])


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("records", type=Path, nargs="+", metavar="RECORD")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="draw there, leave the page alone"
    )
    return parser.parse_args()


def read(paths):
    """Where the runs were made, according to the last record, and all runs."""
    head, runs = None, []
    for path in paths:
        try:
            head, *more = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        except (OSError, ValueError) as error:
            sys.exit(f"{path} is no record of bench/balancing.py: {error}")
        runs += more
    return head, runs


def check_complete(runs, programs, cores):
    for program in programs:
        for ranks in (cores, *EVEN_ON):
            for strategy in STYLES:
                if not runs_of(runs, program, strategy, ranks):
                    sys.exit(f"no run of {program} with {strategy} on {ranks} ranks is recorded")


def main():
    args = arguments()
    head, runs = read(args.records)
    cores = head["machine"]["cores"]
    programs = [name for name in TITLES if any(run["program"] == name for run in runs)]
    check_complete(runs, programs, cores)
    folder = args.out or DOCS / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        draw(runs, program, cores, folder / f"balancing-{program}.png")
    if not args.out:
        path = DOCS / "load-balancing.md"
        path.write_text(
            put(path.read_text(), "balancing", "\n".join(page(head, runs, programs, cores)))
        )


if __name__ == "__main__":
    main()
