# SPDX-License-Identifier: Apache-2.0
"""A program of random steps over an array whose elements move all the time: calls, broadcasts, conditions, reductions, sections,
coroutines, insertions, deletions and balancing rounds. What comes out is known beforehand.

Arguments: a seed, how many steps.
"""

import random
import sys

import numpy as np

from charm4py import Array, Chare, Future, Reducer, charm, coro, when
from checks import equal, finish

SEED, STEPS = int(sys.argv[1]), int(sys.argv[2])
FIRST = 10  # elements at the beginning
MOST_SECTIONS = 6


class Element(Chare):
    def __init__(self):
        self.calls, self.shouts, self.heard, self.rounds = 0, [], [], 0
        self.open = -1
        self.ballast = np.zeros(1000 * (self.thisIndex[0] % 4))

    def call(self, n):
        self.calls += n

    def shout(self, n):
        self.shouts.append(n)

    def hear(self, name, n, section, done):
        self.heard.append((name, n))
        self.reduce(done, (name, n), Reducer.gather, section=section)

    @when("self.open >= n")
    def enter(self, n):
        return n

    def unlock(self, n):
        self.open = n

    def give(self, done, n):
        self.reduce(done, n, Reducer.sum)

    @coro
    def ask(self, other, n):
        n = other.echo(n, ret=True).get()
        self.calls += n  # not in one line: others may have changed it meanwhile

    def echo(self, n):
        return n

    def sync(self, done):
        self.done = done
        self.AtSync()

    def resumeFromSync(self):
        self.rounds += 1
        self.reduce(self.done, 1, Reducer.sum)

    def report(self):
        return self.thisIndex[0], [self.calls, self.shouts, by_section(self.heard), self.rounds]


def by_section(heard):
    """What each section said, in order; sections do not wait for each other."""
    return {name: [n for other, n in heard if other == name] for name, _ in heard}


class Program:
    """The array, what must have happened to each element, and futures with what they must bring."""

    def __init__(self):
        self.choose = random.Random(SEED)
        self.array = Array(Element, ndims=1, useAtSync=True)
        self.alive = {}
        self.next = self.shouts = 0
        self.sections = []
        self.owed = []
        self.insert(FIRST)

    def insert(self, count=2):
        charm.waitQD()  # who hears a broadcast that is on its way is not known beforehand
        for _ in range(count):
            self.array.ckInsert(self.next, onPE=self.choose.randrange(charm.numPes()))
            self.alive[self.next] = [0, [], [], 0]
            self.next += 1
        self.array.ckDoneInserting()
        charm.waitQD()

    def some(self, least=1):
        return self.choose.sample(sorted(self.alive), self.choose.randint(least, len(self.alive)))

    def move(self):
        for i in self.some():
            self.array[i].migrate(self.choose.randrange(charm.numPes()))

    def call(self):
        for i in self.some():
            self.array[i].call(i)
            self.alive[i][0] += i

    def shout(self):
        self.array.shout(self.shouts)
        for account in self.alive.values():
            account[1].append(self.shouts)
        self.shouts += 1

    def reduce(self):
        done = Future()
        self.array.give(done, self.shouts)
        self.owed.append((done, self.shouts * len(self.alive)))

    def enter(self):
        waiting = [(self.array[i].enter(5, ret=True), 5) for i in self.some()]
        self.move()
        self.array.unlock(5)
        self.owed += waiting
        charm.waitQD()
        self.array.unlock(-1)

    def ask(self):
        for i in self.some():
            self.array[i].ask(self.array[self.choose.choice(sorted(self.alive))], 7)
            self.alive[i][0] += 7

    def delete(self):
        if len(self.alive) < FIRST:
            return
        charm.waitQD()
        (i,) = self.choose.sample(sorted(self.alive), 1)
        self.array[i].ckDestroy()
        del self.alive[i]
        self.sections = [one for one in self.sections if i not in one[1]]
        charm.waitQD()

    def section(self):
        if len(self.sections) < MOST_SECTIONS:
            members = self.some()
            (section,) = charm.split(self.array, 1, elems=[[(i,) for i in members]])
            self.sections.append((section, members, self.next, [0]))
            self.next += 1  # names it, and is no index any more
        section, members, name, count = self.choose.choice(self.sections)
        done = Future()
        section.hear(name, count[0], section, done)
        for i in members:
            self.alive[i][2].append((name, count[0]))
        self.owed.append((done, [(name, count[0])] * len(members)))
        count[0] += 1

    def sync(self):
        done = Future()
        self.array.sync(done)
        self.move()
        equal(done.get(), len(self.alive), "all go on")
        for account in self.alive.values():
            account[3] += 1

    def settle(self):
        for future, want in self.owed:
            got = future.get()
            equal([tuple(x) for x in got] if isinstance(got, list) else got, want, "as foreseen")
        self.owed = []

    def run(self):
        steps = [self.move] * 5 + [self.call, self.shout, self.reduce, self.section] * 2
        steps += [self.enter, self.ask, self.insert, self.delete, self.sync, charm.waitQD]
        for number in range(STEPS):
            self.choose.choice(steps)()
            if number % 20 == 19:
                self.settle()
        self.settle()
        charm.waitQD()
        reports = dict(self.array.report(ret=True).get())
        equal(sorted(reports), sorted(self.alive), "who is there")
        for i, (calls, shouts, heard, rounds) in self.alive.items():
            equal(reports[i], [calls, shouts, by_section(heard), rounds], f"element {i}")


def main(args):
    Program().run()
    finish(FIRST)


charm.options.quiet = True
charm.options.balancer = "random"
charm.start(main)
