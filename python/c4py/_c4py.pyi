"""The C module under the package: what happens per message. The package decides what things mean.

Built into the launcher as ``c4py._c4py`` and, the same objects, as an extension module of the package.

Order of calls at start, on every rank, made by ``charm.start()``:

1. ``bind(...)`` when the package is imported: the exception classes and the functions that C calls back.
2. ``init(...)``: creates the runtime (MPI). From here on ``rank()`` and ``num_ranks()`` are real.
3. ``class_add(...)`` for every chare class, in an order that is the same on all ranks: sorted by (module, qualname).
   ``reducer_add(...)`` may be called at any time, before or after.
4. ``start()``: checks that the ranks agree.
5. ``run(main, snapshot, receive)``: runs ``main`` on rank 0 as a coroutine, then the scheduler; returns the exit code.
6. ``finish()``: flushes nothing of Python's, ends MPI.
"""

import concurrent.futures
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias, final, type_check_only

version: Final[str]
"""Version of the runtime library."""

# ---- flags of an entry method ---------------------------------------------------------------------
CORO: Final = 0x01  # @coro: may suspend (on a pooled greenlet)
ASYNC: Final = 0x02  # an ``async def``
NOTIFY: Final = 0x04  # coro_ext(event_notify=True)
VARARGS: Final = 0x08  # has *args
VARKW: Final = 0x10  # has **kwargs
OWN: Final = 0x20  # objects may have their own function of that name
LOOK: Final = 0x40  # of __init__: look afterwards which such functions the object has
HOOK_SHIFT: Final = 16  # where CORO and ASYNC of migrated() stand in the flags of __init__

GROUP: Final = 0
ARRAY: Final = 1
MAIN: Final = 2

REQUIRED: Final[object]
"""Mark in ``kwonly`` for a keyword-only parameter without default."""

_EntrySpec: TypeAlias = tuple[
    str,  # name
    int,  # flags
    tuple[str, ...]
    | None,  # names of the positional parameters besides self; None: unknown signature
    tuple[Any, ...],  # defaults of the last of them
    dict[str, Any] | None,  # keyword-only parameters: default or REQUIRED
    object
    | None,  # condition of @when: a MsgTagCond / ChareStateCond / ChareStateMsgCond object, or None
]
#: The same and, of a native method, (address, signature, what keeps it in memory).
_NativeSpec: TypeAlias = tuple[Any, ...]

_Callback: TypeAlias = "Future | BoundEntry"

# ---- life -----------------------------------------------------------------------------------------
def bind(**hooks: Any) -> None:
    """Give C what it calls back or raises.

    ``parse_cond(text, module_name, {param: position})`` makes a condition for ``self.wait``.
    ``combine(name, contributions)`` does, in Python, the built-in reductions (``"sum"``, ``"product"``, ``"max"``, ``"min"``,
    ``"logical_and"``, ``"logical_or"``, ``"logical_xor"``) that C has no typed loop for: objects, mixed or nested lists, float16 and so on.
    ``make_chare(cls, args=[], onPE=-1)`` is what calling ``Chare(cls, ...)`` does.
    ``format_exception(exc)`` gives the traceback text, without frames of the package itself.
    ``describe_exception(exc)`` gives plain data that stands for that text, ``RemoteStacktrace(rank, data)`` the pair (rank, text) made of it.
    ``substitute(type_name, text, why, rank, trace)`` makes what a waiter gets instead of an exception that cannot be pickled.
    ``safe_loads(data, *, buffers=None)`` reads the pickles of a checkpoint, ``checkpoint_state()`` gives what rank 0 keeps for
    all ranks, ``restore_state(obj)`` is called with it on each. ``checkpoint_written()`` is called on the rank that asked.
    ``dumps_writable(obj, protocol=, buffer_callback=)`` pickles what holds read-only arrays so that they arrive writable.
    """

def init(
    *,
    log: str | None = None,
    stall: str | None = None,
    idle: str | None = None,
    quiet: bool = False,
) -> None:
    """Create the runtime of this rank. Collective. Raises Charm4PyError when called twice or when MPI cannot be used."""

def start() -> None:
    """Check that all ranks registered the same. Collective."""

def restart(directory: str, trust: bool, /) -> None:
    """Make the chares of a checkpoint again. Collective; after start(), in place of creating. Pickles are read by the hook
    ``safe_loads`` unless trust is true. SystemExit with the status of the failure, which has been logged."""

def checkpoint(directory: Any, /) -> Any:
    """Ask for a checkpoint; a future of (generation, chares, bytes)."""

