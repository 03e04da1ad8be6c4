#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LeanMD in C, in Python, and in Python with the kernel compiled by numba: the time of a step, and the ratios against their limits.

Rounds of one run of each, one after the other, so that a machine that gets slower meets all of them.

    compare.py --build build                         4 x 4 x 4 and 6 x 6 x 6 cells on 2 ranks
    compare.py --build build --grid 4 4 4 --rounds 9 --record compare.jsonl
"""

import argparse
import json
import statistics
import sys

from check import leanmd

PROGRAMS = ("C", "Python", "numba")
LIMITS = {"Python": 1.10, "numba": 1.50}


def count(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(args, program, cells):
    """One run's record."""
    args.python, args.kernel = program != "C", "numba" if program == "numba" else "c"
    return leanmd(args, args.np, *cells, args.steps, "--variant", args.variant)


def measure(args, cells):
    """Milliseconds of a step in each round, by program."""
    found = {program: [] for program in PROGRAMS}
    for number in range(args.rounds):
        for program in PROGRAMS:
            found[program].append(run(args, program, cells)["ms_per_step"])
        now = ", ".join(f"{program} {found[program][-1]:.2f}" for program in PROGRAMS)
        print(f"round {number + 1} of {args.rounds}: {now} ms/step", file=sys.stderr)
    return found


def judge(found):
    """By program: median and best of the rounds, the median of the rounds' ratios to C, and the limit of that."""
    result = {}
    for program, ms in found.items():
        row = {"median_ms": statistics.median(ms), "best_ms": min(ms), "rounds_ms": ms}
        if program in LIMITS:
            row["ratio"] = statistics.median(a / b for a, b in zip(ms, found["C"], strict=True))
            row["limit"] = LIMITS[program]
        result[program] = row
    return result


def show(args, cells, result):
    print(f"variant {args.variant}, {' x '.join(map(str, cells))} cells, {args.np} ranks, {args.steps} steps, "
          f"{args.rounds} rounds")  # fmt: skip
    print(f"{'':8}{'median':>10}{'best':>10}  ms/step    ratio to C")
    for program, row in result.items():
        line = f"{program:8}{row['median_ms']:10.3f}{row['best_ms']:10.3f}"
        if "limit" in row:
            verdict = "ok" if row["ratio"] <= row["limit"] else "TOO SLOW"
            line += f"{row['ratio']:18.3f}, at most {row['limit']:.2f}: {verdict}"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("--mpiexec", default="mpiexec")
    parser.add_argument("--np", type=count, default=2, help="ranks (2)")
    parser.add_argument("--variant", choices=("a", "b", "exact"), default="b")
    parser.add_argument("--grid", type=int, nargs=3, action="append", metavar=("X", "Y", "Z"), help="cells; may be given several times")  # fmt: skip
    parser.add_argument("--steps", type=count, default=60, help="of a run (60)")
    parser.add_argument("--rounds", type=count, default=5, help="of one run of each program (5)")
    parser.add_argument("--timeout", type=float, default=600, help="of a run, in seconds (600)")
    parser.add_argument("--record", metavar="FILE", help="append a line of JSON for each grid")
    args = parser.parse_args()
    slow = False
    for cells in args.grid or [(4, 4, 4), (6, 6, 6)]:
        result = judge(measure(args, cells))
        show(args, cells, result)
        slow = slow or any(row["ratio"] > row["limit"] for row in result.values() if "limit" in row)
        if args.record:
            line = {"program": "leanmd-compare", "variant": args.variant, "grid": cells, "ranks": args.np,
                    "steps": args.steps, "programs": result}  # fmt: skip
            with open(args.record, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    sys.exit(slow)


if __name__ == "__main__":
    main()
