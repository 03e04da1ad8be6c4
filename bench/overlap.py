#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is communication overlapped? LeanMD between hosts whose link is slow.

bench/overlap.py                        some minutes on two cores; appends a line to build/bench/overlap.jsonl
bench/overlap.py --leanmd "8 4 4 60 --placement round-robin"

Makes two hosts with network namespaces on this machine, one rank on each, joined by a switch that can hold frames back. Measures the step
without added latency, the best of some runs; then adds a one-way latency L for which 2 L is a part of the step (0.8), and measures it again; both also with a
barrier after each step, where nothing can overlap. Positions travel for L and forces for L, so without overlap a step
takes 1.8 times as long. Runs of the four kinds take turns, and medians are compared. The link is as fast as this machine lets it be: its
round trip and bandwidth are measured and printed.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from machine import conditions, mpi_environment

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "hosts"))
from hosts import Hosts, enter

GOALS = {False: ("at most", 1.3), True: ("at least", 1.6)}


def step_ms(hosts, args, barrier):
    """Milliseconds of a step: the median of a run."""
    words = ["mpirun", "-n", "2", args.build / "bench" / "leanmd" / "leanmd"]
    words += [*shlex.split(args.leanmd), "--progress", "0", "--record", "-"]
    words += ["--barrier"] if barrier else []
    job = hosts.start("h1", words, env=hosts.environment(mpi_environment(), 1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        out, errors = job.communicate(timeout=args.timeout)
    except subprocess.TimeoutExpired:
        sys.exit(f"{shlex.join(map(str, words))}\nnot finished after {args.timeout:g} s")
    records = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if job.returncode or not records:
        sys.exit(f"{shlex.join(map(str, words))}\nended with {job.returncode}\n{out}{errors}")
    if records[0]["hosts"] != 2:
        sys.exit(f"the ranks were on {records[0]['hosts']} hosts instead of 2")
    return records[0]["ms_per_step"]


def measure(hosts, args):
    """{(barrier, late): times of a step}, the latency in seconds, and the link in both states."""
    times = {(barrier, late): [] for barrier in (False, True) for late in (False, True)}
    best = min(step_ms(hosts, args, barrier=False) for _ in range(args.repeat))
    delay, links = args.part / 2 * best / 1e3, {}
    for _ in range(args.repeat):
        for late in (False, True):
            hosts.set_delay(delay if late else 0)
            if late not in links:
                links[late] = hosts.measure_link()
            for barrier in (False, True):
                times[barrier, late].append(step_ms(hosts, args, barrier))
                print(f"{times[barrier, late][-1]:9.2f} ms a step{', late' * late}{', barrier' * barrier}", file=sys.stderr)  # fmt: skip
    return times, delay, links


def show(times, delay, links, args):
    """Print it; the ratios."""
    for late, link in links.items():
        print(f"link {'with' if late else 'without'} added latency: round trip {link['round_trip_us']:g} us, {link['mb_per_s']} MB/s")  # fmt: skip
    print(f"leanmd {args.leanmd}; added one-way latency L {delay * 1e3:.3f} ms")
    ratios = {}
    for barrier, (word, goal) in GOALS.items():
        short, long = (statistics.median(times[barrier, late]) for late in (False, True))
        ratios[barrier] = long / short
        reached = ratios[barrier] <= goal if word == "at most" else ratios[barrier] >= goal
        print(
            f"{'with a barrier' if barrier else 'as it stands':>14}: {short:.2f} ms a step, with latency {long:.2f} ms: "
            f"{ratios[barrier]:.3f} times, best to best {min(times[barrier, True]) / min(times[barrier, False]):.3f}, goal {word} {goal}: {'reached' if reached else 'missed'}; "
            f"all: {', '.join(f'{t:.2f}' for late in (False, True) for t in times[barrier, late])}"
        )
    return ratios


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top = Path(__file__).resolve().parent.parent
    parser.add_argument("--build", type=Path, default=top / "build", help="build folder")
    parser.add_argument("--leanmd", default="4 4 4 100 --placement block", metavar="WORDS", help="arguments of LeanMD (%(default)s)")  # fmt: skip
    parser.add_argument("--part", type=float, default=0.8, help="2 L as a part of the step (%(default)s)")  # fmt: skip
    parser.add_argument("--repeat", type=int, default=5, help="runs of each kind (%(default)s)")
    parser.add_argument("--record", type=Path, help="default: BUILD/bench/overlap.jsonl")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    args = parser.parse_args()
    if not (args.build / "bench" / "leanmd" / "leanmd").exists():
        parser.error(f"there is no leanmd in {args.build}; run ./dev build")
    return args


def main():
    args = arguments()
    enter()
    record = conditions(args.build)
    hosts = Hosts(2, switch=args.build / "tests" / "hosts_switch")
    times, delay, links = measure(hosts, args)
    ratios = show(times, delay, links, args)
    record.update(
        leanmd=args.leanmd,
        latency_ms=delay * 1e3,
        link={"plain": links[False], "late": links[True]},
        ms_per_step={
            f"{'barrier' if barrier else 'overlap'}, {'late' if late else 'plain'}": each
            for (barrier, late), each in times.items()
        },
        ratio=ratios[False],
        ratio_with_barrier=ratios[True],
        load_at_end=os.getloadavg()[0],
    )
    path = args.record or args.build / "bench" / "overlap.jsonl"
    with open(path, "a", encoding="utf-8") as file:
        print(json.dumps(record), file=file)
    print(f"load {record['load']:.1f} to {record['load_at_end']:.1f}; the record is in {path}")


if __name__ == "__main__":
    main()
