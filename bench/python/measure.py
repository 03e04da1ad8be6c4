# SPDX-License-Identifier: Apache-2.0
"""What the benchmark programs share: yardsticks, repetitions, one line per row.

A row is measured many times for a few milliseconds each, its yardstick before every time, in the same processes. The record has the
ratio of the medians, and that of the best times (on one rank: of processor times): on a machine that others use too, where a process
is interrupted now and then, the second one is closer to what the code costs.
"""

import ctypes
import functools
import json
import os
import time
import timeit

from figures import figures
from modules import why_without

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
SMOKE = SCALE < 0.1


def count(n, least=2):
    """How many operations one measurement makes: as given, but a few only where nothing is to be measured."""
    return max(n // 100, least) if SMOKE else n


def wanted(name):
    """Whether the user asked for this row."""
    names = os.environ.get("BENCH_ROWS")
    return not names or name in names.split()


def repetitions(n):
    """How often a row is measured."""
    return 1 if SMOKE else max(int(n * SCALE), 3)


class _Bound:
    def method(self, x):
        pass


def bound_call():
    """m: seconds per call of a bound method with one argument, in this interpreter."""
    n = count(20_000)
    return min(timeit.repeat("f(1)", globals={"f": _Bound().method}, number=n, repeat=3)) / n


@functools.cache
def _yardstick_library():
    library = ctypes.CDLL(os.environ["BENCH_YARDSTICK"])
    library.c4p_yardstick_pingpong.restype = ctypes.c_double
    library.c4p_yardstick_pingpong.argtypes = [ctypes.c_size_t, ctypes.c_int]
    library.c4p_yardstick_pattern.restype = ctypes.c_double
    library.c4p_yardstick_pattern.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    return library


def pingpong(nbytes, reps):
    """r: seconds per round trip of plain MPI. Ranks 0 and 1 call together; 0.0 on rank 1."""
    return _yardstick_library().c4p_yardstick_pingpong(nbytes, reps)


def pattern(name, nbytes, count):
    """What all ranks do together with plain MPI in C (bench/common/yardstick.h): seconds for each of `count` times, on rank 0."""
    return _yardstick_library().c4p_yardstick_pattern(name.encode(), nbytes, count)


def kernels():
    """The library of native methods: bench/c/native.c."""
    return os.path.join(os.path.dirname(os.environ["BENCH_YARDSTICK"]), "libbench_native.so")


def missing(module):
    """Why a module cannot be used, or None."""
    return why_without(module, os.environ["BENCH_YARDSTICK"])


class Row:
    """One row's measurements."""

    def __init__(self, name):
        self.name = name
        self.seconds = []
        self.yardsticks = []
        self.cpu = []

    def add(self, seconds, yardstick, cpu=None):
        """One repetition. `cpu`: its processor time, where a process works all the time and never waits for another."""
        self.seconds.append(seconds)
        self.yardsticks.append(yardstick)
        self.cpu.append(seconds if cpu is None else cpu)

    def report(self, **more):
        """Print it; `more`: who else was measured, see figures()."""
        emit(**figures(self.name, self.seconds, self.yardsticks, self.cpu, **more))


def compare(row, contenders, yardstick, reps):
    """A row of several contenders by name, measured in turn: functions that return seconds, or the reason why one is left out. The first
    is what the row is about."""
    able = {name: run for name, run in contenders.items() if callable(run)}
    times = {name: [] for name in able}
    for _ in range(reps):
        for name, run in able.items():
            times[name].append(run())
    without = {name: why for name, why in contenders.items() if not callable(why)}
    ours = times.pop(next(iter(contenders)))
    emit(**figures(row, ours, times.pop(yardstick, None), against=times, without=without))


def emit(**fields):
    print("BENCH", json.dumps(fields), flush=True)


def timed(fn, *args):
    """Seconds by the clock and of this process that a call takes."""
    cpu, start = time.process_time(), time.perf_counter()
    fn(*args)
    seconds = time.perf_counter() - start
    return seconds, time.process_time() - cpu


def resident_bytes():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