def checkpoint_key(path: Any, /) -> None:
    """Checkpoints are sealed with the key in this file, which rank 0 reads. After init(), on every rank. Ends the job if it cannot be used."""

def main_chare() -> Any:
    """The main chare if it lives on this rank, else None."""

def run(
    main: Callable[[], Any] | None,
    snapshot: Callable[[], Any] | None,
    receive: Callable[[Any], None],
) -> int:
    """Run the program; the exit code (not yet modulo 256) when it has ended.

    Rank 0: ``main()`` runs as a coroutine; when it first suspends or returns, ``snapshot()`` is called once and its result (anything that
    pickles) sent to the other ranks. Other ranks pass None for both; before chare code runs there, ``receive(obj)`` is called with it.
    """

def _adopt(runtime: Any, /) -> None:
    """In place of init(): use the runtime of a host, a capsule of the name "c4p_rt_t"."""

def _begin(
    main: Callable[[], Any] | None,
    snapshot: Callable[[], Any] | None,
    receive: Callable[[Any], None],
    /,
) -> None:
    """As run(), for a host that calls the scheduler itself: returns at once. The same arguments on all ranks will do."""

def finish() -> None:
    """Free the runtime and end MPI. Collective. After it rank() is -1 again."""

def exit(code: int = 0) -> None:
    """Ask for the end of the job on all ranks. Returns; the caller then raises SystemExit or suspends."""

def exiting() -> bool: ...
def abort(text: str, status: int = 1) -> None:
    """End all ranks at once with one report. Does not return."""

def rank() -> int: ...
def num_ranks() -> int: ...
def host_rank() -> int:
    """Place of this rank among those that share its memory."""

def host_ranks() -> int:
    """How many ranks share this rank's memory."""

def num_hosts() -> int:
    """How many hosts the job runs on; they are numbered in the order of their lowest ranks."""

def host_of(rank: int) -> int:
    """The host of a rank; -1 if there is no such rank."""

def host_next(host: int, after: int) -> int:
    """The lowest rank of a host that is greater than `after`, which may be -1; -1 if there is none."""

def time_s() -> float: ...
def log(level: Literal["error", "warn", "info", "debug"], text: str) -> None: ...
def poll() -> None:
    """From a long computation: move messages, run no entry method."""

def backlog_bytes() -> int: ...
def set_option(
    name: Literal[
        "local_msg_optim", "auto_flush_wait_queues", "pickle_protocol", "profiling", "dumps"
    ],
    value: Any,
) -> None:
    """A whole number or truth value; for dumps a function that stands in for ``pickle.dumps``."""

def profile() -> tuple[list[Any], list[Any], tuple[int, ...], tuple[int, ...]] | None:
    """What was measured on this rank; None when profiling is off.

    Rows (class, entry method, seconds in the method, in sends, in unpacking, calls) of entry
    methods; the same of other activities; (messages, of them by reference, least, most and total
    bytes of the others) sent and received.
    """

def stats() -> dict[str, int]:
    """How much the runtime keeps on this rank: the fields of ``c4p_stats_t`` (c4p/stats.h)."""

def profile_enter_send() -> bool:
    """Charge what follows as sending; the result is for `profile_leave_send`."""

def profile_leave_send(entered: bool) -> None: ...
def blocked(chare: Chare) -> tuple[str, float] | None:
    """What a coroutine of this chare waits for, timers excepted, and since when (`time_s()`); None if none waits."""

def num_timers() -> int:
    """How many timers and sleeping coroutines of this rank are still to wake up."""

def cancel_wait(chare: Chare) -> bool:
    """Let that coroutine go on in vain: ``Future.get()`` returns None, other waits raise. False if none waits."""

def interrupt_wait(chare: Chare) -> bool:
    """Let a coroutine of this chare that waits or sleeps raise KeyboardInterrupt. False if none does."""

def context() -> tuple[str, str] | None:
    """(class, method) of the entry method that was started last; for error texts."""

def in_coroutine() -> bool:
    """True where suspending is possible."""

def wait_kind() -> Literal[0, 1, 2]:
    """0: nothing can wait here; 1: in a coroutine, calls block it; 2: in an ``async def``, they return awaitables."""

def build_info() -> dict[str, str]:
    """Build facts for --info: compiler, mpi, python, greenlet, numpy, ..."""

def settings() -> list[tuple[str, str, str]]:
    """(name, default, meaning) of every C4PY_* setting that the runtime knows."""

# ---- load balancing; needs no runtime -------------------------------------------------------------
def lb_use(names: str) -> None:
    """Balance the load with these strategies, names with commas between; "": nothing. The same on all ranks."""

