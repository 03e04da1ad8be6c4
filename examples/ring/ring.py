"""A token goes round a ring of chares; each adds its mark. Usage: ring.py [elements] [rounds]"""

import sys
import time

from charm4py import Array, Chare, charm


class Station(Chare):
    def __init__(self, size, done):
        self.size = size
        self.done = done
        self.passed = 0

    def token(self, hops_left, marks):
        """Take the token and pass it on, until it has made its rounds."""
        self.passed += 1
        marks += self.thisIndex[0]
        if hops_left == 1:
            self.done((marks, self.passed))
        else:
            self.thisProxy[(self.thisIndex[0] + 1) % self.size].token(hops_left - 1, marks)


def main(args):
    size = int(args[1]) if len(args) > 1 else 16
    rounds = int(args[2]) if len(args) > 2 else 50
    done = charm.Future()
    ring = Array(Station, size, args=[size, done])
    charm.awaitCreation(ring)
    begin = time.perf_counter()
    ring[0].token(size * rounds, 0)
    marks, passed = done.get()
    seconds = time.perf_counter() - begin
    print(
        f"{size * rounds} hops over {charm.numPes()} ranks, {seconds / (size * rounds) * 1e6:.1f} us each"
    )
    if marks != rounds * size * (size - 1) // 2 or passed != rounds:
        print("wrong: a hop was lost or made twice:", marks, passed, file=sys.stderr)
        charm.exit(1)
    exit()


charm.start(main)
