"""Jacobi iteration for the temperature of a square plate, cut into strips that exchange their edges over channels.

Usage: jacobi.py [size] [iterations] [strips]; the result is compared with a serial run, bit for
bit.
"""

import sys

import numpy as np

from charm4py import Array, Channel, Chare, Reducer, charm, coro


def plate(size):
    """A cold plate with a frame of one cell whose upper edge is hot."""
    grid = np.zeros((size + 2, size + 2))
    grid[0, :] = 100.0
    return grid


def sweep(grid):
    """One iteration: every inner cell becomes the mean of its four neighbours."""
    return 0.25 * (grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:])


class Strip(Chare):
    def __init__(self, size, strips):
        i = self.thisIndex[0]
        self.first = i * size // strips
        self.last = (i + 1) * size // strips
        self.strips = strips
        # My rows, and one more above and below: the frame, or a copy of the neighbour's edge.
        self.grid = plate(size)[self.first : self.last + 2].copy()

    @coro
    def run(self, iterations, done):
        i = self.thisIndex[0]
        above = Channel(self, self.thisProxy[i - 1]) if i > 0 else None
        below = Channel(self, self.thisProxy[i + 1]) if i < self.strips - 1 else None
        change = 0.0
        for _ in range(iterations):
            if above:
                above.send(self.grid[1])
            if below:
                below.send(self.grid[-2])
            if above:
                self.grid[0] = above.recv()
            if below:
                self.grid[-1] = below.recv()
            inner = sweep(self.grid)
            change = float(np.abs(inner - self.grid[1:-1, 1:-1]).max())
            self.grid[1:-1, 1:-1] = inner
        largest = self.allreduce(change, Reducer.max).get()
        if i == 0:
            print(f"largest change in the last iteration: {largest:.6f}", flush=True)
        self.reduce(done, (self.first, self.grid[1:-1]), Reducer.gather)


def main(args):
    size = int(args[1]) if len(args) > 1 else 128
    iterations = int(args[2]) if len(args) > 2 else 100
    strips = int(args[3]) if len(args) > 3 else 2 * charm.numPes()
    done = charm.Future()
    array = Array(Strip, strips, args=[size, strips])
    array.run(iterations, done)
    result = plate(size)
    for first, rows in done.get():
        result[first + 1 : first + 1 + len(rows)] = rows

    serial = plate(size)
    for _ in range(iterations):
        serial[1:-1, 1:-1] = sweep(serial)
    same = np.array_equal(result, serial)
    print(
        f"{size} x {size} cells, {iterations} iterations, {strips} strips on {charm.numPes()} ranks"
    )
    print("equal to a serial run, bit for bit" if same else "differs from a serial run")
    if not same:
        print("wrong: largest difference", np.abs(result - serial).max(), file=sys.stderr)
    charm.exit(0 if same else 1)


charm.start(main)
