# SPDX-License-Identifier: Apache-2.0
"""@when and self.wait(): when waiting messages and coroutines run, and in which order."""

import charm4py.wait
from charm4py import *
from charm4py.threads import NotThreadedError
from checks import check, equal, finish, raises

THRESHOLD = 3


class Steps(Chare):
    def __init__(self):
        self.step = 0
        self.log = []
        self.go = False
        self.open = False
        self.seen = []
        self.evaluated = 0

    @when("self.step == step")
    def data(self, step, value):
        """Two messages per step, in whatever order they come."""
        self.log.append((step, value))
        if len(self.log) % 2 == 0:
            self.step += 1

    @when("step == self.step")
    def other_way_round(self, value, step):
        self.log.append((step, value))
        self.step += 1
        return self.step

    @when("self.go")
    def one_at_a_time(self, number):
        self.go = False
        self.seen.append(number)
        return number

    def set_go(self):
        self.go = True

    @when("self.step * 10 <= value and self.go")
    def mixed(self, value):
        self.seen.append(value)
        return value

    @when("msg.tag == self.step")
    def by_attribute(self, msg):
        self.seen.append(msg.payload)
        self.step += 1

    @when("msg['k'] == self.step and msg['v'] > 0")
    def by_item(self, msg):
        self.seen.append(msg["v"])
        self.step += 1

    @when("self.step >= THRESHOLD")
    def by_global(self):
        return "past the threshold"

    @coro
    @when("self.step == step")
    def coro_first(self, step):
        return self.suspend_in_step(step)

    @when("self.step == step")
    @coro
    def coro_second(self, step):
        return self.suspend_in_step(step)

    def suspend_in_step(self, step):
        self.log.append(("begin", step))
        self.step += 1
        self.wait("self.go")
        return ("coro", step)

    @when("limit < self.step")
    def with_default(self, x, limit=2):
        return x, limit

    @when("self.undefined_attribute == x")
    def bad_condition(self, x):
        pass

    def advance(self, by=1):
        self.step += by

    def reset(self):
        self.step = 0
        del self.log[:], self.seen[:]
        self.go = False

    def state(self):
        return self.step, list(self.log), list(self.seen)

    @coro
    def waits_for(self, target):
        self.wait(f"self.step >= {target}")
        self.log.append(("reached", target, self.step))
        return target

    @coro
    def waits_with_global(self):
        self.wait("self.step == THRESHOLD + 1")
        return self.step

    @coro
    def ping_pong(self, rounds):
        """Coroutines of one object that wake each other through conditions only."""
        for i in range(rounds):
            self.wait(f"self.step == {2 * i}")
            self.step += 1

    @coro
    def pong_ping(self, rounds):
        for i in range(rounds):
            self.wait(f"self.step == {2 * i + 1}")
            self.step += 1

    @coro
    def changed_after_resume(self):
        """A change made by a coroutine after it was resumed by a future is noticed too."""
        self.gate = Future()
        self.gate.get()
        self.step = 77

    def open_gate(self):
        self.gate()

    def direct(self):
        return self.by_global()

    def bad_wait(self):
        return self.wait("self.step ==")


class Message:
    def __init__(self, tag, payload):
        self.tag = tag
        self.payload = payload


class Manual(Chare):
    """auto_flush_wait_queues is on here; a flush by hand is allowed too."""

    def __init__(self):
        self.ok = False

    @when("self.ok")
    def guarded(self):
        return "ran"

    def enable(self):
        self.ok = True
        self.__flush_wait_queues__()


POSITIONS = {"a": 0, "b": 1}
KINDS = {  # 12.1
    "MsgTagCond": ["self.x == a", "b == self.x", " (self.x)==(a) ", "self.x ==\n  a"],
    "ChareStateMsgCond": [
        "self.x != a",
        "self.x == a + 1",
        "self.x == a.b",
        "self.x == a[0]",
        "self.x == a == b",
        "self.x.y == a",
        "self.x[a]",
        "self == a",
        "a == b",
        "a",
        "self.method(a)",
        "self.x == a and True",
        "[1 for y in a]",
        "[a for a in a]",
    ],
    "ChareStateCond": [
        "self.x",
        "self.x == 3",
        "self.x == self.y",
        "self.x == c",
        "True",
        "[a for a in self.x]",
        "(lambda a: a)(self.x)",
        "self.x and\n self.y",
    ],
}


