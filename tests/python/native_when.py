# SPDX-License-Identifier: Apache-2.0
"""Conditions in C, of native methods and of others: what waits, in which order it runs, what of it moves and is answered; what is refused.

With the argument "stall" a call waits for ever.
"""

import numpy as np

import c4py
from c4py import Array, Chare, Group, charm, coro, when
from c4py._chare import prepare_classes
from c4py.charm import Charm4PyError
from checks import check, equal, finish, raises

try:
    import numba
    from numba import types
except ImportError as error:
    numba, no_numba = None, error

LIBRARY = "libnative_kernels.so"


def kernel(name, signature):
    return c4py.native(f"{LIBRARY}:{name}", signature)


class Taker(Chare):
    state = c4py.NativeState("int step, int num, int steps[64], double values[64]")

    @when(kernel("is_next", "int step"))
    @kernel("take", "int step, int n, double x[n]")
    def take(self, step, n, x): ...

    @kernel("take_open", "str text")
    @when(kernel("is_open", ""))
    def take_open(self, text): ...

    @when(kernel("sums_up", "int a, int b, int c, int d, int e, int n, double x[n]"))
    @kernel("take_many", "int a, int b, int c, int d, int e, int n, double x[n]")
    def take_many(self, a, b, c, d, e, n, x): ...

    @when(kernel("is_next", "int a"))
    @kernel("take_many", "int a, int b, int c, int d, int e, int n, double x[n]")
    def take_first(self, a, b, c, d, e, n, x): ...

    @kernel("set_step", "int step")
    def set_step(self, step): ...

    @when(kernel("is_next", "int step"))
    @kernel("hold", "int step")
    def hold(self, step): ...

    @kernel("let_go", "")
    def let_go(self): ...

    def num(self):
        return int(self.state["num"])

    @when("self.state['step'] == step")
    def take_in_python(self, step):
        num = self.state["num"]
        self.state["steps"][num], self.state["values"][num] = -step, 0
        self.state["num"] = num + 1
        self.state["step"] += 1

    @when(kernel("is_next", "int step"))
    def take_asked(self, what, *, step=7):
        num = self.state["num"]
        self.state["steps"][num], self.state["values"][num] = 100 * step, what
        self.state["num"] = num + 1
        self.state["step"] += 1

    @coro
    @when(kernel("sums_up", "int a, int b, int c, int d, int e, int n, double x[n]"))
    def take_slowly(self, x, n, e, d, c, b, a=1):
        charm.sleep(0)
        num = self.state["num"]
        self.state["steps"][num], self.state["values"][num] = a, x[n - 1]
        self.state["num"] = num + 1
        return n

    @when(kernel("is_open", ""))
    def take_freely(self):
        self.state["num"] += 1

    def set_in_python(self, step):
        self.state["step"] = step

    def taken(self):
        num = self.state["num"]
        result = self.state["steps"][:num].tolist(), self.state["values"][:num].tolist()
        self.state["num"] = 0
        return result


if numba:

    @numba.cfunc(types.boolean(types.voidptr, types.CPointer(types.intc), types.intc))
    def is_later(rt, state, step):
        return step > state[0]

    class Compiled(Chare):
        state = c4py.NativeState("int step, int num, int steps[64], double values[64]")

        @when(c4py.native(is_later, "int step"))
        @kernel("take", "int step, int n, double x[n]")
        def take(self, step, n, x): ...

        def taken(self):
            return int(self.state["num"])


def one(x):
    return np.array([x], float)


def taken(taker):
    return taker.taken(ret=True).get()


def orders(taker):
    """A call waits until its condition holds; what waits is looked at after each method, the oldest first."""
    for step in (3, 1, 2):
        taker.take(step, 1, one(step / 2))
    equal(taken(taker), ([], []), "no condition holds")
    taker.take(0, 0, one(0)[:0])
    equal(taken(taker), ([0, 1, 2, 3], [0, 0.5, 1, 1.5]), "one after the other")
    first = taker.take(6, 2, np.array([1.0, 2.0]), awaitable=True)
    second = taker.take(6, 1, one(3), ret=True)
    taker.take(7, 1, one(9))
    check(not first.is_ready() if hasattr(first, "is_ready") else True)
    taker.set_step(6, awaitable=True).get()
    equal((first.get(), taken(taker)), (None, ([6, 7], [2, 9])), "the older one ran, and was answered")  # fmt: skip
    taker.set_step(6)
    equal((second.get(), taken(taker)), (None, ([6], [3])), "then the other")
    taker.take_in_python(7)
    taker.take_in_python(9)
    taker.take(8, 1, one(8))
    taker.take(10, 1, one(10))
    equal(taken(taker)[0], [-7, 8, -9, 10], "beside methods in Python")


def answers_later(taker):
    """A method that has waited can take over the duty to answer, its own and not that of the method that let it run."""
    for wait in (False, True):
        taker.set_step(3 if wait else 4, awaitable=True).get()
        held = taker.hold(4, awaitable=True)
        if wait:
            taker.set_step(4, awaitable=True).get()
        equal(taker.num(ret=True).get(), 4, "somebody waits for hold()")
        check("waiting" in repr(held), "not before let_go()")
        taker.let_go()
        equal(held.get(), None, "after let_go()")
    taker.set_step(3)
    taker.hold(4)
    taker.set_step(4, awaitable=True).get()
    equal(taker.num(ret=True).get(), -4, "nobody waits for hold()")
    taker.let_go()
    taker.set_step(0)


