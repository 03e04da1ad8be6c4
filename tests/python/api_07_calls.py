# SPDX-License-Identifier: Apache-2.0
"""Remote calls: how arguments bind, in which order messages run, what the futures of calls give."""

import charm4py
from c4py import lowlevel
from charm4py import *
from checks import check, equal, finish, raises


class Target(Chare):
    def __init__(self):
        self.log = []

    def recv(self, x, y, a=33, b=44):
        self.got = (x, y, a, b)
        return self.got

    def last(self):
        return self.got

    def var(self, first, *rest):
        return first, rest

    def kwonly(self, x, *, key, opt=5):
        return x, key, opt

    def mixed(self, x, *rest, key=3):
        return x, rest, key

    def positional(self, x, /, y=2):
        return x, y

    def ask_outside(self, peer, how):
        peer.add(1, **{how: True})

    def broadcasts_and_calls(self, peer):
        for i in range(50):
            self.thisProxy.add(("all", i))
            self.thisProxy[peer].add(("one", i))

    def anykw(self, x, **kw):
        return x, kw

    def noargs(self):
        return "none"

    def has_block(self, block):
        return block

    def has_awaitable(self, awaitable):
        return awaitable

    def add(self, item):
        self.log.append(item)

    def get_log(self):
        return self.log

    def clear_log(self):
        self.log = []

    def has_priority(self, priority):
        return priority

    def ask_for_priorities(self, source, secs):
        """Keep this rank busy, so that calls from another rank come together in its queue."""
        source.send_with_priorities(self.thisProxy[self.thisIndex])
        end = lowlevel.time_s() + secs
        while lowlevel.time_s() < end:
            lowlevel.poll()

    def send_with_priorities(self, target):
        for number, priority in enumerate((0, 5, -1, 5, 0, -7, 2**31 - 1, -(2**31), 1)):
            target.add((priority, number), priority=priority)
        target.add(("plain", 9))
        target.add(item=("keyword", 10), priority=-2)

    def self_send(self):
        me = self.thisProxy[self.thisIndex]
        me.add("second")
        self.add("first")

    def mutate(self, items):
        items.append("mutated")
        return items

    @coro
    def mutate_after_send(self, peer):
        items = [1]
        future = peer.echo(items, ret=True)
        items.append(2)
        return future.get()

    def echo(self, *values):
        return values[0] if len(values) == 1 else values

    @coro
    def slow(self, secs):
        charm.sleep(secs)
        return self.thisIndex

    @coro
    def where_coro(self):
        return charm.myPe()

    def fails(self):
        raise ValueError("as asked")

    @coro
    def step(self, peers):
        """A coroutine whose instances end in different orders on different elements."""
        charm.sleep(0.002 * ((self.index() * 7) % 3))
        return self.index()

    @coro
    def step_back(self):
        charm.sleep(0.002 * ((10 - self.index()) % 3))
        return -self.index()

    def index(self):
        return self.thisIndex if isinstance(self.thisIndex, int) else self.thisIndex[0]

    @coro
    def calls_block(self, peer):
        value = peer.recv(1, 2, block=True)
        nothing = peer.add("x", block=True)
        return value, nothing, peer.get_log(block=True)

    def identity(self, obj):
        self.kept = obj

    def kept_is_shared(self):
        return id(self.kept)


class Chooser(Chare):
    """Objects with methods of their own, which hide those of the class."""

    def __init__(self, how):
        if how == "assigned":
            self.work = self.fast
        elif how == "function":
            self.work = lambda x: ("function", x)
        self.how = how

    def work(self, x):
        return ("class", x)

    def fast(self, x):
        return (self.how, x)

    def later(self):
        self.work = self.fast

    def undo(self):
        del self.work


class ByName(Chare):
    """The same; which method is replaced is not to be seen in the text of the class."""

    def __init__(self, how):
        if how == "setattr":
            setattr(self, "wo" + "rk", self.fast)
        elif how == "dict":
            self.__dict__.update({"work": self.fast})
        self.how = how

    def work(self, x):
        return ("class", x)

    def fast(self, x):
        return (self.how, x)


class LateChooser(Chare):
    @coro
    def __init__(self):
        charm.sleep(0)
        vars(self)["work"] = self.fast

    def work(self, x):
        return ("class", x)

    @coro
    def slow(self, x):
        return self.work(x)

    def fast(self, x):
        return ("late", x)


class PatchedChooser(ByName):
    def work(self, x):
        return ("subclass", x)


