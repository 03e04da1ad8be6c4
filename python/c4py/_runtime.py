# SPDX-License-Identifier: Apache-2.0
"""``charm``: starting and ending the program, ranks, waiting, timers; and its counterpart that can be called remotely."""

from __future__ import annotations

import atexit
import importlib
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from . import _balancing, _c4py, _checkpoint, _cli, _console, _profile, _progress, _sections, _trees
from ._c4py import Chare
from ._ccs import CcsAgent, CcsToken, ccs
from ._ccs_server import Limits
from ._chare import (
    add_classes,
    check_chare_class,
    classes_of_module,
    is_async,
    prepare_classes,
    registered,
)
from ._collections import Array, ArrayMap, Group, await_creation, make_chare
from ._errors import (
    Charm4PyError,
    NotThreadedError,
    RemoteStacktrace,
    describe_exception,
    format_exception,
    format_stack,
    substitute,
)
from ._futures import ThreadManager
from ._moving import get_state, set_state
from ._options import Options, check_removed
from ._pickling import dumps_writable
from ._pool import PoolAgent, _pool
from ._reducers import combine, reducers
from .wait import parse_cond_str


class Readonlies:
    """Values that rank 0 sets and all ranks read: ``from charm4py import readonlies as ro; ro.X = 47``.

    What rank 0 has assigned until the entry point first waits (or returns) is copied to the other
    ranks before any chare runs there. Later assignments, and those on other ranks, stay local.
    Names that begin or end with ``_`` are not copied. A function that travels with a reference to
    this object finds the one of the rank where it arrives.
    """

    def __init__(self) -> None:
        # An ordinary dict: attributes of objects whose dict was asked for are found slowly otherwise.
        self.__dict__ = {}

    def __reduce__(self) -> str:
        return "readonlies"

    def __repr__(self) -> str:
        return f"Readonlies({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


readonlies = Readonlies()


class _Exit(SystemExit):
    """Leaves the code that called charm.exit(); the end of the job is under way already."""


