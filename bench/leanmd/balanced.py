#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a step of LeanMD get shorter by what the report of load balancing predicts?

bench/leanmd/balanced.py                    on two ranks, some minutes; needs two cores that nobody else uses
bench/leanmd/balanced.py --repeat 1 --counted
bench/leanmd/balanced.py --show balanced.jsonl       the table of a record

Variant b starts from block placement of the computes and from a bad one (all on the first half of the ranks). In one
process, three rounds: the first measures and moves nothing, so that what follows has no start in it; the second is the
strategy's, and its report says what a step will take; the third measures what came of it. Besides, each placement is
run without moving anything (unless --counted), which shows what the machine alone does to the time of a step.

before, after: the median step between the first two rounds and between the last two, each of the fastest of the runs,
which are interleaved. expected: of the run that was fastest before. max/avg: of the ranks' processor time. pairs: those
that the busiest rank tests in a step, of the mean of all ranks; it does not depend on the machine's speed.
step off: the step after against the predicted one. The exit status is 1 if a step got shorter by 10 % more or less than
predicted (--tolerance). With --counted that is judged by the pairs of the busiest rank, whatever else the machine does.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import launch  # noqa: E402
from machine import conditions, mpi_environment  # noqa: E402

PLACEMENTS = ("block", "bad")
HEADINGS = ("placement", "strategy", "max/avg before", "expected", "after", "pairs before", "after",
            "ms/step before", "expected", "after", "step off", "shorter by", "predicted", "difference")  # fmt: skip


def plan(args):
    """All runs, in such an order that a change of the machine's speed strikes all of them."""
    for repetition in range(args.repeat):
        for placement in PLACEMENTS:
            for strategy in args.strategy if args.counted else ("none", *args.strategy):
                yield placement, strategy, repetition


