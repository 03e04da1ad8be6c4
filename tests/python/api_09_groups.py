# SPDX-License-Identifier: Apache-2.0
"""Groups: one element per rank, from any rank, constructors inline on the creator."""

import charm4py
from charm4py import *
from checks import check, equal, finish, raises

made_here = []


class Member(Chare):
    def __init__(self, tag, more=None):
        self.tag = tag
        self.proxy_in_init = self.thisProxy
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

    def on_some(self, tag):
        """Outside of coroutines."""
        before = len(made_here)
        group = Group(Member, args=[tag], onPEs=[charm.numPes() - 1, 0])
        assert len(made_here) == before, "constructors run later on every rank"
        return group

    def own_element(self):
        return self.thisProxy[self.thisIndex]

    def look(self):
        return self.proxy_in_init, self.thisProxy, self.thisIndex, hasattr(self, "migratable")

    def keep(self, *values):
        self.kept = [*getattr(self, "kept", []), values]

    def keep_one(self, value=None):
        self.kept = [*getattr(self, "kept", []), value]

    def get_kept(self):
        return self.kept

    def sum_up(self, target):
        self.reduce(target, self.thisIndex + 1, Reducer.sum)

    def sum_up_section(self, target):
        self.reduce(target, self.thisIndex + 1, Reducer.sum, section=self.thisProxy)

    def barrier(self, target):
        self.reduce(target)

    @coro
    def all_sums(self):
        plain = [self.allreduce(1, Reducer.sum) for _ in range(5)]
        named = [self.allreduce(1, Reducer.sum, section=self.thisProxy) for _ in range(5)]
        return [f.get() for f in plain + named], self.allreduce(
            self.thisIndex, Reducer.gather
        ).get()

    @coro
    def exchange(self, peer):
        channel = Channel(self, self.thisProxy[peer])
        channel.send(self.thisIndex)
        return channel.recv()

    def fail(self):
        raise LookupError("as asked")

    def wrong_section(self, other):
        self.reduce(charm.thisProxy.myPe, 1, Reducer.sum, other)


class Map(ArrayMap):
    def procNum(self, index):
        return 0


class Pausing(Chare):
    @coro
    def __init__(self):
        self.state = "begun"
        charm.sleep(0.01)
        self.state = "done"

    def get_state(self):
        return self.state


def some_ranks(ranks):
    """9.1 constrained groups"""
    last = ranks - 1
    members = sorted({0, last})
    before = len(made_here)
    some = Group(Member, args=("some",), onPEs=[last, 0, last])
    some[last].keep("sent at once")
    equal(made_here[before:], [], "constructors run later on every rank")
    charm.awaitCreation(some)
    equal(made_here[before:], ["some"], "awaitCreation; a rank named twice has one member")
    equal(some[last].get_kept(ret=True).get(), [("sent at once",)], "a call before the constructor")
    # a section's proxy
    equal((type(some).__name__, some.issec, some.elemIdx), ("MemberGroupSecProxy", True, -1))
    equal((some.section[0], isinstance(some.gid, int)), (0, True))
    equal(some.look(ret=True).get(), [(some, some, pe, False) for pe in members], "thisProxy")
    equal(some.info(ret=True).get(), [(pe, pe, "some") for pe in members], "ret: of the members")
    equal(some.info(awaitable=True).get(), None)
    equal([some[pe].info(ret=True).get()[0] for pe in members], members, "some[pe]")
    equal(some[last].own_element(ret=True).get(), some[last], "thisProxy[thisIndex]")
    equal(some.ckLocalBranch().tag, "some")
    raises(LookupError, some.fail(awaitable=True).get, text="as asked")
    equal([type(e) for e in some.fail(ret=True).get()], [LookupError] * len(members))
    # reductions among the members, also when they name the section
    for method in (some.sum_up, some.sum_up_section):
        done = Future()
        method(done)
        equal(done.get(), sum(members) + len(members), "reduce")
    equal(some.all_sums(ret=True).get(), [([len(members)] * 10, members)] * len(members))
    other = Group(Member, args=["other"], onPEs=[0])
    raises(
        charm4py.Charm4PyError, some[0].wrong_section(other, awaitable=True).get, text="no member"
    )
    done = Future()
    some.barrier(done)
    equal(done.get(), None, "an empty reduction")
    some.barrier(some.keep_one)
    charm.waitQD()
    equal([kept[-1] for kept in some.get_kept(ret=True).get()], [None] * len(members), "one None")
    if last:
        answers = [some[0].exchange(last, ret=True), some[last].exchange(0, ret=True)]
        equal([answer.get() for answer in answers], [last, 0], "channels between members")
    # made anywhere, waiting for coroutine constructors
    made = Chare(Member, args=["maker"], onPE=last).on_some("elsewhere", ret=True).get()
    equal(made.info(ret=True).get(), [(pe, pe, "elsewhere") for pe in members])
    pausing = Group(Pausing, onPEs=range(ranks))
    charm.awaitCreation(pausing)
    equal(pausing.get_state(ret=True).get(), ["done"] * ranks, "coroutine constructors")
    raises(charm4py.Charm4PyError, charm.awaitCreation, pausing, text="only once")
    raises(AssertionError, Group, Member, ["x"], onPEs=[], text="onPEs is empty")
    raises(IndexError, Group, Member, ["x"], onPEs=[ranks], text="onPEs")
    raises(TypeError, Group, Member, ["x"], onPEs=["0"], text="onPEs")


def main(args):
    ranks = charm.numPes()
    # 9 made inline on the creator, one for each rank
    g = Group(Member, ["a"])
    equal(made_here, ["a"], "constructed before Group() returned")
    equal(g.info(ret=True).get(), [(pe, pe, "a") for pe in range(ranks)], "one element per rank")
    for pe in range(ranks):
        equal(g[pe].info(ret=True).get(), (pe, pe, "a"), "addressed by rank")

    equal((isinstance(g, Group), g.elemIdx, g[0].elemIdx), (False, -1, 0), "a factory")
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

    # 9 groups of one creator are made in order
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

    # 9, 17 awaitCreation
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
    check(not hasattr(Group(Map), "creation_future"), "not for an ArrayMap")
    some_ranks(ranks)
    finish(40)


charm.start(main)
