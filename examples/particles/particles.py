"""Particles drift around a vortex in a periodic box that is cut into cells; who leaves a cell is sent to the cell it enters.

Usage: particles.py [particles] [steps] [cells per side]; compared with a serial run, bit for bit.
"""

import sys

import numpy as np

from charm4py import Array, Chare, Reducer, charm, coro, when

DT = 0.02


def initial(count):
    """One row for each particle: its number, x, y. The same on every rank."""
    rng = np.random.default_rng(1)
    return np.column_stack([np.arange(count), rng.random(count), rng.random(count)])


def moved(particles):
    """The particles after one step in a field that turns around the middle of the box."""
    x, y = particles[:, 1], particles[:, 2]
    u = np.sin(2 * np.pi * y) + 0.3
    v = -np.sin(2 * np.pi * x) + 0.1
    return np.column_stack([particles[:, 0], (x + DT * u) % 1.0, (y + DT * v) % 1.0])


def place(particles, cells):
    """The cell of each particle; rounding may put x at 1.0 exactly, which is still the last cell."""
    return np.minimum((particles[:, 1:] * cells).astype(int), cells - 1)


class Cell(Chare):
    def __init__(self, count, cells):
        self.cells = cells
        everything = initial(count)
        here = (place(everything, cells) == self.thisIndex).all(axis=1)
        self.particles = everything[here]
        self.step = 0
        self.most = len(self.particles)
        x, y = self.thisIndex
        # In a small box the neighbour on both sides is the same cell; it gets one message.
        self.neighbours = {
            ((x + dx) % cells, (y + dy) % cells) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
        } - {self.thisIndex}
        self.missing = len(self.neighbours)
        self.arrived = []

    @coro
    def run(self, steps, done):
        for _ in range(steps):
            particles = moved(self.particles)
            cell = place(particles, self.cells)
            stays = (cell == self.thisIndex).all(axis=1)
            found = int(stays.sum())
            for neighbour in self.neighbours:
                leaves = (cell == neighbour).all(axis=1)
                found += int(leaves.sum())
                self.thisProxy[neighbour].enter(self.step, particles[leaves])
            assert found == len(particles), "a particle jumped over a cell; take smaller steps"
            self.wait("self.missing == 0")
            self.particles = np.concatenate([particles[stays], *self.arrived])
            self.most = max(self.most, len(self.particles))
            self.arrived = []
            self.missing = len(self.neighbours)
            self.step += 1
        self.reduce(done, (self.particles, self.most), Reducer.gather)

    @when("self.step == step")  # a neighbour may be one step ahead
    def enter(self, step, particles):
        self.arrived.append(particles)
        self.missing -= 1


def main(args):
    count = int(args[1]) if len(args) > 1 else 2000
    steps = int(args[2]) if len(args) > 2 else 25
    cells = int(args[3]) if len(args) > 3 else 4
    done = charm.Future()
    Array(Cell, (cells, cells), args=[count, cells]).run(steps, done)
    parts = done.get()
    result = np.concatenate([particles for particles, _ in parts])
    result = result[np.argsort(result[:, 0])]

    serial = initial(count)
    for _ in range(steps):
        serial = moved(serial)
    same = np.array_equal(result, serial)
    print(f"{count} particles, {steps} steps, {cells} x {cells} cells on {charm.numPes()} ranks")
    print(f"the fullest cell had {max(most for _, most in parts)} particles")
    print("equal to a serial run, bit for bit" if same else "differs from a serial run")
    if not same:
        print("wrong: particles were lost, doubled or moved wrongly", file=sys.stderr)
    charm.exit(0 if same else 1)


charm.start(main)
