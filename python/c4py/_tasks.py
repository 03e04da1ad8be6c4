# SPDX-License-Identifier: Apache-2.0
"""Pool tasks and the jobs that they belong to, on the rank that submitted them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from . import _c4py
from ._chare import is_async
from ._errors import Charm4PyError, RemoteStacktrace, describe_exception, substitute, text_of

#: Arguments and results of these types need no copy: nobody can change them.
IMMUTABLE = frozenset((int, float, bool, str, bytes, complex, type(None)))

# How a task's argument is to be read.
ITEM = 0  # one item: func(item), or func(*item) for a tuple
CHUNK = 1  # a list of items: [func(x) for x in chunk]
PAIRS = 2  # a list of (function, item): [f(x) for f, x in chunk]


def capture(value: Any) -> Any:
    """A value as a receiver on another rank would get it."""
    return value if type(value) in IMMUTABLE else _c4py._codec_copy(value)


class Job:
    """Tasks that were submitted together, on the rank that submitted them.

    func: the function, or a list of them, one for each item; for error texts.
    results: values by item. missing: tasks without an answer. future: gets one value when all have
    answered, or None.
    futures: one per item, or None. waiting: the coroutine of map() is to be told by `future` that
    results are there.
    """

    __slots__ = (
        "error",
        "func",
        "future",
        "futures",
        "held",
        "missing",
        "number",
        "results",
        "sizes",
        "waiting",
    )

    def __init__(self, func: Any, num_items: int, num_tasks: int) -> None:
        self.func = func
        self.results: list[Any] = [None] * num_items
        self.missing = num_tasks
        self.future: Any = None
        self.futures: list[Any] | None = None
        self.waiting = False
        self.error: Exception | None = None
        self.number = 0  # its name for other ranks; 0 until a task leaves
        self.sizes = 0  # items per task, 0: one and not in a list
        self.held: deque[Any] | None = None  # tasks held back by ncores

    @property
    def wanted(self) -> bool:
        """True if somebody gets the results; an exception of a job that nobody waits for ends the program."""
        return self.waiting or self.future is not None or self.futures is not None

    def items_of(self, task: int) -> range:
        """The items that a task stands for."""
        if not self.sizes:
            return range(task, task + 1)
        return range(task * self.sizes, min((task + 1) * self.sizes, len(self.results)))

    def name_of(self, task: int) -> str:
        """The name of the function of a task, or of its first one."""
        func = self.func[self.items_of(task).start] if isinstance(self.func, list) else self.func
        return name_of_function(func)

    def deliver(self, task: int, value: Any) -> None:
        """A task has returned."""
        if self.sizes:
            items = self.items_of(task)
            self.results[items.start : items.stop] = value
            if self.futures is not None:
                for i, v in zip(items, value):
                    self.futures[i].send(v)
        else:
            self.results[task] = value
            if self.futures is not None:
                self.futures[task].send(value)
        self.missing -= 1
        if self.missing == 0 and self.error is None and self.future is not None:
            self.future.send(None if self.waiting else self.results)

    def fail(self, task: int, error: Exception) -> None:
        """A task has failed; those who wait for its items learn it at once."""
        self.missing -= 1
        if self.futures is not None:
            for i in self.items_of(task):
                self.futures[i].send(error)
        elif self.error is None and self.future is not None:
            self.future.send(error)
        if self.error is None:
            self.error = error


class RemoteJob:
    """A job of another rank, as far as the tasks of it that came here need it."""

    __slots__ = ("number", "rank", "wanted")

    def __init__(self, rank: int, number: int, wanted: bool) -> None:
        self.rank = rank
        self.number = number
        self.wanted = wanted


# A task is a tuple (job, number in the job, function, argument, how to read the argument).


# ---- making tasks ------------------------------------------------------------------------------------


def listed(iterable: Iterable[Any]) -> list[Any]:
    try:
        return list(iterable)
    except TypeError:
        raise TypeError(
            f"the pool needs something to iterate over, not {type(iterable).__name__}"
        ) from None


def check_function(func: Any) -> None:
    if not callable(func):
        raise TypeError(f"a pool task must be a function, not {type(func).__name__}")


def name_of_function(func: Any) -> str:
    return str(getattr(func, "__qualname__", None) or repr(func))


def refuse_item(func: Any, items: Iterable[Any]) -> None:
    """Some of these items could not be captured: raise an exception that says which. func: see `Job`."""
    for i, item in enumerate(items):
        try:
            capture(item)
        except Exception as cause:
            name = name_of_function(func[i] if isinstance(func, list) else func)
            try:
                error: Exception = type(cause)(f"charm.pool: item {i} for {name}: {cause}")
            except Exception:
                raise cause from None
            raise error from cause


def map_tasks(func: Callable[..., Any], items: list[Any], chunksize: int) -> tuple[Job, list[Any]]:
    check_function(func)
    starts = range(0, len(items), chunksize)
    job = Job(func, len(items), len(starts))
    try:
        if chunksize == 1:
            return job, [(job, i, func, capture(item), ITEM) for i, item in enumerate(items)]
        job.sizes = chunksize
        return job, [
            (job, number, func, capture(items[start : start + chunksize]), CHUNK)
            for number, start in enumerate(starts)
        ]
    except Exception:
        refuse_item(func, items)
        raise


def pair_tasks(_: Any, pairs: list[Any], chunksize: int) -> tuple[Job, list[Any]]:
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"submit takes (function, argument) pairs, not {pair!r}")
        check_function(pair[0])
    starts = range(0, len(pairs), chunksize)
    job = Job([func for func, _ in pairs], len(pairs), len(starts))
    try:
        if chunksize == 1:
            return job, [
                (job, i, func, capture(item), ITEM) for i, (func, item) in enumerate(pairs)
            ]
        job.sizes = chunksize
        return job, [
            (
                job,
                number,
                None,
                [(f, capture(a)) for f, a in pairs[start : start + chunksize]],
                PAIRS,
            )
            for number, start in enumerate(starts)
        ]
    except Exception:
        refuse_item(job.func, (item for _, item in pairs))
        raise


def run_chunk(func: Callable[..., Any], chunk: list[Any]) -> list[Any]:
    if is_async(func):
        return [run_async(func, item) for item in chunk]
    return [func(item) for item in chunk]


def run_pairs(pairs: list[Any]) -> list[Any]:
    return [run_async(func, item) if is_async(func) else func(item) for func, item in pairs]


def run_async(func: Callable[..., Any], item: Any) -> Any:
    """In a coroutine: what an ``async def`` function returns in the end."""
    future = _c4py.LocalFuture()
    values: list[Any] = []

    def done(result: Any, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception):
            raise error
        values.append(result)
        future.send(error)

    _c4py.spawn(func, (item,), done)
    future.get()
    return values[0]


def cannot_return(cause: Exception, whose: str = "pool task") -> Charm4PyError:
    return Charm4PyError(f"the result of a {whose} cannot travel: {type(cause).__name__}: {cause}")


def unsendable_result(name: str, rank: int, cause: object) -> Charm4PyError:
    """For those who wait for a task whose result cannot leave its worker."""
    return Charm4PyError(f"the result of pool task {name} on rank {rank} cannot be sent: {cause}")


def describe_error(error: Exception, rank: int) -> Exception:
    """The exception with the text of its traceback attached; if it cannot travel, a Charm4PyError that describes it."""
    if hasattr(error, "remote_stacktrace"):
        return error
    trace = RemoteStacktrace(rank, describe_exception(error))
    try:
        error.remote_stacktrace = trace  # type: ignore[attr-defined]
        back = _c4py._codec_decode(_c4py._codec_encode(error))
        if type(back) is not type(error):
            raise TypeError(f"its __reduce__, which makes a {type(back).__name__}")
    except Exception as cause:
        error = _describe(error, cause, trace)
    return error


def _describe(error: Exception, cause: Exception, trace: RemoteStacktrace) -> Exception:
    why = f"{type(cause).__name__}: {cause}"
    return substitute(type(error).__name__, text_of(error), why, trace[0], trace)


def encode_error(error: Exception, rank: int) -> Any:
    """An exception that `describe_error` has seen, in a form that no receiver fails to read."""
    trace = getattr(error, "remote_stacktrace", (rank, str(error)))
    return _c4py._codec_encode(error), type(error).__name__, text_of(error), trace


def decode_error(encoded: Any) -> Exception:
    """The exception, or if it cannot be made here, because its class is not known, a description of it."""
    data, name, text, trace = encoded
    try:
        error: Exception = _c4py._codec_decode(data)
    except Exception as cause:
        error = substitute(name, text, f"{type(cause).__name__}: {cause}", trace[0], trace)
    return error
