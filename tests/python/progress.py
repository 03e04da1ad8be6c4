# SPDX-License-Identifier: Apache-2.0
"""charm.progress(): counts of all ranks are exact in the end, few messages carry them, lines and bars show them."""

import io
import re
import sys

from c4py import _progress
from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

TICKS = 20_000


class Worker(Chare):
    def tick(self, bar, times):
        for _ in range(times):
            bar.update()

    @coro
    def tick_slowly(self, bar, times):
        for _ in range(times):
            bar.update(2)
            charm.sleep(0.01)

    def own_bar(self, n):
        return sum(charm.progress(range(n), desc="own", style="lines"))

    @coro
    def close_foreign(self, bar):
        try:
            bar.close()
        except Charm4PyError as error:
            return str(error)

    async def asynchronous(self, peers):
        async with charm.progress(total=10, desc="async", style="lines") as bar:
            await peers.tick(bar, 10, awaitable=True)
        return bar.count

    def plain(self, peers):
        """In a method that is no coroutine close() does not wait."""
        bar = charm.progress(desc="plain", style="lines")
        peers.tick(bar, 3)
        self.bar = bar

    def close_plain(self):
        self.bar.close()

    def unfinished(self):
        charm.progress(total=5, desc="unfinished", style="lines").update(3)

    def forget(self):
        return len(_progress._board.parts)


def shown():
    """What was written since the last time."""
    text = sys.stderr.getvalue()
    sys.stderr.seek(0)
    sys.stderr.truncate()
    return text


def main(args):
    ranks = charm.numPes()
    group = Group(Worker)
    far = group[ranks - 1]
    stderr, sys.stderr = sys.stderr, io.StringIO()
    try:
        checks(group, far, ranks)
    finally:
        sys.stderr = stderr
    finish(30)


def checks(group, far, ranks):
    # As an iterator.
    equal(list(charm.progress([5, 6, 7], desc="list", style="lines")), [5, 6, 7], "the items")
    check(
        re.fullmatch(r"list: 3/3 it \(100%\), \S+ it/s, in 0:00\n", shown()), "one line at the end"
    )
    equal(list(charm.progress((i for i in range(4)), unit="step")), [0, 1, 2, 3])
    check(shown().startswith("progress: 4 step, "), "no length, no percentage; no terminal, a line")
    for i in charm.progress(range(10), desc="left early", style="lines"):
        if i == 6:
            break
    del i
    check("left early: 6/10 it (60%)" in shown(), "a loop that is left early")
    list(charm.progress(range(10), style="off"))
    equal(shown(), "", "off")

    # Counted on all ranks, with few messages.
    messages = []
    _progress._board.on_counts = _progress._board.show = messages.append
    bar = charm.progress(total=ranks * TICKS, desc="all ranks", style="lines")
    group.tick(bar, TICKS, awaitable=True).get()
    del _progress._board.on_counts, _progress._board.show
    check(len(messages) <= 20 * ranks, f"{len(messages)} messages for {ranks * TICKS} counts")
    equal(bar.count, TICKS, "counted here")
    bar.close()
    equal(
        re.match(r"[^,]*", shown())[0],
        f"all ranks: {ranks * TICKS}/{ranks * TICKS} it (100%)",
        "exact, and there when close() returns",
    )
    equal(bar.close(), None, "again")
    bar.update()
    equal(shown(), "", "closed")
    equal(group.forget(ret=True).get(), [0] * ranks, "nothing is kept of closed bars")

    # Counts arrive while the work goes on.
    with charm.progress(total=100 * ranks, desc="slow", style="lines", interval=0) as bar:
        group.tick_slowly(bar, 50, awaitable=True).get()
    lines = shown().splitlines()
    check(len(lines) >= 2, "lines on the way")
    check(" left" in lines[0] and "it/s" in lines[0], f"rate and time left: {lines[0]}")
    counts = [int(re.match(r"slow: (\d+)/", line)[1]) for line in lines]
    equal(counts, sorted(counts), "it grows")
    equal(counts[-1], 100 * ranks, "to the end")
    check(all(c <= 100 * ranks for c in counts))

    # From other ranks and contexts.
    equal(far.own_bar(7, ret=True).get(), 21, "in a method that is no coroutine")
    charm.waitQD()
    check("own: 7/7 it (100%)" in shown(), "of another rank")
    own = far.asynchronous(group, ret=True).get()
    equal((own, shown().split(",")[0]), (10, f"async: {10 * ranks}/10 it ({100 * ranks}%)"))
    far.plain(group, awaitable=True).get()
    charm.waitQD()
    far.close_plain(awaitable=True).get()
    charm.waitQD()
    equal(shown().split(",")[0], f"plain: {3 * ranks} it")
    bar = charm.progress(style="lines")
    if ranks > 1:
        check("rank 0, not" in far.close_foreign(bar, ret=True).get(), "closed where it was made")
    bar.close()
    shown()

    equal(_progress._board.early, {}, "late counts of closed bars are forgotten")
    bars(group, ranks)
    raises(ValueError, charm.progress, style="pie", text="bar, lines")
    raises(TypeError, charm.progress, 5, text="int")
    raises(TypeError, lambda: list(charm.progress(total=3)), text="update()")
    equal(_progress._clock(3725), "1:02:05")
    equal(_progress._clock(59.7), "1:00")


def bars(group, ranks):
    """tqdm draws bars; without it there are lines."""
    try:
        import tqdm  # noqa: F401
    except ImportError:
        pass
    else:
        with charm.progress(total=10 * ranks, desc="drawn", style="bar") as bar:
            group.tick(bar, 10, awaitable=True).get()
        text = shown()
        check("drawn: 100%" in text and f"{10 * ranks}/{10 * ranks}" in text, f"a bar: {text}")
        sys.stderr.isatty = lambda: True
        list(charm.progress(range(3), desc="terminal"))
        check("terminal: 100%" in shown(), "a bar on terminals")
        del sys.stderr.isatty
    kept = sys.modules.get("tqdm")
    sys.modules["tqdm"] = None  # an import of it fails
    list(charm.progress(range(3), desc="no tqdm", style="bar"))
    check("no tqdm: 3/3 it (100%), " in shown(), "a line without tqdm")
    del sys.modules["tqdm"]
    if kept is not None:
        sys.modules["tqdm"] = kept


raises(Charm4PyError, charm.progress, text="after charm.start()")
charm.start(main)