def classification():
    parse = charm4py.wait.parse_cond_str
    for name, conditions in KINDS.items():
        for text in conditions:
            cond = parse(text, "__main__", POSITIONS)
            equal(type(cond).__name__, name, text)
            check(type(cond) is getattr(charm4py.wait, name))
            equal(cond.cond_str, text)
            no_parameters = parse(text, "__main__", {})
            equal(type(no_parameters).__name__, "ChareStateCond", "of a method without parameters")
    tag = parse("b == self.steps", "__main__", POSITIONS)
    equal((tag.attrib_name, tag.arg_idx), ("steps", 1))
    chare = type("Any", (), {"x": 5})()
    equal(parse("self.x > b", "__main__", POSITIONS).cond_func(chare, (9, 4)), True)
    equal(bool(parse("self.x > THRESHOLD", "__main__").cond_func(chare)), True)
    for text in ("self.x ==", "self.x = 1", "import os", "self.x; self.x", "", "(\n"):
        raises(SyntaxError, when(text), lambda self, a: 0)
    raises(TypeError, when(5), lambda self: 0)


class Language(Chare):
    """12.1: each method takes messages whose condition is its own; `level` lets them through, one after the other."""

    def __init__(self):
        self.level = 0
        self.items = []

    def set(self, name, value):
        setattr(self, name, value)

    def drop(self, name):
        delattr(self, name)

    @when("any(a == y for y in self.items)")
    def comprehension(self, a):
        return a

    @when("len([a for a in self.items]) >= a")
    def same_name_inside(self, a):
        return a

    @when("(lambda b: b * a)(2) <= self.level")
    def inner_function(self, a, b):
        return a, b

    @when("self.level == a == b")
    def chain(self, a, b):
        return a

    @when("self.enough(a)")
    def own_method(self, a):
        return a

    def enough(self, a):
        return self.level > a

    @when(
        """self.level > a and
           self.items"""
    )
    def several_lines(self, a):
        return a

    @when("self.items")
    def truth(self):
        return "not empty"

    @when("self.level == a")
    def default_tag(self, a=5):
        return a

    @when("self.level == a and b")
    def keywords(self, a, b=0, *, c=7):
        return a, b, c

    @when("self.level >= least and (a or b)")
    def keyword_only(self, a, b=0, *rest, least=3, most):
        return a, b, rest, least, most

    @when("self.level == most")
    def keyword_tag(self, *, most):
        return most

    @when("1 // self.level >= 0")
    def fails_later(self):
        return "ran"

    @when("self.missing == a")
    def tag_fails(self, a):
        return self.thisIndex

    @coro
    def waits(self, cond):
        self.wait(cond)
        return cond

    @coro
    def waits_for_local(self):
        local = 3
        self.wait(f"self.level == {local} and THRESHOLD == 3")  # as programs build their strings
        return local

    @coro
    def knows_no_locals(self):
        local_name = 3
        self.wait("self.level == local_name")
        return local_name


