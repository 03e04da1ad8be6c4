# SPDX-License-Identifier: Apache-2.0
"""For declared_types.py, never run: what a program with types may write, and mistakes that a type checker must find. A comment that
ignores an error which is none is reported, too."""

from c4py import (
    Array,
    ArrayMap,
    Channel,
    Chare,
    Future,
    Group,
    NativeState,
    Reducer,
    charm,
    coro,
    native,
    readonlies,
    when,
)
from c4py.charm import Charm4PyError
from charm4py.threads import Future as AnyFuture


class Worker(Chare):
    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.step = 0

    @coro
    def work(self, x: float) -> float:
        return self.scale * x

    @when("self.step == step")
    def border(self, step: int, values: list[float]) -> None:
        self.reduce(self.thisProxy.result, sum(values), Reducer.sum)
        self.contribute(1, Reducer.max, self.thisProxy[0].result)

    @coro
    def all_together(self, other: "Worker") -> int:
        channel = Channel(self, self.thisProxy[0])
        channel.send(1, 2)
        channel.recv(1)  # type: ignore[call-arg]
        Channel(3, self.thisProxy)  # type: ignore[arg-type]
        self.wait(3)  # type: ignore[arg-type]
        self.no_such_method()  # type: ignore[attr-defined]
        other.work("text")  # type: ignore[arg-type]
        return self.allreduce(1, Reducer.sum).get()

    async def awaits(self, future: AnyFuture, channel: Channel) -> float:
        """In an ``async def`` all that waits returns something to await."""
        await self.wait("self.step > 0")
        await channel.send(1)
        await charm.wait([future])
        await charm.sleep(0.1)
        await charm.waitQD()
        values = await charm.pool.map(abs, [-1.0])
        if charm.myPe() < 0:
            raise Charm4PyError("not started")
        return await future + await channel.recv() + values[0]


class Kernel(Chare):
    state = NativeState("double x[3]")

    @native("libkernels.so:work", "int n")
    def work(self, n: int) -> None:
        """In C."""

    def look(self) -> float:
        self.work("text")  # type: ignore[arg-type]
        native("libkernels.so:work")  # type: ignore[call-arg]
        return float(self.state["x"][0])


class Last(ArrayMap):
    def procNum(self, index: tuple[int, ...]) -> int:
        return charm.numPes() - 1


def main(args: list[str]) -> None:
    readonlies.size = 5
    group = Group(Worker, args=[1.0])
    group.work(2.0)
    values: list[float] = group.work(2.0, ret=True).get()
    first: float = group[0].work(2.0, ret=True).get()
    array = Array(Worker, (2, 3), args=[1.0], map=Group(Last))
    array[0, 1].border(0, values)
    array.ckInsert((4, 4), [first])
    array.ckDoneInserting()
    single = Chare(Worker, args=[2.0], onPE=0)
    single.work(1.0, awaitable=True).get()
    charm.awaitCreation(group, array, single)

    future = Future(2)
    future.send(1, 2)  # type: ignore[call-arg]
    print(future.value)  # type: ignore[attr-defined]
    Group(Worker, arguments=[1.0])  # type: ignore[call-arg]
    Array(Worker, dim=3)  # type: ignore[call-arg]
    charm.numPes() + "text"  # type: ignore[operator]
    charm.no_such_name()  # type: ignore[attr-defined]
    charm.sleep("long")  # type: ignore[arg-type]
    for ready in charm.iwait([future]):
        ready.get()
    charm.exit()
    print("not reached")


def begin(wrongly: bool) -> None:
    if wrongly:
        charm.start(entry=main, module=[])  # type: ignore[call-arg]
    charm.start(main)


begin(False)