def lb_measure(on: bool) -> None:
    """Measure the load of elements on this rank, or not."""

def lb_graph(on: bool) -> None:
    """Record who talks to whom, or not. The same on all ranks, after lb_use()."""

def lb_predict(predictor: str) -> None:
    """How loads are predicted: "last", "mean:4", ..."""

def lb_period(points: int) -> None:
    """A round at each so many synchronization points; 0: by loss and cost."""

def lb_speed(speed: float) -> None:
    """How fast this rank is, relative to the others; 0: measure it."""

def lb_add(name: str, call: Callable[[dict[str, Any]], Any]) -> None:
    """A strategy written in Python: call(fields of the view, arrays as bytes) returns a buffer of C ints, a rank for each object."""

def lb_on_view(func: Callable[[dict[str, Any], list[str]], object] | None) -> None:
    """Look at the view of each round on rank 0: its fields, arrays as bytes, and the names of the objects."""

def lb_on_round(func: Callable[[dict[str, Any]], object] | None) -> None:
    """Be told of each round, on rank 0."""

def lb_builtins() -> list[tuple[str, str]]:
    """(name, what it does) of every built-in strategy."""

def lb_find(name: str) -> str | None:
    """The name of a built-in strategy for a name as users write it."""

def lb_run(name: str, view: Any, plan: Any) -> None:
    """Run a built-in strategy on a view (``c4py.balance.View``, or any object with its attributes) and fill ``plan``, a writable
    buffer of C ints. ValueError says what is wrong with the view or what the strategy lacks."""

def lb_judge(view: Any, plan: Any) -> dict[str, Any]:
    """What a plan is worth: ``max_before``, ``max_after``, ``mean``, ``moved``, ``moved_bytes``, ``cut_before``, ``cut_after``,
    ``most_memory``."""

# ---- classes --------------------------------------------------------------------------------------
def class_add(
    cls: type[Chare],
    name: str,
    entries: Sequence[_EntrySpec | _NativeSpec],
    init_flags: int = 0,
    native_state: tuple[str, Callable[[], Any], int] | None = None,
) -> int:
    """Register a chare class under ``name`` (module.qualname), entries sorted by name. Returns its type number.

    Makes its proxy types ``<C>GroupProxy``, ``<C>ArrayProxy``, ``<C>GroupSecProxy``, ``<C>ArraySecProxy`` and ``<C>Proxy``. Same order on all ranks; also after start().
    ``init_flags``: CORO, ASYNC, LOOK of ``__init__``, and, shifted by HOOK_SHIFT, CORO, ASYNC of ``migrated``. A class that is there already keeps its number, nothing is changed.
    ``native_state``: its name, what makes that of an object, an array without dimensions, and its size in bytes.
    """

def signature_read(text: str) -> list[tuple[str, str, str, int, tuple[int, ...]]]:
    """(name, sort, dtype of an element, number of elements, of which parameters the values multiply that) of each parameter. Sorts are
    number, array, text, ref, struct. ValueError for a signature that is not valid."""

def native_state(chare: Chare) -> Any:
    """The native state of a chare: an array without dimensions. TypeError if it has none."""

def class_registered(cls: type) -> bool: ...

# ---- collections ----------------------------------------------------------------------------------
def group_new(cls: type[Chare], args: Sequence[Any], awaitable: bool) -> Proxy:
    """``awaitable``: the proxy gets a ``creation_future`` (coroutine context only)."""

def group_new_on(
    cls: type[Chare], args: Sequence[Any], ranks: list[int], awaitable: bool
) -> GroupSecProxy:
    """A group with members on some ranks only."""

def section_new(proxy: Proxy, members: Sequence[Proxy]) -> SectionProxy:
    """A section of these elements, in this order, cut from the collection or section of `proxy`: calls are dispatched as those of its
    class, an index means an element of its collection."""

def section_is_mixed(proxy: Proxy) -> bool:
    """Whether this is a section with members of several collections."""

def section_members(proxy: Proxy, func: Callable[[Any], Any] | None) -> Future:
    """A future of the list of (proxy of the element, func(element)) of all members, by index."""

def array_new(
    cls: type[Chare],
    dims: tuple[int, ...] | None,
    ndims: int,
    args: Sequence[Any],
    map: Proxy | None,
    at_sync: bool,
    awaitable: bool,
) -> Proxy:
    """``dims`` None: empty, to be filled by ckInsert. ``map``: proxy of an ArrayMap group. Dimensions and index values are checked here,
    shapes of arguments by the package."""