def language(on):
    c = Chare(Language, onPE=on)
    calls = {
        "comprehension": c.comprehension(2, ret=True),
        "same_name": c.same_name_inside(2, ret=True),
        "inner": c.inner_function(3, 0, ret=True),
        "chain": c.chain(6, 6, ret=True),
        "no_chain": c.chain(6, 7, ret=True),
        "own_method": c.own_method(6, ret=True),
        "lines": c.several_lines(7, ret=True),
        "truth": c.truth(ret=True),
        "default": c.default_tag(ret=True),
        "keyword": c.default_tag(a=4, ret=True),
        "keywords": c.keywords(a=4, c=9, b=1, ret=True),
        "keywords_false": c.keywords(4, ret=True),
        "kwonly": c.keyword_only(1, most=9, ret=True),
        "kwonly_given": c.keyword_only(0, 2, 3, 4, most=9, least=5, ret=True),
        "kwonly_tag": c.keyword_tag(most=6, ret=True),
        "wait": c.waits_for_local(ret=True),
        "wait_lines": c.waits("self.items and\n self.level > 2", ret=True),
    }
    charm.waitQD()
    done = [sorted(name for name, f in calls.items() if f.ready())]
    c.set("items", [1, 2], awaitable=True).get()
    for level in range(1, 9):
        c.set("level", level, awaitable=True).get()
        charm.waitQD()
        done.append(
            sorted(name for name, f in calls.items() if f.ready() and not taken(done, name))
        )
    equal(
        done,
        [
            [],
            ["comprehension", "same_name", "truth"],
            [],
            ["kwonly", "wait", "wait_lines"],
            ["keyword", "keywords"],
            ["default", "kwonly_given"],
            ["chain", "inner", "kwonly_tag"],
            ["own_method"],
            ["lines"],
        ],
        "each as soon as its condition is true",
    )
    equal(calls["keywords"].get(), (4, 1, 9))
    equal(calls["default"].get(), 5)
    equal(calls["kwonly"].get(), (1, 0, (), 3, 9))
    equal(calls["kwonly_given"].get(), (0, 2, (3, 4), 5, 9))
    raises(NameError, c.knows_no_locals(ret=True).get, text="local_name")
    raises(TypeError, c.waits(5, ret=True).get, text="int")
    raises(SyntaxError, c.waits("self.level ==", ret=True).get)
    # Defect 19: what a condition raises belongs to the call, on arrival and later.
    waiting = [c.fails_later(ret=True), c.waits("1 // self.level < 0", ret=True)]
    equal(waiting[0].get(), "ran")
    charm.waitQD()
    c.set("level", 0)
    raises(ZeroDivisionError, waiting[1].get)
    raises(ZeroDivisionError, c.fails_later(ret=True).get)
    raises(AttributeError, c.tag_fails(1, ret=True).get, text="missing")
    equal(c.truth(ret=True).get(), "not empty", "the chare remains usable")


def moving(last):
    """12.2: what waits for its condition moves with its chare."""
    c = Array(Language, 1)[0]
    calls = [c.default_tag(3, ret=True), c.default_tag(ret=True), c.keyword_tag(most=4, ret=True)]
    charm.waitQD()
    c.migrate(last)
    charm.waitQD()
    equal([f.ready() for f in calls], [False] * 3)
    for level in (3, 4, 5):
        c.set("level", level)
    equal([f.get() for f in calls], [3, 5, 4])


def taken(done, name):
    return any(name in names for names in done)


class Occasions(Chare):
    """12.2: after which events what waits is looked at again."""

    def __init__(self):
        self.x = 0
        self.evaluated = 0

    def reset(self):
        self.x = 0

    @when("self.x == a")
    def tagged(self, a):
        return self.thisIndex

    @coro
    def waiting(self):
        self.wait("self.x == 42")
        return self.thisIndex

    @coro
    def change_after(self, how, other):
        if how == "sleep":
            charm.sleep(0.001)
        elif how == "future":
            other.reset(ret=True).get()
        elif how == "quiescence":
            charm.waitQD()
        elif how == "channel":
            channel = Channel(self, self.thisProxy[self.thisIndex])
            channel.send(1)
            channel.recv()
        elif how == "creation":
            charm.awaitCreation(Group(Occasions))
        elif how == "iwait":
            for _ in charm.iwait([other.reset(ret=True)]):
                pass
        self.x = 42
        if how == "suspend":
            self.held = Future()
            self.held.get()
        elif how == "raise":
            raise LookupError(how)

    async def change_async(self, how, other):
        await other.reset(ret=True)
        self.x = 42
        if how == "suspend":
            self.held = Future()
            await self.held

    def release(self):
        self.held()

    def change_directly(self):
        """Through a reference, from a method of another object."""
        others[0].x = 42

    def keep(self):
        others[:] = [self]

    def nothing(self):
        pass

    def count(self):
        self.evaluated += 1
        return False

    def fails_to_wait(self):
        try:
            self.wait("self.count()")
        except NotThreadedError:
            return self.evaluated

    def get_evaluated(self):
        return self.evaluated


others = []


class Conditional(Chare):
    @when("self.x == 7")
    def __init__(self):
        self.x = 1

    def get(self):
        return self.x


