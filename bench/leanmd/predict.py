#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory and time of a large LeanMD run, predicted from small ones.

Runs 10^4, 10^5 and 10^6 particles, lays a straight line through what they took, and says what it makes of a larger run; the error is that
with which the line through all smaller runs meets the largest one. With --check, a larger run is made, too, and compared.

    predict.py --build build                                   what 8 million particles take
    predict.py --build build --check 28 28 28 --record predict.jsonl
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from check import leanmd

FIRST, LAST = 100, 250  # particles of the first cell and of the last
MEASURES = {"peak_mib": ("memory of all ranks", "MiB"), "ms_per_step": ("time of a step", "ms")}


def particles(cells):
    num = cells[0] * cells[1] * cells[2]
    return sum(FIRST + number * (LAST - FIRST) // num for number in range(num))


def as_rank(path, command):
    """One rank under watch: run the program, and write down the most memory that it had."""
    process = subprocess.Popen(command, close_fds=False)  # hydra gives a rank a file descriptor
    _, status, usage = os.wait4(process.pid, 0)
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{usage.ru_maxrss / 1024:.1f}\n")
    sys.exit(os.waitstatus_to_exitcode(status))


def measure(args, cells):
    """A run's record, with the particles and the peak memory of all ranks together."""
    with tempfile.NamedTemporaryFile("r", suffix=".peaks") as peaks:
        args.python, args.before = False, [sys.executable, os.path.abspath(__file__), "--rank", peaks.name]  # fmt: skip
        record = leanmd(args, args.np, *cells, args.steps, "--variant", args.variant)
        each = [float(line) for line in peaks.read().split()]
    record.update(particles=particles(cells), peak_mib=sum(each), peak_mib_by_rank=each)
    print(f"{record['particles']:10,} particles, {record['computes']:10,} computes: {record['peak_mib']:10.1f} MiB, "
          f"{record['ms_per_step']:10.1f} ms/step", flush=True)  # fmt: skip
    if args.record:
        with open(args.record, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    return record


def line(runs, name):
    """The straight line (at 0, for each particle) with the least sum of squared relative errors."""
    points = [(1 / run[name] ** 2, run["particles"], run[name]) for run in runs]
    w = sum(k for k, _, _ in points)
    wx, wy = sum(k * x for k, x, _ in points), sum(k * y for k, _, y in points)
    wxx, wxy = sum(k * x * x for k, x, _ in points), sum(k * x * y for k, x, y in points)
    slope = (w * wxy - wx * wy) / (w * wxx - wx * wx)
    return (wy - slope * wx) / w, slope


def predict(runs, name, num):
    at_zero, slope = line(runs, name)
    return at_zero + slope * num


def off(found, expected):
    return (found - expected) / expected


def report(runs, target, checked):
    for name, (what, unit) in MEASURES.items():
        at_zero, slope = line(runs, name)
        print(
            f"{what}: {at_zero:.3g} {unit} and {slope * 1e6:.4g} {unit} for each million particles"
        )
        expected = predict(runs, name, target)
        error = abs(off(runs[-1][name], predict(runs[:-1], name, runs[-1]["particles"])))
        print(f"  {target:,} particles: {expected:,.0f} {unit}; the largest run is met from the smaller ones within {error:.1%}")  # fmt: skip
        if checked:
            wanted = predict(runs, name, checked["particles"])
            print(f"  {checked['particles']:,} particles: {wanted:,.0f} {unit} predicted, {checked[name]:,.0f} {unit} measured "
                  f"({off(checked[name], wanted):+.1%})")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("--mpiexec", default="mpiexec")
    parser.add_argument("--np", type=int, default=2, help="ranks (2)")
    parser.add_argument("--variant", choices=("b", "exact"), default="b")
    parser.add_argument("--grid", type=int, nargs=3, action="append", metavar=("X", "Y", "Z"),
                        help="cells of a run to predict from; three times at least (4 4 4, 8 8 9 and 18 18 18)")  # fmt: skip
    parser.add_argument("--target", type=int, default=8_000_000, metavar="PARTICLES", help="of the predicted run (8000000)")  # fmt: skip
    parser.add_argument("--check", type=int, nargs=3, metavar=("X", "Y", "Z"), help="cells of a run that is made and compared")  # fmt: skip
    parser.add_argument("--steps", type=int, default=3, help="of a run (3)")
    parser.add_argument("--timeout", type=float, default=3600, help="of a run, in seconds (3600)")
    parser.add_argument("--record", metavar="FILE", help="append a line of JSON for each run")
    args = parser.parse_args()
    grids = args.grid or [(4, 4, 4), (8, 8, 9), (18, 18, 18)]
    if len(grids) < 3:
        parser.error("a line with its error needs three runs at least: give --grid three times")
    runs = sorted((measure(args, cells) for cells in grids), key=lambda run: run["particles"])
    report(runs, args.target, measure(args, args.check) if args.check else None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        as_rank(sys.argv[2], sys.argv[3:])
    main()
