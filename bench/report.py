#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Render a benchmark record as a table: absolute figure, ratio to the yardstick, target, and where it stands."""

import json
import sys
from pathlib import Path

from rows import ROWS


def time_text(seconds):
    for unit, scale in (('s', 1), ('ms', 1e-3), ('us', 1e-6), ('ns', 1e-9)):
        if seconds >= scale:
            return f'{seconds / scale:.3g} {unit}'
    return f'{seconds * 1e9:.3g} ns'


def state(value, target):
    if value <= target:
        return 'reached'
    return 'within 1.5x' if value <= 1.5 * target else 'MISSED'


def table(record):
    """Lines of the table."""
    found = {row['row']: row for row in record['rows']}
    machine = record['machine']
    yield f"{machine['cpu']}, {machine['cores']} cores; commit {record['commit']}; {record['time']}"
    if record['scale'] < 1:
        yield f"short run (scale {record['scale']}): less exact"
    yield ''
    yield f"{'what':52} {'figure':>10} {'ratio':>9} {'target':>9}  state"
    for row in ROWS:
        if row.name not in found:
            continue
        one = found[row.name]
        if row.unit == 'B':
            value, figure, ratio = one['bytes'], f"{one['bytes']:.3g} B", '-'
        else:
            value, figure = one['ratio'], time_text(one['seconds'])
            ratio = f'{value:.3g} {row.unit}'
        target = f'{row.target:g} {row.unit}'
        yield f'{row.text:52} {figure:>10} {ratio:>9} {target:>9}  {state(value, row.target)}'
    if 'mpi4py_pingpong' in found:
        one = found['mpi4py_pingpong']
        yield (
            f"{'(mpi4py, pickled send and recv of an int)':52} {time_text(one['seconds']):>10} "
            f"{one['ratio']:>7.3g} r"
        )


def print_table(record):
    print('\n'.join(table(record)))


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('usage: report.py RECORDS.jsonl')
    print_table(json.loads(Path(sys.argv[1]).read_text().splitlines()[-1]))
