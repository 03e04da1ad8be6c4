# SPDX-License-Identifier: Apache-2.0
"""The interface in the style of Ray: tasks, actors, stored objects, and the counting of references across ranks."""

import gc
import pickle
from random import Random

from charm4py import *
from charm4py import ray
from charm4py.charm import Charm4PyError
from charm4py.threads import Future as FutureType
from charm4py.threads import NotThreadedError
from checks import check, equal, finish, raises

LARGE = 300_000  # bytes: more than fits into what is brought to the owner


@ray.remote
def add(a, b=0):
    return a + b


@ray.remote
def fails(text):
    raise LookupError(text)


@ray.remote
def nothing():
    return None


@ray.remote
def fibonacci(n):
    """A tree of tasks that wait for each other."""
    if n < 2:
        return n
    return sum(ray.get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]))


@ray.remote
def large(fill):
    return bytes([fill]) * LARGE


@ray.remote
def size(value):
    return len(value)


@ray.remote
def rank():
    return charm.myPe()


@ray.remote
def owners(task):
    """The reference of a task belongs to the rank that started it."""
    ref = task.remote()
    assert ref.src == charm.myPe(), (ref, charm.myPe())
    return ref


@ray.remote
def look_inside(box):
    """References inside containers are not replaced."""
    ref = box["refs"][0]
    return isinstance(ref, ray.ObjectRef), ray.get(ref)


@ray.remote
def make_refs(n):
    """References as a result: their objects live on after the task."""
    return [ray.put(bytes([i]) * LARGE) for i in range(n)]


@ray.remote
def makes_actor():
    return Counter.remote(5)


@ray.remote
async def waits_async(ref_in_list):
    return await ref_in_list[0] + await ray.get(add.remote(1, b=1))


@ray.remote
def unpicklable():
    return (x for x in ())


