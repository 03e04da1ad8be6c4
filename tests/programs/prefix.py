# SPDX-License-Identifier: Apache-2.0
"""Prefix sums by doubling: in round k every element adds what the one 2^k places before it has; also where order matters."""

import itertools
import operator
import random

from charm4py import Array, Chare, Future, Reducer, charm, when

COUNT = 21


def multiply(a, b):
    """Of 2 x 2 matrices, given as rows; the order matters."""
    p = 1_000_003
    (a0, a1), (a2, a3) = a
    (b0, b1), (b2, b3) = b
    return (
        ((a0 * b0 + a1 * b2) % p, (a0 * b1 + a1 * b3) % p),
        ((a2 * b0 + a3 * b2) % p, (a2 * b1 + a3 * b3) % p),
    )


def value(kind, i):
    rng = random.Random(i)
    if kind == "sum":
        return rng.randrange(-1000, 1000)
    return tuple(tuple(rng.randrange(1000) for _ in range(2)) for _ in range(2))


OPERATIONS = {"sum": operator.add, "matrix": multiply}


class Element(Chare):
    def begin(self, kind, done):
        self.kind, self.done = kind, done
        self.value = value(kind, self.thisIndex[0])
        self.round = 0
        self.go_on()

    def go_on(self):
        """Send for this round; go on to the next if nothing is to be received."""
        i = self.thisIndex[0]
        while 2**self.round < COUNT:
            if i + 2**self.round < COUNT:
                self.thisProxy[i + 2**self.round].add(self.kind, self.round, self.value)
            if i - 2**self.round >= 0:
                return
            self.round += 1
        self.reduce(self.done, self.value, Reducer.gather)

    # A broadcast and a call may overtake each other: begin() may come after the first add().
    @when("getattr(self, 'kind', None) == kind and self.round == round")
    def add(self, kind, round, value):
        self.value = OPERATIONS[self.kind](value, self.value)
        self.round += 1
        self.go_on()


def main(args):
    array = Array(Element, COUNT)
    for kind, operation in OPERATIONS.items():
        done = Future()
        array.begin(kind, done)
        values = [value(kind, i) for i in range(COUNT)]
        assert done.get() == list(itertools.accumulate(values, operation)), kind
    print("prefixes agree")
    charm.exit()


charm.start(main)
