# SPDX-License-Identifier: Apache-2.0
"""What the benchmark programs share: yardsticks, repetitions, one line per row.

A row is measured many times for a few milliseconds each, its yardstick before every time, in the same processes. The record has the
ratio of the medians, and that of the best times (on one rank: of processor times): on a machine that others use too, where a process
is interrupted now and then, the second one is closer to what the code costs.
"""

import ctypes
import json
import os
import statistics
import time
import timeit

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
    return max(int(n * SCALE), 3)


class _Bound:
    def method(self, x):
        pass


def bound_call():
    """m: seconds per call of a bound method with one argument, in this interpreter."""
    n = count(20_000)
    return min(timeit.repeat("f(1)", globals={"f": _Bound().method}, number=n, repeat=3)) / n


_library = None


def pingpong(nbytes, reps):
    """r: seconds per round trip of plain MPI. Ranks 0 and 1 call together; 0.0 on rank 1."""
    global _library
    if _library is None:
        _library = ctypes.CDLL(os.environ["BENCH_YARDSTICK"])
        _library.c4p_yardstick_pingpong.restype = ctypes.c_double
        _library.c4p_yardstick_pingpong.argtypes = [ctypes.c_size_t, ctypes.c_int]
    return _library.c4p_yardstick_pingpong(nbytes, reps)


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

    def report(self):
        seconds = statistics.median(self.seconds)
        yardstick = statistics.median(self.yardsticks)
        emit(
            row=self.name,
            seconds=seconds,
            yardstick=yardstick,
            ratio=seconds / yardstick,
            best_seconds=min(self.cpu),
            best_ratio=min(self.cpu) / min(self.yardsticks),
            repetitions=len(self.seconds),
        )


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
