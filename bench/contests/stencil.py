# SPDX-License-Identifier: Apache-2.0
"""What both stencils share: a plate in strips of rows, each with the rows above and below it, and one step of it. And what they print."""

import argparse
import json
import statistics

import numpy as np


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("columns", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("--strips", type=int, default=1, help="on each rank")
    return parser.parse_args(words)


def make_strip(rows, columns, number, strips):
    """Two copies of strip `number` of a cold plate with a hot upper edge; each step reads one and writes the other."""
    height = (number + 1) * rows // strips - number * rows // strips
    old = np.zeros((height + 2, columns + 2))
    if number == 0:
        old[0] = 100.0
    return old, old.copy()


def sweep(old, new):
    """Each inner cell becomes the mean of its four neighbours, without any array that is not there already."""
    inner = new[1:-1, 1:-1]
    np.add(old[:-2, 1:-1], old[2:, 1:-1], out=inner)
    inner += old[1:-1, :-2]
    inner += old[1:-1, 2:]
    inner *= 0.25


def report(step_ends, heat):
    """step_ends: of strip 0 on rank 0. heat: of the whole plate, the same whoever has computed it."""
    steps = [b - a for a, b in zip(step_ends, step_ends[1:])]
    print("BENCH", json.dumps({"seconds": statistics.median(steps), "check": heat}), flush=True)
