# SPDX-License-Identifier: Apache-2.0
"""What a chare object is: attributes, construction, inheritance, names that users may choose freely."""

import functools

from charm4py import *
from checks import equal, finish, raises


class Seen(Chare):
    """Looks at itself inside the constructor."""

    def __init__(self, a, b=2, *rest, key=3):
        self.in_init = (
            self.thisIndex,
            self.thisProxy,
            self._numthreads,
            getattr(self, "migratable", None),
        )
        self.args = (a, b, rest, key)

    def seen(self):
        index, proxy, threads, movable = self.in_init
        assert proxy == self.thisProxy and index == self.thisIndex
        return index, self.args, threads, movable, charm.myPe()

    def own_element(self):
        return self.thisProxy[self.thisIndex]

    def set_migratable_off(self):
        self.setMigratable(False)
        return self.migratable


class CoroInit(Chare):
    @coro
    def __init__(self, pause):
        self.steps = ["begin"]
        charm.sleep(pause)
        self.steps.append("end")

    def get_steps(self):
        return self.steps, self._numthreads


class Base(Chare):
    def __init__(self, log):
        self.log = [*log, "Base"]

    def from_base(self):
        return "from_base"

    def overridden(self):
        return "Base"


class Middle(Base):
    def __init__(self, log):
        super().__init__([*log, "Middle"])

    def overridden(self):
        return "Middle then " + super().overridden()


class Leaf(Middle):
    def __init__(self, log, extra=0):
        super().__init__([*log, "Leaf"])
        self.extra = extra

    def get_log(self):
        return self.log, self.extra

    @coro
    def waits(self):
        self.wait("self.go")
        return "went"

    def set_go(self):
        self.go = True

    go = False


class NoParentCall(Base):
    """Does not call its parent's constructor; the runtime must not do so either."""

    def __init__(self):
        self.mine = True

    def has_log(self):
        return hasattr(self, "log"), self.mine


class CallsChareInit(Chare):
    def __init__(self):
        super().__init__()
        self.x = 1

    def get_x(self):
        return self.x


class Slotted(Chare):
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value


class OddState(Chare):
    """Programs may replace their __dict__ and define pickling as they like: no runtime state is in there."""

    def __init__(self):
        self.__dict__.clear()
        self.__dict__ = {"only": 1}

    def __getstate__(self):
        return {}

    def names(self):
        return sorted(self.__dict__)

    def index(self):
        return self.thisIndex


def free_function(*args):
    return ("free", args)


class OddNames(Chare):
    idx = 5
    part = functools.partial(free_function, 1)
    builtin = len
    lam = lambda self, x: x + 1  # noqa: E731
    data = {"not": "callable"}

    class Inner:
        pass

    def __init__(self):
        self.gid = "mine"

    def idx_method(self):
        return self.idx

    def _private(self, x):
        return x * 2

    @staticmethod
    def static(x):
        return ("static", x)

    @classmethod
    def klass(cls, x):
        return (cls.__name__, x)

    @property
    def prop(self):
        raise AssertionError("a property is no entry method and is not evaluated")

    def name(self):
        return "a method called name"

    def type(self):
        return "a method called type"

    def state(self):
        return self.gid

    def send(self, x):
        return x

    def get(self):
        return "get"


class HasIdxMethod(Chare):
    def idx(self):
        return "idx"


class NewUser(Chare):
    def __new__(cls, *args):
        self = super().__new__(cls)
        self.by_new = True
        return self

    def __init__(self, x):
        self.x = x

    def both(self):
        return self.by_new, self.x


class Direct(Chare):
    def __init__(self):
        self.log = []

    def plain(self):
        self.helper(1)
        self.log.append("after direct call")
        return self.log

    @coro
    def helper(self, x):
        self.log.append(("helper", x, self._numthreads))

    @when("self.never")
    def guarded(self):
        return "direct calls ignore @when"

    def call_guarded(self):
        return self.guarded()


