"""A flame drifts over a plate. Where it burns, the chemistry needs many small steps, so a few blocks have most of the work.

Usage: mpirun -n 4 c4py_launcher hotspot.py --strategy greedy-refine, or --help
"""

import numpy as np
import periods

from charm4py import Array, Reducer, charm, coro, when

RATE = 0.2  # of the difference to each neighbour that flows in one step; stable below 0.25
MOST = 160  # chemical steps where it burns most
WIDTH, LENGTH = 0.09, 0.4  # of the flame, in x and y


def burning(x, y, step):
    """How much it burns at a place after some steps, from 0 to 1."""
    cx, cy = 0.125 + 0.0015 * step, 0.4 + 0.001 * step
    return float(np.exp(-0.5 * ((x - cx) / WIDTH) ** 2 - 0.5 * ((y - cy) / LENGTH) ** 2))


def initial(x, y, size):
    """The temperatures of a block: smooth, and different everywhere."""
    i = x * size + np.arange(size)[:, None]
    j = y * size + np.arange(size)[None, :]
    return 1.0 + 0.5 * np.sin(0.05 * i) * np.cos(0.03 * j)


def small_steps(heat):
    """How many steps of chemistry make one step of the whole."""
    return 1 + round(MOST * heat)


def one_step(padded, heat):
    """The inner part of a block after one step: heat flows, then fuel burns in as many small steps as it needs."""
    inner = padded[1:-1, 1:-1]
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    t = inner + RATE * (around - 4.0 * inner)
    count = small_steps(heat)
    for _ in range(count):
        t += (0.1 / count) * (heat - 0.2 * t + np.exp(-2.0 / t) * (2.0 - t))
    return t


def edges(t):
    """What the four neighbours need."""
    return {(-1, 0): t[0], (1, 0): t[-1], (0, -1): t[:, 0], (0, 1): t[:, -1]}


GHOSTS = {
    (-1, 0): np.s_[0, 1:-1],
    (1, 0): np.s_[-1, 1:-1],
    (0, -1): np.s_[1:-1, 0],
    (0, 1): np.s_[1:-1, -1],
}


class Block(periods.Worker):
    def __init__(self, blocks, size, counted):
        x, y = self.thisIndex
        self.counted = counted
        self.centre = (x + 0.5) / blocks, (y + 0.5) / blocks
        self.padded = np.empty((size + 2, size + 2))
        self.padded[1:-1, 1:-1] = initial(x, y, size)
        self.neighbours = [
            (dx, dy) for dx, dy in GHOSTS if 0 <= x + dx < blocks and 0 <= y + dy < blocks
        ]
        self.step = 0
        self.missing = len(self.neighbours)

    @coro
    def advance(self, steps, done):
        x, y = self.thisIndex
        count = 0
        for _ in range(steps):
            edge = edges(self.padded[1:-1, 1:-1])
            for side, ghost in GHOSTS.items():
                if side in self.neighbours:
                    dx, dy = side
                    self.thisProxy[x + dx, y + dy].border(self.step, (-dx, -dy), edge[side])
                else:
                    self.padded[ghost] = edge[side]
            self.wait("self.missing == 0")
            self.missing = len(self.neighbours)
            heat = burning(*self.centre, self.step)
            self.padded[1:-1, 1:-1] = one_step(self.padded, heat)
            count += small_steps(heat)
            self.step += 1
        self.end_period(done, count * 1e-5 if self.counted else None)

    @when("self.step == step")
    def border(self, step, side, values):
        self.padded[GHOSTS[side]] = values
        self.missing -= 1

    def collect(self, done):
        self.reduce(done, self.padded[1:-1, 1:-1], Reducer.gather)


def whole(parts, blocks):
    """The plate from its blocks, in order of their indices."""
    return np.block([parts[i * blocks : (i + 1) * blocks] for i in range(blocks)])


def serial(blocks, size, steps):
    """The same on one rank, without chares."""
    places = [(x, y) for x in range(blocks) for y in range(blocks)]
    plate = whole([initial(x, y, size) for x, y in places], blocks)
    for step in range(steps):
        padded = np.pad(plate, 1, mode="edge")
        parts = [
            one_step(
                padded[x * size : (x + 1) * size + 2, y * size : (y + 1) * size + 2].copy(),
                burning((x + 0.5) / blocks, (y + 0.5) / blocks, step),
            )
            for x, y in places
        ]
        plate = whole(parts, blocks)
    return plate


def main(args):
    parser.add_argument("--blocks", type=periods.positive, default=16, help="in each direction")
    parser.add_argument(
        "--size", type=periods.positive, default=16, help="of a block in each direction"
    )
    options = parser.parse_args(args[1:])
    blocks = options.blocks
    array = Array(
        Block, (blocks, blocks), args=[blocks, options.size, options.counted], useAtSync=True
    )
    periods.run(array, options)
    done = charm.Future()
    array.collect(done)
    plate = whole(done.get(), blocks)
    same = None
    if options.check:
        same = np.array_equal(plate, serial(blocks, options.size, options.steps))
    periods.show(plate, same)
    charm.exit(1 if same is False else 0)


parser = periods.arguments("hotspot.py", __doc__.splitlines()[0])
charm.start(main)
