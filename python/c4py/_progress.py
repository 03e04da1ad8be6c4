# SPDX-License-Identifier: Apache-2.0
"""``charm.progress()``: how far long work has come, counted on any rank and shown on rank 0.

How it works. Counting is an addition on the rank that counts. What has been counted goes up a tree
of ranks a few times a second, all bars in one message, added up on the way. Messages only leave
when a method ends, so a long loop that counts also moves them on. At the end the ranks are asked
for their sums, so that the last figure is exact.
"""

from __future__ import annotations

import atexit
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import _c4py
from ._errors import Charm4PyError

#: How often counts go from a rank to its parent in the tree, in seconds.
_FLUSH_SECS = 0.2
#: How many ranks report to one.
_CHILDREN = 16
#: How often a line is written when there is no bar, in seconds.
_LINE_SECS = 10.0

_STYLES = ("auto", "bar", "lines", "off")
_LAUNCHERS = ("mpirun", "mpiexec", "orterun", "prterun", "orted", "prted", "hydra_pmi_proxy")

_Key = tuple[int, int]  # the rank that made the bar, and its number there


class _Part:
    """What a rank has counted for one bar."""

    __slots__ = ("closed", "closing", "own", "pending", "shared")

    def __init__(self) -> None:
        self.own = 0  # counted here
        self.pending = 0  # here and below in the tree, not passed up yet
        self.shared = False  # other ranks may count, too
        self.closed = False
        self.closing = False  # close() was called


class _Closed:
    """The bars of one rank that are closed: all up to a number, and some after it."""

    __slots__ = ("later", "up_to")

    def __init__(self) -> None:
        self.up_to = 0
        self.later: set[int] = set()

    def add(self, number: int) -> None:
        self.later.add(number)
        while self.up_to + 1 in self.later:
            self.up_to += 1
            self.later.remove(self.up_to)

    def __contains__(self, number: int) -> bool:
        return number <= self.up_to or number in self.later


