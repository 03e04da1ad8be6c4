# SPDX-License-Identifier: Apache-2.0
"""A knapsack by branch and bound: every node of the tree is a chare that is made when it is needed, on some rank."""

import random

from charm4py import Chare, Future, Group, Reducer, charm, register

ITEMS, CAPACITY = 16, 200
rng = random.Random(4)
# Most value for its weight first, as the bound needs it.
THINGS = sorted(
    ((rng.randrange(10, 60), rng.randrange(10, 80)) for _ in range(ITEMS)),
    key=lambda thing: thing[1] / thing[0],
    reverse=True,
)
TREE = 6  # levels of the tree that are chares; below, one chare searches by itself


class Best(Chare):
    """What this rank knows of the best value so far; it may be too little, never too much."""

    def __init__(self):
        self.value = 0
        self.nodes = 0

    def found(self, value):
        self.value = max(self.value, value)

    def report(self, done):
        self.reduce(done, (self.value, self.nodes), Reducer.tuple(Reducer.max, Reducer.sum))


def bound(item, room, value):
    """No filling of the rest is better than this one, which cuts the last thing."""
    for weight, worth in THINGS[item:]:
        if weight > room:
            return value + worth * room / weight
        room -= weight
        value += worth
    return value


@register
class Node(Chare):
    def __init__(self, best, item, room, value):
        local = best.ckLocalBranch()
        local.nodes += 1
        self.search(best, local, item, room, value)

    def search(self, best, local, item, room, value):
        if value > local.value:
            local.found(value)
            best.found(value)
        if item == ITEMS or bound(item, room, value) <= local.value:
            return
        weight, worth = THINGS[item]
        branches = [(best, item + 1, room, value)]
        if weight <= room:
            branches.append((best, item + 1, room - weight, value + worth))
        for branch in branches:
            if item < TREE:
                Chare(Node, args=branch)
            else:
                self.search(best, local, *branch[1:])


def by_table():
    """The best value for every weight up to the capacity."""
    table = [0] * (CAPACITY + 1)
    for weight, worth in THINGS:
        for room in range(CAPACITY, weight - 1, -1):
            table[room] = max(table[room], table[room - weight] + worth)
    return table[CAPACITY]


def main(args):
    best = Group(Best)
    charm.awaitCreation(best)  # nodes ask for the local element
    Chare(Node, args=(best, 0, CAPACITY, 0))
    charm.waitQD()
    done = Future()
    best.report(done)
    value, nodes = done.get()
    assert value == by_table(), (value, by_table())
    assert TREE < nodes < 2 ** (TREE + 2)
    print("the best value is right")
    charm.exit()


charm.start(main)