@ray.remote
def mix(seed, depth, box, whole=b""):
    """Look at some of the references, give some to further tasks, return some and new ones."""
    random = Random(seed)
    for number, ref in random.sample(box, min(2, len(box))):
        value = ray.get(ref)
        assert value == content(number), (seed, depth, number, len(value))
    if depth:
        children = [
            mix.remote(random.random(), depth - 1, random.sample(box, max(3, len(box) // 2)), ref)
            for _, ref in random.sample(box, 2)
        ]
        for child in children[: random.randrange(3)]:
            box = box + ray.get(child)
    number = random.randrange(1000)
    return [*random.sample(box, 3), (number, ray.put(content(number)))]


def content(number):
    """Small ones and large ones."""
    return bytes([number % 256]) * (20 if number % 2 else 5000)


@ray.remote
class Keeper:
    """Keeps what it gets for a while."""

    def __init__(self):
        self.kept = []

    def swap(self, box, size):
        self.kept.extend(box)
        gone, self.kept = self.kept[:-size], self.kept[-size:]
        return gone

    def values(self):
        return [ray.get(ref) == content(number) for number, ref in self.kept]


@ray.remote
class Counter:
    def __init__(self, start=0, step=1):
        if start < 0:
            raise ValueError("no negative start")
        self.count = start
        self.step = step
        self.log = []

    def increment(self):
        self.count += self.step
        return self.count

    def note(self, what):
        self.log.append(what)

    def get_log(self):
        return self.log

    def fail(self):
        raise KeyError("actor")

    def where(self):
        return charm.myPe(), self.thisIndex is not None, isinstance(self, Chare)

    def combine(self, a, *, b=1, **rest):
        return a, b, rest

    def ask(self, other):
        return ray.get(other.increment.remote())

    async def later(self, x):
        return await add.remote(x, 1)

    def big(self):
        return bytes(LARGE)

    def keep(self, box):
        self.kept = box

    def use_kept(self):
        return [len(ray.get(ref)) for ref in self.kept]

    def drop(self):
        self.kept = None


class Holder(Chare):
    """An ordinary chare that gets references in ordinary calls."""

    def hold(self, *refs):
        self.refs = refs

    @coro
    def lengths(self):
        return [len(ref.get()) for ref in self.refs]

    def release(self):
        self.refs = None

    def nothing(self):
        pass

    def pass_on(self, rank):
        self.thisProxy[rank].hold(*self.refs)
        self.refs = None

    @coro
    def put_here(self, fill):
        return ray.put(bytes([fill]) * LARGE)

    def get_without_coroutine(self, ref):
        try:
            ref.get()
        except NotThreadedError:
            return "refused"
        return "got"

    @coro
    def actor_from_here(self):
        actor = Counter.remote(10)
        return ray.get([actor.increment.remote(), actor.where.remote()])

    async def asynchronous(self, ref, others):
        ready, rest = await ray.wait(others, num_returns=2)
        return len(await ref), len(ready) + len(rest), sum(await ray.get(others))

    gate = None

    @coro
    def pass_gate(self):
        self.wait("self.gate is not None")
        return self.gate

    def open_gate(self, value):
        self.gate = value

    def close_gate(self):
        self.gate = None

    @coro
    def same_object(self, ref):
        return ref.get() is ref.get()


def counts():
    """What all ranks together hold, when nothing is under way."""
    gc.collect()
    group.nothing(awaitable=True).get()  # the arguments of a broadcast are kept until the next one
    charm.waitQD()
    every = ray.get_object_store().counts(ret=True).get()
    return {key: sum(c[key] for c in every) for key in every[0]}


def released(what):
    """No reference, record or value is left anywhere."""
    equal(set(counts().values()), {0}, what)


def main(args):
    global group
    ranks = charm.numPes()
    last = ranks - 1
    raises(Charm4PyError, ray.put, 1, text="ray.init()")
    raises(Charm4PyError, add.remote, 1, text="ray.init()")
    raises(Charm4PyError, Counter.remote, text="ray.init()")
    ray.init()
    equal(ray.init(), None, "again")
    group = Group(Holder)

    tasks()
    actors(last)
    objects(last)
    waiting(last)
    references(ranks, last)
    counting(ranks, last)
    finish(60)


# 29 remote functions: direct calls, keywords, None, exceptions at get(), options, references as arguments
def tasks():
    equal(add(2, 3), 5, "called directly")
    ref = add.remote(2, 3)
    check(isinstance(ref, FutureType), "references are futures")
    equal(ray.get(ref), 5)
    equal((ref.get(), ray.get(ref)), (5, 5), "repeatable")
    equal(ray.get(add.remote(2, b=4)), 6, "keyword arguments")
    equal(ray.get(add.remote(b=4, a=1)), 5)
    equal(ray.get(nothing.remote()), None, "a result of None")
    equal(ray.get([add.remote(i, i) for i in range(50)]), [2 * i for i in range(50)])
    equal(
        ray.get(add.remote(add.remote(1, 2), b=add.remote(3, 4))),
        10,
        "temporary references as arguments",
    )
    equal(ray.get(fibonacci.remote(9)), 34, "tasks that wait for tasks")
    equal(ray.get(look_inside.remote({"refs": [add.remote(3, 3)]})), (True, 6), "nested references")
    equal(ray.get(waits_async.remote([ray.put(5)])), 7, "a task that is an async def")

    @ray.remote
    def descends(n):
        """Travels by value, and starts itself where it arrives."""
        return [charm.myPe(), *(ray.get(descends.remote(n - 1)) if n else [])]

    equal(len(ray.get(descends.remote(5))), 6, "a task that is defined in a function")
    equal(ray.get(ray.get(owners.remote(ray.remote(lambda: None)))), None)
    if charm.numPes() > 1:
        check(ray.get(rank.remote()) > 0, "tasks run on workers")
    error = raises(LookupError, ray.get, fails.remote("task"), text="task")
    check("fails" in error.remote_stacktrace[1], "with the traceback of the task")
    raises(LookupError, ray.get, fails.remote("task"), text="task")
    raises(LookupError, ray.get, add.remote(fails.remote("dependency"), 1), text="dependency")
    raises(TypeError, ray.get, add.remote(1, 2, 3))
    raises(TypeError, ray.get, add.remote(1, no_such=3), text="no_such")
    raises(Charm4PyError, ray.get, unpicklable.remote(), text="the result of a remote call cannot")
    raises(NotImplementedError, ray.remote, num_returns=2)
    raises(TypeError, ray.remote, 5, text="int")
    raises(TypeError, ray.get, 5, text="int")
    raises(TypeError, ray.get, [5], text="int")
    raises(TypeError, ray.get, None)


# 29 actors: round robin, self is a chare, order of calls, errors of use, from any rank
def actors(last):
    actor = Counter.remote(3, step=2)
    equal(ray.get([actor.increment.remote() for _ in range(5)]), [5, 7, 9, 11, 13], "in order")
    equal(ray.get(actor.note.remote("x")), None, "a method that returns None")
    raises(RuntimeError, actor.increment, text=".remote")

    def derive():
        class Derived(Counter):
            pass

    raises(TypeError, derive, text="derive from the class before it is decorated")
    # Calls wait for the constructor, in the order in which they came.
    slow = Counter.remote(waits_for_gate.remote(group))
    early = [slow.increment.remote() for _ in range(5)]
    group[0].open_gate(100)
    late = [slow.increment.remote() for _ in range(5)]
    equal(ray.get(early + late), [*range(101, 111)], "in order, also while it is being made")
    group[0].close_gate(awaitable=True).get()
    raises(Charm4PyError, Counter, text="Counter.remote")
    raises(AttributeError, lambda: actor.no_such_method, text="no_such_method")
    raises(KeyError, ray.get, actor.fail.remote(), text="actor")
    equal(ray.get(actor.increment.remote()), 15, "it lives on")
    equal(ray.get(actor.combine.remote(1, b=2, c=3)), (1, 2, {"c": 3}), "keyword arguments")
    actors = [Counter.remote() for _ in range(2 * charm.numPes())]
    places = ray.get([a.where.remote() for a in actors])
    equal(sorted(p[0] for p in places), sorted([*range(charm.numPes())] * 2), "round the ranks")
    check(all(p[1:] == (True, True) for p in places), "self is a chare")
    equal(ray.get(actors[0].ask.remote(actors[1])), 1, "actors as arguments")
    equal(ray.get(actor.later.remote(1)), 2, "async methods")
    broken = Counter.remote(-1)
    raises(ValueError, ray.get, broken.increment.remote(), text="no negative start")
    equal(
        ray.get(Counter.remote(add.remote(1, 1)).increment.remote()),
        3,
        "references for the constructor",
    )
    value, where = group[last].actor_from_here(ret=True).get()
    equal((value, where[0]), (11, last), "actors from any rank")
    equal(
        ray.get(ray.get(makes_actor.remote()).increment.remote()), 6, "made in a task, sent, called"
    )
    # A call whose argument is not there does not hold up the next one.
    late = actor.note.remote(waits_for_gate.remote(group))
    ray.get(actor.note.remote("early"))
    group[0].open_gate("late")
    ray.get(late)
    equal(ray.get(actor.get_log.remote())[-2:], ["early", "late"])


@ray.remote
def waits_for_gate(waiters):
    """Ask the chare that made the future: only its rank can wait for it."""
    return waiters[0].pass_gate(ret=True).get()


# 29 put and get, small and large values, everywhere
def objects(last):
    for value in (None, 5, "text", [1, {"a": (2, 3)}], bytes(LARGE), ValueError("as a value")):
        ref = ray.put(value)
        got = ray.get(ref)
        check(got == value or repr(got) == repr(value), f"put {type(value)}")
    items = [1]
    ref = ray.put(items)
    items.append(2)
    equal(ray.get(ref), [1], "put makes a copy")
    ref = group[last].put_here(7, ret=True).get()
    equal(ray.get(ref), b"\7" * LARGE, "put elsewhere")
    equal(ray.get(size.remote(ref)), LARGE)
    equal(group[last].same_object(ref, ret=True).get(), True, "no copy is made by get()")
    equal(ray.get(size.remote(large.remote(1))), LARGE, "a large result goes from worker to worker")
    equal(ray.get(large.remote(2)), b"\2" * LARGE)
    raises(Charm4PyError, ref.send, 1, text="stored object")
    raises(Charm4PyError, ref, 1)
    check("ObjectRef" in repr(ref))


# 29 ray.wait; references with charm.wait, charm.iwait and await
def waiting(last):
    refs = [add.remote(i, 0) for i in range(6)]
    ready, rest = ray.wait(refs, num_returns=4)
    check(len(ready) >= 4 and all(r.ready() for r in ready), "at least as many as asked")
    equal(set(ready) | set(rest), set(refs))
    equal([r for r in refs if r in ready], ready, "in the order given")
    ready, rest = ray.wait(refs, num_returns=6)
    equal((ready, rest), (refs, []))
    ready, _ = ray.wait([fails.remote("failed"), ray.put(3)], num_returns=2)
    equal(len(ready), 2, "failed ones are ready")
    raises(LookupError, ray.get, ready[0])
    raises(NotImplementedError, ray.wait, refs, timeout=1)
    raises(NotImplementedError, ray.wait, refs, fetch_local=False)
    raises(ValueError, ray.wait, refs, num_returns=7, text="there are 6")
    raises(ValueError, ray.wait, [], text="there are 0")
    raises(TypeError, ray.wait, refs[0])
    far = group[last].put_here(1, ret=True).get()
    check(last == 0 or not far.ready(), "not fetched before it is needed")
    equal(charm.wait([far, refs[0]]), None, "charm.wait fetches")
    check(far.ready(), "and now it is here")
    far = group[last].put_here(2, ret=True).get()
    equal([len(r.get()) for r in charm.iwait([far])], [LARGE], "charm.iwait fetches")
    equal(
        group[last].asynchronous(far, refs, ret=True).get(), (LARGE, 6, 15), "in async def methods"
    )
    if last:
        far = group[last].put_here(3, ret=True).get()
        equal(
            group[0].get_without_coroutine(far, ret=True).get(),
            "refused",
            "waiting needs a coroutine",
        )
        ray.get(far)
        equal(group[0].get_without_coroutine(far, ret=True).get(), "got", "unless it is here")


# 29 references are hashable, equal, keys of dicts, and work on any rank
def references(ranks, last):
    a, b = ray.put(1), ray.put(2)
    table = {a: "a", b: "b"}
    equal((table[a], table[b], a == b, a != b), ("a", "b", False, True), "keys of dicts")
    copy = pickle.loads(pickle.dumps(a))
    check(copy == a and hash(copy) == hash(a), "a pickled copy is equal")
    equal(copy.get(), 1)
    ref = ray.put(bytes(LARGE))
    for index in range(ranks):
        group[index].hold(ref)
    charm.waitQD()  # a broadcast may overtake calls of single elements
    equal(group.lengths(ret=True).get(), [[LARGE]] * ranks, "get() on every rank")
    group.release(awaitable=True).get()


# 29 objects are deleted with their last reference, wherever that was
def counting(ranks, last):
    # What was pickled by hand above is kept for good; everything else must be gone.
    pinned = counts()["records"]
    equal(pinned, 1, "only the object that the program pickled is left")
    store = ray.get_object_store()
    del store

    def only_pinned(what):
        now = counts()
        equal((now["references"], now["records"], now["made_here"]), (0, pinned, 0), what)

    for _ in range(500):
        ray.put(bytes(2000))
    only_pinned("many puts")
    refs = [ray.put(i) for i in range(300)]
    equal(counts()["references"], 300)
    equal(sum(ray.get([add.remote(r, 1) for r in refs])), 300 * 299 // 2 + 300)
    del refs
    only_pinned("arguments and results of tasks")
    for _ in range(20):
        add.remote(add.remote(add.remote(1, 2), 3), 4)
    only_pinned("temporaries and results that nobody gets")
    ray.get([size.remote(large.remote(i)) for i in range(20)])
    only_pinned("large results")

    # The references of the first holder are gone while the second one's are on the way.
    ref = ray.put(bytes(LARGE))
    group[last].hold(ref)
    del ref
    charm.waitQD()
    check(counts()["records"] > pinned, "held elsewhere")
    for i in range(2 * ranks):
        group[(last + i) % ranks].pass_on((last + i + 1) % ranks)
        charm.waitQD()
    equal(group[last].lengths(ret=True).get(), [LARGE], "passed round the ranks by its holders")
    group[last].release(awaitable=True).get()
    only_pinned("passed round")

    # Who has passed a reference on keeps no copy of the value.
    if ranks > 1:
        ref = group[last].put_here(5, ret=True).get()
        equal(len(ref.get()), LARGE)
        before = counts()["values"]
        group[last].hold(ref)
        charm.waitQD()
        equal(counts()["values"], before)
        del ref
        equal(counts()["values"], before - 1, "one value less, the one that was fetched")
        equal(group[last].lengths(ret=True).get(), [LARGE])
        group[last].release(awaitable=True).get()
        only_pinned("passed back")

    # Broadcasts to a group are read once per rank.
    for _ in range(5):
        group.hold(ray.put(bytes(LARGE)), ray.put("small"))
    equal(group.lengths(ret=True).get(), [[LARGE, 5]] * ranks, "broadcast to a group")
    group.release(awaitable=True).get()
    only_pinned("broadcasts")
    group.hold(ray.put(bytes(LARGE)))
    charm.waitQD()
    if ranks > 1:
        group[0].release()
        group.nothing()
        charm.waitQD()
    equal(group[last].lengths(ret=True).get(), [LARGE], "the owner's own reference went first")
    group.release(awaitable=True).get()
    only_pinned("broadcast, and the owner first")

    actor = [Counter.remote() for _ in range(ranks)][last]
    actor.keep.remote([ray.put(bytes(LARGE)), large.remote(1)])
    equal(ray.get(actor.use_kept.remote()), [LARGE, LARGE], "kept by an actor")
    ray.get(actor.drop.remote())
    only_pinned("dropped by the actor")
    for _ in range(30):
        actor.big.remote()
    only_pinned("large results of an actor that nobody gets")

    refs = ray.get(make_refs.remote(3))
    equal([r.get()[0] for r in refs], [0, 1, 2], "references in a result")
    del refs
    only_pinned("references in a result")
    f = Future()
    f.send([ray.put(1), {2: ray.put(2)}])
    equal([f.get()[0].get(), f.get()[1][2].get()], [1, 2], "through a future")
    del f
    only_pinned("through a future")
    box = Box(ray.put(bytes(LARGE)))
    group[last].hold(box)
    del box
    charm.waitQD()
    group[last].release(awaitable=True).get()
    only_pinned("in an object that is pickled for a call")
    for seed in range(6):
        box = [(number, ray.put(content(number))) for number in range(8)]
        keepers = [Keeper.remote() for _ in range(ranks)]
        results = [mix.remote(f"{seed} {i}", 3, box) for i in range(3)]
        del box
        for i, ref in enumerate(results):
            for keeper in keepers:
                keeper.swap.remote(ray.get(ref), 5 + i)
        check(all(ray.get(keepers[-1].values.remote())), "contents are right")
        del results, ref
        ray.get([keeper.swap.remote([(0, None)], 1) for keeper in keepers])
    only_pinned("a storm of tasks and actors that pass references on")
    # What is packed twice, because the first way failed, or not sent at all, counts once, or not.
    for argument in (
        lambda ref: (ref, lambda: 1),
        lambda ref: [({"deep": ref}, lambda: 1), ref],
        lambda ref: Box((ref, lambda: 1)),
    ):
        group[last].hold(argument(ray.put(bytes(LARGE))))
        charm.waitQD()
        group[last].release(awaitable=True).get()
        only_pinned("beside a function that travels by value")
    ref = ray.put(5)
    raises(TypeError, group[last].hold, ref, (x for x in ()), text="generator")
    raises(TypeError, group.hold, [ref], Box((ref, (x for x in ()))), text="generator")
    raises(TypeError, add.remote, Box((ref, (x for x in ()))), text="generator")
    equal(ref.get(), 5)
    del ref
    only_pinned("calls that were refused")
    for _ in range(10):
        fails.remote("nobody asks")
    only_pinned("failed tasks")


class Box:
    def __init__(self, ref):
        self.ref = ref


charm.start(main)
