# SPDX-License-Identifier: Apache-2.0
"""Python chares whose hot methods are in C: heat flows round a ring.

Usage: native.py [STEPS]. libkernels.so must lie beside this file, or where the loader looks for libraries.
"""

import sys

import numpy as np

import c4py
from c4py import Array, Chare, Future, Reducer, charm, when

CELLS, STRIPS = 1000, 8
STRIP = f"""double t[{CELLS}], double next[{CELLS}], double ends[2], int have, int step, int steps,
            ref left, ref right"""


class Strip(Chare):
    strip = c4py.NativeState(STRIP)

    def __init__(self, done):
        self.done = done
        i = self.thisIndex[0]
        self.strip["step"] = -1
        self.strip["t"][:] = initial()[i * CELLS : (i + 1) * CELLS]

    @c4py.native("libkernels.so:start", "int steps, ref left, ref right")
    def start(self, steps, left, right):
        """Begin; called from Python."""

    @when(c4py.native("libkernels.so:is_now", "int step"))
    @c4py.native("libkernels.so:edge", "int step, int side, double value")
    def edge(self, step, side, value):
        """The end of a neighbour; called from C."""

    def finished(self):
        """All steps are done; called from C."""
        self.reduce(self.done, self.strip["t"], Reducer.gather)


def initial():
    x = np.arange(STRIPS * CELLS)
    return np.where(x < CELLS, 100.0, 0.0)


def serial(steps):
    t = initial()
    for _ in range(steps):
        t = 0.5 * t + 0.25 * (np.roll(t, 1) + np.roll(t, -1))
    return t


def main(args):
    steps = int(args[1]) if len(args) > 1 else 500
    done = Future()
    strips = Array(Strip, STRIPS, args=[done])
    for i in range(STRIPS):
        strips[i].start(steps, strips[i - 1 if i else STRIPS - 1], strips[(i + 1) % STRIPS])
    t = np.concatenate(done.get())
    print(f"{steps} steps, the hottest cell has {t.max():.6f} degrees")
    if not np.array_equal(t, serial(steps)):
        sys.exit("this is not what a serial run gives")
    print("equal to a serial run, bit for bit")
    exit()


charm.start(main)