def kinds(taker):
    """Of no parameters, of many, which libffi calls; what Python changes is seen."""
    taker.take_open("hello")
    taker.take_open("")
    taker.take_many(1, 2, 3, 4, 5, 2, np.array([100.0, 5.0]))
    equal(taken(taker), ([], []), "no condition holds")
    taker.set_in_python(-1)
    equal(taken(taker), ([5, 0], [ord("h"), 0]), "of the state alone")
    taker.set_in_python(20)
    equal(taken(taker), ([12345], [5]), "of many parameters")
    taker.take_many(0, 0, 0, 0, 0, 1, one(20))
    equal(taken(taker), ([0], [20]), "at once")
    taker.take_first(1, 2, 0, 0, 0, 1, one(7))
    taker.set_step(1)
    equal(taken(taker), ([12000], [7]), "of the first of many parameters")
    taker.set_step(0)
    if numba:
        group = Group(Compiled)
        group[0].take(0, 1, one(1))
        equal(group[0].taken(ret=True).get(), 0, "numba")
        group[0].take(5, 1, one(1))
        equal(group[0].taken(ret=True).get(), 1, "numba")
    else:
        print(f"skipped: numba: {no_numba}")


def in_python(taker):
    """Methods in Python with such conditions: parameters by name, in another order, with defaults."""
    taker.set_step(6)
    taker.take_asked(1)
    taker.take_asked(2, step=8)
    taker.take_asked(3, step=6)
    equal(taken(taker), ([600, 700, 800], [3, 1, 2]), "one after the other")
    slow = taker.take_slowly(one(2), 1, 3, 3, 3, 3, ret=True)
    taker.take_freely()
    taker.set_in_python(15)
    equal((slow.get(), taken(taker)), (1, ([1], [2])), "a coroutine, with many parameters")
    taker.set_step(-1)
    equal(len(taken(taker)[0]), 1, "of the state alone")
    raises(TypeError, lambda: taker.take_asked(1, step="a", ret=True).get(), text="Taker.take_asked(): parameter 'step' is of type int: it cannot be str")  # fmt: skip
    raises(ValueError, lambda: taker.take_asked(1, step=2**40, ret=True).get(), text="does not fit")
    taker.set_step(0)


def broadcasts(takers):
    """Each element looks for itself, and all are awaited."""
    done = takers.take(1, 1, one(1), awaitable=True)
    for i in range(4):
        takers[i].take(0, 1, one(i))
    done.get()
    equal([taken(takers[i]) for i in range(4)], [([0, 1], [i, 1]) for i in range(4)])


def moves(taker):
    """What waits moves along."""
    answer = taker.take(32, 3, np.array([1.0, 2.0, 3.0]), awaitable=True)
    taker.take(31, 1, one(1))
    taker.take_in_python(30)
    for k in range(3):
        taker.migrate(k % charm.numPes(), awaitable=True).get()
    equal(taken(taker), ([], []), "no condition holds at the new place")
    taker.set_step(30)
    answer.get()
    equal(taken(taker), ([-30, 31, 32], [0, 1, 3]), "at the new place")


def method(cls_cond, native):
    return type("Defined", (Chare,), {"f": when(cls_cond)(native)})


def refusals():
    def refused(cls, text):
        raises(Charm4PyError, prepare_classes, [cls], False, text=text)

    plain = kernel("take", "int step, int n, double x[n]")(lambda self, step, n, x: None)
    refused(method("self.step == step", plain), "method f of class Defined is native: its condition must be, too")  # fmt: skip
    plain = kernel("take", "int step, int n, double x[n]")(lambda self, step, n, x: None)
    refused(method(kernel("is_next", "int n"), plain), "takes (int step, int n, double x[n]): its condition must take the same or the first of them, not (int n)")  # fmt: skip
    plain = kernel("take", "int step, int n, double x[n]")(lambda self, step, n, x: None)
    refused(method(kernel("is_next", "long step"), plain), "its condition must take the same")
    plain = kernel("take", "int step, int n, double x[n]")(lambda self, step, n, x: None)
    refused(method(kernel("nothing", "int step"), plain), "has no function 'nothing'")
    refused(method(kernel("is_next", "int step"), lambda self, a, b: None), "method f of class Defined takes (a, b): its condition libnative_kernels.so:is_next(int step) asks for 'step'")  # fmt: skip
    refused(method(kernel("nothing", "int a"), lambda self, a: None), "has no function 'nothing'")
    raises(TypeError, when(kernel("is_next", "")), 5, text="@when is for functions and methods")


def main(args):
    takers = Array(Taker, 4)
    charm.awaitCreation(takers)
    if args[1:] == ["stall"]:
        takers[3].take(5, 1, one(1), awaitable=True).get()
    for taker in (takers[0], takers[3]):
        orders(taker)
        taker.set_step(0)
        answers_later(taker)
        kinds(taker)
        in_python(taker)
    for i in range(4):
        takers[i].set_step(0)
    broadcasts(takers)
    moves(takers[2])
    refusals()
    finish(40)


charm.start(main)
