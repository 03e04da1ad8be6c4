# SPDX-License-Identifier: Apache-2.0
"""The interactive shell: a chare on rank 0 that reads statements and runs them in a coroutine of its own.

Rank 0 goes on serving messages while the shell waits for input, which a thread of its own reads.
"""

from __future__ import annotations

import ast
import codeop
import io
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any

from . import _c4py
from ._c4py import Chare
from ._chare import ArrayMap, coro
from ._errors import format_exception

#: Seconds: between looks at the input thread; after which a wait is questioned, and how often; between reports.
_INPUT_EVERY = 0.01
_BLOCKED_AFTER = 2.0
_LOOK_EVERY = 0.5
_REPORT_EVERY = 1.0

_BASES = "charm Chare Group Array Reducer Channel coro threaded"


def prepare() -> type:
    """Before the runtime starts, on every rank: options and names; returns the entry class."""
    package = sys.modules[__package__]
    package.charm.options.remote_exec = True
    vars(sys.modules["__main__"]).update({name: getattr(package, name) for name in _BASES.split()})
    _c4py.bind(on_uncaught=_send_uncaught)
    return Console


# ---- exceptions that nobody waits for ------------------------------------------------------------------


def _send_uncaught(error: BaseException, chare: str, entry: str | None) -> None:
    """Called by the runtime on the rank of failure, in place of ending the job."""
    where = f" in {entry} of {chare}" if entry and chare else ""
    head = f"An exception that nobody waits for, on rank {_c4py.rank()}{where}:\n"
    _charm().thisProxy[0]._report_uncaught(head + format_exception(error))


class _Reports:
    """Prints at most one report a second; the others are counted."""

    def __init__(self) -> None:
        self.last = -_REPORT_EVERY
        self.left_out = 0

    def print(self, text: str) -> None:
        now = time.monotonic()
        if now - self.last < _REPORT_EVERY:
            self.left_out += 1
            return
        if self.left_out:
            text += f"({self.left_out} more since the last report)\n"
        self.last, self.left_out = now, 0
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):  # closed; a report of that would be no better
            pass


_reports = _Reports()


def report_uncaught(text: str) -> None:
    """On rank 0: show such an exception."""
    _reports.print(text)


# ---- input --------------------------------------------------------------------------------------------


class _Input:
    """Lines of standard input, read by a thread on request: whoever else reads it, as with input(), is not disturbed."""

    def __init__(self) -> None:
        self.requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.asked = False  # a line is under way, from before an interrupt
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.terminal = sys.stdin is not None and sys.stdin.isatty()
        if self.terminal:
            self._prepare_terminal()
        threading.Thread(target=self._serve, name="c4py shell input", daemon=True).start()

    @staticmethod
    def _prepare_terminal() -> None:
        try:
            import readline
            import rlcompleter

            readline.set_completer(rlcompleter.Completer(vars(sys.modules["__main__"])).complete)
            readline.parse_and_bind("tab: complete")
        except ImportError:
            pass

    def _serve(self) -> None:
        while True:
            prompt = self.requests.get()
            line: str | None
            try:
                if self.terminal:
                    line = input(prompt)
                else:
                    line = sys.stdin.readline()
                    line = line[:-1] if line.endswith("\n") else line or None
            except (EOFError, OSError, ValueError, AttributeError):  # closed, or there is none
                line = None
            self.lines.put(line)

    def read(self, prompt: str) -> Iterator[None]:
        """Yields while there is no line; ``self.line`` is the line at the end, None at the end of the input."""
        if not self.terminal:
            sys.stdout.write(prompt)
            sys.stdout.flush()
        if not self.asked:
            self.requests.put(prompt)
        self.asked = True
        wait = 0.001
        while True:
            try:
                self.line = self.lines.get(timeout=wait) if wait else self.lines.get_nowait()
                self.asked = False
                return
            except queue.Empty:
                wait = 0
                yield


# ---- what a statement is ------------------------------------------------------------------------------


def chare_class_of(value: Any) -> type | None:
    """The chare class that a value is, or that an actor class stands for; None for anything else."""
    from .ray.api import ActorClass

    if isinstance(value, ActorClass):
        return value._chare
    return value if isinstance(value, type) and issubclass(value, Chare) else None


def _class_names(statements: Iterable[ast.AST]) -> Iterator[str]:
    """The classes that these statements define, also inside of if, try, with and loops."""
    for statement in statements:
        if isinstance(statement, ast.ClassDef):
            yield statement.name
        elif not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for part in ("body", "orelse", "handlers", "finalbody", "cases"):
                yield from _class_names(getattr(statement, part, ()))


