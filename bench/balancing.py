#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the programs of examples/balancing with and without load balancing, and keep what each period and round was like.

bench/balancing.py                          on as many ranks as there are cores, three times, and on 4 and 8; some minutes
bench/balancing.py --only hotspot --ranks 4
bench/balancing_page.py build/bench/balancing.jsonl      draw the figures of docs/load-balancing.md and put its table there

The runs of a program must have the same result, bit for bit; it is an error if they have not. The record is lines of
JSON: first where and when it ran, then one line for each run.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

import launch
from machine import HERE, conditions, machine, mpi_environment

PROGRAMS = ("hotspot", "clusters")
STRATEGIES = ("none", "greedy-refine", "diffusion", "own")
EVEN_ON = (4, 8)


def plan(args):
    """All runs, (program, strategy, ranks, repetition), in such an order that a change of the machine's load strikes all strategies;
    first those on as many ranks as there are cores, whose time is told, before others have raised the load."""
    cores = machine()["cores"]
    programs = [program for program in PROGRAMS if args.only in program]
    for ranks in args.ranks or sorted({cores, *EVEN_ON}):
        for repetition in range(args.repeat if ranks == cores else 1):
            yield from (
                (program, strategy, ranks, repetition)
                for program in programs
                for strategy in STRATEGIES
            )


def run(program, strategy, ranks, args):
    """The periods of one run, and the checksum of its result. Exits with the reason if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.jsonl"
        words = ["mpirun", "-n", str(ranks), str(args.build / "bin" / "c4py_launcher"), "--quiet"]
        words += [str(HERE.parent / "examples" / "balancing" / f"{program}.py")]
        words += ["--steps", str(args.steps), "--period", str(args.period)]
        words += ["--strategy", strategy, "--record", str(record)]
        output, why = launch.run(words, mpi_environment(), args.timeout, shlex.join(words))
        if why:
            sys.exit(why)
        periods = [json.loads(line) for line in record.read_text().splitlines()]
    checksums = [line.split()[1] for line in output.splitlines() if line.startswith("sha256")]
    return periods, checksums[0]


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--build", type=Path, default=HERE.parent / "build", help="build folder")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--period", type=int, default=4, help="steps between two rounds")
    parser.add_argument("--ranks", type=int, nargs="+", help="default: as many as cores, 4, and 8")
    parser.add_argument("--repeat", type=int, default=3, help="runs on as many ranks as cores")
    parser.add_argument("--only", default="", metavar="WORD", help="programs that contain WORD")
    parser.add_argument("--record", type=Path, help="default: BUILD/bench/balancing.jsonl")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    args = parser.parse_args()
    if not (args.build / "bin" / "c4py_launcher").exists():
        parser.error(f"there is no launcher in {args.build}; run ./dev build")
    runs = list(plan(args))
    if not runs:
        parser.error(f"no program contains '{args.only}'; there are {', '.join(PROGRAMS)}")
    if min(ranks for _, _, ranks, _ in runs) < 2:
        parser.error("load is balanced between two ranks or more; say --ranks")
    return args


def main():
    args = arguments()
    path = args.record or args.build / "bench" / "balancing.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = list(plan(args))
    results = {}
    with open(path, "w", encoding="utf-8") as file:
        print(json.dumps(conditions(args.build)), file=file, flush=True)
        for i, (program, strategy, ranks, repetition) in enumerate(runs, 1):
            print(f"[{i}/{len(runs)}] {program}, {strategy}, {ranks} ranks", file=sys.stderr)
            periods, checksum = run(program, strategy, ranks, args)
            if results.setdefault(program, checksum) != checksum:
                sys.exit(
                    f"{program}: {strategy} on {ranks} ranks has another result than the first run"
                )
            line = {"program": program, "strategy": strategy, "ranks": ranks}
            line.update(
                repetition=repetition, load=os.getloadavg()[0], sha256=checksum, periods=periods
            )
            print(json.dumps(line), file=file, flush=True)
    print(f"all runs of a program have the same result; the record is {path}")


if __name__ == "__main__":
    main()
