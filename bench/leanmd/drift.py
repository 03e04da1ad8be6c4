#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well LeanMD keeps its energy: velocity Verlet (variant exact) and the first-order integrator (variant b) over many steps, as a plot.

    drift.py --build build --output drift.svg            1000 steps of 4 x 4 x 4 cells on 2 ranks
    drift.py --records drift.jsonl --output drift.svg    draw the records of earlier runs again

Drawing needs matplotlib.
"""

import argparse
import io
import json

from check import leanmd

NAMES = {"exact": "velocity Verlet (variant exact)", "b": "first order (variant b)"}
COLOURS = {"exact": "#0b5fa5", "b": "#c2410c"}
KINDS = {"kinetic": "#b45309", "potential": "#15803d", "conserved": "#111827"}


def measure(args):
    """A record of each variant."""
    args.python, records = False, []
    for variant in NAMES:
        words = [*args.grid, args.steps, "--variant", variant, "--energies", args.every]
        records.append(leanmd(args, args.np, *words))
        if args.record:
            with open(args.record, "a", encoding="utf-8") as file:
                file.write(json.dumps(records[-1]) + "\n")
    return records


def read(path):
    """The last record of each variant."""
    with open(path, encoding="utf-8") as file:
        found = {record["variant"]: record for record in map(json.loads, file)}
    missing = [variant for variant in NAMES if variant not in found]
    if missing:
        raise SystemExit(f"drift.py: {path} has no record of variant {missing[0]}")
    return [found[variant] for variant in NAMES]


def drift(record):
    """(steps, change of the conserved energy relative to the kinetic energy at the first step)."""
    energies = record["energies"]
    if len(energies) < 2:
        raise SystemExit(f"drift.py: the run of variant {record['variant']} has the energies of {len(energies)} steps, a change needs "
                         "two; ask for more --steps, or for energies more often (--every)")  # fmt: skip
    first = energies[0]
    scale = first["kinetic"]
    return (
        [e["step"] for e in energies],
        [(e["conserved"] - first["conserved"]) / scale for e in energies],
    )


def slope(steps, values):
    """Of the straight line nearest to the values, for each 1000 steps."""
    n = len(steps)
    x, y = sum(steps) / n, sum(values) / n
    over = sum((a - x) * (b - y) for a, b in zip(steps, values, strict=True))
    return 1000 * over / sum((a - x) ** 2 for a in steps)


def summary(record):
    steps, change = drift(record)
    return {"variant": record["variant"], "steps": steps[-1], "end": change[-1],
            "largest": max(map(abs, change)), "per_1000": slope(steps, change)}  # fmt: skip


def draw(records, path):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 11, "svg.fonttype": "path", "svg.hashsalt": "leanmd",
                         "axes.spines.top": False, "axes.spines.right": False})  # fmt: skip
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 7.5), sharex=True, layout="constrained")
    exact = records[0]["energies"]
    steps = [e["step"] for e in exact]
    for kind, colour in KINDS.items():
        values = [e[kind] * 1e15 for e in exact]
        upper.plot(steps, values, color=colour, lw=1.8)
        upper.annotate(kind, (steps[-1], values[-1]), (6, 0), textcoords="offset points", color=colour, va="center")  # fmt: skip
    upper.axhline(0, color="#d1d5db", lw=0.8, zorder=0)
    upper.set_ylabel("energy, 10⁻¹⁵ mJ")
    upper.set_title("Velocity Verlet: kinetic and potential energy change places, their sum stays", loc="left")  # fmt: skip
    for record in records:
        at, change = drift(record)
        lower.plot(at, [100 * value for value in change], color=COLOURS[record["variant"]], lw=1.8,
                   label=f"{NAMES[record['variant']]}: at most {100 * summary(record)['largest']:.2g} %")  # fmt: skip
    lower.axhline(0, color="#d1d5db", lw=0.8, zorder=0)
    lower.set_ylabel("change of the conserved energy,\n% of the kinetic energy")
    lower.set_xlabel("step (1 fs each)")
    lower.set_title("Change of the conserved energy since the first step", loc="left")
    lower.legend(frameon=False, loc="best")
    page = io.StringIO()
    figure.savefig(page, format="svg", metadata={"Date": None, "Creator": "LeanMD drift.py"})
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(line.rstrip() + "\n" for line in page.getvalue().splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--build", help="the build directory: run the program")
    source.add_argument("--records", metavar="FILE", help="draw earlier runs")
    parser.add_argument("--output", metavar="FILE", help="the plot (SVG); without it, numbers only")
    parser.add_argument("--record", metavar="FILE", help="append the runs' records")
    parser.add_argument("--mpiexec", default="mpiexec")
    parser.add_argument("--np", type=int, default=2, help="ranks (2)")
    parser.add_argument("--grid", type=int, nargs=3, default=(4, 4, 4), metavar=("X", "Y", "Z"))
    parser.add_argument("--steps", type=int, default=1000, help="of a run (1000)")
    parser.add_argument("--every", type=int, default=1, metavar="STEPS", help="how often energies are taken (1)")  # fmt: skip
    parser.add_argument("--timeout", type=float, default=3600, help="of a run, in seconds (3600)")
    args = parser.parse_args()
    records = measure(args) if args.build else read(args.records)
    for record in records:
        s = summary(record)
        print(f"{NAMES[s['variant']]}, {s['steps']} steps: conserved energy changed by {s['end']:.2e} of the kinetic energy, "
              f"at most {s['largest']:.2e}, trend {s['per_1000']:.2e} per 1000 steps")  # fmt: skip
    if args.output:
        draw(records, args.output)


if __name__ == "__main__":
    main()
