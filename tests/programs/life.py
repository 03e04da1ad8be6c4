# SPDX-License-Identifier: Apache-2.0
"""The Game of Life on a torus in blocks with eight neighbours, and a glider that comes back to where it was."""

import numpy as np

from charm4py import Array, Chare, Reducer, charm, coro, when

BX, BY, N = 4, 3, 10  # blocks, cells per side of a block
HEIGHT, WIDTH = BY * N, BX * N
STEPS = 60
AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
GLIDER = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 1]], np.uint8)


def board():
    cells = (np.random.default_rng(5).random((HEIGHT, WIDTH)) < 0.3).astype(np.uint8)
    cells[:, : 2 * N] = 0
    cells[4:7, 4:7] = GLIDER
    return cells


def turn(padded):
    """The next generation of the inner cells."""
    height, width = padded.shape
    alive = sum(padded[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx] for dy, dx in AROUND)
    return ((alive == 3) | ((alive == 2) & (padded[1:-1, 1:-1] == 1))).astype(np.uint8)


def inner(d):
    """Rows or columns that a neighbour in direction d needs."""
    return {-1: slice(1, 2), 0: slice(1, -1), 1: slice(-2, -1)}[d]


def border(d):
    """Where those from a neighbour in direction d go."""
    return {-1: slice(0, 1), 0: slice(1, -1), 1: slice(-1, None)}[d]


class Block(Chare):
    def __init__(self, cells):
        y, x = self.thisIndex
        self.padded = np.zeros((N + 2, N + 2), np.uint8)
        self.padded[1:-1, 1:-1] = cells[y * N : (y + 1) * N, x * N : (x + 1) * N]
        self.step, self.missing = 0, len(AROUND)

    @coro
    def run(self, steps):
        y, x = self.thisIndex
        for _ in range(steps):
            for dy, dx in AROUND:
                neighbour = self.thisProxy[(y + dy) % BY, (x + dx) % BX]
                neighbour.receive(self.step, -dy, -dx, self.padded[inner(dy), inner(dx)])
            self.wait("self.missing == 0")
            self.padded[1:-1, 1:-1] = turn(self.padded)
            self.step += 1
            self.missing = len(AROUND)
        # All elements get the number of living cells; it is also a barrier.
        alive = self.allreduce(int(self.padded[1:-1, 1:-1].sum()), Reducer.sum).get()
        return self.padded[1:-1, 1:-1], alive

    @when("self.step == step")
    def receive(self, step, dy, dx, cells):
        self.padded[border(dy), border(dx)] = cells
        self.missing -= 1


def serial(cells, steps):
    for _ in range(steps):
        cells = turn(np.pad(cells, 1, mode="wrap"))
    return cells


def run(cells, steps):
    answers = Array(Block, (BY, BX), args=[cells]).run(steps, ret=True).get()
    got = np.block([[answers[y * BX + x][0] for x in range(BX)] for y in range(BY)])
    assert [alive for _, alive in answers] == [int(got.sum())] * (BX * BY)
    return got


def main(args):
    cells = board()
    got = run(cells, STEPS)
    assert 0 < got.sum() and np.array_equal(got, serial(cells, STEPS))
    glider = np.zeros_like(cells)
    glider[4:7, 4:7] = GLIDER
    # A glider moves one cell down and right in four turns.
    got = run(glider, STEPS)
    assert np.array_equal(got, np.roll(glider, (STEPS // 4, STEPS // 4), (0, 1)))
    print("life agrees")
    charm.exit()


charm.start(main)