class CharmRemote(Chare):
    """The group behind ``charm.thisProxy``: what one rank may ask another one's runtime to do."""

    def exit(self, exit_code: Any = 0) -> NoReturn:
        """End the program with the status exit_code, as ``charm.exit()`` does on the rank called."""
        charm.exit(exit_code)

    def myPe(self) -> int:
        """The rank that was called."""
        return _c4py.rank()

    def updateGlobals(self, global_dict: dict[str, Any], module_name: str = "__main__") -> None:
        """Set global variables of a module on the ranks called.

        global_dict: names and values. module_name: as in ``sys.modules`` there. Broadcast with
        ``awaitable=True`` and wait before the names are used. Raises KeyError if the module is not
        loaded there, TypeError for something that is no dict.
        """
        if not isinstance(global_dict, dict):
            raise TypeError(
                f"updateGlobals needs a dict of names and values, not {type(global_dict).__name__}"
            )
        vars(_loaded_module(module_name)).update(global_dict)

    def exec(self, code: str, module_name: str = "__main__") -> None:
        """Run source text on the ranks called; returns nothing.

        code: any statements. module_name: the loaded module whose globals they use. Raises
        Charm4PyError unless ``charm.options.remote_exec`` is set there, KeyError if the module is not
        loaded there, and what the code raises.
        """
        _check_remote_exec("exec")
        exec(code, vars(_loaded_module(module_name)))

    def rexec(self, code: str, module_name: str = "__main__") -> None:
        """Older name of `exec`, with the same code and module_name."""
        self.exec(code, module_name)

    def eval(self, expression: str, module_name: str = "__main__") -> Any:
        """The value of an expression on the ranks called; get it with ``ret=True``.

        expression: source text. module_name: the loaded module whose globals it uses. Raises as
        `exec` does.
        """
        _check_remote_exec("eval")
        return eval(expression, vars(_loaded_module(module_name)))

    def createArray(
        self,
        cls: Any,
        dims: Any = None,
        ndims: int = -1,
        args: Sequence[Any] = (),
        map: Any = None,
        useAtSync: bool = False,
        cb: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Create an array on the rank called; returns its proxy, and gives it to the callback cb.

        cls, dims, ndims, args, map, useAtSync: as of `Array`. cb: a future or a method of a proxy. To
        be called on one rank.
        """
        proxy = Array(cls, dims, ndims, args, map, useAtSync)
        if cb is not None:
            cb(proxy)
        return proxy

    def addReducer(self, func: Callable[[list[Any]], Any]) -> None:
        """Add the reducer func on the ranks called, as ``Reducer.addReducer()`` does; wanted on all of them."""
        reducers.addReducer(func)

    def registerNewChareType(self, name: str, source: str) -> None:
        """Define a chare class from source text in the main module and register it; needs ``remote_exec``.

        To be called on all ranks, ``charm.thisProxy.registerNewChareType(…, awaitable=True).get()``;
        afterwards the class can be used on any of them. The name may be taken: the new class is
        another one.
        """
        _check_remote_exec("registerNewChareType")
        main = vars(sys.modules["__main__"])
        exec(source, main)
        if name not in main:
            raise Charm4PyError(f"registerNewChareType: the source does not define {name}")
        self.registerNewChareTypes([main[name]])

    def registerNewChareTypes(self, classes: Sequence[type]) -> None:
        """Register chare classes, which exist on the ranks called, while the program runs.

        To be called on all ranks, ``charm.thisProxy.registerNewChareTypes([C], awaitable=True).get()``;
        afterwards the classes can be used on any of them. Those that are registered are left alone.
        Raises Charm4PyError for others than chare classes; then none is registered.
        """
        for cls in classes:
            check_chare_class(cls, "registerNewChareTypes")
        add_classes(prepare_classes(classes, with_pending=False))

    def _register_by_name(self, names: Sequence[tuple[str, str]]) -> None:
        """The same for classes and actor classes given as (module, name)."""
        values = [getattr(sys.modules[module], name) for module, name in names]
        self.registerNewChareTypes([_console.chare_class_of(value) or value for value in values])

    def _exec_elsewhere(self, source: str, caller: int) -> None:
        """Run source text of the shell in the main module, on ranks other than the shell's."""
        _check_remote_exec("the shell")
        if _c4py.rank() != caller:
            exec(source, vars(sys.modules["__main__"]))

    def _checkpoint_signalled(self) -> None:
        charm._schedule.signalled()

    def _num_timers(self) -> int:
        return _c4py.num_timers()

    def _report_uncaught(self, text: str) -> None:
        """On rank 0: an exception that nobody waits for, from any rank, in a session of the shell."""
        _console.report_uncaught(text)

    def _progress(self, what: str, *args: Any) -> Any:
        return _progress.handle(what, *args)

    def printStats(self) -> None:
        """Print the profile of the rank called. See ``charm.printStats()``."""
        charm.printStats()

    def LBTurnInstrumentOn(self) -> None:
        """Measure the load of chares on the rank called."""
        charm.LBTurnInstrumentOn()

    def LBTurnInstrumentOff(self) -> None:
        """Stop measuring the load of chares on the rank called."""
        charm.LBTurnInstrumentOff()


def _loaded_module(name: str) -> Any:
    try:
        return sys.modules[name]
    except KeyError:
        raise KeyError(f"module '{name}' is not loaded on rank {_c4py.rank()}") from None


def _check_remote_exec(what: str) -> None:
    if not charm.options.remote_exec:
        raise Charm4PyError(
            f"{what} is switched off on rank {_c4py.rank()}; set charm.options.remote_exec = True there, "
            "before charm.start()"
        )


class _Lib:
    """What older programs look up under ``charm.lib``. User events of the tracer are accepted; nothing records them.

    name: "cython", as in the reference implementation.
    """

    name = "cython"

    def __init__(self) -> None:
        self._num_events = 0

    def traceRegisterUserEvent(self, name: str, eventNum: int = -1) -> int:
        """A number for events of this name: eventNum, or if that is -1 one that was not given out before.

        Any rank and context, also before the start; does not block.
        """
        if eventNum == -1:
            eventNum = self._num_events
        self._num_events = max(self._num_events, eventNum + 1)
        return eventNum

    def traceBeginUserBracketEvent(self, event: int) -> None:
        """Begin of an event, a number that was registered: accepted; nothing is recorded. Does not block."""

    def traceEndUserBracketEvent(self, event: int) -> None:
        """End of an event, a number that was registered: accepted; nothing is recorded. Does not block."""


class Charm:
    """The runtime of this rank. There is one object of this class, ``charm``.

    options: what can be set before the start, see `Options`. reducers: the reducers, also called
    ``Reducer``. pool: the pool of tasks. thisProxy: proxy of a group that other ranks' runtimes can be
    asked through, see `CharmRemote`; None before the start. Future: another name of `createFuture`.

    For older programs: threadMgr, which knows whether this is a coroutine (``isMainThread()``); lib,
    with functions of the tracer; registered, a dict of classes.
    """

    def __init__(self) -> None:
        self.options = Options()
        self.reducers = reducers
        self.pool = _pool
        self.threadMgr = ThreadManager()
        self.lib = _Lib()
        self.thisProxy: Any = None
        self.registered = registered
        self._begun = False
        self._called = False
        self._hosted = False
        self._flags = _cli.Parsed()
        # These are called often: go straight to C, past the methods below, which say what they do.
        vars(self).update(
            Future=_c4py.future_new,
            createFuture=_c4py.future_new,
            myPe=_c4py.rank,
            numPes=_c4py.num_ranks,
            wait=_c4py.wait,
            iwait=_c4py.iwait,
            sleep=_c4py.sleep,
        )

    def __reduce__(self) -> str:
        return "charm"  # a function that travels finds the runtime of the rank where it arrives

    # ---- start and end -----------------------------------------------------------------------------

    def start(
        self,
        entry: Any = None,
        classes: Sequence[type] = (),
        modules: Sequence[str] = (),
        interactive: bool = False,
        restarted: Any = None,
    ) -> NoReturn:
        """Start the program: to be called once, on every rank, at the end of the script. Does not return.

        entry: a function or a chare class; on rank 0 it is called as a coroutine with the list of
        command-line words.
        classes: chare classes to register besides those of the script. modules: names of modules
        whose chare classes are registered. interactive: run the shell on rank 0 instead of an entry
        point, see ``c4py.interactive``. restarted: a function that is called, as entry would be, when
        the program goes on from a checkpoint (``+restart DIR``); without it the main chare's method
        ``restarted(args)`` is.

        The program runs until ``charm.exit()`` or ``exit()`` is called on any rank; then buffers
        are flushed, atexit handlers run, and the process ends with that status. Raises
        Charm4PyError, AssertionError or ModuleNotFoundError for wrong arguments, before anything
        has started.
        """
        self._called = True
        if self._hosted:
            raise Charm4PyError(
                "charm.start() is not for a program in C: its c4p_python_start() starts the runtime"
            )
        if self._begun:
            raise Charm4PyError("charm.start() can be called only once")
        check_removed()
        self.options._check()
        if interactive:
            entry = _console.prepare()
        _check_entry(entry)
        if restarted is not None and not callable(restarted):
            raise AssertionError(f"charm.start(restarted=…) needs a function, not {restarted!r}")
        for cls in classes:
            check_chare_class(cls, "charm.start(classes=…)")
        used = [
            CharmRemote,
            PoolAgent,
            CcsAgent,
            *classes,
            *_entry_classes(entry),
            *_module_classes(modules),
        ]
        prepared = prepare_classes(used)
        wrong = self._make_schedule()
        self._begun = True
        args = self._parse_command_line()
        # The shell deals with stalls itself: what is typed in wrongly must not end the session.
        _c4py.init(quiet=bool(self.options.quiet), stall="off" if interactive else None)
        if wrong is not None and _c4py.rank() == 0:
            _c4py.abort(wrong, 2)
        self._tell_flags()
        self._tell_options()
        add_classes(prepared)
        try:
            _c4py.start()
            self._choose_balancer()
            begin = self._make_main(entry, args)
            folder = self._restart_from()
            if folder is not None:
                begin = self._go_on(folder, entry, restarted, args)
        except (
            SystemExit
        ):  # refused on all ranks: they end MPI, or its launcher kills those that are not as fast
            _c4py.finish()
            raise
        self._schedule.listen(self._forward_signal)
        if _c4py.rank() == 0:
            self._print_banner()
            self._listen()
            code = _c4py.run(begin, self._snapshot, self._receive)
        else:
            code = _c4py.run(None, None, self._receive)
        _leave(code)

    def _start_hosted(
        self, modules: Sequence[Any], runtime: Any, folder: str | None, trust: bool
    ) -> None:
        """Start inside a host's program, on the runtime that it made; see ``_host``."""
        check_removed()
        self.options._check()
        found: list[type] = [CharmRemote, PoolAgent, CcsAgent]
        for module in modules:
            found.extend(classes_of_module(module, (Group, Array)))
        prepared = prepare_classes(found)
        self._schedule = _checkpoint.Schedule()
        self._begun = True
        _c4py._adopt(runtime)
        self._tell_options()
        add_classes(prepared)
        _c4py.start()
        self._choose_balancer()
        if folder is not None:
            _c4py.restart(folder, trust)
        _c4py._begin(
            self._make_services if folder is None else _nothing, self._snapshot, self._receive
        )

    def _make_schedule(self) -> str | None:
        """When to write checkpoints; what is wrong with what the launcher was told."""
        try:
            self._schedule = _checkpoint.Schedule()
        except _checkpoint.WrongSetting as error:
            self._schedule = _checkpoint.Schedule({})
            return str(error)
        return None

    def _restart_from(self) -> str | None:
        try:
            return self._schedule.restart_from(self._flags.restart)
        except _checkpoint.WrongSetting as error:
            if _c4py.rank() == 0:
                _c4py.abort(str(error), 2)
        return None

    def _make_services(self) -> None:
        """On rank 0: the groups behind ``charm.thisProxy`` and ``charm.pool``."""
        self.thisProxy = _c4py.group_new(CharmRemote, (), False)
        self._agents = _c4py.group_new(PoolAgent, (), False)
        _pool._attach(self._agents, 0, _c4py.num_ranks())

    def _tell_options(self) -> None:
        key = os.environ.get("C4PY_CHECKPOINT_KEY") or self.options.checkpoint_key
        if key:
            _c4py.checkpoint_key(key)
        for name in ("local_msg_optim", "auto_flush_wait_queues"):
            _c4py.set_option(name, bool(getattr(self.options, name)))
        _c4py.set_option("pickle_protocol", int(self.options.pickle_protocol))
        if self.options.profiling:
            _profile.start()

    def _parse_command_line(self) -> list[str]:
        self._flags = _cli.parse(sys.argv)
        if self._flags.has("++quiet"):
            self.options._quiet = True
        return self._flags.args

    def _tell_flags(self) -> None:
        """Rank 0 says what is wrong with the command line."""
        self._flags = _cli.parse(sys.argv, _c4py.num_ranks())
        if self._flags.errors:
            if _c4py.rank() == 0:
                _c4py.abort(self._flags.errors[0], 2)
        elif _c4py.rank() == 0:
            notes = [] if self.options.quiet else self._flags.notes
            for text in self._flags.warnings + notes:
                _c4py.log("warn", text)

    def _choose_balancer(self) -> None:
        try:
            _balancing.start(self._flags, self.options)
        except _balancing.NotUnderstood as error:
            if _c4py.rank() == 0:
                _c4py.abort(str(error), 2 if error.by_launcher else 1)

    def _print_banner(self) -> None:
        if not self.options.quiet:
            ranks = _c4py.num_ranks()
            print(
                f"c4py {_c4py.version} on Python {platform.python_version()}, "
                f"{ranks} rank{'s' if ranks > 1 else ''} over MPI",
                flush=True,
            )
            if self.options.profiling:
                print(
                    "c4py: profiling is on, which costs time; charm.printStats() shows the figures"
                )

    def _listen(self) -> None:
        """Rank 0 opens the server for clients, if the command line asks for it."""
        server = self._flags.server
        if server is not None:
            ccs.listen(server.host, server.port, Limits(data_bytes=server.limit))

    def _make_main(self, entry: Any, args: list[str]) -> Callable[[], Any]:
        """What rank 0 runs as its first coroutine."""

        def begin() -> Any:
            self._make_services()
            if ccs.address is not None:
                ccs.attach(_c4py.group_new(CcsAgent, (), False))
            if isinstance(entry, type):
                _c4py.main_new(entry, (args,))
                return None
            if is_async(entry):
                _c4py.spawn(entry, (args,))  # up to its first await at once
                return None
            return entry(args)

        begin.__name__ = getattr(entry, "__name__", "entry")
        begin.__qualname__ = getattr(entry, "__qualname__", begin.__name__)
        return begin

    def _go_on(self, path: str, entry: Any, restarted: Any, args: list[str]) -> Callable[[], Any]:
        """All ranks: the chares of a checkpoint are there again; what rank 0 runs then."""
        by_method = isinstance(entry, type) and hasattr(entry, "restarted")
        if restarted is None and not by_method:
            if _c4py.rank() == 0:
                _c4py.abort(
                    "'+restart': the program does not say what is to be done then: give charm.start() a function "
                    "restarted=…, or the main chare a method restarted(self, args)",
                    2,
                )
        _c4py.restart(path, self._schedule.trust or self._flags.has("++trust-checkpoint"))

        def begin() -> Any:
            if ccs.address is not None:
                ccs.attach(_c4py.group_new(CcsAgent, (), False))
            main = _c4py.main_chare()
            if restarted is None:
                main.thisProxy.restarted(args)
                return None
            if is_async(restarted):
                _c4py.spawn(restarted, (args,))
                return None
            return restarted(args)

        begin.__name__ = getattr(restarted, "__name__", "restarted")
        begin.__qualname__ = getattr(restarted, "__qualname__", begin.__name__)
        return begin

    def checkpoint(self, path: Any = None) -> Any:
        """Write the state of all chares, for ``+restart path``: a future.

        path: the directory; None: that of the launcher's ``--checkpoint``. The future's value is
        (generation, chares, bytes); ``get()`` or ``await`` it before you go on. The files
        are written when the whole job is quiet, while no method runs anywhere. Chares travel as when
        they move; readonlies and the main chare are kept, futures, timers and coroutines are not. Call
        it in a coroutine, on any rank. If a coroutine waits in another chare, a reduction lacks
        contributions, a chare cannot be pickled or the disk is full, the future raises Charm4PyError
        with the reason, the checkpoint before stays what it was, and the program goes on. After a
        checkpoint that was due because of SIGUSR2 or ``--walltime`` the run ends with status 85. See
        docs/checkpoint.md.
        """
        self._need_start("charm.checkpoint()")
        path = path or self._schedule.folder
        if not path:
            raise Charm4PyError(
                "charm.checkpoint() needs a directory: give it one, or start with --checkpoint DIR"
            )
        return _c4py.checkpoint(path)

    def checkpointDue(self) -> bool:
        """Is it time for a checkpoint? On rank 0, between two steps: ``if charm.checkpointDue(): charm.checkpoint().get()``.

        True when ``--every`` has passed since the last one or since the start, when ``--walltime`` is
        over, when SIGUSR2 has come, or when the ``--stop-file`` is there. Does not block; any context; False
        on other ranks.
        """
        self._need_start("charm.checkpointDue()")
        return _c4py.rank() == 0 and self._schedule.due()

    def _forward_signal(self) -> None:
        if self.thisProxy is not None:
            self.thisProxy[0]._checkpoint_signalled()

    def _checkpoint_written(self) -> None:
        """Called on the rank that asked, before whoever waits goes on."""
        if _c4py.rank() == 0 and self._schedule.written():
            print("c4py: checkpoint written; the run ends, to be started again", flush=True)
            _c4py.exit(_checkpoint.REQUEUE)

    def _snapshot(self) -> Any:
        """What the other ranks must know before chares run there."""
        values = {
            name: value
            for name, value in vars(readonlies).items()
            if not name.startswith("_") and not name.endswith("_")
        }
        return self.thisProxy, self._agents, values

    def _receive(self, snapshot: Any) -> None:
        self.thisProxy, self._agents, values = snapshot
        _pool._attach(self._agents, _c4py.rank(), _c4py.num_ranks())
        vars(readonlies).update(values)

    def exit(self, exit_code: Any = 0) -> NoReturn:
        """End the whole program, from any rank. Does not return.

        exit_code: the status of the job, modulo 256; None is 0, and anything that is no integer is
        printed and gives 1.
        """
        self._need_start("charm.exit()")
        if exit_code is None:
            exit_code = 0
        elif not isinstance(exit_code, int):
            print(exit_code, file=sys.stderr, flush=True)
            exit_code = 1
        status = int(exit_code) & 0xFF
        _c4py.exit(status)
        raise _Exit(status)

    def abort(self, message: object = "") -> NoReturn:
        """End all ranks at once, with a report that gives the message. Any rank and context. Does not return.

        The status of the job is 1; buffers are flushed on this rank only, and no atexit handler runs.
        Raises Charm4PyError before the start.
        """
        self._need_start("charm.abort()")
        sys.stdout.flush()
        _c4py.abort(f"{message}\n{format_stack()}")
        raise AssertionError  # not reached

    def _need_start(self, what: str) -> None:
        if _c4py.rank() < 0:
            raise Charm4PyError(f"{what} works only after charm.start()")

    # ---- ranks and hosts ---------------------------------------------------------------------------

    def myPe(self) -> int:
        """The rank of this process, from 0; -1 before the start. Does not block; any context."""
        return _c4py.rank()

    def numPes(self) -> int:
        """How many ranks the job has; -1 before the start. Does not block; any context."""
        return _c4py.num_ranks()

    def numHosts(self) -> int:
        """How many hosts (sets of ranks that share memory) the job runs on."""
        self._need_start("charm.numHosts()")
        return _c4py.num_hosts()

    def myHost(self) -> int:
        """The number of this rank's host. Hosts are numbered from 0, in the order of their lowest ranks."""
        self._need_start("charm.myHost()")
        return _c4py.host_of(_c4py.rank())

    def getHostPes(self, host: int) -> list[int]:
        """The ranks of a host, ascending. Raises IndexError if there is no such host."""
        return list(self._pes_of_host(host, "charm.getHostPes()"))

    def getHostFirstPe(self, host: int) -> int:
        """The lowest rank of a host. Raises IndexError if there is no such host."""
        return next(self._pes_of_host(host, "charm.getHostFirstPe()"))

    def getHostNumPes(self, host: int) -> int:
        """How many ranks a host has. Raises IndexError if there is no such host."""
        return sum(1 for _ in self._pes_of_host(host, "charm.getHostNumPes()"))

    def getPeHost(self, pe: int) -> int:
        """The number of the host of the rank pe. Raises IndexError if there is no such rank."""
        return self._host_of_pe(pe, "charm.getPeHost()")

    def getPeHostRank(self, pe: int) -> int:
        """The place of the rank pe in ``charm.getHostPes()`` of its host, from 0. Raises IndexError if there is no such rank."""
        host = self._host_of_pe(pe, "charm.getPeHostRank()")
        return sum(1 for other in self._pes_of_host(host, "charm.getPeHostRank()") if other < pe)

    def _pes_of_host(self, host: int, what: str) -> Iterator[int]:
        """Check the number of a host; its ranks one by one, so that no rank keeps a list of all."""
        self._need_start(what)
        count = _c4py.num_hosts()
        if not 0 <= host < count:
            raise IndexError(f"{what}: there is no host {host}; hosts go from 0 to {count - 1}")
        return _ranks_of_host(host)

    def _host_of_pe(self, pe: int, what: str) -> int:
        self._need_start(what)
        if not 0 <= pe < _c4py.num_ranks():
            raise IndexError(
                f"{what}: there is no rank {pe}; ranks go from 0 to {_c4py.num_ranks() - 1}"
            )
        return _c4py.host_of(pe)

    def getTopoTreeEdges(
        self, pe: int, root_pe: int, pes: Sequence[int] | None = None, bfactor: int = 4
    ) -> tuple[int | None, list[int]]:
        """A rank's place in a tree over ranks: (parent or None, children).

        pe: the rank. root_pe: the root. pes: the ranks in the tree, root first; None: all. bfactor:
        children at most. The same answer on all ranks. Raises Charm4PyError for ranks that are not
        in the tree.
        """
        self._need_start("charm.getTopoTreeEdges()")
        return _trees.edges(pe, root_pe, pes, bfactor, _c4py.num_ranks())

    def getTopoSubtrees(
        self, root_pe: int, pes: Sequence[int], bfactor: int = 4
    ) -> list[list[int]]:
        """The ranks pes[1:] cut into at most bfactor lists, one for each child of the root pes[0], child first.

        root_pe: the same as pes[0]. The same answer on all ranks. Does not block. Raises Charm4PyError
        before the start and for a root_pe that is not the first.
        """
        self._need_start("charm.getTopoSubtrees()")
        return _trees.subtrees(root_pe, pes, bfactor)

    # ---- futures and waiting -----------------------------------------------------------------------

    Future: Any  # the same as createFuture

    def createFuture(self, num_vals: int = 1) -> _c4py.Future:
        """A future for num_vals values, owned by this rank. Coroutine only; also called ``charm.Future`` and ``Future``.

        It can be passed anywhere; whoever calls it, or its ``send``, delivers a value. ``get()``
        waits for all values: for one value it returns that, else a list in the order of arrival.
        Raises NotThreadedError outside coroutines, ValueError if num_vals is less than 1. One value
        more than num_vals ends the job with a report.
        """
        return _c4py.future_new(num_vals)

    def wait(self, objs: Sequence[Any]) -> Any:
        """Wait until all of these futures and channels, a list objs, are ready; returns None.

        Blocks the coroutine; in an ``async def``: ``await charm.wait(objs)``. Raises NotThreadedError if
        it would have to wait outside a coroutine, TypeError for other objects.
        """
        return _c4py.wait(objs)

    def iwait(self, objs: Sequence[Any]) -> Any:
        """Iterate over futures and channels, a list objs, in the order in which they become ready, each once.

        Each step waits and raises as `wait` does; in an ``async def``: ``async for``.
        """
        return _c4py.iwait(objs)

    def awaitCreation(self, *proxies: Any) -> Any:
        """Wait until the constructors of these groups, arrays and single chares have finished on all ranks.

        The proxies must be the ones returned by their creation, in a coroutine; each can be used
        once. Coroutine only; in an ``async def``: ``await charm.awaitCreation(...)``. Raises
        Charm4PyError for anything else.
        """
        return await_creation(proxies)

    def startQD(self, callback: Any) -> None:
        """Call back when nothing happens any more: no method runs and no message is under way or queued, on any rank.

        callback: a future (gets None) or a proxy's method (called without argument). Does not
        block. Any rank; each request is answered. Timers and suspended coroutines do not count as
        something that happens.
        """
        _c4py.detect_quiescence(callback)

    def waitQD(self) -> Any:
        """Wait until nothing happens any more, see `startQD`. Coroutine only; in an ``async def`` await it."""
        future = _c4py.future_new()
        _c4py.detect_quiescence(future)
        return _c4py.wait((future,))

    def sleep(self, secs: float) -> Any:
        """In a coroutine: wait at least secs seconds while other methods run. Elsewhere: block this rank.

        In an ``async def``: ``await charm.sleep(secs)``. Raises ValueError for a negative secs.
        """
        return _c4py.sleep(secs)

    def scheduleCallableAfter(
        self, callable: Callable[..., Any], secs: float, args: Sequence[Any] = ()
    ) -> None:
        """Call something with args on this rank after at least secs seconds: a function, a future, a proxy's method.

        Does not block. Functions run outside of coroutines, hence must not wait. Raises TypeError
        if it is not callable or is an ``async def``, ValueError if secs is not a number.
        """
        if not hasattr(callable, "__call__"):  # noqa: B004 - the parameter hides the builtin
            raise TypeError(
                f"scheduleCallableAfter needs something to call, not {type(callable).__name__}"
            )
        if is_async(callable):
            raise TypeError(
                "scheduleCallableAfter calls functions outside of coroutines, where nothing awaits; "
                "give it a method of a proxy instead of an async def"
            )
        if secs != secs:
            raise ValueError("scheduleCallableAfter: secs is not a number")
        self._need_start("charm.scheduleCallableAfter()")
        _c4py.call_later(secs, callable, tuple(args))

    # ---- progress ----------------------------------------------------------------------------------

    def progress(
        self,
        iterable: Iterable[Any] | None = None,
        total: float | None = None,
        desc: str = "",
        unit: str = "it",
        style: str = "auto",
        interval: float = 10.0,
    ) -> _progress.Progress:
        """Show how far long work has come: a bar on rank 0, for what all ranks count. Any rank, any context.

        Either wrap what a loop runs over: ``for x in charm.progress(items):``; or make a bar with a
        total, send it where the work is done, call ``bar.update(n)`` there, and in the end, where it
        was made, ``bar.close()``, or use it in a ``with`` statement. Counting costs no message:
        counts are added up on their way and reach rank 0 within a second.

        iterable: counted item by item. total: how many there will be, if that is known; by default
        the length of iterable. desc, unit: what is counted and in what. style: "bar" (needs tqdm),
        "lines", "off", or "auto": a bar when tqdm is there and the standard error of rank 0 is a
        terminal, else lines. interval: seconds between two lines; one more comes at the end.
        Raises Charm4PyError before the start, TypeError and ValueError for wrong arguments.
        """
        return _progress.progress(iterable, total, desc, unit, style, interval)

    # ---- chares and reductions -----------------------------------------------------------------------

    def register(self, cls: type, collections: Any = None) -> None:
        """Make the chare class cls known, as the decorator ``@register`` does; collections is accepted for older programs."""
        check_chare_class(cls, "charm.register")
        from ._chare import register

        register(cls)

    def addReducer(
        self,
        func: Callable[[list[Any]], Any],
        pre: Callable[..., Any] | None = None,
        post: Callable[..., Any] | None = None,
    ) -> None:
        """Add a reducer of the program's, on every rank. See ``Reducer.addReducer`` for func, pre and post."""
        reducers.addReducer(func, pre, post)

    def contribute(
        self, data: Any, reducer: Any, target: Any, chare: Any, section: Any = None
    ) -> None:
        """Contribute for a chare of this rank: ``chare.contribute(data, reducer, target, section)``. Does not block."""
        _c4py.contribute(data, reducer, target, chare, section)

    # ---- clients outside of the job ------------------------------------------------------------------

    def CcsRegisterHandler(self, name: str, func: Callable[[bytes], Any]) -> None:
        """Let clients of the server (``++server``) call a function on this rank, by a name of 1 to 31 bytes.

        func(data) gets the bytes that the client sent and must not wait: it is called from the
        scheduler, outside of coroutines. It answers with `CcsSendReply`, or takes a token from
        `CcsDelayReply`; if it does neither, the client gets an empty reply. An exception in it is
        logged and closes that client's connection; the program goes on.

        On every rank that is to answer; a name that is there already gets the new handler. Does not
        block, works without a server too. Raises Charm4PyError for a bad name or a coroutine, TypeError for
        something that cannot be called.
        """
        ccs.register(name, func)

    def CcsSendReply(self, data: bytes) -> None:
        """Answer the request whose handler is running, on the same rank: bytes or a buffer of them.

        Does not block. Raises Charm4PyError outside of handlers and when the request has been
        answered or delayed, TypeError if data is not bytes.
        """
        ccs.send_reply(data)

    def CcsDelayReply(self) -> CcsToken:
        """Answer the request whose handler is running later: returns a token for `CcsSendDelayedReply`.

        Raises Charm4PyError outside of handlers and when the request has been answered or delayed.
        """
        return ccs.delay_reply()

    def CcsSendDelayedReply(self, token: CcsToken, data: bytes) -> None:
        """Answer a request that was delayed, from anywhere on the rank where the token was made; once.

        data: bytes or a buffer of them. Does not block; nothing is sent if the client has gone. Raises
        Charm4PyError on another rank and for a request that was answered, TypeError for other objects.
        """
        ccs.send_delayed_reply(token, data)

    def CcsIsRemoteRequest(self) -> bool:
        """True while a handler runs on this rank because a client asked for it."""
        return ccs.is_remote_request()

    def CcsServerAddress(self) -> tuple[str, int] | None:
        """(host, port) on which this rank listens for clients; None without ``++server``, and on all ranks but 0."""
        return ccs.address

    def callHandler(self, name: str, data: bytes) -> Any:
        """Call a handler that was registered on this rank, here and now; returns what it returns.

        name: under which it was registered. data: passed on as it is. Raises Charm4PyError if there is none of that name, and what the handler raises.
        """
        return ccs.call(name, data)

    # ---- sections ----------------------------------------------------------------------------------

    def split(
        self,
        proxy: Any,
        numsections: int,
        section_func: Callable[[Any], int | Sequence[int]] | None = None,
        elems: Iterable[Any] | None = None,
    ) -> list[Any]:
        """Cut a group, an array or a section into ``numsections`` sections; returns their proxies.

        Give one of two: ``section_func(chare)`` is called for each member, where it is, and returns
        the number of its section, a list of such, or a negative number for none. Or ``elems``: for
        each section a list of indexes (for one section a flat list will do); indexes that do not
        exist are left out. A member may be in several sections.

        Methods called on a section's proxy run on all its members; it can be the target of
        reductions, and members reduce among themselves with ``self.reduce(…, section=proxy)``.

        Any rank. Waits for the members' answers, hence in coroutines only, but for ``elems`` of a
        whole group. AssertionError for a section without members or a number out of range; what
        section_func raises is raised here.
        """
        return _sections.split(proxy, numsections, section_func, elems)

    def combine(self, *proxies: Any) -> Any:
        """One section of all members of the groups, arrays and sections that proxies name; returns its proxy.

        Who occurs twice is a member once. Members are ordered by index, whichever collection they
        are of; those of equal index as the proxies are given here. The chares may be of different
        classes: a call on the section runs the method of that name, with ``@coro`` and ``@when``
        and the defaults of keyword calls as in the first proxy's class. Any rank, in coroutines:
        waits for the members' answers. Raises Charm4PyError without proxies, AssertionError for one
        element, TypeError for anything else.
        """
        return _sections.combine(*proxies)

    # ---- what this version lacks -------------------------------------------------------------------

    def LBTurnInstrumentOn(self) -> None:
        """Measure the load of chares on this rank, as it is done from the start when there is a balancer. Does not block."""
        _c4py.lb_measure(True)

    def LBTurnInstrumentOff(self) -> None:
        """Stop measuring the load of chares on this rank; what was measured counts in the next round. Does not block."""
        _c4py.lb_measure(False)

    def hapiAddCudaCallback(self, stream: int, future: Any) -> NoReturn:
        """Complete a future when a CUDA stream is done. There is no CUDA support: raises Charm4PyError at once."""
        raise Charm4PyError(
            "charm.hapiAddCudaCallback(): c4py is built without CUDA; wait for the stream with your GPU library "
            "(in CuPy: stream.synchronize()), then send the future its value: future.send(None)"
        )

    def printStats(self) -> None:
        """Print what the chares of this rank did since the start: seconds in each entry method and its sends, messages.

        The columns: em, in the method without its sends; send, in calls of proxies, contributions
        and sends on channels; recv, unpacking arguments. Needs ``charm.options.profiling = True``
        before the start, on every rank; otherwise one line says so. On another rank:
        ``charm.thisProxy[pe].printStats()``. Raises AssertionError before the start.
        """
        if _c4py.rank() < 0:
            raise AssertionError("charm.printStats() works only after charm.start()")
        print(_profile.report(), flush=True)

    # ---- output ------------------------------------------------------------------------------------

    def print_dbg(self, *args: Any, **kwargs: Any) -> None:
        """print() with the rank in front, flushed at once."""
        print(f"PE {_c4py.rank()}>", *args, **{"flush": True, **kwargs})


def _ranks_of_host(host: int) -> Iterator[int]:
    rank = _c4py.host_next(host, -1)
    while rank >= 0:
        yield rank
        rank = _c4py.host_next(host, rank)


# ---- start-up helpers ------------------------------------------------------------------------------


def _check_entry(entry: Any) -> None:
    if entry is None or not callable(entry):
        raise AssertionError(
            f"charm.start() needs a function or a chare class to start with, not {entry!r}"
        )
    if isinstance(entry, type):
        if not issubclass(entry, Chare):
            raise AssertionError(f"charm.start(): class {entry.__name__} is not a chare class")
        if entry.__init__ is Chare.__init__:
            raise Charm4PyError(
                f"entry class {entry.__name__} must define __init__(self, args), "
                "which gets the list of command-line words"
            )
        _check_one_parameter(entry.__init__, 1, f"the constructor of entry class {entry.__name__}")
    else:
        _check_one_parameter(entry, 0, f"entry function {getattr(entry, '__name__', entry)!r}")


def _check_one_parameter(func: Any, skip: int, what: str) -> None:
    """Raise Charm4PyError unless a function takes exactly one argument besides `skip` leading ones."""
    code = getattr(func, "__code__", None)
    if code is None:  # a partial or a builtin: Python will say so if it takes no argument
        return
    if getattr(func, "__self__", None) is not None:
        skip += 1
    if code.co_argcount - skip != 1:
        besides = " besides self" if skip else ""
        raise Charm4PyError(
            f"{what} must take exactly one parameter{besides}, the list of command-line words, "
            f"but it takes {max(0, code.co_argcount - skip)}"
        )


def _entry_classes(entry: Any) -> list[type]:
    return [entry] if isinstance(entry, type) else []


def _module_classes(modules: Sequence[str]) -> list[type]:
    found: list[type] = []
    for name in [*modules, "__main__"]:
        found.extend(classes_of_module(importlib.import_module(name), (Group, Array)))
    return found


def _leave(code: int) -> NoReturn:
    """The program has ended: do what Python does at the end, close the runtime, and end the process."""
    status = tidy_up(int(code) & 0xFF)
    ccs.close()
    _c4py.finish()
    os._exit(status)


def tidy_up(status: int) -> int:
    """What Python does at the end: threads, atexit handlers, buffers. The exit status, which a handler may change."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except SystemExit as error:
        status = error.code & 0xFF if isinstance(error.code, int) else 1
    except BaseException as error:
        sys.stderr.write(format_exception(error))
        status = status or 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    return status


def _nothing() -> None:
    """The first coroutine of a job whose chares come from a checkpoint."""


def _say_if_never_started() -> None:
    if charm._begun:
        return
    if hasattr(sys, "last_type"):
        why = "an exception ended the script before that"
    elif charm._called:
        why = "charm.start() failed"
    else:
        why = "the script ended without calling charm.start()"
    print(f"c4py: the runtime was never started: {why}", file=sys.stderr, flush=True)


def say_nothing_at_exit() -> None:
    """For processes that are not meant to start the runtime."""
    atexit.unregister(_say_if_never_started)


charm = Charm()

_c4py.bind(
    Charm4PyError=Charm4PyError,
    NotThreadedError=NotThreadedError,
    parse_cond=parse_cond_str,
    combine=combine,
    make_chare=make_chare,
    slice=_sections.slice_of,
    get_state=get_state,
    set_state=set_state,
    format_exception=format_exception,
    describe_exception=describe_exception,
    RemoteStacktrace=RemoteStacktrace,
    substitute=substitute,
    dumps_writable=dumps_writable,
    safe_loads=_checkpoint.safe_loads,
    checkpoint_state=charm._snapshot,
    restore_state=charm._receive,
    checkpoint_written=charm._checkpoint_written,
)
_cli.strip_import_flags(sys.argv)
atexit.register(_say_if_never_started)

__all__ = ["ArrayMap", "Charm", "CharmRemote", "charm", "readonlies", "reducers"]
