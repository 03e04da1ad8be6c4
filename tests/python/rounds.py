# SPDX-License-Identifier: Apache-2.0
"""Many balancing rounds in which everything moves: results, broadcasts, reductions and quiescence are right in each, and rounds do
not get slower.

    mpirun -n 4 c4py_launcher tests/python/rounds.py rotate 1000

is the long form; the suite makes fewer rounds. Arguments: the strategy, the number of rounds.
"""

import sys
import time

from charm4py import Array, Chare, Future, Reducer, charm
from checks import check, equal, finish

STRATEGY, ROUNDS = sys.argv[1], int(sys.argv[2])
PER_RANK = 8


class Cell(Chare):
    def __init__(self):
        self.value = self.thisIndex[0]
        self.moves = 0
        self.shouts = 0

    def migrated(self):
        self.moves += 1

    def shout(self, number):
        assert number == self.shouts, "broadcasts come once, in order"
        self.shouts += 1

    def step(self, number, done):
        """Give the value to the reduction, get the neighbour's, then let the balancer move."""
        self.done = done
        self.reduce(done, self.value, Reducer.sum)
        self.thisProxy[(self.thisIndex[0] + 1) % COUNT].take(number, self.value)

    def take(self, number, value):
        self.next_value = (self.value * 5 + value + number) % 1000003
        self.AtSync()

    def resumeFromSync(self):
        self.value = self.next_value
        self.reduce(self.done, 1, Reducer.sum)

    def moved(self):
        return self.moves


def expected(values, number):
    return [(v * 5 + values[i - 1] + number) % 1000003 for i, v in enumerate(values)]


def main(args):
    global COUNT
    COUNT = PER_RANK * charm.numPes()
    charm.thisProxy.updateGlobals({"COUNT": COUNT}, awaitable=True).get()
    cells = Array(Cell, COUNT, useAtSync=True)
    values = list(range(COUNT))
    times = []
    wrong = 0
    for number in range(ROUNDS):
        start = time.perf_counter()
        cells.shout(number)
        done = Future(2)
        cells.step(number, done)
        got = done.get()
        wrong += got != [sum(values), COUNT]
        values = expected(values, number)
        if number % 10 == 0:
            charm.waitQD()
        times.append(time.perf_counter() - start)
    equal(wrong, 0, "rounds with a wrong sum")
    moves = cells.moved(ret=True).get()
    if charm.numPes() > 1:
        check(sum(moves) > 0.4 * ROUNDS * COUNT, f"{sum(moves)} moves in {ROUNDS} rounds")
    part = max(ROUNDS // 10, 1)
    first, last = sorted(times[:part])[part // 2], sorted(times[-part:])[part // 2]
    print(
        f"{ROUNDS} rounds of {STRATEGY}, {sum(moves)} moves: median of the first {part} rounds "
        f"{1e3 * first:.2f} ms, of the last {1e3 * last:.2f} ms ({100 * first / last:.0f} % of the speed)"
    )
    finish(2 if charm.numPes() > 1 else 1)


charm.options.quiet = True
charm.options.balancer = STRATEGY
charm.start(main)
