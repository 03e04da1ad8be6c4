# SPDX-License-Identifier: Apache-2.0
"""What the benchmark programs share: yardsticks, medians, one line per row.

A row is measured several times, its yardstick before each time, in the same processes; the medians make the ratio.
"""

import ctypes
import json
import os
import statistics
import time
import timeit

QUICK = float(os.environ.get('BENCH_SCALE', '1'))


def count(n):
    """A number of repetitions, scaled down for quick runs."""
    return max(int(n * QUICK), 2)


class _Bound:
    def method(self, x):
        pass


def bound_call():
    """m: seconds per call of a bound method with one argument, in this interpreter."""
    n = 100_000
    return min(timeit.repeat('f(1)', globals={'f': _Bound().method}, number=n, repeat=3)) / n


_library = None


def pingpong(nbytes, reps):
    """r: seconds per round trip of plain MPI. Ranks 0 and 1 call together; 0.0 on rank 1."""
    global _library
    if _library is None:
        _library = ctypes.CDLL(os.environ['BENCH_YARDSTICK'])
        _library.c4p_yardstick_pingpong.restype = ctypes.c_double
        _library.c4p_yardstick_pingpong.argtypes = [ctypes.c_size_t, ctypes.c_int]
    return _library.c4p_yardstick_pingpong(nbytes, reps)


class Row:
    """One row's measurements."""

    def __init__(self, name):
        self.name = name
        self.seconds = []
        self.yardsticks = []

    def add(self, seconds, yardstick):
        self.seconds.append(seconds)
        self.yardsticks.append(yardstick)

    def report(self):
        seconds = statistics.median(self.seconds)
        yardstick = statistics.median(self.yardsticks)
        emit(row=self.name, seconds=seconds, yardstick=yardstick, ratio=seconds / yardstick)


def emit(**fields):
    print('BENCH', json.dumps(fields), flush=True)


def timed(fn, *args):
    start = time.perf_counter()
    fn(*args)
    return time.perf_counter() - start


def resident_bytes():
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGESIZE')