def _chares_of_modules(modules: Iterable[str]) -> list[tuple[str, str]]:
    """(module, name) of the chare classes, not yet registered, that are attributes of these modules."""
    loaded = [vars(sys.modules[name]) for name in modules if name in sys.modules]
    values = [value for names in loaded for value in list(names.values())]
    return sorted({(v.__module__, v.__name__) for v in values if _is_new_chare(v)})


def _is_new_chare(value: Any) -> bool:
    cls = chare_class_of(value)
    return (
        cls is not None
        and cls not in (Chare, ArrayMap)
        and getattr(sys.modules.get(value.__module__), value.__name__, None) is value
        and not _c4py.class_registered(cls)
    )


def _imported_modules(statements: Iterable[ast.stmt]) -> set[str]:
    """The names of the modules that imports name."""
    found = set()
    for statement in statements:
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            found |= {statement.module}
            found |= {f"{statement.module}.{alias.name}" for alias in statement.names}
    return found


# ---- what is typed in and sent ------------------------------------------------------------------------


def _make_dumps() -> Callable[..., bytes]:
    """pickle.dumps() for what is typed in: other ranks cannot look functions and classes up, so they get them by value."""
    import cloudpickle

    class Pickler(cloudpickle.CloudPickler):
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, type) and _c4py.class_registered(obj):
                return NotImplemented  # by name, as it is one class on all ranks
            return super().reducer_override(obj)

    def dumps(obj: Any, protocol: int | None = None, buffer_callback: Any = None) -> bytes:
        file = io.BytesIO()
        Pickler(file, protocol=protocol, buffer_callback=buffer_callback).dump(obj)
        return file.getvalue()

    return dumps


# ---- the shell ----------------------------------------------------------------------------------------


