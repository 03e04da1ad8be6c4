#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the benchmarks, print the table with targets, append one record.

    ./dev bench                 everything, a few minutes
    ./dev bench --quick         shorter runs, less exact
    ./dev bench --only hop      rows whose names contain a word
    ./dev bench --show FILE     the table of the last record in a file
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from report import print_table
from rows import PROGRAMS, ROWS

HERE = Path(__file__).resolve().parent


def mpi_environment():
    """Open MPI refuses root and more ranks than cores unless told otherwise."""
    env = dict(os.environ)
    for line in (HERE.parent / 'tests' / 'support' / 'mpi.env').read_text().splitlines():
        name, separator, value = line.partition('=')
        if separator and not line.startswith('#'):
            env.setdefault(name.strip(), value.strip())
    return env


def command(program, build):
    if program.kind == 'c':
        words = [str(build / 'bench' / program.file), *program.args_for]
    else:
        words = [str(build / 'bin' / 'c4py_launcher'), '--quiet', str(HERE / 'python' / program.file)]
    return ['mpirun', '-n', str(program.ranks), *words] if program.ranks > 1 else words


def run_program(program, build, scale, timeout):
    env = mpi_environment()
    env['BENCH_SCALE'] = str(scale)
    env['BENCH_YARDSTICK'] = str(build / 'bench' / 'libc4p_yardstick.so')
    found = []
    words = command(program, build)
    if program.kind == 'c' and scale < 1:
        words += [str(max(int(n * scale), low)) for n, low in program.counts]
    try:
        done = subprocess.run(words, env=env, text=True, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return None, f'{program.file}: not finished after {timeout} s'
    for line in done.stdout.splitlines():
        if line.startswith('BENCH '):
            found.append(json.loads(line[6:]))
    if done.returncode != 0:
        return None, f'{program.file}: exit status {done.returncode}\n{done.stdout}{done.stderr}'
    return found, None


def machine():
    model = 'unknown'
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                model = line.partition(':')[2].strip()
                break
    except OSError:
        pass
    return {'cpu': model, 'cores': os.cpu_count(), 'system': platform.platform()}


def commit():
    git = subprocess.run(
        ['git', '-C', str(HERE), 'describe', '--always', '--dirty'], text=True, capture_output=True
    )
    return git.stdout.strip() or 'unknown'


def compiler(build):
    try:
        for line in (build / 'CMakeCache.txt').read_text().splitlines():
            if line.startswith(('CMAKE_C_COMPILER:', 'CMAKE_BUILD_TYPE:')):
                yield line.partition('=')[2]
    except OSError:
        return


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog='\n'.join(__doc__.splitlines()[2:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--build', type=Path, default=HERE.parent / 'build', help='build folder')
    parser.add_argument('--quick', action='store_true', help='a quarter of the repetitions')
    parser.add_argument('--smoke', action='store_true', help='tiny counts: only that the programs run')
    parser.add_argument('--only', metavar='WORD', help='rows whose names contain WORD')
    parser.add_argument('--record', type=Path, help='file to append to (default BUILD/bench/records.jsonl)')
    parser.add_argument('--show', type=Path, metavar='FILE', help='print the last record of FILE and exit')
    parser.add_argument('--timeout', type=float, default=300, help='seconds for one program')
    args = parser.parse_args()
    if args.show:
        print_table(json.loads(args.show.read_text().splitlines()[-1]))
        return 0
    if not (args.build / 'bin' / 'c4py_launcher').exists():
        parser.error(f'nothing is built in {args.build}; run ./dev build')
    scale = 0.01 if args.smoke else 0.25 if args.quick else 1.0
    wanted = {row.name for row in ROWS if not args.only or args.only in row.name}
    if not wanted:
        parser.error(f"no row contains '{args.only}'; rows: {', '.join(row.name for row in ROWS)}")
    programs = [p for p in PROGRAMS if any(row.name in wanted for row in ROWS if row.program == p.file)]
    record = {
        'time': time.strftime('%Y-%m-%dT%H:%M:%S'), 'machine': machine(), 'commit': commit(),
        'compiler': ' '.join(compiler(args.build)), 'scale': scale, 'rows': [],
    }
    failed = []
    for i, program in enumerate(programs):
        print(f'[{i + 1}/{len(programs)}] {program.file} on {program.ranks} rank(s)', file=sys.stderr, flush=True)
        found, why = run_program(program, args.build, scale, args.timeout)
        if why:
            failed.append(why)
        else:
            record['rows'] += [row for row in found if row['row'] in wanted or row['row'].startswith('mpi4py')]
    missing = wanted - {row['row'] for row in record['rows']}
    path = args.record or args.build / 'bench' / 'records.jsonl'
    with open(path, 'a') as f:
        f.write(json.dumps(record) + '\n')
    print_table(record)
    print(f'record appended to {path}')
    for why in failed:
        print(f'FAILED {why}', file=sys.stderr)
    if missing:
        print(f"no figure for: {', '.join(sorted(missing))}", file=sys.stderr)
    return 1 if failed or missing else 0


if __name__ == '__main__':
    sys.exit(main())