def chare_new(cls: type[Chare], args: Sequence[Any], pe: int, awaitable: bool) -> Proxy: ...
def main_new(cls: type[Chare], args: Sequence[Any]) -> Proxy:
    """The main chare, on rank 0; its constructor runs as a coroutine before this returns, to its first suspension."""

class Chare:
    """Base class of chares; ``Chare(cls, args=[], onPE=-1)`` creates a single chare. See the docstrings of the module."""

    thisIndex: Any
    thisProxy: Any
    migratable: bool
    @property
    def _numthreads(self) -> int: ...
    def __new__(cls, *args: Any, **kwargs: Any) -> _MadeChare: ...
    def reduce(
        self,
        callback: _Callback,
        data: Any = None,
        reducer: Op | None = None,
        section: Proxy | None = None,
    ) -> None: ...
    def contribute(
        self, data: Any, reducer: Op | None, callback: _Callback, section: Proxy | None = None
    ) -> None: ...
    def allreduce(
        self, data: Any = None, reducer: Op | None = None, section: Proxy | None = None
    ) -> CollectiveFuture: ...
    def wait(self, cond_str: str) -> Any:
        """Returns None, in an ``async def`` something to await."""

    def AtSync(self) -> None: ...
    def migrate(self, toPe: int, /) -> None: ...
    def setMigratable(self, flag: bool, /) -> None: ...
    def setObjTime(self, seconds: float, /) -> None: ...
    def migrated(self) -> None: ...
    def __flush_wait_queues__(self) -> None: ...
    def __addThreadEventSubscriber__(self, target: Any, data: Any) -> None: ...

@type_check_only
class _MadeChare(Chare, ArrayProxy):
    """For type checkers: what ``Chare(cls, ...)`` returns. Truly a proxy; the base Chare only makes them believe it."""

class Proxy:
    """Base class of all proxies. Not constructed by users. Has the methods of its chare class; they are not declared."""

    def __getattr__(self, name: str) -> Any: ...

    elemIdx: Any
    issec: bool
    creation_future: Any
    """Future of awaitCreation; AttributeError when there is none. The package takes it with ``del``."""

class GroupProxy(Proxy):
    gid: int
    def __getitem__(self, index: Any) -> Any: ...
    def ckLocalBranch(self) -> Any: ...

class ArrayProxy(Proxy):
    aid: int
    ndims: int
    def __getitem__(self, index: Any) -> Any: ...
    def ckInsert(
        self, index: Any, args: Sequence[Any] = [], onPE: int = -1, useAtSync: bool = False
    ) -> None: ...
    def ckDestroy(self, index: Any = None) -> None:
        """Delete one element, of an element proxy or with an index. Any rank; asynchronous."""

    def ckDoneInserting(self) -> None: ...

class SectionProxy(Proxy):
    section: tuple[int, int]
    def __getitem__(self, index: Any) -> Any: ...

class GroupSecProxy(SectionProxy):
    """Some members of a group; also the whole of a group on some ranks."""

    gid: int
    def ckLocalBranch(self) -> Any: ...

class ArraySecProxy(SectionProxy):
    aid: int
    ndims: int

class MainProxy(Proxy):
    cid: int

@final
class BoundEntry:
    """``proxy.method``: callable, picklable, a target of reductions."""

    __name__: str
    __qualname__: str
    __self__: Proxy
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

@final
class HostChare:
    """A chare in C, or all those of a collection: made by the host, and given to methods. See ``c4p/python.h``."""

    def __getattr__(self, name: str) -> Callable[..., Any]: ...
    def __getitem__(self, index: Any, /) -> HostChare: ...

def proxy_class(proxy: Proxy) -> type[Chare]:
    """The chare class behind a proxy."""

def proxy_is_element(proxy: Proxy) -> bool: ...

# ---- reductions -----------------------------------------------------------------------------------
@final
class Op:
    """How to combine contributions; what ``Reducer.sum`` and its like are."""

    name: str
    __name__: str
    func: Callable[[list[Any]], Any] | None

def reducer_builtin(
    name: Literal[
        "sum",
        "product",
        "max",
        "min",
        "logical_and",
        "logical_or",
        "logical_xor",
        "gather",
        "nop",
        "bit_and",
        "bit_or",
        "bit_xor",
        "minloc",
        "maxloc",
        "sum_ordered",
        "sum_compensated",
    ],
) -> Op: ...
def reducer_tuple(parts: tuple[Op, ...]) -> Op: ...
def reducer_add(
    name: str,
    func: Callable[[list[Any]], Any],
    pre: Callable[[Any, Chare], Any] | None = None,
    post: Callable[[Any], Any] | None = None,
) -> Op:
    """A reducer in Python, known by its name: add it on every rank, in any order."""

