# SPDX-License-Identifier: Apache-2.0
"""The task pool: a recursive Fibonacci without cut-off on three ranks, against a bound-method call (m)."""

from charm4py import charm, coro
from measure import SMOKE, Row, bound_call, repetitions, timed

N = 6 if SMOKE else 13


@coro
def fib(n):
    if n < 2:
        return n
    return sum(charm.pool.map(fib, [n - 1, n - 2]))


def tasks(n):
    """How many tasks fib(n) makes: every call but the first."""
    return 0 if n < 2 else 2 + tasks(n - 1) + tasks(n - 2)


def main(args):
    row = Row("pool_task")
    for _ in range(repetitions(11)):
        yardstick = bound_call()
        row.add(timed(fib, N)[0] / tasks(N), yardstick)
    row.report()
    exit()


charm.start(main)