def own_methods(main):
    """What an object's attribute says counts for remote calls as for local ones."""
    for cls, how, want in (
        (Chooser, "no", "class"),
        (Chooser, "assigned", "assigned"),
        (Chooser, "function", "function"),
        (Chooser, "no", "class"),
        (ByName, "no", "class"),
        (ByName, "setattr", "setattr"),
        (ByName, "dict", "dict"),
        (ByName, "no", "class"),
    ):
        c = Chare(cls, args=[how], onPE=charm.numPes() - 1)
        equal(c.work(3, ret=True).get(), (want, 3), how)
    c = Chare(Chooser, args=["no"])
    c.later(awaitable=True).get()
    equal(c.work(4, ret=True).get(), ("no", 4), "replaced later, in a method")
    c.undo(awaitable=True).get()
    equal(c.work(5, ret=True).get(), ("class", 5), "and not any more")
    late = Chare(LateChooser)
    charm.awaitCreation(late)
    equal(late.work(6, ret=True).get(), ("late", 6), "in a coroutine constructor, after it waited")
    equal(late.slow(6, ret=True).get(), ("late", 6), "the same by a local call")
    equal(
        Chare(PatchedChooser, args=["dict"]).work(7, ret=True).get(), ("dict", 7), "in a base class"
    )
    equal(Chare(PatchedChooser, args=["no"]).work(7, ret=True).get(), ("subclass", 7))


class Main(Chare):
    def __init__(self, args):
        self.results = []
        self.thisProxy.recv(1, 2)
        self.thisProxy.recv(x=1, y=2, b=5)
        charm.sleep(0)
        self.wait("len(self.results) == 2")
        equal(self.results, [(1, 2, 33, 44), (1, 2, 33, 5)], "calls to the main chare")
        check(not hasattr(self, "thisIndex"), "the main chare has no index")
        equal(self.thisProxy.echo(3, ret=True).get(), 3, "main chare's value")
        self.group = Group(Target)
        self.array = Array(Target, 6)
        bindings(self)
        order(self)
        made_names(self)
        futures(self)
        own_methods(self)
        finish(100)

    def recv(self, x, y, a=33, b=44):
        self.results.append((x, y, a, b))

    def echo(self, x):
        return x


# 7.1 how arguments bind; defect 23
def bindings(main):
    ranks = charm.numPes()
    group, array = main.group, main.array
    for element in (group[0], group[ranks - 1], array[0], array[5], Chare(Target, onPE=ranks - 1)):
        for call in (
            lambda p: p.recv(1, 2, ret=True),
            lambda p: p.recv(1, 2, 33, ret=True),
            lambda p: p.recv(1, 2, 33, 44, ret=True),
            lambda p: p.recv(1, 2, b=44, ret=True),
            lambda p: p.recv(1, 2, a=33, b=44, ret=True),
            lambda p: p.recv(1, y=2, ret=True),
            lambda p: p.recv(y=2, x=1, ret=True),
            lambda p: p.recv(b=44, y=2, x=1, a=33, ret=True),
            lambda p: p.recv(1, 2, awaitable=True),
            lambda p: p.recv(1, 2, ret=True, awaitable=True),
        ):
            equal(call(element).get(), (1, 2, 33, 44), "every way to spell a call")
    for whole, size in ((group, ranks), (array, 6)):
        for call in (
            lambda p: p.recv(1, y=2, b=9, awaitable=True),
            lambda p: p.recv(1, 2, 33, 9, awaitable=True),
        ):
            equal(call(whole).get(), None, "broadcast")
            equal(whole.last(ret=True).get(), [(1, 2, 33, 9)] * size, "arguments of a broadcast")

    p = array[4]
    raises(AssertionError, p.recv, y=2, ret=True, text="x")
    raises(AssertionError, p.recv, 1, ret=True, text="y")
    raises(TypeError, p.recv, 1, 2, nosuch=3, text="nosuch")
    equal(p.var(1, 2, 3, ret=True).get(), (1, (2, 3)), "*args")
    equal(p.var(1, ret=True).get(), (1, ()), "*args, empty")
    equal(p.kwonly(1, key=2, ret=True).get(), (1, 2, 5), "keyword-only")
    equal(p.kwonly(1, opt=6, key=2, ret=True).get(), (1, 2, 6), "keyword-only with default")
    raises(TypeError, p.kwonly, 1, ret=True, text="key")
    equal(p.anykw(1, z=3, ret=True).get(), (1, {"z": 3}), "**kwargs")
    equal(p.mixed(1, 2, 3, ret=True).get(), (1, (2, 3), 3), "*args and a keyword")
    equal(p.mixed(1, 2, key=4, ret=True).get(), (1, (2,), 4), "*args and a keyword")
    equal(p.positional(1, ret=True).get(), (1, 2), "a positional parameter")
    equal(p.positional(1, y=3, ret=True).get(), (1, 3), "a positional parameter")
    raises(TypeError, p.recv, 1, 2, x=3, text="multiple values")
    raises(AssertionError, p.recv, 1, b=5, text="'y'")
    raises(AssertionError, p.has_awaitable, awaitable=5, text="'awaitable'")
    equal(p.noargs(ret=True).get(), "none")
    equal(p.has_block(block=5, ret=True).get(), 5, "a parameter may be called block")
    equal(
        p.has_awaitable(5, ret=True).get(), 5, "a parameter may be called awaitable, positionally"
    )
    raises(TypeError, p.noargs(1, ret=True).get)
    raises(TypeError, p.recv(1, 2, 3, 4, 5, ret=True).get)
    equal(p.recv(1, 2), None, "a call without future gives None")
    equal(p.recv(1, 2, ret=False, awaitable=False), None, "false flags are as if absent")
    check(p.recv(1, 2, ret=1) is not None, "any true value counts")
    raises(AttributeError, lambda: p.nosuch)
    raises(AttributeError, lambda: array.nosuch)
    equal(p.recv.__name__, "recv")
    # 7.2, defect 26
    raises(IndexError, lambda: group[ranks].noargs())
    raises(IndexError, lambda: group[-1].noargs())


