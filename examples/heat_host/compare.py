#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the heat solver alone and with the watch, in turn, and compare: the results bit for bit, and the time per step.

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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, nargs="+", default=[2])
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 1024])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument(
        "--every", type=int, default=100, help="steps between two looks of the watch"
    )
    parser.add_argument("--times", type=int, default=5, help="pairs of runs")
    parser.add_argument("--mpiexec", default="mpirun")
    parser.add_argument("program")
    args = parser.parse_args()
    prints = set()
    for ranks in args.ranks:
        alone, watched, looks = [], [], []
        for _ in range(args.times):
            for times, every in ((alone, 0), (watched, args.every)):
                time, look, fingerprint = run(args, ranks, every)
                times.append(time)
                looks += [look] if every else []
                prints.add(fingerprint)
        ratio = statistics.median(b / a for a, b in zip(alone, watched))
        look = statistics.median(looks)
        print(f"{ranks} ranks: {statistics.median(alone):.4f} ms a step alone, {statistics.median(watched):.4f} ms "
              f"with a look every {args.every} steps: {100 * (ratio - 1):+.2f} %; a look takes {look:.2f} ms, "
              f"{100 * look / args.every / statistics.median(watched):.2f} % of the time", flush=True)  # fmt: skip
    if len(prints) > 1:
        sys.exit(f"the results differ: {', '.join(sorted(prints))}")
    print(f"all {2 * args.times * len(args.ranks)} results are equal, bit for bit: {prints.pop()}")


main()
