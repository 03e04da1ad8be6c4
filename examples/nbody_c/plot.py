#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw what nbody_c --output wrote: the particles and whose they are, before balancing, after the first round and in the end, and how even the load was.

plot.py balanced.json picture.png [--none unbalanced.json]
"""

import argparse
import json
import sys

try:
    import matplotlib
    import matplotlib.pyplot as plt
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}; plot.py needs matplotlib")
    sys.exit(77)

COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442", "#555555"]
SHADES = ["#d3e6f1", "#fbe8c4", "#ccebe1", "#f4e1ea", "#f6dccb", "#dceffa", "#fbf8d4", "#dddddd"]


def read(path):
    """The reports of a run; that of step 0, which only has the forces of the beginning, says where all was."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def rank_loads(report, ranks):
    loads = np.zeros(ranks)
    for rank, pairs in report["cells"]:
        loads[rank] += pairs
    return loads


def unevenness(report, ranks):
    loads = rank_loads(report, ranks)
    return loads.max() / max(loads.mean(), 1e-300)


def draw_box(axes, report, ranks, title):
    """Cells in the shade of their rank, particles in its colour."""
    side = round(len(report["cells"]) ** 0.5)
    of_cell = np.array([rank for rank, _ in report["cells"]]).reshape(side, side)
    shades = matplotlib.colors.ListedColormap([SHADES[r % len(SHADES)] for r in range(ranks)])
    axes.imshow(
        of_cell.T,
        origin="lower",
        extent=(0, 1, 0, 1),
        cmap=shades,
        vmin=-0.5,
        vmax=ranks - 0.5,
        interpolation="nearest",
    )
    xy = np.array(report["particles"])[:, 1:3]
    at = np.clip((xy * side).astype(int), 0, side - 1)
    colours = np.array(COLOURS)[of_cell[at[:, 0], at[:, 1]] % len(COLOURS)]
    axes.scatter(xy[:, 0], xy[:, 1], s=1.5, c=colours, linewidths=0)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[], title=title)


def draw_shares(axes, report, ranks):
    """Each rank's part of the pairs, beside its even share."""
    loads = rank_loads(report, ranks)
    share = 100 * loads / max(loads.sum(), 1e-300)
    names = [str(r) for r in range(ranks)]
    axes.barh(names, share, color=[COLOURS[r % len(COLOURS)] for r in range(ranks)])
    axes.axvline(100 / ranks, color="black", linewidth=1, linestyle=":")
    axes.set(xlim=(0, 100), xlabel="% of the pairs", ylabel="rank")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def draw_course(axes, runs, ranks):
    for label, reports, colour in runs:
        steps = [report["step"] for report in reports[1:]]
        uneven = [unevenness(report, ranks) for report in reports[1:]]
        axes.plot(steps, uneven, "o-", color=colour, label=label, markersize=3)
    axes.axhline(1, color="black", linewidth=1, linestyle=":")
    axes.set(xlabel="step", ylabel="busiest rank / mean (pairs)", ylim=(0.95, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="what --output wrote")
    parser.add_argument("picture", help="the PNG to write")
    parser.add_argument("--none", metavar="RUN", help="the same with --strategy none")
    args = parser.parse_args()
    matplotlib.use("Agg")
    reports = read(args.run)
    if len(reports) < 2:
        parser.error(f"{args.run} has {len(reports)} reports, 2 are needed")
    ranks = 1 + max(rank for report in reports for rank, _ in report["cells"])
    runs = [("balanced", reports, "#0072b2")]
    if args.none:
        runs.insert(0, ("not balanced", read(args.none), "#d55e00"))

    figure = plt.figure(figsize=(11, 7.4), layout="constrained")
    grid = figure.add_gridspec(3, 3, height_ratios=[3.4, 0.35 + 0.16 * ranks, 2])
    shown = [
        ("the start", reports[0]),
        ("after the first round", reports[1]),
        ("the end", reports[-1]),
    ]
    for column, (what, report) in enumerate(shown):
        draw_box(
            figure.add_subplot(grid[0, column]), report, ranks, f"{what}: step {report['step']}"
        )
        draw_shares(figure.add_subplot(grid[1, column]), report, ranks)
    draw_course(figure.add_subplot(grid[2, :]), runs, ranks)
    figure.savefig(args.picture, dpi=90)
    plt.close(figure)


main()
