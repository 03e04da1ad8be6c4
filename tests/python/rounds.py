# SPDX-License-Identifier: Apache-2.0
"""Many balancing rounds in which everything moves: results, broadcasts, reductions and quiescence are right in each, rounds do not
get slower, and at the end no table is larger than it must be.

    mpirun -n 4 c4py_launcher tests/python/rounds.py rotate 1000

is the long form; the suite makes fewer rounds. Arguments: the strategy, the number of rounds.
"""

import os
import sys
import time

from c4py import _c4py
from charm4py import Array, Chare, Future, Group, Reducer, charm
from checks import check, equal, finish

STRATEGY, ROUNDS = sys.argv[1], int(sys.argv[2])
PER_RANK = 8
PART = max(ROUNDS // 10, 10)  # rounds that are compared with as many others
WARM = PART // 2  # before the first of them
AGAIN = 5  # how often rounds that something else has disturbed are made again
SLOWER = 1.0 / 0.95


class Cell(Chare):
    def __init__(self):
        self.value = self.thisIndex[0]
        self.home = charm.myPe()
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

    def is_away(self):
        return charm.myPe() != self.home


class Keeper(Chare):
    """One on each rank, which counts what the runtime keeps there."""

    def kept(self):
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return _c4py.stats() | {"resident": resident}


class Rounds:
    """The rounds, and what must come out of each."""

    def __init__(self):
        self.cells = Array(Cell, COUNT, useAtSync=True)
        self.values = list(range(COUNT))
        self.number = self.wrong = 0

    def make(self, count):
        """Make some; returns how long each took."""
        times = []
        for _ in range(count):
            start = time.perf_counter()
            self.cells.shout(self.number)
            done = Future(2)
            self.cells.step(self.number, done)
            self.wrong += done.get() != [sum(self.values), COUNT]
            self.values = expected(self.values, self.number)
            if self.number % 10 == 0:
                charm.waitQD()
            self.number += 1
            times.append(time.perf_counter() - start)
        return sorted(times)


def expected(values, number):
    return [(v * 5 + values[i - 1] + number) % 1000003 for i, v in enumerate(values)]


def typical(times):
    """What other programs on the machine have not disturbed: they make rounds slower, never faster."""
    return times[len(times) // 10]


def measure(rounds):
    """The times of the first and the last rounds. What makes rounds slow for good would be there the next time, too."""
    rounds.make(WARM)
    first = rounds.make(PART)
    rounds.make(max(ROUNDS - WARM - 2 * PART, 0))
    last = rounds.make(PART)
    for _ in range(AGAIN):
        if PART < 100 or typical(last) <= typical(first) * SLOWER:
            break
        last = rounds.make(PART)
    return first, last


def check_kept(rounds, before, after):
    """Tables are as large as they must be: after is what each rank keeps when nothing is under way."""

    def total(what):
        return sum(one[what] for one in after)

    equal(total("homes"), sum(rounds.cells.is_away(ret=True).get()), "entries of homes")
    for what in ("pointers", "held", "departures", "queued"):
        equal(total(what), 0, f"{what}: all moves are over")
    for rank, (first, last) in enumerate(zip(before, after)):
        check(last["locations"] <= COUNT, f"rank {rank} knows of each element once: {last}")
        for what in ("broadcasts", "messages"):
            check(last[what] <= first[what] + 64, f"{what} on rank {rank}: {first}, then {last}")
        grown = last["resident"] - first["resident"]
        check(grown < 2 << 20, f"the memory of rank {rank} has grown by {grown} bytes")


def main(args):
    global COUNT
    COUNT = PER_RANK * charm.numPes()
    charm.thisProxy.updateGlobals({"COUNT": COUNT}, awaitable=True).get()
    keepers, rounds = Group(Keeper), Rounds()
    rounds.make(PART)
    charm.waitQD()
    before = keepers.kept(ret=True).get()
    first, last = measure(rounds)
    charm.waitQD()
    after = keepers.kept(ret=True).get()
    if "-v" in sys.argv:
        print(*before, *after, sep="\n")

    equal(rounds.wrong, 0, "rounds with a wrong sum")
    moves = rounds.cells.moved(ret=True).get()
    if charm.numPes() > 1:
        check(sum(moves) > 0.4 * ROUNDS * COUNT, f"{sum(moves)} moves in {ROUNDS} rounds")
    check_kept(rounds, before, after)
    speed = typical(first) / typical(last)
    print(
        f"{rounds.number} rounds of {STRATEGY}, {sum(moves)} moves: {1e3 * typical(first):.2f} ms for one of the first "
        f"{PART} rounds, {1e3 * typical(last):.2f} ms for one of the last ({100 * speed:.0f} % of the speed)"
    )
    if PART >= 100:  # a few rounds differ by chance
        check(speed >= 1 / SLOWER, "rounds do not get slower")
    finish(6 + 4 * charm.numPes() + (charm.numPes() > 1))


charm.options.quiet = True
charm.options.balancer = STRATEGY
charm.start(main)