def run(placement, strategy, args):
    """The record of one run. Exits with the reason if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.jsonl"
        words = [*args.mpiexec.split(), "-n", str(args.ranks)]
        words += [str(args.build / "bench" / "leanmd" / "leanmd"), *map(str, args.grid)]
        words += [str(3 * args.period + 1), "--lb-first", str(args.period)]
        words += ["--lb-period", str(args.period), "--balancer", f"none,{strategy},none"]
        words += ["--placement", placement, "--progress", "0", "--record", str(record)]
        words += ["--counted"] if args.counted else []
        _, why = launch.run(words, mpi_environment(), args.timeout, shlex.join(words))
        if why:
            sys.exit(why)
        return json.loads(record.read_text())


def uneven(values):
    """The greatest of the mean."""
    return max(values) * len(values) / sum(values)


def judge(rounds, counted):
    """What the repetitions of one placement and strategy say, each a list of three rounds."""
    _, balanced, after = zip(*rounds, strict=True)
    best = min(balanced, key=lambda r: r["ms_per_step"])
    last = min(after, key=lambda r: r["ms_per_step"])
    found = {
        "max_over_mean": best["max_before"] / best["mean"],
        "max_over_mean_expected": best["max_after"] / best["mean"],
        "max_over_mean_after": last["max_before"] / last["mean"],
        "tests": uneven(best["tests"]),
        "tests_after": uneven(last["tests"]),
        "ms_before": best["ms_per_step"],
        "ms_expected": best["expected_ms_per_step"],
        "ms_after": last["ms_per_step"],
    }
    found["shorter"] = found["ms_before"] - found["ms_after"]
    found["predicted"] = found["ms_before"] - found["ms_expected"] if best["moved"] else 0.0
    shorter, predicted = found["shorter"], found["predicted"]
    if counted:
        shorter = found["tests"] - found["tests_after"]
        predicted = found["max_over_mean"] - found["max_over_mean_expected"]
    found["difference"] = shorter / predicted - 1 if predicted > 0 else None
    return found


def row(placement, strategy, found):
    numbers = [
        *(f"{found[key]:.3f}" for key in ("max_over_mean", "max_over_mean_expected",
                                          "max_over_mean_after", "tests", "tests_after")),
        *(f"{found[key]:.2f}" for key in ("ms_before", "ms_expected", "ms_after")),
        f"{found['ms_after'] / found['ms_expected'] - 1:+.1%}" if found["ms_expected"] else "–",
        *(f"{found[key]:.2f}" for key in ("shorter", "predicted")),
    ]  # fmt: skip
    difference = found["difference"]
    return [placement, strategy, *numbers, "–" if difference is None else f"{difference:+.1%}"]


def summary(lines):
    """(placement, strategy) and what was found, in the order of the runs."""
    groups = {}
    for line in lines:
        groups.setdefault((line["placement"], line["strategy"]), []).append(line["rounds"])
    return {key: judge(rounds, lines[0]["counted"]) for key, rounds in groups.items()}


def show(results, where, tolerance):
    """Print the table; returns how many predictions were wrong."""
    print(
        f"{where['machine']['cpu']}, {where['machine']['cores']} cores; commit {where['commit']}, {where['time']}\n"
    )
    rows = [HEADINGS, *(row(*key, found) for key, found in results.items())]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(HEADINGS))]
    for i, cells in enumerate(rows):
        line = [c.ljust(w) if k < 2 else c.rjust(w) for k, (c, w) in enumerate(zip(cells, widths))]
        print("| " + " | ".join(line) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 1) + ("-" if k < 2 else ":") for k, w in enumerate(widths)) + "|")  # fmt: skip
    wrong = [
        key
        for key, found in results.items()
        if found["difference"] is not None and abs(found["difference"]) > tolerance
    ]
    print(f"\n{len([f for f in results.values() if f['difference'] is not None]) - len(wrong)} of the predictions are right "
          f"within {tolerance:.0%}" + "".join(f"; not {p}, {s}" for p, s in wrong))  # fmt: skip
    return len(wrong)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build = HERE.parent.parent / "build"
    parser.add_argument("--build", type=Path, default=build, help="build folder")
    parser.add_argument("--mpiexec", default="mpirun", help="command that starts ranks (mpirun)")
    parser.add_argument("--ranks", type=int, default=2, help="one for each core (2)")
    parser.add_argument("--grid", type=int, nargs=3, default=(4, 4, 4), metavar=("X", "Y", "Z"))
    parser.add_argument(
        "--strategy", nargs="+", default=["greedy-refine", "refine"], metavar="NAME"
    )
    parser.add_argument("--period", type=int, default=20, help="steps between two rounds (20)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each (5)")
    parser.add_argument(
        "--counted", action="store_true", help="loads are pairs tested, not measured time"
    )
    parser.add_argument("--tolerance", type=float, default=0.10, help="of the prediction (0.10)")
    parser.add_argument("--record", type=Path, help="default: BUILD/bench/leanmd-balanced.jsonl")
    parser.add_argument("--show", type=Path, metavar="RECORD", help="run nothing, show this record")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    args = parser.parse_args()
    if args.show is None and not (args.build / "bench" / "leanmd" / "leanmd").exists():
        parser.error(f"there is no LeanMD in {args.build}; run ./dev build")
    if args.ranks < 2 or args.repeat < 1 or args.period < 3:
        parser.error("at least two ranks, one run and three steps between rounds are needed")
    return args


def main():
    args = arguments()
    if args.show:
        where, *lines = map(json.loads, args.show.read_text().splitlines())
        return show(summary(lines), where, args.tolerance) > 0
    path = args.record or args.build / "bench" / "leanmd-balanced.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    where = {"program": "leanmd balanced", **conditions(args.build)}
    lines, runs = [], list(plan(args))
    with open(path, "w", encoding="utf-8") as file:
        print(json.dumps(where), file=file, flush=True)
        for i, (placement, strategy, repetition) in enumerate(runs, 1):
            print(f"[{i}/{len(runs)}] {placement}, {strategy}", file=sys.stderr)
            record = run(placement, strategy, args)
            line = {"placement": placement, "strategy": strategy, "repetition": repetition}
            line |= {"ranks": args.ranks, "grid": list(args.grid), "counted": args.counted}
            line |= {"load": os.getloadavg()[0], "rounds": record["balancing"]}
            lines.append(line)
            print(json.dumps(line), file=file, flush=True)
    wrong = show(summary(lines), where, args.tolerance)
    print(f"the record is {path}")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
