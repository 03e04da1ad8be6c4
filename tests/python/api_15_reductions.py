# SPDX-License-Identifier: Apache-2.0
"""Reductions: reducers, kinds of data, results, targets, custom reducers, allreduce."""

import array as std_array
import math

import charm4py
from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None


NAMES = {"std_array": std_array}  # for the expressions below


class Number:
    """An object with operators; addition and multiplication count how often they were used."""

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Number(self.value + other.value)

    def __mul__(self, other):
        return Number(self.value * other.value)

    def __eq__(self, other):
        return isinstance(other, Number) and self.value == other.value

    def __bool__(self):
        return self.value != 0

    def __lt__(self, other):
        return self.value < other.value

    def __gt__(self, other):
        return self.value > other.value


def longest(contributions):
    assert isinstance(contributions, list) and len(contributions) >= 2
    return max(contributions, key=len)


def pre_scale(data, chare):
    return data * chare.factor


def scaled(contributions):
    return sum(contributions)


def as_text(result):
    return f"total {result}"


PAIR = Reducer.tuple(Reducer.sum, Reducer.max)
LOCATIONS = (Reducer.sum, Reducer.minloc)
Reducer.addReducer(longest)
Reducer.addReducer(scaled, pre=pre_scale, post=as_text)


class Member(Chare):
    factor = 3

    def __init__(self):
        self.received = []

    def place(self):
        return self.thisIndex if isinstance(self.thisIndex, int) else self.thisIndex[0]

    def give(self, make, reducer_name, target):
        self.reduce(
            target,
            eval(make, {**globals(), **NAMES}, {"i": self.place(), "self": self}),
            getattr(Reducer, reducer_name) if isinstance(reducer_name, str) else reducer_name,
        )

    def barrier(self, target):
        self.reduce(target)

    def old_order(self, target):
        self.contribute(self.place(), Reducer.sum, target)

    def nop(self, target):
        self.contribute("ignored", Reducer.nop, target)

    def none(self, target):
        self.contribute("ignored", None, target)

    def receive(self, *result):
        self.received.append(result)

    def get_received(self):
        return self.received

    def seven(self, targets):
        for k, target in enumerate(targets):
            self.reduce(target, self.place() * (k + 1), Reducer.sum)

    @coro
    def all(self, rounds):
        out = []
        for k in range(rounds):
            out.append(self.allreduce(self.place() + k, Reducer.sum).get())
        return out

    @coro
    def all_kinds(self):
        f1 = self.allreduce(self.place(), Reducer.max)
        f2 = self.allreduce([self.place(), 1], Reducer.sum)
        f3 = self.allreduce()
        f4 = self.allreduce(self.place(), Reducer.gather)
        f5 = self.allreduce(Number(self.place()), Reducer.sum)
        return f4.get(), f1.get(), list(f2.get()), f3.get(), f5.get().value

    async def all_async(self):
        return await self.allreduce(1, Reducer.sum)

    def all_plain(self):
        try:
            self.allreduce(1, Reducer.sum)
        except charm4py.threads.NotThreadedError as error:
            return "refused: " + error.message
        return "no error"

    def errors(self):
        out = []
        for call in (
            lambda: self.reduce(5, 1, Reducer.sum),
            lambda: self.contribute(1, len, self.thisProxy.receive),
            lambda: self.reduce(len, 1, Reducer.sum),
            lambda: Reducer.no_such,
            lambda: self.reduce(self.thisProxy.receive, 2**64, Reducer.sum),
            lambda: self.reduce(self.thisProxy.receive, True, "sum"),
            lambda: self.reduce(self.thisProxy.receive, (1,), PAIR),
            lambda: self.reduce(self.thisProxy.receive, 1, PAIR),
            lambda: self.reduce(
                self.thisProxy.receive, (1, (2, "here")), Reducer.tuple(*LOCATIONS)
            ),
            lambda: self.reduce(
                self.thisProxy.receive, (Number(1), (2, 3)), Reducer.tuple(*LOCATIONS)
            ),
        ):
            try:
                call()
                out.append(None)
            except Exception as error:
                out.append(type(error).__name__)
        return out


combined = []  # how many contributions each call of `counted` got, on this rank


def counted(contributions):
    combined.append(len(contributions))
    return max(contributions)


def with_index(data, chare):
    return data, chare.thisIndex


