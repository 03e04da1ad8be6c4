# SPDX-License-Identifier: Apache-2.0
"""C4PY_CHAOS=gc=…: garbage is looked for between two entry methods, long before Python would (not after gc.disable())."""

import gc
import os
import weakref

from charm4py import Chare, Future, charm
from checks import check, finish

ALWAYS = "gc=1" in os.environ.get("C4PY_CHAOS", "")


class Thing:
    pass


class Litterer(Chare):
    """Leaves cycles behind."""

    def __init__(self):
        gc.set_threshold(10**9)
        self.alive = []

    def litter(self):
        thing = Thing()
        thing.itself = thing
        self.alive.append(weakref.ref(thing))

    def count(self):
        return sum(ref() is not None for ref in self.alive)


def main(args):
    litterer = Chare(Litterer, onPE=charm.numPes() - 1)
    for _ in range(10):
        litterer.litter()
    left = litterer.count(ret=True).get()
    check(left == (0 if ALWAYS else 10), f"{left} of 10 cycles are left")
    done = Future()
    done(1)
    check(done.get() == 1, "futures are not garbage")
    finish(2)


charm.start(main)
