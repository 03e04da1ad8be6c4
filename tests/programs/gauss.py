# SPDX-License-Identifier: Apache-2.0
"""Gauss elimination with partial pivoting over rows that are dealt out; the owner of the pivot row broadcasts it."""

import numpy as np

from charm4py import Array, Chare, Reducer, charm, coro

N, OWNERS = 40, 6


def system():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(N, N))
    a[0, 0] = 0.0  # without pivoting this fails
    return a, rng.normal(size=N)


class Rows(Chare):
    def __init__(self):
        a, b = system()
        self.rows = {i: np.append(a[i], b[i]) for i in range(self.thisIndex[0], N, OWNERS)}
        self.used = set()
        self.pivots = {}

    def pivot(self, k, number, row):
        self.pivots[k] = number, row

    @coro
    def eliminate(self):
        order = []
        for k in range(N):
            candidates = [(abs(row[k]), -i) for i, row in self.rows.items() if i not in self.used]
            best = max(candidates, default=(-1.0, -N))
            _, minus = self.allreduce(best, Reducer.maxloc).get()
            if -minus in self.rows:
                self.thisProxy.pivot(k, -minus, self.rows[-minus])
            self.wait(f"{k} in self.pivots")
            number, pivot = self.pivots.pop(k)
            order.append(number)
            self.used.add(number)
            for i, row in self.rows.items():
                if i not in self.used:
                    row -= row[k] / pivot[k] * pivot
        return self.rows, order


def solve(triangle):
    """Backwards through the rows in the order in which they were pivots."""
    x = np.zeros(N)
    for k in reversed(range(N)):
        row = triangle[k]
        x[k] = (row[-1] - row[k + 1 : N] @ x[k + 1 :]) / row[k]
    return x


def serial_order(a):
    """Which row is the pivot of each column."""
    a, left, order = a.copy(), set(range(a.shape[0])), []
    for k in range(a.shape[0]):
        number = max(left, key=lambda i: (abs(a[i, k]), -i))
        left.remove(number)
        order.append(number)
        for i in left:
            a[i] -= a[i, k] / a[number, k] * a[number]
    return order


def main(args):
    a, b = system()
    answers = Array(Rows, OWNERS).eliminate(ret=True).get()
    rows = {i: row for some, _ in answers for i, row in some.items()}
    order = answers[0][1]
    assert all(other == order for _, other in answers)
    assert order == serial_order(a) and order[0] != 0
    x = solve([rows[i] for i in order])
    assert np.allclose(a @ x, b, rtol=0, atol=1e-10)
    assert np.allclose(x, np.linalg.solve(a, b), rtol=1e-9, atol=1e-9)
    print("the solution agrees")
    charm.exit()


charm.start(main)
