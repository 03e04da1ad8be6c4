#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The force kernels of LeanMD in Python, C's and numba's, in one process: CPU time of all computes of the first step, and of an empty call.

Both in turns, so that a machine that gets slower meets both. The ratio is the median of the rounds' ratios.

    kernels.py --build build                         all variants, 4 x 4 x 4 cells
    kernels.py --build build --variant b --rounds 20 --record kernels.jsonl
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import time

import numpy as np
from compare import count

CALLS = 2000  # of an empty compute


def cpu_time(work):
    before = time.process_time()
    work()
    return time.process_time() - before


def computes(model, cells):
    """Arguments of pair() for all computes, those of one cell without the second."""
    found = []
    state = {}
    for cell in itertools.product(*map(range, cells)):
        n = 3 * model.particles(cell)
        pos, vel = np.empty(n), np.empty(n)
        model.fill(cell, pos, vel)
        pos.flags.writeable = False  # as in a message
        state[cell] = pos, np.zeros(n)
    for cell in state:
        for num in range(model.neighbours):
            index, mine = model.compute_index(cell, num)
            if mine:
                first, second, shift = model.compute_cells(index)
                found.append(
                    (state[first], state[second], None if index[:3] == index[3:] else shift)
                )
    return found


def step(model, work):
    for (pos, force), (other, other_force), shift in work:
        if shift is None:
            model.alone(pos, force, False)
        else:
            model.pair(pos, other, shift, force, other_force, False)


def call(model):
    nothing, shift = np.empty(0), (0.0, 0.0, 0.0)
    for _ in range(CALLS):
        model.pair(nothing, nothing, shift, nothing, nothing, False)


def measure(args, variant, kernels):
    """Seconds of a step and of an empty call in each round, by kernel."""
    models = {name: kernel(variant, args.grid) for name, kernel in kernels.items()}
    work = computes(models["C"], args.grid)
    found = {name: {"step_s": [], "call_s": []} for name in models}
    for number in range(args.rounds):
        for name, model in models.items():
            found[name]["step_s"].append(cpu_time(lambda model=model: step(model, work)))
            found[name]["call_s"].append(cpu_time(lambda model=model: call(model)) / CALLS)
        now = ", ".join(f"{name} {found[name]['step_s'][-1] * 1e3:.1f} ms" for name in found)
        print(f"variant {variant}, round {number + 1} of {args.rounds}: {now}", file=sys.stderr)
    return {"computes": len(work), **found}


def show(variant, found):
    c, numba = found["C"], found["numba"]
    ratio = statistics.median(a / b for a, b in zip(numba["step_s"], c["step_s"], strict=True))
    print(f"{variant:8}{found['computes']:9}{min(c['step_s']) * 1e3:11.2f}{min(numba['step_s']) * 1e3:11.2f}{ratio:8.3f}"
          f"{min(c['call_s']) * 1e6:11.2f}{min(numba['call_s']) * 1e6:9.2f}")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("--variant", choices=("a", "b", "exact"), help="only this one (all)")
    parser.add_argument("--grid", type=count, nargs=3, default=(4, 4, 4), metavar=("X", "Y", "Z"), help="cells (4 4 4)")  # fmt: skip
    parser.add_argument("--rounds", type=count, default=10, help="of both kernels (10)")
    parser.add_argument("--record", metavar="FILE", help="append a line of JSON for each variant")
    args = parser.parse_args()
    sys.path.insert(0, os.path.join(args.build, "bench", "leanmd"))
    import _leanmd

    try:
        import leanmd_numba
    except ModuleNotFoundError as error:
        sys.exit(f"kernels.py: {error}: install python3-numba")
    kernels = {"C": _leanmd.Model, "numba": leanmd_numba.Model}
    results = {}
    for variant in (args.variant,) if args.variant else ("a", "b", "exact"):
        results[variant] = measure(args, variant, kernels)
    print(
        f"{'variant':8}{'computes':>9}{'C, ms':>11}{'numba, ms':>11}{'ratio':>8}{'call C, us':>11}{'numba':>9}"
    )
    for variant, found in results.items():
        show(variant, found)
        if args.record:
            line = {
                "program": "leanmd-kernels",
                "variant": variant,
                "grid": args.grid,
                "isa": _leanmd.isa(),
                **found,
            }
            with open(args.record, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
