#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the heat solver alone, with the watch, and alone again, in turn, and compare: the results bit for bit, and the time per step.
How much two times alone differ says what the machine does to such a figure.

compare.py [--ranks N…] [--size ROWS COLUMNS] [--steps N] [--every N] [--times N] [--mpiexec mpirun] build/heat_host

Ends with 1 if any two results differ.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys

LINE = re.compile(
    r" on (\d+) ranks: ([\d.]+) ms a step, ([\d.]+) ms a look, dt [\d.e-]+, fingerprint ([0-9a-f]{16})$",
    re.M,
)


def run(args, ranks, every):
    """(milliseconds per step, per look, fingerprint) of one run."""
    command = [args.mpiexec, "-n", str(ranks), args.program, "--size", *map(str, args.size),
               "--steps", str(args.steps), "--every", str(every)]  # fmt: skip
    env = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1")
    if os.geteuid() == 0:
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env)
    found = LINE.search(done.stdout)
    if done.returncode or not found or int(found.group(1)) != ranks:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return float(found.group(2)), float(found.group(3)), found.group(4)


def change(of, to):
    """Of the medians, in percent."""
    return 100 * (statistics.median(to) / statistics.median(of) - 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, nargs="+", default=[2])
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 1024])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument(
        "--every", type=int, default=100, help="steps between two looks of the watch"
    )
    parser.add_argument("--times", type=int, default=5, help="runs of each")
    parser.add_argument("--mpiexec", default="mpirun")
    parser.add_argument("program")
    args = parser.parse_args()
    prints = set()
    for ranks in args.ranks:
        alone, watched, again, looks = [], [], [], []
        for _ in range(args.times):
            for times, every in ((alone, 0), (watched, args.every), (again, 0)):
                time, look, fingerprint = run(args, ranks, every)
                times.append(time)
                looks += [look] if every else []
                prints.add(fingerprint)
        look, step = statistics.median(looks), statistics.median(watched)
        print(f"{ranks} ranks: {statistics.median(alone + again):.4f} ms a step alone, {step:.4f} ms with a look every {args.every} "
              f"steps: {change(alone + again, watched):+.2f} %, where two times alone differ by "
              f"{abs(change(alone, again)):.2f} %; a look takes {look:.2f} ms, {100 * look / args.every / step:.2f} % of the time",
              flush=True)  # fmt: skip
    if len(prints) > 1:
        sys.exit(f"the results differ: {', '.join(sorted(prints))}")
    print(f"all {3 * args.times * len(args.ranks)} results are equal, bit for bit: {prints.pop()}")


main()
