# SPDX-License-Identifier: Apache-2.0
"""Methods of chares that call kernels compiled by numba; arrays go in and come out as they are. Skipped without numba."""

import numpy as np

from charm4py import Array, Chare, Future, Reducer, charm, coro

try:
    import numba
except ImportError as error:
    numba = None
    reason = error

PARTS, N, STEPS = 4, 64, 10


def diffuse(grid, out):
    """One explicit step of a diffusion; returns the largest change."""
    largest = 0.0
    for i in range(1, grid.shape[0] - 1):
        for j in range(1, grid.shape[1] - 1):
            around = grid[i - 1, j] + grid[i + 1, j] + grid[i, j - 1] + grid[i, j + 1]
            change = 0.2 * (around - 4.0 * grid[i, j])
            out[i, j] = grid[i, j] + change
            largest = max(largest, abs(change))
    return largest


if numba:
    # No optimisation that changes results: they are compared with those of the interpreter.
    kernel = numba.njit("float64(float64[:,::1], float64[:,::1])", fastmath=False)(diffuse)


def start():
    x = np.arange(N + 2.0)
    return np.sin(x)[:, None] * np.cos(0.3 * x)[None, :]


class Strip(Chare):
    def __init__(self):
        i = self.thisIndex[0]
        self.rows = slice(i * N // PARTS, (i + 1) * N // PARTS + 2)
        self.grid = start()[self.rows].copy()
        self.edges = {}

    @coro
    def run(self, done):
        i = self.thisIndex[0]
        neighbours = [j for j in (i - 1, i + 1) if 0 <= j < PARTS]
        out = self.grid.copy()
        for step in range(STEPS):
            for j in neighbours:
                self.thisProxy[j].edge(step, i, self.grid[1 if j < i else -2])
            for j in neighbours:
                self.wait(f"({step}, {j}) in self.edges")
                self.grid[0 if j < i else -1] = self.edges.pop((step, j))
            change = kernel(self.grid, out)
            self.grid[1:-1] = out[1:-1]
            largest = self.allreduce(change, Reducer.max).get()
        self.reduce(done, (self.grid[1:-1], largest), Reducer.gather)

    def edge(self, step, sender, values):
        self.edges[step, sender] = values


def main(args):
    if numba is None:
        print(f"skipped: {reason}")
        charm.exit(77)
    done = Future()
    Array(Strip, PARTS).run(done)
    answers = done.get()
    got = np.concatenate([part for part, _ in answers])
    grid = start()
    for _ in range(STEPS):
        out = grid.copy()
        largest = diffuse(grid, out)
        grid = out
    assert np.allclose(got, grid[1:-1], rtol=0, atol=1e-13)
    for _, change in answers:
        assert abs(change - largest) < 1e-13
    # Compiled functions as tasks: they travel by reference like others.
    assert charm.pool.map(compiled_square, list(range(20))) == [n * n for n in range(20)]
    print("compiled kernels agree")
    charm.exit()


if numba:

    @numba.njit("int64(int64)")
    def compiled_square(n):
        return n * n


charm.start(main)
