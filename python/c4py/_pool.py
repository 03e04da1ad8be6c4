# SPDX-License-Identifier: Apache-2.0
"""``charm.pool``: functions as tasks, run by whichever worker is free.

How it works. Every rank has a deque of tasks that are ready. A coroutine that maps a coroutine
function on a worker puts all items but the first into its own deque and runs the first at once, on
its own stack, then takes back those that nobody else has taken: a tree of tasks mostly unfolds on
one rank at the price of a few calls. Work moves only on request: a worker that has run dry tells a
few others (its neighbours in a hypercube of workers, and rank 0), once, and whoever has tasks gives
it some of the oldest, which in a tree are the largest. A request stays with who got it until it is
served or taken back, so nothing is ever polled and an idle pool is silent.

Rank 0 runs no tasks unless it is alone. It hands out what is submitted there in portions that last
about two milliseconds, one by one in the beginning, so that long tasks are balanced and short ones
cost little.

Every task waiting in a worker's deque is covered by a pending ``_loop`` message on that worker, so
quiescence is not announced while tasks are left.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any

from . import _c4py
from ._c4py import Chare
from ._chare import CORO_MARK, is_coroutine
from ._errors import Charm4PyError, NotThreadedError
from ._tasks import (
    CHUNK,
    IMMUTABLE,
    ITEM,
    PAIRS,
    Job,
    RemoteJob,
    capture,
    check_function,
    decode_error,
    describe_error,
    encode_error,
    listed,
    map_tasks,
    name_of_function,
    pair_tasks,
    refuse_item,
    run_chunk,
    run_pairs,
    unsendable_result,
)

#: How long a worker runs tasks before it looks at its messages, in seconds.
_QUANTUM = 200e-6
#: How long a worker in the middle of a tree of tasks keeps its tasks after it gave some away, in
#: seconds; giving costs about as much as running ten small ones.
_FEED_PAUSE = 100e-6
#: How long a portion from rank 0 should last, in seconds.
_PORTION = 2e-3
#: How many nested maps run on one stack.
_MAX_DEPTH = 24

# What _c4py.wait_kind() says: calls block the coroutine, or return something to await.
_BLOCKS, _AWAITS = 1, 2

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("c4py_pool_depth", default=0)


class PoolAgent(Chare):
    """The pool's ear on each rank: its methods are messages between the pools of two ranks."""

    def _loop(self) -> None:
        _pool._run_tasks()

    def _give(self, source: int, batches: list[Any]) -> None:
        _pool._on_give(source, batches)

    def _hungry(self, rank: int) -> None:
        _pool._on_hungry(rank)

    def _fed(self, rank: int) -> None:
        _pool._hungry_ranks.pop(rank, None)

    def _results(
        self, source: int, number: int, good: list[Any], bad: list[Any], per_task_s: float
    ) -> None:
        bad = [(i, decode_error(encoded)) for i, encoded in bad]
        _pool._on_results(source, number, good, bad, per_task_s)

    def _unsendable(self, source: int, number: int, results: list[tuple[int, str]]) -> None:
        _pool._on_unsendable(source, number, results)

    def _wake(self, future: Any) -> None:
        future.send()