# 7.2 order, and when arguments are captured
def order(main):
    ranks = charm.numPes()
    for proxy in (Chare(Target, onPE=0), Chare(Target, onPE=ranks - 1)):
        proxy.self_send(awaitable=True).get()
        equal(
            proxy.get_log(ret=True).get(), ["first", "second"], "a self-send runs after the method"
        )
        for i in range(500):
            proxy.add(i)
        equal(
            proxy.get_log(ret=True).get()[2:],
            list(range(500)),
            "point to point: in order, each once",
        )
    sizes = [1, 100_000, 1, 1, 300_000, 5, 5000, 1, 4096, 4032, 1]
    proxy = Chare(Target, onPE=ranks - 1)
    for n in sizes:
        proxy.add(b"x" * n)
    equal(
        [len(b) for b in proxy.get_log(ret=True).get()],
        sizes,
        "large messages do not change the order",
    )
    # A broadcast and a call may overtake each other; each kind stays in order.
    for proxy, last in ((main.group, ranks - 1), (Array(Target, 2 * ranks), 2 * ranks - 1)):
        for sender in range(last + 1):
            proxy.clear_log(awaitable=True).get()
            proxy[sender].broadcasts_and_calls(last)
            charm.waitQD()
            log = proxy[last].get_log(ret=True).get()
            for kind in ("all", "one"):
                equal([i for k, i in log if k == kind], list(range(50)), "in order, each once")
    array = Array(Target, 8)
    for i in range(200):
        array.add(i)
    equal(array.get_log(ret=True).get(), [list(range(200))] * 8, "broadcasts: in order, each once")

    items = [1]
    for proxy in (Chare(Target, onPE=0), Chare(Target, onPE=ranks - 1)):
        equal(proxy.mutate(items, ret=True).get(), [1, "mutated"])
        equal(items, [1], "the receiver has its own copy")
        future = proxy.echo(items, ret=True)
        items.append(2)
        equal(future.get(), [1], "arguments are captured at the call")
        del items[1:]
        equal(proxy.mutate_after_send(proxy, ret=True).get(), [1], "also from a chare to itself")

    # Messages for elements that do not exist yet wait for them.
    sparse = Array(Target, ndims=1)
    futures = [sparse[i].recv(i, i, ret=True) for i in (3, 100, -7)]
    for i in (3, 100, -7):
        sparse.ckInsert(i)
    sparse.ckDoneInserting()
    equal(
        [f.get() for f in futures],
        [(i, i, 33, 44) for i in (3, 100, -7)],
        "messages before the element",
    )


def made_names(main):
    """The runtime's keywords are found by value; those of a dict need not be interned."""
    for proxy in (main.group[0], Chare(Target, onPE=charm.numPes() - 1)):
        options = proxy.echo({"".join(["r", "et"]): True}, ret=True).get()
        equal(proxy.recv(1, 2, **options).get(), (1, 2, 33, 44), "ret, received")
        name = "".join(["await", "able"])
        equal(proxy.recv(1, y=2, **{name: True}).get(), (1, 2, 33, 44), "awaitable, made")
        name = "".join(["blo", "ck"])
        equal(proxy.recv(1, 2, **{name: True}), (1, 2, 33, 44), "block, made")
        equal(proxy.has_block(**{name: 5}, ret=True).get(), 5, "a parameter called block")


