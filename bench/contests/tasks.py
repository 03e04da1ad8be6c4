# SPDX-License-Identifier: Apache-2.0
"""The tasks that pools are given, and what is printed of them."""

import argparse
import json
import os
import statistics
import time

SMOKE = float(os.environ.get("BENCH_SCALE", "1")) < 0.1
REPEAT = 1 if SMOKE else 5
KINDS = ("each", "work", "fib")


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS, help="each: a map of tasks that do nothing; work: of tasks of about half a "
                        "millisecond; fib: a tree of tasks, each the sum of two")  # fmt: skip
    parser.add_argument("size", type=int, help="tasks; fib: its argument")
    return parser.parse_args(words)


def nothing(x):
    return x


def work(x):
    total = 0
    for i in range(10_000):
        total += i & x
    return total


FUNCTIONS = {"each": nothing, "work": work}


def fib_tasks(n):
    """How many calls fib(n) makes, itself included."""
    return 1 if n < 2 else 1 + fib_tasks(n - 1) + fib_tasks(n - 2)


def measure(options, run):
    """run(): all tasks; a number that tells whether they were done. Once before, so that all workers are there."""
    tasks = fib_tasks(options.size) if options.kind == "fib" else options.size
    run()
    times = []
    for _ in range(REPEAT):
        start = time.perf_counter()
        check = run()
        times.append((time.perf_counter() - start) / tasks)
    print("BENCH", json.dumps({"seconds": statistics.median(times), "best": min(times), "check": check}), flush=True)  # fmt: skip