class _Board:
    """All bars, as far as this rank knows of them."""

    def __init__(self) -> None:
        self.parts: dict[_Key, _Part] = {}
        self.shown: dict[_Key, _Shown] = {}  # rank 0
        self.early: dict[_Key, int] = {}  # rank 0: counts that came before their bar
        self.closed: dict[int, _Closed] = {}  # rank 0: by the rank that made the bars
        self.next = 1
        self.armed = False
        self.last_flush = 0.0
        self.at_exit = False

    def part(self, key: _Key) -> _Part:
        part = self.parts.get(key)
        if part is None:
            part = self.parts[key] = _Part()
        return part

    # ---- counting ----------------------------------------------------------------------------------

    def arm(self) -> None:
        """Something is to be passed up: soon."""
        self.armed = True
        _c4py.call_later(_FLUSH_SECS, self._on_timer)

    def _on_timer(self) -> None:
        self.armed = False
        self.flush()

    def flush(self) -> None:
        """Pass up, or on rank 0 show, what has been counted."""
        self.last_flush = time.monotonic()
        counts = {}
        for key, part in self.parts.items():
            if part.pending:
                counts[key] = part.pending
                part.pending = 0
        if not counts:
            return
        rank = _c4py.rank()
        if rank == 0:
            self.show(counts)
        elif rank > 0:
            _peers()[(rank - 1) // _CHILDREN]._progress("counts", counts)

    def on_counts(self, counts: dict[_Key, int]) -> None:
        """Counts have come from below in the tree."""
        if _c4py.rank() == 0:
            self.show(counts)
            return
        for key, count in counts.items():
            self.part(key).pending += count
        if not self.armed:
            self.arm()

    def on_total(self, key: _Key) -> int:
        """The bar is closed: what this rank has counted."""
        part = self.parts.pop(key, None)
        if part is None:
            return 0
        part.closed = True
        return part.own

    # ---- on rank 0 ---------------------------------------------------------------------------------

    def on_open(self, key: _Key, shown: dict[str, Any]) -> None:
        if not self.at_exit:
            self.at_exit = True
            atexit.register(self.close_all)
        self.shown[key] = bar = _Shown(**shown)
        early = self.early.pop(key, 0)
        if early:
            bar.add(early)

    def show(self, counts: dict[_Key, int]) -> None:
        for key, count in counts.items():
            bar = self.shown.get(key)
            if bar is not None:
                bar.add(count)
            elif key[1] not in self.closed.get(key[0], ()):
                self.early[key] = self.early.get(key, 0) + count

    def on_close(self, key: _Key, count: int) -> None:
        self.closed.setdefault(key[0], _Closed()).add(key[1])
        self.early.pop(key, None)
        bar = self.shown.pop(key, None)
        if bar is not None:
            bar.finish(count)

    def close_all(self) -> None:
        """The program ends: show how far the rest has come."""
        self.flush()
        for bar in self.shown.values():
            bar.finish(bar.count)
        self.shown.clear()


_board = _Board()


def _peers() -> Any:
    from ._runtime import charm

    if charm.thisProxy is None:
        raise Charm4PyError("charm.progress() works only after charm.start()")
    return charm.thisProxy


def handle(what: str, *args: Any) -> Any:
    """A message about bars from another rank."""
    return getattr(_board, f"on_{what}")(*args)


class Progress:
    """How far some work has come; made by ``charm.progress()``, which says what it does.

    It may be sent to chares and tasks on any rank; all of them count for the same bar.
    """

    __slots__ = ("_iterable", "_key", "_part")

    def __init__(self, key: _Key, iterable: Iterable[Any] | None = None) -> None:
        self._key = key
        self._part = _board.part(key)
        self._iterable = iterable

    def update(self, n: int = 1) -> None:
        """Count n more, on any rank, in any context; from the thread of the runtime. Does not block."""
        part = self._part
        if part.closed:
            return
        part.own += n
        part.pending += n
        board = _board
        if time.monotonic() - board.last_flush > _FLUSH_SECS:
            board.flush()
            _c4py.poll()  # this may be a long loop: let the message go
        elif not board.armed:
            board.arm()

    @property
    def count(self) -> int:
        """What this rank has counted."""
        return self._part.own

    def close(self) -> Any:
        """The work has ended: show the exact count of all ranks. On the rank that made the bar; again does nothing.

        In a coroutine this waits for all ranks that may have counted, and until the line is written. In
        an ``async def``: ``await bar.close()``. Elsewhere the line comes soon.
        """
        return self._close(_c4py.wait_kind())

    def _close(self, waiting: int) -> Any:
        if self._key[0] != _c4py.rank():
            raise Charm4PyError(
                f"a progress bar is closed on the rank that made it: rank {self._key[0]}, not {_c4py.rank()}"
            )
        part = self._part
        if part.closing:
            return _c4py.wait(())
        part.closing = True
        if not part.shared:
            part.closed = True
            _board.parts.pop(self._key, None)
            self._tell("close", part.own)
            return _c4py.wait(())
        if waiting == 1:
            self._collect()
            return None
        if waiting == 0:
            _c4py.spawn(self._collect)
            return None
        future = _c4py.LocalFuture()
        _c4py.spawn(self._collect, (), lambda result, error: future.send(error))
        return future

    def _collect(self) -> None:
        """In a coroutine: ask all ranks, and show the sum."""
        totals = _peers()._progress("total", self._key, ret=True).get()
        _peers()[0]._progress("close", self._key, sum(totals), awaitable=True).get()

    def _tell(self, what: str, *args: Any) -> None:
        if _c4py.rank() == 0:
            handle(what, self._key, *args)
        else:
            _peers()[0]._progress(what, self._key, *args)

    def __iter__(self) -> Iterator[Any]:
        if self._iterable is None:
            raise TypeError("this progress bar was made without an iterable; count with update()")
        try:
            for item in self._iterable:
                yield item
                self.update()
        finally:
            self._close(0)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Progress:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __reduce__(self) -> tuple[Callable[..., Progress], tuple[_Key]]:
        self._part.shared = True
        return _arrived, (self._key,)

    def __repr__(self) -> str:
        return f"<Progress {self._key[1]} of rank {self._key[0]}, {self._part.own} counted here>"


def _arrived(key: _Key) -> Progress:
    bar = Progress(key)
    bar._part.shared = True
    return bar


def progress(
    iterable: Iterable[Any] | None = None,
    total: float | None = None,
    desc: str = "",
    unit: str = "it",
    style: str = "auto",
    interval: float = _LINE_SECS,
) -> Progress:
    """Make a bar. What ``charm.progress()`` does; see there."""
    if style not in _STYLES:
        raise ValueError(
            f"charm.progress(): style must be one of {', '.join(_STYLES)}, not {style!r}"
        )
    if iterable is not None and not hasattr(iterable, "__iter__"):
        raise TypeError(f"charm.progress() cannot iterate over {type(iterable).__name__}")
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)  # type: ignore[arg-type]
    _peers()
    key = (_c4py.rank(), _board.next)
    _board.next += 1
    bar = Progress(key, iterable)
    shown = {"total": total, "desc": desc, "unit": unit, "style": style, "interval": interval}
    bar._tell("open", shown)
    return bar