class Console(Chare):
    """The shell. ``self`` in what is typed in is this chare, so that ``self.wait()`` and channels work, too."""

    @coro
    def __init__(self, args: list[str]) -> None:
        self.names = vars(sys.modules["__main__"])
        self.names.update(self=self, future=self._make_future)
        self.compiler = codeop.CommandCompiler()
        self.input = _Input()
        self.interrupted = False
        self.busy = False
        self.suspect: float | None = None  # since when the wait lasts that is being questioned
        self.timer: int | None = None  # of the next look at what the statement waits for
        for name, prompt in (("ps1", ">>> "), ("ps2", "... ")):
            vars(sys).setdefault(name, prompt)  # as any interactive Python does; may be changed
        try:
            _c4py.set_option("dumps", _make_dumps())
        except ImportError:  # no cloudpickle: what is typed in cannot be sent
            pass
        signal.signal(signal.SIGINT, self._on_interrupt)
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # the shell was started with it closed
                setattr(sys, name, open(os.devnull, "w"))
        try:
            self._greet()
            self._loop()
        except OSError:  # nobody reads the output any more: the session is over
            _charm().exit(1)

    def _greet(self) -> None:
        ranks = _c4py.num_ranks()
        print(f"c4py interactive shell on {ranks} rank{'s' if ranks > 1 else ''}")
        print(
            "Chare classes and imports go to all ranks, all else stays here. exit() ends the job."
        )

    def _make_future(self, num_vals: int = 1) -> Any:
        """A new future, which is also called ``_f``."""
        made = self.names["_f"] = _c4py.future_new(num_vals)
        return made

    def _loop(self) -> None:
        lines: list[str] = []
        while True:
            line = self._read(str(sys.ps2 if lines else sys.ps1))
            if self.interrupted:
                self.interrupted = False
                lines = []
                print("\nKeyboardInterrupt")
                continue
            if line is None:
                break
            lines.append(line)
            if self._run_if_complete("\n".join(lines)):
                lines = []
        if lines and not self._run_if_complete("\n".join([*lines, "", ""])):  # inside a block
            print("SyntaxError: the input ended inside a statement", file=sys.stderr, flush=True)
        print(flush=True)
        _charm().waitQD()
        _charm().exit(0)

    def _read(self, prompt: str) -> str | None:
        for _ in self.input.read(prompt):
            if self.interrupted and not self.input.terminal:
                return ""
            _c4py.sleep(_INPUT_EVERY)
        return self.input.line

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """^C: ends the statement that is running, else the one that is being typed in."""
        while frame is not None:
            if frame.f_code is Console._execute.__code__:
                raise KeyboardInterrupt
            frame = frame.f_back
        if self.busy:
            self.interrupted = not _c4py.interrupt_wait(self)
        else:
            self.interrupted = True

    def _run_if_complete(self, source: str) -> bool:
        """False if more lines are needed."""
        try:
            code = self.compiler(source, "<console>", "single")
        except (OverflowError, SyntaxError, ValueError):
            self._show_error()
            return True
        if code is None:
            return False
        self.busy = True
        self._look_later()
        try:
            self._run(source, code)
        except SystemExit:
            raise
        except BaseException:
            self._show_error()
        self.busy = False
        sys.stdout.flush()
        return True

    def _run(self, source: str, code: CodeType) -> None:
        body = ast.parse(source).body
        imports = isinstance(body[0], (ast.Import, ast.ImportFrom)) if body else False
        if imports and _charm().options.interactive.broadcast_imports:
            self._import(body, code)
        else:
            self._define(source, list(_class_names(body)), code)

    def _execute(self, code: CodeType) -> None:
        if self.interrupted:  # while the statement was compiled; from here on it raises by itself
            self.interrupted = False
            raise KeyboardInterrupt
        exec(code, self.names)

    def _define(self, source: str, names: list[str], code: CodeType) -> None:
        """Run a block. If it has defined chare classes, run it on the other ranks, too, and register them."""
        before = {name: self.names.get(name) for name in names}
        self._execute(code)
        new = [name for name in before if self.names.get(name) is not before[name]]
        new = [name for name in new if chare_class_of(self.names[name])]
        if not new:
            return
        runtime = _charm().thisProxy
        runtime._exec_elsewhere(source + "\n", _c4py.rank(), awaitable=True).get()
        runtime._register_by_name([("__main__", name) for name in new], awaitable=True).get()
        for name in new:
            self._tell(f"class {name} is defined on every rank")

    def _import(self, line: list[ast.stmt], code: CodeType) -> None:
        """Run a line here and the imports in it on the other ranks; register the chare classes that came with them."""
        before = set(sys.modules)
        self._execute(code)
        imports = [each for each in line if isinstance(each, (ast.Import, ast.ImportFrom))]
        source = "; ".join(map(ast.unparse, imports))
        runtime = _charm().thisProxy
        runtime._exec_elsewhere(source, _c4py.rank(), awaitable=True).get()
        found = _chares_of_modules(set(sys.modules) - before | _imported_modules(imports))
        if found:
            # On other ranks a module may have been loaded in another way, or not at all.
            modules = sorted({module for module, _ in found})
            loads = "\n".join(f"__import__({module!r})" for module in modules)
            runtime.exec(loads, awaitable=True).get()
            runtime._register_by_name(found, awaitable=True).get()
        self._tell(f"'{source}' was run on every rank")

    def _tell(self, text: str) -> None:
        if _charm().options.interactive.verbose > 0:
            print(f"[c4py] {text}")

    def _show_error(self) -> None:
        kind, error, trace = sys.exc_info()
        assert kind is not None and error is not None
        trace = self._below_shell(trace)
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(kind, error, trace)
            return
        sys.stdout.flush()
        if isinstance(error, SyntaxError):
            text = "".join(traceback.format_exception_only(kind, error))
        else:
            text = format_exception(error.with_traceback(trace))
        sys.stderr.write(text)
        sys.stderr.flush()

    @staticmethod
    def _below_shell(trace: Any) -> Any:
        """The traceback from the frame of what was typed in on."""
        at = trace
        while at is not None and at.tb_frame.f_code.co_filename != "<console>":
            at = at.tb_next
        return at or trace

    # ---- waits in vain ----

    def _look_later(self) -> None:
        if self.timer is None:
            self.timer = _c4py.call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        """While a statement runs, now and then: a wait that lasts may be one in vain."""
        self.timer = None
        if not self.busy:
            return
        self._look_later()
        waits = _c4py.blocked(self)
        if waits is None or _c4py.time_s() - waits[1] < _BLOCKED_AFTER or self.suspect is not None:
            return
        self.suspect = waits[1]
        _c4py.detect_quiescence(self.thisProxy._quiet)

    def _quiet(self) -> None:
        """Nothing happens any more on any rank; what that itself sets off, as waitQD(), comes first."""
        _c4py.call_later(0.2, _c4py.spawn, (self._give_up,))

    def _give_up(self) -> None:
        """In a coroutine: unless some rank sleeps or has a timer, which may bring what is waited for."""
        if self.timer is not None:
            _c4py.cancel_later(self.timer)
            self.timer = None
        timers = sum(_charm().thisProxy._num_timers(ret=True).get())
        since, self.suspect = self.suspect, None
        waits = _c4py.blocked(self)
        if not timers and waits is not None and waits[1] == since and _c4py.cancel_wait(self):
            print(
                f"[c4py] given up: nothing happens any more, but this waits for {waits[0]}",
                flush=True,
            )
        if self.busy:
            self._look_later()


def _charm() -> Any:
    return sys.modules[__package__].charm