def note_place(result):
    return ("post", charm.myPe(), result)


def placed(contributions):
    return max(contributions)


Reducer.addReducer(counted)
Reducer.addReducer(func=placed, pre=with_index, post=note_place)


class Spellings(Chare):
    """All ways of saying the same."""

    def __init__(self):
        self.calls = []

    def contribute_all(self, target):
        """Eight reductions back to back."""
        self.reduce(target, 1, Reducer.sum)
        self.reduce(callback=target, data=1, reducer=Reducer.sum)
        self.reduce(target, 1, reducer=Reducer.sum, section=None)
        self.contribute(1, Reducer.sum, target)
        self.contribute(data=1, reducer=Reducer.sum, callback=target)
        self.contribute(1, Reducer.sum, target, None)
        charm.contribute(1, Reducer.sum, target, self)
        charm.contribute(data=1, reducer=Reducer.sum, target=target, chare=self, section=None)

    def empty_all(self, target):
        self.reduce(target)
        self.reduce(callback=target)
        self.reduce(target, "ignored")
        self.reduce(target, "ignored", Reducer.nop)
        self.contribute(None, None, target)
        self.contribute("ignored", Reducer.nop, target)

    @coro
    def allreduce_all(self):
        return [
            self.allreduce(1, Reducer.sum).get(),
            self.allreduce(data=1, reducer=Reducer.sum, section=None).get(),
            self.allreduce().get(),
            self.allreduce("ignored").get(),
            self.allreduce("ignored", Reducer.nop).get(),
            self.allreduce(reducer=Reducer.gather, data=None).get(),
        ]

    def custom(self, name, target):
        data = self.thisIndex if isinstance(self.thisIndex, int) else self.thisIndex[0]
        self.reduce(target, data, getattr(Reducer, name))

    def any(self, *args):
        self.calls.append(args)

    def optional(self, x="default"):
        self.calls.append(x)

    def nothing(self):
        self.calls.append("nothing")

    @when("self.calls is not None")
    @coro
    def conditional(self, x="default"):
        self.calls.append(x)

    def take(self):
        calls, self.calls = self.calls, []
        return calls

    def combined(self):
        numbers = list(combined)
        combined.clear()
        return numbers

    @coro
    def many(self, rounds, members):
        """Neither mixed up nor lost."""
        return all(
            self.allreduce(i * (self.thisIndex is not None), Reducer.sum).get() == i * members
            for i in range(rounds)
        )


class SpellingsToo(Spellings):
    pass


def spellings(ranks):
    group, array, single = Group(Spellings), Array(Spellings, 5), Chare(Spellings, onPE=ranks - 1)
    some = Group(Spellings, onPEs=[ranks - 1])
    far = Group(Spellings)
    for proxy, n in ((group, ranks), (array, 5), (single, 1), (some, 1)):
        # 6.3, 15.7: arguments by position and by name; 15.10: back to back.
        f = Future(8)
        proxy.contribute_all(f)
        equal(f.get(), [n] * 8, "every spelling")
        got = proxy.allreduce_all(ret=True).get()
        want = [n, n, None, None, None, [None] * n]
        equal(got, want if proxy is single else [want] * n, "allreduce")
        # 15.6: without data a future gets None. A method gets nothing; from a group of some ranks
        # None, if it takes an argument.
        f = Future(6)
        proxy.empty_all(f)
        equal(f.get(), [None] * 6)
        for name, plain, constrained in (
            ("any", (), (None,)),
            ("optional", "default", None),
            ("nothing", "nothing", "nothing"),
            ("conditional", "default", None),
        ):
            proxy.empty_all(getattr(far, name))
            charm.waitQD()
            want = constrained if proxy is some else plain
            equal(far.take(ret=True).get(), [[want] * 6] * ranks, name)
        # 15.8: pre and post; a reducer of the program's is not called for one contributor.
        far.combined(awaitable=True).get()
        f = Future()
        proxy.custom("counted", f)
        last = ranks - 1 if proxy is some else n - 1
        equal(f.get(), last)
        numbers = sum(far.combined(ret=True).get(), [])
        check(all(k >= 2 for k in numbers), "lists of at least two")
        equal(sum(k - 1 for k in numbers), n - 1, "each contribution goes in once")
        f = Future()
        proxy.custom("placed", f)
        index = last if proxy in (group, some) else (last,)
        equal(f.get(), ("post", 0, (last, index)), "the chare for pre; post where it is delivered")
        proxy.custom("placed", far.any)
        charm.waitQD()
        want = [[(("post", pe, (last, index)),)] for pe in range(ranks)]
        equal(far.take(ret=True).get(), want, "post once for each place of delivery")
    # 15.9: a thousand allreduces each, over four collections at once.
    futures = [
        group.many(1000, ranks, ret=True),
        array.many(1000, 5, ret=True),
        Array(SpellingsToo, 2 * ranks).many(1000, 2 * ranks, ret=True),
        single.many(1000, 1, ret=True),
    ]
    equal([f.get() for f in futures], [[True] * ranks, [True] * 5, [True] * 2 * ranks, True])


