"""A dense cloud of particles drifts through a periodic box of cells; crowded cells have most of the work.

Usage: mpirun -n 4 c4py_launcher clusters.py --strategy greedy-refine, or --help
"""

import functools

import numpy as np
import periods

from charm4py import Array, Reducer, charm, coro, when

DT = 0.01
PUSH = 0.02  # acceleration where two particles meet
REACH = 0.75  # of that push, in cells
EXCHANGE = 4  # steps after which particles are handed to the cells that they have entered
SIDES = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]


@functools.cache
def initial(count):
    """A row for each particle: its number, x, y and the velocities. The same on every rank."""
    rng = np.random.default_rng(1)
    crowd = np.arange(count) < 0.9 * count
    x = np.where(crowd, rng.normal(0.125, 0.06, count), rng.random(count)) % 1.0
    y = rng.random(count) * np.where(crowd, 0.8, 1.0)
    vx, vy = rng.normal(0.1, 0.02, count), rng.normal(0.05, 0.02, count)
    return np.column_stack([np.arange(count), x, y, vx, vy])


def cell_of(particles, cells):
    """The cell that each is in, by place, which may be outside of the box."""
    return np.floor(particles[:, 1:3] * cells).astype(int)


def walls(index, cells):
    """What to add to the places of each neighbour's particles where it is seen through a wall of the box, else None."""
    shifts = [np.floor_divide(np.add(index, side), cells).astype(float) for side in SIDES]
    return [shift if shift.any() else None for shift in shifts]


def seen(others, walls):
    """The places of the neighbours' particles as they are seen from a cell."""
    return [p if shift is None else p + shift for p, shift in zip(others, walls)]


def pushed(own, others, reach):
    """The accelerations of particles by themselves and others, always summed in the same order."""
    everyone = np.concatenate([own[:, 1:3], *others])
    dx = own[:, 1][:, None] - everyone[:, 0]
    dy = own[:, 2][:, None] - everyone[:, 1]
    distance = dx * dx
    distance += dy * dy
    np.sqrt(distance, out=distance)
    np.clip(distance, 1e-9, reach, out=distance)  # nobody is pushed by itself or from farther away
    push = np.divide(PUSH, distance, out=distance)
    push -= PUSH / reach
    return np.multiply(dx, push, out=dx).sum(axis=1), np.multiply(dy, push, out=dy).sum(axis=1)


def one_step(own, others, reach):
    """The particles of a cell after one step; others: the places of those around, in the order of SIDES."""
    ax, ay = pushed(own, others, reach)
    vx, vy = own[:, 3] + DT * ax, own[:, 4] + DT * ay
    return np.column_stack([own[:, 0], own[:, 1] + DT * vx, own[:, 2] + DT * vy, vx, vy])


def sorted_out(own, index, cells):
    """Who stays in a cell, and who leaves it, by side."""
    moved = cell_of(own, cells) - index
    if np.abs(moved).max(initial=0) > 1:
        raise ValueError("a particle jumped over a cell: take fewer cells")
    way = 3 * moved[:, 0] + moved[:, 1]
    return own[way == 0], {(dx, dy): own[way == 3 * dx + dy] for dx, dy in SIDES}


def merged(stays, came):
    """The particles of a cell, by number, with places inside of the box."""
    own = np.concatenate([stays, *came])
    own[:, 1:3] %= 1.0
    return own[np.argsort(own[:, 0])]


class Cell(periods.Worker):
    def __init__(self, count, cells, counted):
        self.cells = cells
        self.counted = counted
        everyone = initial(count)
        self.own = everyone[(cell_of(everyone, cells) == self.thisIndex).all(axis=1)]
        self.step = 0
        self.phase = 0
        self.walls = walls(self.thisIndex, cells)
        self.taken = {}

    def swap(self, values):
        """Give each neighbour its value, return theirs in the order of SIDES."""
        x, y = self.thisIndex
        for dx, dy in SIDES:
            neighbour = self.thisProxy[(x + dx) % self.cells, (y + dy) % self.cells]
            neighbour.take(self.phase, (-dx, -dy), values[dx, dy])
        self.wait("len(self.taken) == 8")
        taken, self.taken = self.taken, {}
        self.phase += 1
        return [taken[side] for side in SIDES]

    @when("self.phase == phase")
    def take(self, phase, side, values):
        self.taken[side] = values

    @coro
    def advance(self, steps, done):
        pairs = 0
        for _ in range(steps):
            others = self.swap(dict.fromkeys(SIDES, self.own[:, 1:3]))
            pairs += len(self.own) * (len(self.own) + sum(map(len, others)))
            self.own = one_step(self.own, seen(others, self.walls), REACH / self.cells)
            self.step += 1
            if self.step % EXCHANGE == 0:
                stays, leavers = sorted_out(self.own, self.thisIndex, self.cells)
                self.own = merged(stays, self.swap(leavers))
        self.end_period(done, pairs * 1e-8 if self.counted else None)

    def collect(self, done):
        self.reduce(done, self.own, Reducer.gather)


def serial(count, cells, steps):
    """The same on one rank, without chares; particles by cell."""
    everyone = initial(count)
    places = [(x, y) for x in range(cells) for y in range(cells)]
    box = {i: everyone[(cell_of(everyone, cells) == i).all(axis=1)] for i in places}

    def beside(i, side):
        return (i[0] + side[0]) % cells, (i[1] + side[1]) % cells

    for step in range(1, steps + 1):
        around = {
            i: seen([box[beside(i, side)][:, 1:3] for side in SIDES], walls(i, cells))
            for i in places
        }
        box = {i: one_step(box[i], around[i], REACH / cells) for i in places}
        if step % EXCHANGE == 0:
            parts = {i: sorted_out(box[i], i, cells) for i in places}
            box = {
                i: merged(
                    parts[i][0], [parts[beside(i, (dx, dy))][1][-dx, -dy] for dx, dy in SIDES]
                )
                for i in places
            }
    return [box[i] for i in places]


def by_number(parts):
    """All particles from those of the cells."""
    everyone = np.concatenate(parts)
    return everyone[np.argsort(everyone[:, 0])]


def main(args):
    parser.add_argument("--particles", type=periods.positive, default=4000)
    parser.add_argument("--cells", type=periods.positive, default=12, help="in each direction")
    options = parser.parse_args(args[1:])
    count, cells = options.particles, options.cells
    if cells < 3:
        parser.error("--cells must be 3 or more, so that all neighbours are different")
    array = Array(Cell, (cells, cells), args=[count, cells, options.counted], useAtSync=True)
    periods.run(array, options)
    done = charm.Future()
    array.collect(done)
    everyone = by_number(done.get())
    same = None
    if options.check:
        same = np.array_equal(everyone, by_number(serial(count, cells, options.steps)))
    periods.show(everyone, same)
    charm.exit(1 if same is False else 0)


parser = periods.arguments("clusters.py", __doc__.splitlines()[0])
charm.start(main)