def occasions(on):
    c, other = Chare(Occasions, onPE=on), Chare(Occasions, onPE=0)
    me = c.elemIdx
    for how in (
        "plain sleep future quiescence channel creation iwait suspend raise async async_suspend"
    ).split():
        c.reset(awaitable=True).get()
        waiting = [c.tagged(42, ret=True), c.waiting(ret=True)]
        if how.startswith("async"):
            end = c.change_async(how[6:], other, awaitable=True)
        else:
            end = c.change_after(how, other, awaitable=True)
        equal([f.get() for f in waiting], [me, me], f"looked at again after {how}")
        if how.endswith("suspend"):
            c.release()
        if how == "raise":
            raises(LookupError, end.get, text=how)
        else:
            end.get()
    # 12.3: nothing polls; what other objects change is seen after the chare's next method.
    c.reset(awaitable=True).get()
    c.keep(awaitable=True).get()
    neighbour = Chare(Occasions, onPE=on)
    f = c.waiting(ret=True)
    charm.waitQD()
    neighbour.change_directly(awaitable=True).get()
    charm.waitQD()
    equal(f.ready(), False, "nothing polls")
    c.nothing()
    equal(f.get(), me)
    # Defect 43: a refused wait leaves nothing behind.
    equal(c.fails_to_wait(ret=True).get(), 1, "evaluated once, then refused")
    c.nothing(awaitable=True).get()
    equal(c.get_evaluated(ret=True).get(), 1, "and never again")
    equal(Chare(Conditional, onPE=on).get(ret=True).get(), 1, "constructors ignore @when")


def deliveries(ranks):
    """12.2: in groups, arrays and sections; what one member raises stands in its place."""
    group = Group(Language)
    array = Array(Language, 2 * ranks)
    (section,) = charm.split(array, 1, elems=[range(ranks)])
    for proxy, n in ((group, ranks), (array, 2 * ranks), (section, ranks)):
        proxy.set("level", 0, awaitable=True).get()
        futures = [proxy.own_method(1, ret=True), proxy.own_method(1, awaitable=True)]
        charm.waitQD()
        equal([f.ready() for f in futures], [False, False])
        proxy.set("level", 2)
        equal([f.get() for f in futures], [[1] * n, None])
    group.set("missing", 0, awaitable=True).get()
    future = group.tag_fails(3, ret=True)
    charm.waitQD()
    equal(future.ready(), False)
    group[0].drop("missing")
    for pe in range(1, ranks):
        group[pe].set("missing", 3)
    got = future.get()
    check(isinstance(got[0], AttributeError), "the exception of one")
    equal(got[1:], list(range(1, ranks)), "and the results of the others")