def main(args):
    ranks = charm.numPes()

    g = Group(Seen, args=[1])
    values = g.seen(ret=True).get()
    equal(values, [(pe, (1, 2, (), 3), 0, None, pe) for pe in range(ranks)], "group elements")
    equal(type(values[0][0]), int, "index of a group element")
    equal(g[ranks - 1].own_element(ret=True).get(), g[ranks - 1], "own element proxy")

    a = Array(Seen, 5, args=(1, 4, 5, 6))
    values = a.seen(ret=True).get()
    equal(
        [v[:4] for v in values],
        [((i,), (1, 4, (5, 6), 3), 0, True) for i in range(5)],
        "array elements",
    )
    equal(a[3].own_element(ret=True).get(), a[3], "own element proxy")
    equal(a[2].set_migratable_off(ret=True).get(), False, "setMigratable")

    for pe in range(ranks):
        c = Chare(Seen, args=["x"], onPE=pe)
        equal(c.seen(ret=True).get(), ((0,), ("x", 2, (), 3), 0, True, pe), "single chare")
        equal(c.own_element(ret=True).get(), c, "thisProxy[0] of a single chare is its proxy")
        equal(type(c).__name__, "SeenArrayProxy", "proxy type of a single chare")
    placed = [Chare(Seen, args=[0]).seen(ret=True).get()[4] for _ in range(ranks)]
    equal(len(set(placed)), ranks, "without onPE single chares go round")

    c = Group(CoroInit, args=[0.02])
    charm.awaitCreation(c)
    equal(c.get_steps(ret=True).get(), [(["begin", "end"], 0)] * ranks, "constructors that wait")

    leaf = Chare(Leaf, args=[["start"]], onPE=ranks - 1)
    equal(
        leaf.get_log(ret=True).get(),
        (["start", "Leaf", "Middle", "Base"], 0),
        "one constructor, the most derived",
    )
    equal(leaf.from_base(ret=True).get(), "from_base", "inherited entry method")
    equal(leaf.overridden(ret=True).get(), "Middle then Base", "overridden entry method")
    waiting = leaf.waits(ret=True)
    leaf.set_go()
    equal(waiting.get(), "went", "runtime state in a class three levels deep")
    none = Chare(NoParentCall)
    equal(none.has_log(ret=True).get(), (False, True), "the parent's constructor is not called")
    equal(none.overridden(ret=True).get(), "Base", "entry method of the parent")
    equal(Chare(CallsChareInit).get_x(ret=True).get(), 1, "super().__init__() is harmless")
    equal(Chare(Slotted, args=[7]).get(ret=True).get(), 7, "__slots__")
    odd = Array(OddState, 3)
    equal(odd.names(ret=True).get(), [["only"]] * 3, "the __dict__ is the program's alone")
    equal(odd[2].index(ret=True).get(), (2,), "the index is not in the __dict__")
    equal(Chare(NewUser, args=[3]).both(ret=True).get(), (True, 3), "__new__ of the class")

    o = Chare(OddNames, onPE=ranks - 1)
    equal(o.idx_method(ret=True).get(), 5, "attribute idx")
    equal(o.part(2, ret=True).get(), ("free", (1, 2)), "a partial as method")
    equal(o.builtin([1, 2, 3], ret=True).get(), 3, "a builtin as method")
    equal(o.lam(4, ret=True).get(), 5, "a lambda as method")
    equal(o._private(4, ret=True).get(), 8, "single underscore")
    equal(o.static(1, ret=True).get(), ("static", 1), "static method")
    equal(o.klass(1, ret=True).get(), ("OddNames", 1), "class method")
    equal(o.state(ret=True).get(), "mine", "attribute gid")
    equal(o.send(9, ret=True).get(), 9, "method called send")
    equal(o.get(ret=True).get(), "get", "method called get")
    equal(o.name(ret=True).get(), "a method called name")
    equal(o.type(ret=True).get(), "a method called type")
    equal(Chare(HasIdxMethod).idx(ret=True).get(), "idx", "method called idx")
    for name in (
        "data",
        "prop",
        "Inner",
        "nosuch",
        "__init__x",
        "wait",
        "contribute",
        "reduce",
        "allreduce",
    ):
        raises(AttributeError, getattr, o, name)

    d = Chare(Direct)
    equal(
        d.plain(ret=True).get(),
        [("helper", 1, 0), "after direct call"],
        "a direct call is an ordinary call",
    )
    equal(d.call_guarded(ret=True).get(), "direct calls ignore @when")

    raises(charm4py.Charm4PyError, Group, int, text="not a chare class")
    raises(charm4py.Charm4PyError, Array, 5, 3, text="not a chare class")
    raises(charm4py.Charm4PyError, Chare, str, text="not a chare class")

    class Late(Chare):
        pass

    raises(charm4py.Charm4PyError, Group, Late, text="not registered")
    raises(charm4py.Charm4PyError, Array, Late, 3, text="not registered")
    raises(charm4py.Charm4PyError, Chare, Late, text="not registered")
    raises(TypeError, Group, Seen, 5, text="args must be a list or tuple")
    raises(IndexError, Chare, Seen, [1], ranks, text="no rank")
    raises(TypeError, Chare, Seen, [1], "0", text="onPE")
    finish(50)


import charm4py  # noqa: E402

charm.start(main)
