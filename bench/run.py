#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the benchmarks, print the table with targets, append one record.

./dev bench                 everything, a few minutes
./dev bench --quick         fewer repetitions, less exact
./dev bench --only hop      rows whose names contain a word (--list: their names)
./dev bench --show FILE     the table of the last record in a file

Each program measures its yardstick between its rows, in the same processes. On a machine that others use too, look at the column
"best". docs/performance.md says what the figures mean.
"""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

from machine import HERE, conditions, mpi_environment
from report import table
from rows import PROGRAMS, ROWS

# ---- running -----------------------------------------------------------------------------------


def command(program, build, scale):
    if program.kind == "c":
        words = [str(build / "bench" / program.file)]
        words += [str(max(int(n * scale), least)) for n, least in program.counts]
    else:
        launcher = str(build / "bin" / "c4py_launcher")
        words = [launcher, "--quiet", str(HERE / "python" / program.file)]
    return ["mpirun", "-n", str(program.ranks), *words] if program.ranks > 1 else words


def finish(process, timeout):
    """Its output, or None when it had to be ended. mpirun is asked first, so that no rank is left."""
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        pass
    for signum in (signal.SIGTERM, signal.SIGKILL):
        process.send_signal(signum)
        try:
            process.communicate(timeout=10)
            return None
        except subprocess.TimeoutExpired:
            pass
    return None


def run_program(program, wanted, args, scale):
    """The rows it measured, and what went wrong."""
    env = mpi_environment()
    env["BENCH_SCALE"] = str(scale)
    env["BENCH_ROWS"] = " ".join(sorted(wanted))
    env["BENCH_YARDSTICK"] = str(args.build / "bench" / "libc4p_yardstick.so")
    words = command(program, args.build, scale)
    process = subprocess.Popen(
        words, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output = finish(process, args.timeout)
    if output is None:
        return [], f"{program.file}: not finished after {args.timeout:g} s"
    if process.returncode != 0:
        return [], f"{program.file}: exit status {process.returncode}\n{output[0]}{output[1]}"
    lines = [line[6:] for line in output[0].splitlines() if line.startswith("BENCH ")]
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if row["row"] in wanted or row["row"].startswith("mpi4py")], None


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
        "--smoke", action="store_true", help="tiny counts: only that the programs run"
    )
    parser.add_argument("--only", metavar="WORD", help="rows whose names contain WORD")
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
    has_launcher = (args.build / "bin" / "c4py_launcher").exists()
    if not (args.build / "bench").is_dir():
        parser.error(f"no benchmarks are built in {args.build}; run ./dev build")
    if not has_launcher:
        print("no c4py_launcher there: only the rows in C", file=sys.stderr)
    programs = [p for p in PROGRAMS if p.kind == "c" or has_launcher]
    files = {p.file for p in programs}
    wanted = {r.name for r in ROWS if r.program in files and (args.only or "") in r.name}
    if not wanted:
        parser.error(f"no row contains '{args.only}'; --list names them")
    measured_by = {r.program for r in ROWS if r.name in wanted}
    return wanted, [p for p in programs if p.file in measured_by]


def main():
    parser, args = arguments()
    if args.list:
        print("\n".join(f"{row.name:20} {row.text}" for row in ROWS))
        return 0
    if args.show:
        print("\n".join(table(json.loads(args.show.read_text().splitlines()[-1]))))
        return 0
    scale = 0.01 if args.smoke else 0.25 if args.quick else 1.0
    wanted, programs = chosen(parser, args)
    record = {**conditions(args.build), "scale": scale, "rows": []}
    failed = []
    for i, program in enumerate(programs, 1):
        place = f"{program.ranks} rank{'s' if program.ranks > 1 else ''}"
        print(f"[{i}/{len(programs)}] {program.file} on {place}", file=sys.stderr, flush=True)
        rows, why = run_program(program, wanted, args, scale)
        record["rows"] += rows
        if why:
            failed.append(why)
    missing = wanted - {row["row"] for row in record["rows"]}
    path = args.record or args.build / "bench" / "records.jsonl"
    with open(path, "a") as f:
        f.write(json.dumps(record) + "\n")
    print("\n".join(table(record)))
    print(f"\nrecord appended to {path}")
    for why in failed:
        print(f"FAILED {why}", file=sys.stderr)
    if missing:
        print(f"no figure for: {', '.join(sorted(missing))}", file=sys.stderr)
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