class Main(Chare):
    def __init__(self, args):
        last = charm.numPes() - 1
        classification()
        deliveries(last + 1)
        moving(last)
        for pe in {0, last}:
            self.on(Chare(Steps, onPE=pe))
            language(pe)
            occasions(pe)
        array = Array(Steps, 5)
        for step in (3, 1, 0, 2):
            array.data(step, "a")
            array.data(step, "b")
        charm.waitQD()
        states = array.state(ret=True).get()
        equal([s[0] for s in states], [4] * 5, "broadcasts with a condition")
        equal(
            [sorted(s[1]) == [(i, v) for i in range(4) for v in "ab"] for s in states], [True] * 5
        )
        future = array.one_at_a_time(7, ret=True)
        array.set_go()
        equal(
            future.get(),
            [7] * 5,
            "the future of a conditional broadcast completes when all have run",
        )

        self.flag = 0
        self.thisProxy.raise_flag()
        self.wait("self.flag == 1")
        equal(self.flag, 1, "wait in the main chare")
        self.thisProxy.guarded_main(1)
        self.thisProxy.guarded_main(0)
        self.flag = 0
        self.wait("self.flag == 2")
        equal(self.order, [0, 1], "@when in the main chare")
        equal(Chare(Manual).guarded.__name__, "guarded")
        manual = Chare(Manual, onPE=last)
        future = manual.guarded(ret=True)
        manual.enable()
        equal(future.get(), "ran", "flush by hand")
        finish(180)

    order = []

    def raise_flag(self):
        self.flag = 1

    @when("self.flag == number")
    def guarded_main(self, number):
        self.order.append(number)
        self.flag += 1

    def on(self, c):
        # 12.1 and 12.2: tags, either way round; state alone; state and arguments.
        for step in (2, 1, 0, 1, 2, 0):
            c.data(step, f"v{step}")
        charm.waitQD()
        equal(
            c.state(ret=True).get()[:2],
            (3, [(0, "v0")] * 2 + [(1, "v1")] * 2 + [(2, "v2")] * 2),
            "by tag",
        )
        c.reset()
        futures = [c.other_way_round("x", step, ret=True) for step in (4, 3, 2, 1, 0)]
        equal(
            [f.get() for f in futures], [5, 4, 3, 2, 1], "futures complete when the method has run"
        )

        # 12.2: before each activation the condition is evaluated anew; defect 10: oldest first.
        c.reset()
        for number in range(5):
            c.one_at_a_time(number)
        charm.waitQD()
        equal(c.state(ret=True).get()[2], [], "all wait")
        for count in range(1, 6):
            c.set_go(awaitable=True).get()
            equal(
                c.state(ret=True).get()[2],
                list(range(count)),
                "each event lets one through, the oldest first",
            )

        c.reset()
        for value in (5, 15, 25):
            c.mixed(value)
        c.advance(2)
        c.set_go(awaitable=True).get()
        equal(c.state(ret=True).get()[2], [25], "state and argument")
        c.advance(-1, awaitable=True).get()
        equal(c.state(ret=True).get()[2], [25, 15])
        c.advance(-1, awaitable=True).get()
        equal(c.state(ret=True).get()[2], [25, 15, 5])

        c.reset()
        for tag in (2, 0, 1):
            c.by_attribute(Message(tag, f"p{tag}"))
        equal(c.state(ret=True).get()[2], ["p0", "p1", "p2"], "an attribute of an argument")
        c.reset()
        for k in (1, 0):
            c.by_item({"k": k, "v": k + 1})
        equal(c.state(ret=True).get()[2], [1, 2], "an item of an argument")

        c.reset()
        f = c.by_global(ret=True)
        c.advance(2)
        charm.waitQD()
        equal(f.ready(), False)
        c.advance(1)
        equal(f.get(), "past the threshold", "a global of the module")
        equal(c.direct(ret=True).get(), "past the threshold", "a direct call")

        for method in ("coro_first", "coro_second"):
            c.reset()
            futures = [getattr(c, method)(step, ret=True) for step in (1, 0)]
            charm.waitQD()
            equal(
                c.state(ret=True).get()[1],
                [("begin", 0), ("begin", 1)],
                "suspended counts as an occasion to look",
            )
            check(not futures[0].ready() and not futures[1].ready(), "both wait")
            c.set_go()
            equal(
                [f.get() for f in futures],
                [("coro", 1), ("coro", 0)],
                "a conditional coroutine's value",
            )
        # Defect 18: an omitted default takes part.
        c2 = Chare(Steps, onPE=0)
        equal(sorted([c2.with_default(1, limit=-1, ret=True).get()]), [(1, -1)], "argument given")
        f = c2.with_default(7, ret=True)
        c2.advance(2)
        charm.waitQD()
        equal(f.ready(), False, "the default takes part in the condition")
        c2.advance(1)
        equal(f.get(), (7, 2), "the default is applied before the condition")
        raises(AttributeError, c2.bad_condition(1, ret=True).get, text="undefined_attribute")
        raises(SyntaxError, c2.bad_wait(ret=True).get)

        # 12.3
        c.reset()
        waits = [c.waits_for(target, ret=True) for target in (3, 1, 2, 0, 1)]
        charm.waitQD()
        equal(
            [w.ready() for w in waits],
            [False, False, False, True, False],
            "a true condition does not wait",
        )
        c.advance(1, awaitable=True).get()
        charm.waitQD()
        equal([w.ready() for w in waits], [False, True, False, True, True])
        c.advance(5)
        equal([w.get() for w in waits], [3, 1, 2, 0, 1])
        c.reset()
        f = c.waits_with_global(ret=True)
        c.advance(4)
        equal(f.get(), 4, "a global in a wait")
        c.reset()
        both = [c.ping_pong(20, awaitable=True), c.pong_ping(20, awaitable=True)]
        charm.wait(both)
        equal(c.state(ret=True).get()[0], 40, "coroutines that wake each other")
        c.reset()
        f = c.waits_for(77, ret=True)
        c.changed_after_resume()
        c.open_gate()
        equal(f.get(), 77, "a change made after a resumption is noticed")


charm.start(Main)