def reducer_add_native(
    name: str,
    address: int,
    keep: Any,
    dtype: Any,
    itemsize: int,
    func: Callable[[list[Any]], Any],
    pre: Callable[..., Any],
    post: Callable[[Any], Any],
) -> Op:
    """A reducer that is a C function at that address, which ``keep`` owns, for arrays of a dtype: add it on every rank, in the same
    order, before ``start``. pre makes such an array of a contribution, post the result of an array without dimensions; func combines
    a list of arrays, for reductions of tuples. Charm4PyError once the runtime has started."""

def contribute(
    data: Any, reducer: Op | None, target: _Callback, chare: Chare, section: Proxy | None = None
) -> None: ...

# ---- futures, channels, waiting -------------------------------------------------------------------
class Future:
    """Made by ``future_new``; its class for isinstance. See the package's documentation for its methods."""

    @property
    def fid(self) -> int: ...
    @property
    def src(self) -> int: ...
    @property
    def nvals(self) -> int: ...
    @property
    def values(self) -> list[Any]: ...
    @property
    def gotvalues(self) -> bool: ...
    @property
    def error(self) -> BaseException | None: ...
    @property
    def blocked(self) -> bool: ...
    def get(self) -> Any: ...
    def send(self, result: Any = None) -> None: ...
    def __call__(self, result: Any = None) -> None: ...
    def ready(self) -> bool: ...
    def add_done_callback(self, func: Callable[[Any], Any], /) -> None: ...
    def as_concurrent(self) -> concurrent.futures.Future[Any]: ...
    def __await__(self) -> Generator[Any, None, Any]: ...

class LocalFuture(Future):
    """A subclass made in Python is a reference to a stored object: it travels as the hooks ref_leaves, ref_stays (it was not sent after all) and ref_arrives say, and
    ref_demand is called before it is waited for."""

@final
class CollectiveFuture(Future): ...

def future_new(num_vals: int = 1) -> Future:
    """Raises NotThreadedError outside a coroutine."""
@final
class Channel:
    remote: Any
    port: int
    remote_port: int
    def __new__(cls, chare: Chare, remote: Any, local: Any = None) -> Channel: ...
    def send(self, *args: Any) -> Any:
        """Returns None, in an ``async def`` something to await."""

    def recv(self) -> Any: ...
    def ready(self) -> bool: ...

def wait(objs: Sequence[Future | Channel]) -> Any: ...
def iwait(objs: Sequence[Future | Channel]) -> Iterable[Any]: ...
def give(array: Any) -> Any:
    """Hand an array over: the next send need not copy it; the caller must not change it any more."""

def detect_quiescence(callback: _Callback) -> None: ...
def sleep(secs: float) -> Any:
    """In a coroutine: suspend. Otherwise: block this rank."""

def call_later(secs: float, func: Callable[..., Any], args: Sequence[Any] = ()) -> int:
    """Call func(*args) in the main context after at least ``secs`` seconds; a number for cancel_later."""

def listen_outside(fd: int, func: Callable[[], float | None] | None) -> None:
    """Call func() from the scheduler's tick, outside of coroutines, when a descriptor can be read: a poller's, with a server's sockets behind it.

    The scheduler looks about every 10 ms. func returns None, or after how many seconds it is to be called in any case. While a
    function is set what waits is no stall. ``func`` None: no more. One per rank.
    """

def cancel_later(number: int) -> bool: ...
def spawn(
    func: Callable[..., Any],
    args: Sequence[Any] = (),
    done: Callable[[Any, BaseException | None], None] | None = None,
) -> None:
    """Run func(*args) at once as a new coroutine of no chare, up to its first suspension. ``done(result, exception)`` is called at its end;
    without it an exception ends the job."""

def _lend(ref: LocalFuture) -> Any:
    """For pickling a reference to a stored object: what stands for it, by the hook ref_leaves."""

def _codec_capture(obj: Any) -> Any:
    """A value as a receiver on this rank gets it: itself if nobody can change it, else a copy."""

def _codec_copy(obj: Any) -> Any:
    """The same, also when arguments go by reference. What cannot be sent: the exception says which part."""

def _codec_encode(obj: Any) -> bytes:
    """The bytes that stand for a value."""

def _codec_decode(data: bytes) -> Any:
    """The value that such bytes stand for; raises what its unpickling raises."""

def _codec_roundtrip(obj: Any) -> Any:
    """A value as a receiver on another rank gets it; for tests."""

def post(func: Callable[..., Any], args: Sequence[Any] = ()) -> None:
    """Call func(*args) from the scheduler before the next message."""