# 7.3 what the future of a call gives; defect 1
def futures(main):
    ranks = charm.numPes()
    group, array = main.group, main.array
    equal(array[2].add(1, awaitable=True).get(), None, "no value")
    equal(array[2].where_coro(awaitable=True).get() in range(ranks), True, "value of a coroutine")
    equal(group.where_coro(ret=True).get(), list(range(ranks)), "list of a broadcast, by index")
    equal(
        array.slow(0.001, ret=True).get(),
        [(i,) for i in range(6)],
        "coroutines: when all have returned",
    )
    equal(array.slow(0.001, awaitable=True).get(), None)
    equal(array.add(5, awaitable=True, ret=True).get(), [None] * 6, "ret wins")
    section = array[1:3]
    equal(section.recv(1, 2), None, "a section, without a future")
    equal(section.recv(1, 2, awaitable=True).get(), None, "a section")
    equal(section.index(ret=True).get(), [1, 2], "a section: by index")
    for proxy in (group[0], array[0], group, array, section):
        for how in ({"ret": 0}, {"awaitable": None}, {"ret": "", "awaitable": []}):
            equal(proxy.add(1, **how), None, "what is not true is as if absent")
        for how in ({"ret": 1}, {"awaitable": "yes"}):
            check(isinstance(proxy.noargs(**how), charm4py.threads.Future), "what is true is yes")
    for how in ("ret", "awaitable"):
        asked = Chare(Target, onPE=ranks - 1).ask_outside(array[0], how, awaitable=True)
        raises(charm4py.threads.NotThreadedError, asked.get, text="ask_outside")

    # Several awaitable broadcasts of coroutines in flight at once, ending in different orders.
    many = []
    for _ in range(10):
        many.append((array.step(None, ret=True), list(range(6))))
        many.append((array.step_back(ret=True), [-i for i in range(6)]))
        many.append((group.step(None, ret=True), list(range(ranks))))
    for future, want in reversed(many):
        equal(future.get(), want, "each broadcast has its own future")

    empty = Array(Target, ndims=2)
    equal(empty.add(1, awaitable=True).get(), None, "broadcast to nobody")
    equal(empty.add(1, ret=True).get(), [], "broadcast to nobody")
    hollow = Array(Target, (0, 5))
    equal(hollow.noargs(ret=True).get(), [], "a dense array without elements")

    priorities(group, group[0], group[ranks - 1])

    peer = Chare(Target, onPE=ranks - 1)
    value, nothing, log = Chare(Target, onPE=0).calls_block(peer, ret=True).get()
    equal((value, nothing, log), ((1, 2, 33, 44), None, ["x"]), "block=True gives the value itself")
    equal(array.noargs(block=True), None, "a blocking broadcast gives None")
    raises(ValueError, peer.fails, block=True, text="as asked")

    # Elements on one rank share the decoded arguments of a broadcast.
    box = Array(Target, 4 * ranks)
    box.identity([1, 2], awaitable=True).get()
    ids = box.kept_is_shared(ret=True).get()
    check(
        len({ids[i] for i in range(4)}) == 1, "local receivers share the arguments of a broadcast"
    )


def priorities(group, near, far):
    """Smaller runs first, equal ones in the order sent; 0 is that of calls without priority."""
    order = [-(2**31), -7, "keyword", -1, 0, 0, "plain", 1, 5, 5, 2**31 - 1]
    for source, target in ((near, near), (near, far), (far, near)):
        for attempt in range(12):  # on a loaded machine the calls may need longer to come together
            target.clear_log(awaitable=True).get()
            if source == target:
                source.send_with_priorities(target)
            else:
                target.ask_for_priorities(source, 0.002 * 2**attempt)
            charm.waitQD()
            log = target.get_log(ret=True).get()
            if [p for p, _ in log] == order:
                break
        equal([p for p, _ in log], order, "by priority")
        equal([n for p, n in log if p in (0, 5)], [0, 4, 1, 3], "equal ones as sent")
    group.clear_log(awaitable=True).get()
    group[0].send_with_priorities(group, awaitable=True).get()
    charm.waitQD()
    for log in group.get_log(ret=True).get():
        equal([number for _, number in log], list(range(11)), "broadcasts keep their order")
    equal(far.recv(1, y=2, ret=True, priority=3).get(), (1, 2, 33, 44), "with answers")
    equal(far.has_priority(priority=4, ret=True).get(), 4, "a method's own parameter")
    equal(far.anykw(1, k=2, priority=5, ret=True).get(), (1, {"k": 2}), "never a keyword argument")
    raises(TypeError, far.noargs, priority="high", text="priority must be a whole number, not str")
    raises(ValueError, far.noargs, priority=2**31, text="2147483648")
    raises(ValueError, far.noargs, priority=-(2**31) - 1)
    equal(far.noargs(priority=True, ret=True).get(), "none")


charm.start(Main)