# ---- showing, on rank 0 ------------------------------------------------------------------------------


class _Shown:
    """One bar on rank 0: drawn by tqdm on a terminal, else a line from time to time."""

    def __init__(
        self, total: float | None, desc: str, unit: str, style: str, interval: float
    ) -> None:
        self.total = total
        self.desc = desc
        self.unit = unit
        self.interval = interval
        self.count = 0
        self.off = style == "off"
        self.began = self.last_line = time.monotonic()
        self.bar = None
        if style == "bar" or (style == "auto" and _on_terminal()):
            self.bar = _tqdm_bar(total, desc, unit)

    def add(self, count: int) -> None:
        self.count += count
        if self.bar is not None:
            self.bar.update(count)
            return
        now = time.monotonic()
        if now - self.last_line >= self.interval:
            self.last_line = now
            self._write(now, False)

    def finish(self, count: int) -> None:
        self.count = count
        if self.bar is not None:
            self.bar.n = count
            self.bar.refresh()
            self.bar.close()
        else:
            self._write(time.monotonic(), True)

    def _write(self, now: float, last: bool) -> None:
        if not self.off:
            sys.stderr.write(self._line(now - self.began, last) + "\n")
            sys.stderr.flush()

    def _line(self, secs: float, last: bool) -> str:
        """``work: 250/1000 it (25%), 12.5 it/s, 1:00 left``; at the end ``…, in 1:20``."""
        text = f"{self.desc or 'progress'}: {self.count}"
        if self.total is not None:
            text += f"/{self.total}"
        text += f" {self.unit}"
        if self.total:
            text += f" ({100 * self.count / self.total:.0f}%)"
        rate = self.count / secs if secs > 0 else 0.0
        text += f", {rate:{'.0f' if rate >= 100 else '.3g'}} {self.unit}/s"
        if last:
            return f"{text}, in {_clock(secs)}"
        if self.total is not None and rate > 0 and self.total >= self.count:
            text += f", {_clock((self.total - self.count) / rate)} left"
        return text


def _clock(secs: float) -> str:
    minutes, seconds = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _tqdm_bar(total: float | None, desc: str, unit: str) -> Any:
    """A bar of tqdm, or None without tqdm."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=desc or None, unit=unit, file=sys.stderr)


def _on_terminal() -> bool:
    """Whether the standard error is a terminal, or a pipe to an MPI launcher that writes to one."""
    try:
        if sys.stderr.isatty():
            return True
        if not stat.S_ISFIFO(os.fstat(sys.stderr.fileno()).st_mode):
            return False
        parent = f"/proc/{os.getppid()}"
        if os.path.basename(os.readlink(f"{parent}/exe")) not in _LAUNCHERS:
            return False
        return os.readlink(f"{parent}/fd/2").startswith(("/dev/pts/", "/dev/tty"))
    except (OSError, ValueError, AttributeError):
        return False


__all__ = ["Progress", "handle", "progress"]