class Early(Chare):
    """Contributes in its constructor, before other members exist."""

    def __init__(self, target):
        self.reduce(target, 1, Reducer.sum)


class Main(Chare):
    def __init__(self, args):
        ranks = charm.numPes()
        self.got = []
        spellings(ranks)
        group, array_ = Group(Member), Array(Member, 3 * ranks + 1)
        single = Chare(Member, onPE=ranks - 1)
        for proxy, n in ((group, ranks), (array_, 3 * ranks + 1), (single, 1)):
            self.kinds(proxy, n)
        for proxy, n in ((group, ranks), (array_, 3 * ranks + 1), (single, 1)):
            self.targets(proxy, n, group, array_, single)
        for proxy, n in ((group, ranks), (array_, 3 * ranks + 1), (single, 1)):
            total = n * (n - 1) // 2
            want = [total + n * k for k in range(25)]
            values = proxy.all(25, ret=True).get()
            equal(values if proxy is not single else [values], [want] * n, "25 allreduces in a row")
            values = proxy.all_kinds(ret=True).get()
            want = (list(range(n)), n - 1, [total, n], None, total)
            equal(
                values if proxy is not single else [values],
                [want] * n,
                "allreduces of several kinds at once",
            )
            values = proxy.all_async(ret=True).get()
            equal(values if proxy is not single else [values], [n] * n, "allreduce in async def")
        # 15.2, 15.8: what is refused. The error is raised before anything is contributed, so the next reduction is not
        # disturbed.
        check(
            all(v.startswith("refused") for v in group.all_plain(ret=True).get()),
            "allreduce needs a coroutine",
        )
        errors = group.errors(ret=True).get()
        equal(errors[0][0], "AssertionError", "a callback that is none")
        equal(errors[0][1], "Charm4PyError", "a reducer that is none")
        equal(errors[0][2], "TypeError", "a plain function as callback")
        equal(errors[0][3], "AttributeError", "a reducer that was not added")
        equal(errors[0][4], "OverflowError", "an integer beyond 64 bits")
        check(errors[0][5] is not None, "a reducer by its name")
        equal(errors[0][6:], ["TypeError"] * 4, "tuples that do not fit, or are combined nowhere")
        raises(TypeError, Reducer.tuple, text="1 to")
        raises(TypeError, Reducer.tuple, "sum", text="'sum'")
        raises(TypeError, Reducer.tuple, Reducer.sum, Reducer.gather, text="gather")
        raises(TypeError, Reducer.tuple, PAIR, text="tuple(sum, max)")
        equal(repr(PAIR), "<reducer tuple(sum, max)>")
        f = Future()
        group.give("1", "sum", f)
        equal(f.get(), ranks, "nothing was contributed by the refused calls")

        # 15.10: contributions in constructors; 15.2: names; 15.8: name clashes, adding while running.
        f = Future()
        Array(Early, 5, args=[f])
        equal(f.get(), 5)
        f = Future()
        Group(Early, args=[f])
        equal(f.get(), ranks)
        names = [name for name, value in Reducer.__dict__.items() if value == Reducer.sum]
        equal(names, ["sum"], "a reducer's name by scanning Reducer.__dict__")
        raises(Charm4PyError, Reducer.addReducer, longest, text="longest")
        raises(Charm4PyError, charm.addReducer, sum_named_sum, text="sum")
        raises(TypeError, Reducer.addReducer, 5)
        charm.thisProxy.addReducer(added_later, awaitable=True).get()
        f = Future()
        group.give("i + 1", "added_later", f)
        equal(f.get(), math.prod(range(1, ranks + 1)), "a reducer added while running")
        finish(300)

    def receive(self, *result):
        self.got.append(result)

    def reduced(self, proxy, make, name):
        f = Future()
        proxy.give(make, name, f)
        return f.get()

    def kinds(self, p, n):
        r = self.reduced
        total = n * (n - 1) // 2
        # 15.3: kinds of data; one item gives a scalar.
        equal(r(p, "i", "sum"), total, "sum of ints")
        for one in ("[i]", "(i,)", "range(i, i + 1)", "std_array.array('q', [i])"):
            equal(r(p, one, "sum"), total, one)
        equal(r(p, "[i * 0.5]", "max"), (n - 1) * 0.5)
        if n == 1:
            for same in ([1, 0.5], [[1, 2], [3, 4]], [], ["x"], {"k": 1}):
                equal(r(p, repr(same), "sum"), same, "of one contributor: unchanged")
        product = (math.factorial(n) + 2**63) % 2**64 - 2**63
        equal(r(p, "i + 1", "product"), product, "product of ints, with 64-bit wrap-around")
        equal(r(p, "i", "max"), n - 1)
        equal(r(p, "-i", "min"), 1 - n)
        equal(r(p, "i * 0.5", "sum"), total * 0.5, "sum of floats")
        equal(r(p, "float(i)", "max"), float(n - 1))
        equal(r(p, "2**62", "sum"), (2**62 * n + 2**63) % 2**64 - 2**63, "64-bit wrap-around")
        equal(list(r(p, "[i, 2 * i, -1]", "sum")), [total, 2 * total, -n], "lists of ints")
        equal(list(r(p, "(i, 1)", "max")), [n - 1, 1], "tuples")
        equal(list(r(p, "range(i, i + 2)", "min")), [0, 1], "ranges")
        equal(list(r(p, "[i * 0.5, 1.5]", "sum")), [total * 0.5, 1.5 * n], "lists of floats")
        equal(list(r(p, "[i, 0.5]", "sum")), [float(total), 0.5 * n], "mixed lists")
        equal(
            [list(x) for x in r(p, "[[i, 1], [2, 3]]", "sum")],
            [[total, n], [2 * n, 3 * n]],
            "nested lists",
        )
        equal(
            list(r(p, "std_array.array('d', [i, 1])", "sum")),
            [float(total), float(n)],
            "array.array",
        )
        equal(r(p, "Number(i)", "sum").value, total, "objects with +")
        equal(r(p, "Number(i + 1)", "product").value, math.factorial(n), "objects with *")
        equal(r(p, "Number(i)", "max").value, n - 1, "objects with >")
        equal(r(p, "Number(i)", "min").value, 0)
        equal(bool(r(p, "Number(1)", "logical_xor")), n % 2 == 1, "parity of objects")
        equal(bool(r(p, "Number(i)", "logical_and")), False, "truth of objects")
        equal(bool(r(p, "Number(i)", "logical_or")), n > 1, "truth of objects")

        # 15.3: logical reducers; truth values count in sums.
        if n > 1:
            equal(int(r(p, "i > 0", "sum")), n - 1, "a sum of truth values")
            equal([int(x) for x in r(p, "[True, i == 0]", "sum")], [n, 1])
            equal([int(x) for x in r(p, "[True, i == 0]", "product")], [1, 0])
        equal(type(r(p, "True", "logical_or")), int, "a truth value gives 0 or 1")
        equal(type(r(p, "[True]", "logical_xor")), int)
        equal(bool(r(p, "True", "logical_and")), True)
        equal(bool(r(p, "i > 0", "logical_and")), False)
        equal(bool(r(p, "i == 0", "logical_or")), True)
        equal(bool(r(p, "False", "logical_or")), False)
        equal(bool(r(p, "True", "logical_xor")), n % 2 == 1, "xor is parity")
        equal(
            [bool(x) for x in r(p, "[True, i == 0, False]", "logical_or")],
            [True, True, False],
            "lists of bools",
        )
        equal(
            [bool(x) for x in r(p, "[True, i == 0, False]", "logical_xor")],
            [n % 2 == 1, True, False],
        )

        # 15.5 and 15.8
        equal(r(p, "(i, str(i))", "gather"), [(i, str(i)) for i in range(n)], "gather, by index")
        equal(r(p, "None", "gather"), [None] * n)
        equal(r(p, "'x' * (i + 1)", "longest"), "x" * n, "a reducer of the program's")
        equal(r(p, "i", "scaled"), f"total {3 * total}", "pre and post")
        self.tuples(p, n)
        if np is None:
            return
        for kind in ("np.int64", "np.float64", "np.float32"):
            want = int if kind == "np.int64" else float
            for name, where in (("minloc", 0), ("maxloc", n - 1)):
                value = r(p, f"({kind}(i), np.int64(i))", name)
                equal(value, (where, where), f"{name} of {kind}")
                equal(type(value[0]), want, f"{name} of {kind}")
        value = r(p, "(np.int64(i) if i else 0, np.argmin(np.array([5, i - 1])))", "minloc")
        equal(value, (0, 1), "integers of two types")
        if n > 1:
            equal(int(r(p, "np.bool_(i > 0)", "sum")), n - 1)
            value = r(p, "np.array([True, i > 0])", "sum")
            equal((value.dtype.kind, value.tolist()), ("i", [n, n - 1]), "truth values count")
        for one in ("np.array([i])", "np.array([[i]])", "np.array(i)", "np.int32(i)"):
            equal(r(p, one, "sum"), total, one)
        for kind in ("np.int64", "np.int32", "np.uint8", "np.float32", "np.float64"):
            want = float if "float" in kind else int
            equal(r(p, f"{kind}(i + 1)", "min"), want(1), kind)
        for ints in ("[i, 2]", "(i, 2)", "range(i, i + 2)"):
            value = r(p, ints, "max")
            equal((type(value), value.dtype), (np.ndarray, np.dtype(np.int64)), ints)
        equal(r(p, "[i * 0.5, 2.0]", "max").dtype, np.dtype(np.float64))
        for code in "bBhHiIlLqQfd":
            value = r(p, f"std_array.array('{code}', [i, 1])", "max")
            equal((value.dtype, value.tolist()), (np.dtype(code), [n - 1, 1]), f"array of {code}")
        value = r(p, "np.int64(i)", "sum")
        equal(int(value), total, "numpy scalars")
        equal(int(r(p, "np.uint8(200)", "sum")), 200 * n % 256, "uint8 wraps")
        value = r(p, "np.arange(5) * i", "sum")
        check(
            isinstance(value, np.ndarray) and value.dtype == np.arange(5).dtype,
            "an array gives an array of its dtype",
        )
        equal(value.tolist(), [k * total for k in range(5)])
        value = r(p, "np.full((2, 3), i, np.float32)", "sum")
        equal((value.dtype, value.reshape(-1).tolist()), (np.dtype(np.float32), [float(total)] * 6))
        equal(value.shape, (2, 3), "the shape is kept")
        value = r(p, "(np.arange(12.0).reshape(3, 4) * i)[:, 1]", "sum")
        equal(value.tolist(), [1.0 * total, 5.0 * total, 9.0 * total], "a strided view")
        value = r(p, "np.asfortranarray(np.arange(4).reshape(2, 2)) + i", "max")
        equal(value.tolist(), [[n - 1, n], [n + 1, n + 2]], "Fortran order")
        for code in "bBhHiIlLqQfdFD":
            value = r(p, f"np.array([i > 0, 1], '{code}')", "sum")
            equal((value.dtype, value.tolist()), (np.dtype(code), [n - 1, n]), f"dtype {code}")
        three = "np.arange(3.0)"
        for one in (
            f"{three}.astype('>f8')",
            f"np.frombuffer({three}.tobytes())",
            f"np.frombuffer(b'-' + {three}.tobytes(), offset=1)",
            f"{three}.view(np.recarray)",
            f"{three}.astype(np.longdouble)",
            f"{three}[::-1][::-1]",
        ):
            value = r(p, one, "sum")
            equal((value.shape, value.tolist()), ((3,), [0.0, 1.0 * n, 2.0 * n]), one)
        equal(r(p, "np.array([i > 0, True])", "logical_and").tolist(), [n == 0, True])
        value = r(p, "np.array([1j * i, 1])", "sum")
        equal(value.tolist(), [1j * total, n + 0j], "complex")
        equal(
            r(p, "np.array([i, 1], np.float16)", "sum").tolist(),
            [float(total), float(n)],
            "float16",
        )
        if n > 1:
            value = r(p, "np.array([Number(i)], object)", "sum")
            equal(value[0].value, total, "object arrays")
        big = r(p, "np.full(50000, float(i))", "sum")
        check(big.shape == (50000,) and (big == total).all(), "a large array")
        value = r(p, "np.array([np.nan if i == 0 else 1.0])", "max")
        check(math.isnan(float(np.asarray(value).reshape(-1)[0])), "NaN wins, as in numpy.maximum")

    def tuples(self, p, n):
        """Each value of a tuple by a reducer of its own."""
        r, make = self.reduced, Reducer.tuple
        total = n * (n - 1) // 2
        equal(r(p, "(i, i)", PAIR), (total, n - 1), "a sum and a maximum at once")
        equal(r(p, "[i * 0.5, -i]", PAIR), (total * 0.5, 0), "floats and ints, in a list")
        several = make(Reducer.min, Reducer.logical_or, Reducer.maxloc, Reducer.sum, Reducer.bit_or)
        value = r(p, "(-1.5 * i, i == 0, (i, 10 * i), [i, 1], 1)", several)
        equal(value[:3], (-1.5 * (n - 1), 1, (n - 1, 10 * (n - 1))), "five at once")
        equal((list(value[3]), value[4]), ([total, n], 1), "with a list among them")
        equal(r(p, "(i,)", make(Reducer.sum)), (total,), "one")
        value = r(p, "(Number(i), i)", PAIR)
        equal((value[0].value, value[1]), (total, n - 1), "objects, in Python")
        mixed = make(Reducer.scaled, Reducer.sum)
        want = (f"total {3 * total}", total)
        equal(r(p, "(i, i)", mixed), want, "a reducer of the program's, with pre and post")
        f = Future()
        p.give("(i, i)", PAIR, self.thisProxy.receive)
        p.barrier(f)
        f.get()
        self.wait("len(self.got) == 1")
        equal(self.got.pop(), ((total, n - 1),), "one argument for a method")
        if np is None:
            return
        value = r(p, "(np.full((2, 3), i, np.float32), np.arange(3) + i)", PAIR)
        equal((value[0].shape, value[0].dtype), ((2, 3), np.dtype(np.float32)), "shape and dtype")
        equal(value[1].tolist(), [n - 1, n, n + 1], "arrays")

    def targets(self, p, n, group, array_, single):
        total = n * (n - 1) // 2
        ranks = charm.numPes()
        # 15.6 and 15.7
        for name in ("barrier", "nop", "none"):
            f = Future()
            getattr(p, name)(f)
            equal(f.get(), None, "an empty reduction to a future")
            self.got.clear()
            getattr(p, name)(self.thisProxy.receive)
            self.wait("len(self.got) == 1")
            equal(self.got, [()], "an empty reduction to a method: no argument")
        f = Future()
        p.old_order(f)
        equal(f.get(), total, "contribute(data, reducer, callback)")
        self.got.clear()
        p.give("i", "sum", self.thisProxy.receive)
        self.wait("len(self.got) == 1")
        equal(self.got, [(total,)], "to the main chare")
        for target, size in (
            (group, ranks),
            (array_, 3 * ranks + 1),
            (group[ranks - 1], 1),
            (array_[1], 1),
            (single, 1),
        ):
            before = target.get_received(ret=True).get()
            p.give("i", "sum", target.receive)
            p.give("i", "gather", target.receive)
            charm.waitQD()
            after = target.get_received(ret=True).get()
            if size == 1 and not isinstance(after[0], list):
                before, after = [before], [after]
            for b, a in zip(before, after):
                equal(
                    sorted(a[len(b) :], key=str),
                    sorted([(total,), (list(range(n)),)], key=str),
                    "to elements and collections",
                )
        futures = [Future() for _ in range(7)]
        p.seven(futures)
        equal(
            [f.get() for f in futures],
            [total * k for k in range(1, 8)],
            "seven reductions in a row",
        )
        self.got.clear()
        f1, f2 = Future(), Future()
        p.seven([f1, self.thisProxy.receive, f2, self.thisProxy.receive])
        equal((f2.get(), f1.get()), (3 * total, total), "different kinds of targets in a row")
        self.wait("len(self.got) == 2")
        equal(sorted(self.got), [(2 * total,), (4 * total,)])


def added_later(contributions):
    return math.prod(contributions)


def sum_named_sum(contributions):
    return sum(contributions)


sum_named_sum.__name__ = "sum"

charm.start(Main)
