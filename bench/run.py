#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the benchmarks, print the table with targets, append one record.

./dev bench                 everything, a few minutes
./dev bench --quick         fewer repetitions, less exact
./dev bench --only hop      rows whose names contain a word (--list: their names)
./dev bench --scaling       LeanMD and a stencil on 1, 2, 4 and 8 ranks instead
./dev bench --show FILE     the table of the last record in a file
bench/report FILE           a page of it; bench/report --compare OLD NEW: what got worse

What is compared runs in turn with what it is compared with. On a machine that others use too, look at the column "best".
docs/performance.md says what the figures mean.
"""

import argparse
import json
import sys
from pathlib import Path

import launch
from contest import run_all_scaling, run_contest
from machine import HERE, conditions
from records import FORMAT, RecordError, read_records
from rows import CONTESTS, PROGRAMS, RANKS, RANKS_OF, ROWS, SCALING
from tables import table

# ---- running -----------------------------------------------------------------------------------


def command(program, build, scale):
    if program.kind == "c":
        words = [str(build / "bench" / program.file)]
        words += [str(max(int(n * scale), least)) for n, least in program.counts]
    else:
        launcher = str(build / "bin" / "c4py_launcher")
        words = [launcher, "--quiet", str(HERE / "python" / program.file)]
    return words


def run_program(program, wanted, args, scale):
    """The rows it measured, and what went wrong."""
    env = launch.bench_environment(args.build, scale, wanted)
    ranks = program.ranks if program.ranks > 1 else 0
    words = launch.on_ranks(ranks, command(program, args.build, scale))
    output, why = launch.run(words, env, args.timeout, program.file)
    if why:
        return [], why
    lines = [line[6:] for line in output.splitlines() if line.startswith("BENCH ")]
    return [row for row in map(json.loads, lines) if row["row"] in wanted], None


def measure_rows(wanted, programs, args, scale):
    """All rows that are wanted, and what went wrong."""
    rows, failed = [], []
    contests = [c for c in CONTESTS if any(result.row in wanted for result in c.results)]
    jobs = [(program, run_program) for program in programs]
    jobs += [(contest, run_contest) for contest in contests if args.has_launcher]
    for i, (job, run) in enumerate(jobs, 1):
        say(f"[{i}/{len(jobs)}] {job.name} on {launch.ranks_text(RANKS_OF[job.name])}")
        found, why = run(job, wanted, args, scale)
        rows += found
        failed += [why] if why else []
    return rows, failed


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- command line ------------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--build", type=Path, default=HERE.parent / "build", help="build folder")
    parser.add_argument("--quick", action="store_true", help="a quarter of the repetitions")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="tiny counts: only that the programs run; of what takes longer, one each",
    )
    parser.add_argument(
        "--only", metavar="WORD", help="rows (or series of --scaling) whose names contain WORD"
    )
    parser.add_argument(
        "--scaling",
        action="store_true",
        help=f"strong and weak scaling of LeanMD and a stencil over {', '.join(map(str, RANKS))} ranks, instead of the rows",
    )
    parser.add_argument("--list", action="store_true", help="names and texts of all rows")
    parser.add_argument(
        "--record", type=Path, help="file to append to (default BUILD/bench/records.jsonl)"
    )
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="print the last record of FILE and exit"
    )
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one program")
    return parser, parser.parse_args()


def chosen(parser, args):
    """Names of rows, and the programs that measure them."""
    wanted = {r.name for r in ROWS if (args.only or "") in r.name}
    if not wanted:
        parser.error(f"no row contains '{args.only}'; --list names them")
    programs = PROGRAMS
    if not args.has_launcher:
        say("no c4py_launcher there: only the rows in C")
        programs = [p for p in PROGRAMS if p.kind == "c"]
        wanted &= {r.name for r in ROWS if r.program in {p.name for p in programs}}
    if args.smoke:
        wanted -= {result.row for c in CONTESTS if not c.in_smoke for result in c.results}
    measured_by = {r.program for r in ROWS if r.name in wanted}
    return wanted, [p for p in programs if p.name in measured_by]


def check_scaling(parser, args):
    if not args.has_launcher:
        parser.error(f"no c4py_launcher is built in {args.build}; --scaling needs it")
    if not any((args.only or "") in series.name for series in SCALING):
        names = ", ".join(series.name for series in SCALING)
        parser.error(f"no series contains '{args.only}'; there are {names}")


def show(path):
    """Print the last record of a file; the exit status."""
    try:
        print("\n".join(table(read_records(path)[-1])))
    except RecordError as error:
        say(f"run.py: {error}")
        return 2
    return 0


def keep(record, args):
    """Append the record, and say what it holds."""
    path = args.record or args.build / "bench" / "records.jsonl"
    with open(path, "a") as f:
        f.write(json.dumps(record) + "\n")
    print("\n".join(table(record)))
    print(f"\nrecord appended to {path}; bench/report {path} makes a page of it")


def main():
    parser, args = arguments()
    if args.list:
        print("\n".join(f"{row.name:20} {row.text}" for row in ROWS))
        return 0
    if args.show:
        return show(args.show)
    args.build = args.build.resolve()
    if not (args.build / "bench").is_dir():
        parser.error(f"no benchmarks are built in {args.build}; run ./dev build")
    args.has_launcher = (args.build / "bin" / "c4py_launcher").exists()
    scale = 0.01 if args.smoke else 0.25 if args.quick else 1.0
    missing = set()
    if args.scaling:
        check_scaling(parser, args)
        record = {**conditions(args.build), "scale": scale, "format": FORMAT, "rows": []}
        record["scaling"], failed = run_all_scaling(args.only or "", args, scale, say)
    else:
        wanted, programs = chosen(parser, args)
        record = {**conditions(args.build), "scale": scale, "format": FORMAT, "rows": []}
        record["rows"], failed = measure_rows(wanted, programs, args, scale)
        missing = wanted - {row["row"] for row in record["rows"]}
    keep(record, args)
    for why in failed:
        say(f"FAILED {why}")
    if missing:
        say(f"no figure for: {', '.join(sorted(missing))}")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
