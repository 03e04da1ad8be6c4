# SPDX-License-Identifier: Apache-2.0
"""Futures: values, several values, several waiters, travelling, wait and iwait."""

import pickle

from charm4py.charm import Charm4PyError

import charm4py
from charm4py import *
from checks import check, equal, finish, raises


class Sender(Chare):
    def send_to(self, future, *values):
        for value in values:
            future.send(value)

    def call(self, future, *values):
        future(*values)

    def send_named(self, future, value):
        future.send(result=value)

    def call_named(self, future, value):
        future(result=value)

    def call_nested(self, box):
        box["deep"][0]("nested")

    def get_elsewhere(self, future):
        try:
            future.get()
        except Charm4PyError as error:
            return "refused: " + error.message
        return "got"

    def give_exception(self, future):
        future(ValueError("sent as a value"))

    @coro
    def answer_after(self, secs, value):
        charm.sleep(secs)
        return value

    def echo(self, x):
        return x

    @coro
    def own_future_elsewhere_waited(self):
        self.f = Future()
        return self.f

    @coro
    def waits_on_own(self):
        return self.f.get()

    @coro
    def several_waiters(self, n):
        self.f = Future()
        me = self.thisProxy[self.thisIndex]
        waits = [me.waits_on_own(ret=True) for _ in range(n)]
        charm.waitQD()
        self.f("for all")
        return [w.get() for w in waits]


def main(args):
    ranks = charm.numPes()
    group = Group(Sender)
    far, near = group[ranks - 1], group[0]

    for peer in (near, far):
        f = Future()
        check(not f.ready(), "not ready")
        peer.call(f, 5)
        equal(f.get(), 5, "a value")
        check(f.ready(), "ready")
        equal((f.get(), f.get()), (5, 5), "again and again")
        f = Future()
        peer.call(f)
        equal(f.get(), None, "called without a value")
        f = Future()
        peer.send_named(f, [7])
        equal(f.get(), [7], "send(result=…)")
        f = Future()
        peer.call_named(f, 8)
        equal(f.get(), 8, "called with result=…")
        f = Future()
        peer.send_to(f, {"k": [1, 2]})
        equal(f.get(), {"k": [1, 2]})
        f = Future(5)
        peer.send_to(f, 1, 2, 3, 4, 5)
        equal(f.get(), [1, 2, 3, 4, 5], "several values in the order of arrival")
        f = Future()
        peer.call_nested({"deep": [f]})
        equal(f.get(), "nested", "inside containers")
        equal(peer.echo(f, ret=True).get() is not None, True)
        back = peer.echo(f, ret=True).get()
        equal(back.fid, f.fid, "fid")
        f = Future()
        if peer == far and ranks > 1:
            text = peer.get_elsewhere(f, ret=True).get()
            check(text.startswith("refused"), f"get() on a rank that does not own it: {text}")
        f = Future()
        peer.give_exception(f)
        raises(ValueError, f.get, text="sent as a value")
        raises(ValueError, f.get, text="sent as a value")
        equal(peer.several_waiters(5, ret=True).get(), ["for all"] * 5, "all waiters wake")

    f = Future(2 * ranks)
    group.send_to(f, 1, 1)
    equal(f.get(), [1] * 2 * ranks, "two values from every element")
    f = Future(num_vals=3)
    f(1)
    f.send(ValueError("one of three"))
    f(3)
    raises(ValueError, f.get)
    equal(sorted(v for v in f.values if isinstance(v, int)), [1, 3], "values shows the others")
    check(isinstance(f.error, ValueError), "error")
    f = Future()
    raises(TypeError, f, 1, result=2, text="2 were given")
    raises(TypeError, f.send, 1, 2, text="2 were given")
    raises(TypeError, f.send, value=2, text="'value'")
    raises(TypeError, f, value=2, text="'value'")
    f("local")
    check(not f.ready(), "asynchronous even locally")
    equal(f.get(), "local")
    items = [1]
    f = Future()
    f(items)
    items.append(2)
    equal(f.get(), [1], "captured when sent")
    for attribute in ("fid", "src", "nvals", "values", "gotvalues", "error", "blocked"):
        check(hasattr(f, attribute), attribute)
    equal((f.src, f.nvals, f.gotvalues, f.error), (0, 1, True, None))
    raises(TypeError, f.send, 1, 2)
    raises(TypeError, f, 1, 2)
    raises((TypeError, ValueError, Charm4PyError), Future, "x")
    raises((ValueError, Charm4PyError), Future, 0)
    raises((ValueError, Charm4PyError), Future, -1)
    raises(TypeError, Future, senders=3)
    table = {f: 1, Future(): 2}
    equal(table[f], 1, "futures as keys")
    check(f == f and f != Future(), "identity")
    g = pickle.loads(pickle.dumps(Future()))
    check(isinstance(g, charm4py.threads.Future), "futures pickle")
    f = Future()
    pickle.loads(pickle.dumps(f))("through pickle")
    equal(f.get(), "through pickle")

    # wait and iwait
    fs = [far.answer_after(0.001 * (3 - i), i, ret=True) for i in range(4)]
    equal(charm.wait(fs), None, "wait")
    check(all(f.ready() for f in fs))
    equal([f.get() for f in fs], [0, 1, 2, 3])
    equal(charm.wait([]), None, "nothing to wait for")
    equal(charm.wait(tuple(fs)), None, "all ready")
    raises(TypeError, charm.wait, fs[0])
    raises(TypeError, lambda: list(charm.iwait(fs[0])))
    fs = [Future() for _ in range(5)]
    fs[3](3)
    fs[1](1)
    charm.wait([fs[3], fs[1]])
    order = []
    for n, f in enumerate(charm.iwait(fs)):
        order.append(fs.index(f))
        check(f.ready(), "what iwait yields is ready")
        if n == 1:
            fs[4](4)
        elif n == 2:
            far.answer_after(0.0, 0, ret=True).get()  # the body may wait for something else
            fs[0](0)
        elif n == 3:
            fs[2](2)
    equal(order, [1, 3, 4, 0, 2], "first those ready in list order, then as they become ready")
    equal(list(charm.iwait([])), [])
    fs = [near.echo(i, ret=True) for i in range(300)]
    equal(sorted(f.get() for f in charm.iwait(fs)), list(range(300)), "three hundred futures")

    # More futures than 16 bits count, also as targets of reductions.
    for _ in range(3):
        keep = [Future() for _ in range(25000)]
    del keep
    f = Future()
    charm.startQD(f)
    equal(f.get(), None, "a late future as target")
    finish(60)


charm.start(main)
