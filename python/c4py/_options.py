# SPDX-License-Identifier: Apache-2.0
"""Run-time options: the attribute bag behind ``charm.options``."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

from ._errors import Charm4PyError

#: Spellings of Charm4py 0.x that used to be set on the class itself.
_REMOVED = (
    "PROFILING",
    "PICKLE_PROTOCOL",
    "LOCAL_MSG_OPTIM",
    "LOCAL_MSG_BUF_SIZE",
    "AUTO_FLUSH_WAIT_QUEUES",
    "QUIET",
)


class _Bag:
    """Named values; names that are not known may be set too and are kept."""

    def __str__(self) -> str:
        lines = (
            f"{name.lstrip('_')}: {value}"
            for name, value in vars(self).items()
            if not isinstance(value, _Bag)
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {vars(self)}>"


class InteractiveOptions(_Bag):
    """Options of the interactive shell, ``charm.options.interactive``.

    verbose: 1 reports definitions that are repeated on the other ranks, 0 is silent.
    broadcast_imports: run import statements of the shell on every rank.
    """

    def __init__(self) -> None:
        self.verbose = 1
        self.broadcast_imports = True


class Options(_Bag):
    """Options of a run. Set them on ``charm.options``, on every rank, before ``charm.start()``.

    local_msg_optim: hand arguments of calls to a chare on the same rank over by reference
        instead of capturing a copy. Default False.
    local_msg_buf_size: accepted for older programs; there is no limit here. Default 50.
    pickle_protocol: protocol for what has no direct encoding; -1 is the highest. Default -1.
    profiling: collect the figures that ``charm.printStats()`` shows. Default False.
    auto_flush_wait_queues: examine waiting ``@when`` messages and ``self.wait()`` after every
        entry method. False: only when the chare calls ``self.__flush_wait_queues__()``.
    quiet: no banner. The same as ``++quiet`` on the command line.
    remote_exec: allow ``charm.thisProxy.exec/eval`` to run source text on this rank.
    interactive: options of the shell, see `InteractiveOptions`.
    balancer: how the load is balanced when elements call ``AtSync()``: the name of a strategy, several
        with commas between (used in turn, the last one for all further rounds), a function of a
        `c4py.balance.View` that returns a rank for each object, or a list of such. None: nothing
        moves. ``+balancer NAME`` on the command line and the launcher's ``--balancer`` go before it.
    on_balance: a function that is called on rank 0 after each round of load balancing, before the elements
        go on, with a dictionary of what the round found and did; its keys are those of ``c4p_lb_round_t``
        in c4p/balance.h. It must not block. None: nobody is told.
    balance_period: at which synchronization points (all elements have called ``AtSync()``) the load is
        balanced: each n-th, or ``"auto"``: when what is lost exceeds what balancing costs. Default 1.
        ``+LBPeriod`` goes before it.
    balance_predictor: how loads are predicted from those of the last rounds: ``"last"``, ``"mean"``,
        ``"median"`` or ``"linear"``, the latter with ``":n"`` for n rounds. Default "last".
        ``+LBPredictor=NAME`` goes before it.
    balance_speed: how fast this rank is relative to the others, a number (2: what takes a second on a rank of
        speed 1 takes half of one here), or ``"measure"``, on all ranks, to find out by 10 ms of arithmetic at the
        start. None: all are equally fast. ``+LBTestPESpeed`` is "measure" and goes before it.
    balance_graph: record who talks to whom, for strategies and ``--balance-record``; strategies that
        need it have it anyway. Default False. ``+LBCommOn`` and ``+LBCommOff`` go before it.
    checkpoint_classes: classes, besides those of chares, whose objects a restart may make from a
        checkpoint. Default none.
    checkpoint_key: file of 16 to 4096 bytes that nobody else can read: checkpoints are sealed with it, and
        no others are gone on from. None: no key. The launcher's ``--checkpoint-key`` goes before it.
    """

    def __init__(self) -> None:
        self.local_msg_optim = False
        self.local_msg_buf_size = 50
        self.pickle_protocol = -1
        self.profiling = False
        self.auto_flush_wait_queues = True
        self._quiet = os.environ.get("C4PY_QUIET", "0") == "1" or "++quiet" in sys.argv
        self.remote_exec = False
        self.interactive = InteractiveOptions()
        self.balancer: Any = None
        self.on_balance: Callable[[dict[str, Any]], object] | None = None
        self.balance_period: int | str = 1
        self.balance_predictor = "last"
        self.balance_speed: float | str | None = None
        self.balance_graph = False
        self.checkpoint_classes: list[type] = []
        self.checkpoint_key: Any = None

    def _check(self) -> None:
        """Raise Charm4PyError for values that would strike later, in the middle of the run."""
        highest = pickle.HIGHEST_PROTOCOL
        protocol = self.pickle_protocol
        if not isinstance(protocol, int) or not -1 <= protocol <= highest:
            raise Charm4PyError(
                f"charm.options.pickle_protocol must be a number from 0 to {highest}, or -1 for the highest, "
                f"not {protocol!r}"
            )
        if self.on_balance is not None and not callable(self.on_balance):
            raise Charm4PyError(
                f"charm.options.on_balance must be a function, or None, not {self.on_balance!r}"
            )

    @property
    def quiet(self) -> bool:
        """No banner at start; setting it also puts ``++quiet`` into ``sys.argv``."""
        return self._quiet

    @quiet.setter
    def quiet(self, value: bool) -> None:
        self._quiet = bool(value)
        if value and "++quiet" not in sys.argv:
            sys.argv.append("++quiet")


def check_removed(cls: Any = Options) -> None:
    """Refuse the class attributes of Charm4py 0.x, which would be ignored silently."""
    for name in _REMOVED:
        if name in vars(cls):
            raise Charm4PyError(
                f"Options.{name} is not an option any more; "
                f"set charm.options.{name.lower()} before charm.start() instead"
            )
