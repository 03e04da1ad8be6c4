# SPDX-License-Identifier: Apache-2.0
"""Groups: one element per rank, from any rank, constructors inline on the creator."""

import charm4py
from charm4py import *
from checks import equal, finish, raises

made_here = []


class Member(Chare):
    def __init__(self, tag, more=None):
        self.tag = tag
        made_here.append(tag)

    def info(self):
        return self.thisIndex, charm.myPe(), self.tag

    def order_here(self):
        return list(made_here)

    def make_another(self, tag):
        """From any rank, outside of coroutines."""
        before = len(made_here)
        group = Group(Member, args=(tag,))
        assert len(made_here) == before + 1, "the local constructor runs inline"
        return group

    @coro
    def make_and_await(self, tag):
        group = Group(Member, [tag])
        charm.awaitCreation(group)
        return group

    def passed_index(self, cb):
        cb(self.thisIndex)


class Pausing(Chare):
    @coro
    def __init__(self):
        self.state = "begun"
        charm.sleep(0.01)
        self.state = "done"

    def get_state(self):
        return self.state


def main(args):
    ranks = charm.numPes()
    g = Group(Member, ["a"])
    equal(made_here, ["a"], "constructed before Group() returned")
    equal(g.info(ret=True).get(), [(pe, pe, "a") for pe in range(ranks)], "one element per rank")
    for pe in range(ranks):
        equal(g[pe].info(ret=True).get(), (pe, pe, "a"), "addressed by rank")

    p = Group(Pausing)
    equal(p.ckLocalBranch().state, "begun", "inline up to the first suspension")
    charm.awaitCreation(p)
    equal(p.get_state(ret=True).get(), ["done"] * ranks, "awaitCreation waits for coroutines")

    for pe in range(ranks):
        h = g[pe].make_another(f"by {pe}", ret=True).get()
        equal(
            h.info(ret=True).get(),
            [(i, i, f"by {pe}") for i in range(ranks)],
            "created from any rank",
        )
        h = g[pe].make_and_await(f"coroutine by {pe}", ret=True).get()
        equal(
            h.info(ret=True).get(),
            [(i, i, f"coroutine by {pe}") for i in range(ranks)],
            "in a coroutine",
        )

    tags = [f"t{i}" for i in range(20)]
    groups = [Group(Member, [tag]) for tag in tags]
    charm.awaitCreation(*groups)
    for seen in g.order_here(ret=True).get():
        equal(
            [t for t in seen if t in tags],
            tags,
            "groups of one creator are made in its order everywhere",
        )

    f = Future(ranks)
    g.passed_index(f)
    values = f.get() if ranks > 1 else [f.get()]
    equal(sorted(values), list(range(ranks)), "a future for one value per element")

    class NotAMap:
        pass

    raises(charm4py.Charm4PyError, charm.awaitCreation, g[0], text="awaitCreation")
    raises(charm4py.Charm4PyError, charm.awaitCreation, groups[0], text="only once")
    raises(charm4py.Charm4PyError, charm.awaitCreation, 5, text="int")
    raises(
        charm4py.Charm4PyError,
        charm.awaitCreation,
        g[0].make_another("x", ret=True).get(),
        text="awaitCreation",
    )
    raises(charm4py.Charm4PyError, Group, NotAMap, text="not a chare class")
    finish(14)


charm.start(main)