class Pool:
    """The pool of tasks, ``charm.pool``, the same on every rank.

    Tasks are functions. Ranks 1 and up run them, rank 0 only when it is alone. A function that has
    to wait (it uses the pool itself, or futures) must be marked with ``@coro``; while it waits its
    worker runs other tasks. Functions travel by reference (lambdas and functions of functions by value), arguments and
    results by value.
    """

    def __reduce__(self) -> str:
        return "_pool"

    def __init__(self) -> None:
        self._agents: Any = None  # proxy of the group of PoolAgent
        self._me: Any = None
        self._rank = -1
        self._workers = 0
        self._works = False  # this rank runs tasks
        self._ready: deque[Any] = deque()
        self._looping = False  # a _loop message is pending, or the loop runs
        self._last_feed = 0.0  # when tasks were last given away
        self._last_look = 0.0  # when the scheduler last had a turn
        self._yielding = 0  # stacks that gave the scheduler a turn and go on by themselves
        self._jobs: dict[int, Job] = {}
        self._next_job = 1
        self._hungry_ranks: dict[int, None] = {}
        self._asked: dict[int, None] = {}
        self._lifelines: list[int] = []
        self._answers: dict[tuple[int, int], tuple[list[Any], list[Any]]] = {}
        self._collecting = False  # the loop runs and will send the answers when it stops
        self._task_times: deque[float] = deque(maxlen=4)  # rank 0: seconds per task lately

    def _attach(self, agents: Any, rank: int, num_ranks: int) -> None:
        """The runtime is up. From the start every worker counts as having asked for work."""
        self._agents = agents
        self._me = agents[rank]
        self._rank = rank
        self._workers = max(1, num_ranks - 1)
        self._works = rank > 0 or num_ranks == 1
        if num_ranks == 1:
            return
        if rank == 0:
            self._hungry_ranks = dict.fromkeys(range(1, num_ranks))
            return
        me = rank - 1
        others = [me ^ (1 << bit) for bit in range(self._workers.bit_length())]
        self._lifelines = [other + 1 for other in others if other < self._workers]
        self._hungry_ranks = dict.fromkeys(self._lifelines)
        self._asked = dict.fromkeys([0, *self._lifelines])

    # ---- what users call ---------------------------------------------------------------------------

    def map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        ncores: int = -1,
    ) -> Any:
        """Call func with every item, by tasks, and return the results in the order of the items.

        func: the function. iterable: the items; one that is a tuple becomes several arguments (with
        chunksize 1).
        chunksize: how many items make one task; worth it when a call takes only microseconds.
        ncores: run at most so many tasks of this call at a time; negative: no limit.

        Blocks the coroutine that calls it; in an ``async def``: ``await charm.pool.map(...)``.
        Raises NotThreadedError outside coroutines. An exception of a task is raised here; the tasks
        that have not started are dropped then. Any rank may call it, tasks too.
        """
        waiting = _c4py.wait_kind()
        if (
            chunksize == 1
            and ncores == -1
            and self._works
            and getattr(func, CORO_MARK, False)
            and _depth.get() < _MAX_DEPTH
            and waiting == _BLOCKS
        ):
            return self._map_here(func, iterable if type(iterable) is list else listed(iterable))
        if waiting == _AWAITS:
            return self._submit_async(map_tasks, func, iterable, chunksize, ncores, False)
        job = self._submit(map_tasks, func, iterable, chunksize, ncores, None)
        return self._wait(job)

    def map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        ncores: int = -1,
        multi_future: bool = False,
    ) -> Any:
        """Like `map`, with the same func, iterable, chunksize and ncores, but return at once: a future for the list of results.

        multi_future: return a list of futures instead, one for each item. Coroutine only, as
        futures are. The arguments are captured now. Exceptions are raised by ``get()``.
        """
        return self._submit_async(map_tasks, func, iterable, chunksize, ncores, multi_future)

    def submit(
        self, tasks: Iterable[tuple[Callable[..., Any], Any]], chunksize: int = 1, ncores: int = -1
    ) -> Any:
        """Like `map` for tasks that are (function, item) pairs: each item goes to its own function.

        Returns the list of results in the order of the pairs. chunksize, ncores, blocking, errors: as
        of `map`; besides TypeError for tasks that are no pairs.
        """
        if _c4py.wait_kind() == _AWAITS:
            return self._submit_async(pair_tasks, None, tasks, chunksize, ncores, False)
        job = self._submit(pair_tasks, None, tasks, chunksize, ncores, None)
        return self._wait(job)

    def submit_async(
        self,
        tasks: Iterable[tuple[Callable[..., Any], Any]],
        chunksize: int = 1,
        ncores: int = -1,
        multi_future: bool = False,
    ) -> Any:
        """Like `map_async` for tasks that are (function, item) pairs; chunksize, ncores, multi_future as there. Does not block."""
        return self._submit_async(pair_tasks, None, tasks, chunksize, ncores, multi_future)

    def Task(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] = (),
        ret: bool = False,
        awaitable: bool = False,
    ) -> Any:
        """Run func(*args) as one task. Does not block.

        Returns None, or with ret or awaitable a future for the return value (coroutine only). An
        exception of a task that nobody waits for ends the program.
        """
        self._check_started()
        check_function(func)
        job = Job(func, 1, 1)
        if ret or awaitable:
            job.future = _c4py.future_new()
            job.futures = [job.future]
            job.future = None
        args = tuple(args)
        try:
            argument = tuple(capture(a) for a in args)
        except Exception:
            refuse_item(func, args)
            raise
        self._enqueue([(job, 0, func, argument, ITEM)])
        return job.futures[0] if job.futures else None

    # ---- submitting --------------------------------------------------------------------------------

    def _check_started(self) -> None:
        if self._agents is None:
            raise Charm4PyError("charm.pool works only after charm.start()")

    def _submit(
        self,
        make: Callable[..., tuple[Job, list[Any]]],
        func: Any,
        iterable: Iterable[Any],
        chunksize: int,
        ncores: int,
        want: str | None,
    ) -> Job:
        """Make a job of items and queue its tasks. want: None (map waits), "future" or "futures"."""
        self._check_started()
        if chunksize < 1:
            raise AssertionError(f"chunksize must be at least 1, not {chunksize}")
        if ncores == 0:
            raise AssertionError("ncores must be at least 1, or negative for all workers")
        if ncores > self._workers:
            _c4py.log(
                "warn",
                f"pool: ncores={ncores} is more than there are workers; all {self._workers} are used",
            )
        items = iterable if type(iterable) is list else listed(iterable)
        job, tasks = make(func, items, chunksize)
        if want == "futures":
            job.futures = [_c4py.future_new() for _ in items]
        elif want == "future" or tasks:
            job.future = _c4py.future_new()  # raises outside a coroutine, before anything is queued
            job.waiting = want is None
        if not tasks:
            if want == "future":
                job.future.send([])
            return job
        if 0 < ncores < len(tasks):  # suspended tasks count as running
            at_once = min(ncores, self._workers)
            job.held = deque(tasks[at_once:])
            tasks = tasks[:at_once]
        self._enqueue(tasks)
        return job

    def _submit_async(
        self,
        make: Any,
        func: Any,
        iterable: Iterable[Any],
        chunksize: int,
        ncores: int,
        multi_future: bool,
    ) -> Any:
        job = self._submit(
            make, func, iterable, chunksize, ncores, "futures" if multi_future else "future"
        )
        return job.futures if multi_future else job.future

    def _wait(self, job: Job) -> list[Any]:
        if job.future is not None:
            job.future.get()
        return job.results

    def _enqueue(self, tasks: list[Any]) -> None:
        """Put tasks into this rank's deque: in order on rank 0, which gives from the left, else the first on top."""
        if self._works:
            self._ready.extend(reversed(tasks))
            if self._hungry_ranks:
                self._feed()
            self._ensure_loop()
        else:
            self._ready.extend(tasks)
            self._feed()

    # ---- running a map on the caller's own stack -----------------------------------------------------

    def _map_here(self, func: Callable[..., Any], items: list[Any]) -> list[Any]:
        """map() of a coroutine function on a worker: see the top of the file."""
        num = len(items)
        if num == 0:
            return []
        job = Job(func, num, num)
        job.waiting = True
        ready = self._ready
        if num > 1:
            for i in range(num - 1, 0, -1):
                item = items[i]
                ready.append(
                    (job, i, func, item if type(item) in IMMUTABLE else capture(item), ITEM)
                )
            if not self._looping:
                self._ensure_loop()
        now = perf_counter()
        if now - self._last_look > _QUANTUM:
            self._look_around()
        elif self._hungry_ranks and now - self._last_feed > _FEED_PAUSE:
            self._feed()
        token = _depth.set(_depth.get() + 1)
        try:
            item = items[0]
            self._call_here(job, 0, func, item if type(item) in IMMUTABLE else capture(item))
            while ready and ready[-1][0] is job:
                if perf_counter() - self._last_look > _QUANTUM:
                    self._look_around()
                    continue
                _, i, _, item, _ = ready.pop()
                self._call_here(job, i, func, item)
        except Exception:
            job.error = job.error or Charm4PyError("dropped")
            self._drop(job)
            raise
        finally:
            self._forget(job)
            _depth.reset(token)
        if job.error is not None:
            raise job.error
        if job.missing:
            job.future = _c4py.future_new()
            job.future.get()
        return job.results

    @staticmethod
    def _call_here(job: Job, i: int, func: Callable[..., Any], item: Any) -> None:
        value = func(*item) if isinstance(item, tuple) else func(item)
        job.results[i] = value if type(value) in IMMUTABLE else capture(value)
        job.missing -= 1

    def _look_around(self) -> None:
        """Let the scheduler have a turn in the middle of a long computation."""
        if self._hungry_ranks and self._ready:
            self._feed()
        future = _c4py.future_new()
        self._me._wake(future)
        self._yielding += 1
        try:
            future.get()
        finally:
            self._yielding -= 1
            self._last_look = perf_counter()
        if (
            not self._looping
        ):  # even without tasks: the loop asks for some when this stack has ended
            self._looping = True
            self._me._loop()

    def _forget(self, job: Job) -> None:
        """To be called when a task has ended: of a job that is complete or has failed no answers are wanted."""
        if job.number and (job.missing == 0 or (job.error is not None and job.futures is None)):
            self._jobs.pop(job.number, None)

    def _drop(self, job: Job) -> None:
        """Forget the tasks of a failed job that have not started."""
        kept = [task for task in self._ready if task[0] is not job]
        if len(kept) != len(self._ready):
            self._ready.clear()
            self._ready.extend(kept)
        if job.held:
            job.held.clear()

    # ---- running tasks from the scheduler ------------------------------------------------------------

    def _ensure_loop(self) -> None:
        if not self._looping and self._ready:
            self._looping = True
            self._me._loop()

    def _run_tasks(self) -> None:
        """Run tasks of this rank's deque, the newest first, for about a quantum; then let messages in."""
        ready = self._ready
        self._collecting = True
        begin = now = perf_counter()
        started = 0
        try:
            while ready and not self._yielding:
                self._last_look = now
                self._start(ready.pop())
                started += 1
                now = perf_counter()
                if now - begin > _QUANTUM:
                    break
        finally:
            self._collecting = False
            if self._answers:
                self._send_answers((now - begin) / max(1, started))
        if ready and self._hungry_ranks:
            self._feed()
        if self._yielding:
            self._looping = (
                False  # whoever yielded starts the loop again, so that no further stacks pile up
            )
        elif ready:
            self._me._loop()
        else:
            self._looping = False
            self._ask()

    def _start(self, task: tuple[Any, ...]) -> None:
        """Run one task, or start it if it is a coroutine."""
        job, number, func, argument, how = task
        if how == ITEM:
            coroutine = is_coroutine(func)
            args = argument if isinstance(argument, tuple) else (argument,)
        elif how == CHUNK:
            coroutine = is_coroutine(func)
            func, args = run_chunk, (func, argument)
        else:
            coroutine = any(is_coroutine(f) for f, _ in argument)
            func, args = run_pairs, (argument,)
        if coroutine:
            if not job.wanted:
                _c4py.spawn(func, args)
                return

            def done(result: Any, error: BaseException | None) -> None:
                self._finished(job, number, result, error)

            _c4py.spawn(func, args, done)
            return
        try:
            result = func(*args)
        except NotThreadedError as error:
            self._failed_to_wait(job, number, task, error)
        except Exception as error:
            if not job.wanted:
                raise
            self._finished(job, number, None, error)
        else:
            self._finished(job, number, result, None)

    def _failed_to_wait(
        self, job: Any, number: int, task: tuple[Any, ...], cause: Exception
    ) -> None:
        func = task[2] if task[4] != PAIRS else task[3][0][0]
        name = getattr(func, "__qualname__", repr(func))
        error = Charm4PyError(
            f"pool task {name} has to wait but is no coroutine; mark it with @coro ({cause})"
        )
        error.__cause__ = cause
        error.__traceback__ = cause.__traceback__
        if not job.wanted:
            raise error
        self._finished(job, number, None, error)

    def _finished(self, job: Any, number: int, result: Any, error: BaseException | None) -> None:
        """A task of this rank or another one has ended here."""
        if error is not None:
            if not isinstance(error, Exception):
                raise error
            error = describe_error(error, self._rank)
        if type(job) is Job:
            if error is None:
                try:
                    result = capture(result)
                except Exception as cause:
                    error = unsendable_result(job.name_of(number), self._rank, cause)
                    error = describe_error(error, self._rank)
            if error is not None:
                self._fail(job, number, error)
                return
            job.deliver(number, result)
            self._forget(job)
            if job.held:
                self._enqueue([job.held.popleft()])
            return
        good, bad = self._answers.setdefault((job.rank, job.number), ([], []))
        if error is None:
            good.append((number, result))
        else:
            bad.append((number, error))
        if not self._collecting:
            self._send_answers(0.0)

    def _fail(self, job: Job, number: int, error: Exception) -> None:
        """A task of a job of this rank has failed: the ones that have not started fail with it."""
        job.fail(number, error)
        unstarted = [task[1] for task in self._ready if task[0] is job]
        if job.held:
            unstarted.extend(task[1] for task in job.held)
        self._drop(job)
        for other in unstarted:
            job.fail(other, error)
        self._forget(job)

    # ---- between ranks -------------------------------------------------------------------------------

    def _ask(self) -> None:
        """This worker has run dry: tell those whom it has not told yet."""
        for rank in (0, *self._lifelines) if self._rank else ():
            if rank not in self._asked:
                self._asked[rank] = None
                self._agents[rank]._hungry(self._rank)

    def _on_hungry(self, rank: int) -> None:
        self._hungry_ranks[rank] = None
        if self._ready:
            self._feed()

    def _feed(self) -> None:
        """Give the oldest tasks to ranks that have asked: equal parts, from rank 0 a portion."""
        self._last_feed = perf_counter()
        while self._ready and self._hungry_ranks:
            rank = next(iter(self._hungry_ranks))
            if self._works:
                eaters = len(self._hungry_ranks) + 1
                count = (len(self._ready) + eaters - 1) // eaters
            else:
                # The shortest time of late: the others may have been disturbed.
                fair = len(self._ready) // (2 * self._workers)
                lasting = int(_PORTION / min(self._task_times)) if self._task_times else 1
                count = max(1, min(fair, lasting))
            del self._hungry_ranks[rank]
            self._send_tasks(
                rank, [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
            )

    def _send_tasks(self, rank: int, tasks: list[Any]) -> None:
        batches: list[Any] = []
        for job, number, func, argument, how in tasks:
            if type(job) is Job:
                if job.number == 0 and job.wanted:
                    job.number = self._next_job
                    self._next_job += 1
                    self._jobs[job.number] = job
                owner = self._rank
            else:
                owner = job.rank
            last = batches[-1] if batches else None
            if (
                last is None
                or last[:2] != [owner, job.number]
                or last[3] is not func
                or last[4] != how
            ):
                last = [owner, job.number, job.wanted, func, how, []]
                batches.append(last)
            last[5].append((number, argument))
        try:
            self._agents[rank]._give(self._rank, batches)
        except Exception as error:
            self._hungry_ranks[rank] = None  # nothing was sent
            self._refuse(rank, tasks, error)

    def _refuse(self, rank: int, tasks: list[Any], error: Exception) -> None:
        """Something in these tasks cannot travel: find out which one; it fails, the others are tried again."""
        if len(tasks) > 1:
            for task in tasks:
                self._hungry_ranks.pop(rank, None)
                self._send_tasks(rank, [task])
            return
        job, number, func = tasks[0][:3]
        try:
            _c4py._codec_encode(func)
        except Exception as cause:
            error = Charm4PyError(
                f"pool task {name_of_function(func)} cannot be sent to a worker: {cause}"
            )
        if not job.wanted:
            raise error
        self._finished(job, number, None, error)

    def _on_give(self, source: int, batches: list[Any]) -> None:
        """Work has come. Take back the requests that are still with others: this worker is busy now."""
        self._asked.pop(source, None)
        for rank in self._asked:
            self._agents[rank]._fed(self._rank)
        self._asked.clear()
        tasks: list[Any] = []
        for owner, number, wanted, func, how, items in batches:
            mine = owner == self._rank and wanted
            job: Any = self._jobs.get(number) if mine else RemoteJob(owner, number, wanted)
            if job is not None and getattr(job, "error", None) is None:
                tasks.extend((job, i, func, argument, how) for i, argument in items)
            elif job is not None:
                for i, _ in items:
                    job.fail(i, job.error)
                self._forget(job)
        if source == 0 and len(tasks) > 1:  # short ones: the next portion comes while this one runs
            self._asked[0] = None
            self._agents[0]._hungry(self._rank)
        self._ready.extendleft(tasks)
        if self._hungry_ranks and len(tasks) > 1:
            self._feed()
        if not self._looping:
            self._looping = True
            self._run_tasks()

    def _send_answers(self, per_task_s: float) -> None:
        answers, self._answers = self._answers, {}
        for (owner, number), (good, bad) in answers.items():
            if owner == self._rank:  # a task that came back home
                self._on_results(self._rank, number, good, bad, 0.0)
                continue
            errors = [(i, encode_error(error, self._rank)) for i, error in bad]
            try:
                self._agents[owner]._results(self._rank, number, good, errors, per_task_s)
            except Exception:
                self._send_answers_singly(owner, number, good, errors)

    def _send_answers_singly(
        self, owner: int, number: int, good: list[Any], errors: list[Any]
    ) -> None:
        """One of the results cannot travel: its task has failed, the others have not."""
        agent = self._agents[owner]
        unsendable = []
        for i, value in good:
            try:
                capture(value)
                agent._results(self._rank, number, [(i, value)], [], 0.0)
            except Exception as cause:
                unsendable.append((i, str(cause)))
        if errors:
            agent._results(self._rank, number, [], errors, 0.0)
        if unsendable:
            agent._unsendable(self._rank, number, unsendable)

    def _on_unsendable(self, source: int, number: int, results: list[tuple[int, str]]) -> None:
        """A worker has results of a job of this rank that cannot be sent; it does not know the function's name."""
        job = self._jobs.get(number)
        if job is None:
            return
        bad = [(i, unsendable_result(job.name_of(i), source, cause)) for i, cause in results]
        for _, error in bad:
            describe_error(error, source)
        self._on_results(source, number, [], bad, 0.0)

    def _on_results(
        self, source: int, number: int, good: list[Any], bad: list[Any], per_task_s: float
    ) -> None:
        if per_task_s > 0:
            self._task_times.append(per_task_s)
        job = self._jobs.get(number)
        if job is None:
            return  # nobody waits for it, or not any more, as it failed
        for i, value in good:
            job.deliver(i, value)
        for i, error in bad:
            self._fail(job, i, error)
        if job.held:
            count = len(good) + len(bad)
            self._enqueue([job.held.popleft() for _ in range(min(count, len(job.held)))])
        self._forget(job)


_pool = Pool()
