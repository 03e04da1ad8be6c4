"""Two ways to wait for the value of a call, from a coroutine."""

import sys

from charm4py import Chare, charm, coro


class Counter(Chare):
    def __init__(self, start):
        self.value = start

    def add(self, amount):
        self.value += amount

    def getVal(self):
        return self.value


class Asker(Chare):
    @coro  # may wait: while it does, its rank runs other methods
    def ask(self, obj):
        first = obj.getVal(awaitable=True).get()  # a future, then its value
        obj.add(1)
        second = obj.getVal(block=True)  # the same in one step
        return first, second


def main(args):
    # The counter lives on the last rank, the asker on the first one.
    counter = Chare(Counter, args=[41], onPE=charm.numPes() - 1)
    asker = Chare(Asker, onPE=0)
    first, second = asker.ask(counter, ret=True).get()
    print("first", first, "then", second)
    if (first, second) != (41, 42):
        print("wrong: expected 41 and 42", file=sys.stderr)
        charm.exit(1)
    exit()


charm.start(main)
