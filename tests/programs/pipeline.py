# SPDX-License-Identifier: Apache-2.0
"""A pipeline whose stages take items in order although they come in any: a stage is a chare with a condition at its door."""

import random

from charm4py import Array, Chare, charm, coro, when

STAGES, ITEMS = 6, 60


def work(stage, state, item):
    """What comes out depends on everything that went through the stage before."""
    state = (state * 31 + item + stage) % 1_000_003
    return state, (item * 7 + state) % 1_000_003


class Stage(Chare):
    def __init__(self, done):
        self.next = 0
        self.state = 0
        self.held = []
        self.rng = random.Random(self.thisIndex[0])
        self.done = done

    @when("self.next == number")
    def take(self, number, item):
        self.next += 1
        self.state, result = work(self.thisIndex[0], self.state, item)
        self.held.append((number, result))
        if len(self.held) == 5 or self.next == ITEMS:
            self.rng.shuffle(self.held)  # send some at a time, in an order of chance
            for message in self.held:
                self.pass_on(*message)
            self.held = []

    def pass_on(self, number, result):
        here = self.thisIndex[0]
        if here + 1 < STAGES:
            self.thisProxy[here + 1].take(number, result)
        else:
            self.done(number, result)


class Sink(Chare):
    def __init__(self):
        self.got = {}

    def put(self, number, result):
        assert number not in self.got
        self.got[number] = result

    @coro
    def all(self):
        self.wait("len(self.got) == ITEMS")
        return self.got


def main(args):
    sink = Chare(Sink, onPE=charm.numPes() - 1)
    stages = Array(Stage, STAGES, args=[sink.put])
    everything = sink.all(ret=True)
    numbers = list(range(ITEMS))
    random.Random(99).shuffle(numbers)
    for number in numbers:
        stages[0].take(number, number * number)
    got = everything.get()

    items = [n * n for n in range(ITEMS)]
    for stage in range(STAGES):
        state, results = 0, []
        for item in items:
            state, result = work(stage, state, item)
            results.append(result)
        items = results
    assert got == dict(enumerate(items))
    print("the pipeline agrees")
    charm.exit()


charm.start(main)
