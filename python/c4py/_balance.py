# SPDX-License-Identifier: Apache-2.0
"""Views of load balancing as Python sees them, and records of loads: reading them, asking for other numbers of ranks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from . import _c4py

#: Types of the arrays, as c4p/balance.h has them.
_TYPES = {
    "node": np.intc,
    "speed": np.double,
    "background": np.double,
    "memory": np.uint64,
    "load": np.double,
    "rank": np.intc,
    "bytes": np.uint64,
    "coords": np.double,
    "edge_first": np.uintp,
    "edge_to": np.uint32,
    "edge_bytes": np.uint64,
    "messages": np.uint64,
    "bytes_sent": np.uint64,
}


class View:
    """What a strategy sees: the objects that can move, with their loads, and the ranks.

    A strategy is a function of a view that returns a rank for each object, in order. All attributes
    are read-only; arrays are numpy arrays, or None if they are not known.

    Attributes:
        seed, round: the only source of randomness, and the number of the balancing round.
        num_ranks, num_nodes: ranks, and hosts of them.
        node: the host of each rank.
        speed: of each rank, relative; None: all the same.
        background: seconds of work of each rank that cannot move.
        memory: bytes that the objects of each rank may take; None: no limit.
        num_objects: objects that can move.
        load: seconds of each object from one synchronization point to the next, as predicted.
        rank: where each object is now.
        bytes: packed size of each object.
        num_coords, coords: coordinates of each object, of shape (num_objects, num_coords).
        edge_first, edge_to, edge_bytes: who talked to whom, each pair from both sides: neighbours of
            object i are ``edge_to[edge_first[i]:edge_first[i + 1]]``.
        messages, bytes_sent: what each object sent since the last round.
        names: of the objects, if they came from a record.
    """

    __slots__ = (
        *("seed", "round", "num_ranks", "num_nodes", "num_objects", "num_coords", "names"),
        *_TYPES,
    )

    seed: int
    round: int
    num_ranks: int
    num_nodes: int
    num_objects: int
    num_coords: int
    names: Sequence[str] | None
    node: np.ndarray | None
    speed: np.ndarray | None
    background: np.ndarray | None
    memory: np.ndarray | None
    load: np.ndarray
    rank: np.ndarray
    bytes: np.ndarray | None
    coords: np.ndarray | None
    edge_first: np.ndarray | None
    edge_to: np.ndarray | None
    edge_bytes: np.ndarray | None
    messages: np.ndarray | None
    bytes_sent: np.ndarray | None

    def __init__(
        self,
        *,
        num_ranks: int,
        load: Any,
        rank: Any,
        seed: int = 0,
        round: int = 0,
        names: Sequence[str] | None = None,
        **arrays: Any,
    ) -> None:
        unknown = set(arrays) - set(_TYPES)
        if unknown:
            raise TypeError(f"a view has no {sorted(unknown)[0]}")
        arrays.update(load=load, rank=rank)
        put = object.__setattr__
        for name, dtype in _TYPES.items():
            value = arrays.get(name)
            if value is not None:
                value = np.array(value, dtype=dtype, order="C")
                value.flags.writeable = False
            put(self, name, value)
        coords = self.coords
        if coords is not None and coords.ndim != 2:
            raise ValueError("coords must be of shape (num_objects, num_coords)")
        put(self, "seed", seed)
        put(self, "round", round)
        put(self, "num_ranks", num_ranks)
        nodes = 1 if self.node is None or not len(self.node) else int(self.node.max()) + 1
        put(self, "num_nodes", nodes)
        put(self, "num_objects", len(self.load))
        put(self, "num_coords", 0 if coords is None else coords.shape[1])
        put(self, "names", names)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a view is read-only; a strategy returns the ranks of the objects")

    def __repr__(self) -> str:
        return f"<View of {self.num_objects} objects on {self.num_ranks} ranks, round {self.round}>"

    def times(self, plan: Any) -> np.ndarray:
        """Seconds of each rank under a plan: background and loads, divided by speed."""
        work = np.bincount(plan, weights=self.load, minlength=self.num_ranks)
        if self.background is not None:
            work = work + self.background
        return work if self.speed is None else work / self.speed

    def on_ranks(self, num_ranks: int) -> View:
        """The same objects on another number of ranks.

        Objects go to ranks in proportion (0 stays the first, the last stays the last), hosts have as
        many ranks as the largest here, background load and memory are the mean of the ranks here, and
        all ranks are equally fast.
        """
        if num_ranks == self.num_ranks:
            return self
        if num_ranks < 1:
            raise ValueError(f"the number of ranks must be positive, not {num_ranks}")
        arrays = {name: getattr(self, name) for name in _TYPES}
        old = np.asarray(self.rank, dtype=np.int64)
        arrays["rank"] = old * num_ranks // self.num_ranks
        if num_ranks > self.num_ranks:
            arrays["rank"] = _spread(old, self.num_ranks, num_ranks)
        if self.node is not None:
            arrays["node"] = np.arange(num_ranks) // np.bincount(self.node).max()
        for name in ("background", "memory"):
            if arrays[name] is not None:
                arrays[name] = np.full(num_ranks, np.mean(arrays[name]))
        arrays["speed"] = None
        return View(
            num_ranks=num_ranks, seed=self.seed, round=self.round, names=self.names, **arrays
        )


def _spread(old: np.ndarray, num_old: int, num_new: int) -> np.ndarray:
    """Objects of each old rank, in order, over the new ranks that take its place."""
    order = np.argsort(old, kind="stable")
    count = np.bincount(old, minlength=num_old)
    within = np.empty(len(old), dtype=np.int64)
    within[order] = np.arange(len(old)) - np.repeat(np.cumsum(count) - count, count)
    first = np.arange(num_old + 1) * num_new // num_old
    return first[old] + within * (first[old + 1] - first[old]) // np.maximum(count[old], 1)


# ---- strategies -----------------------------------------------------------------------------------


def run(strategy: Any, view: View) -> np.ndarray:
    """The plan of a strategy, a name or a function of a view, as an array of ranks.

    Raises ValueError for a view that is not consistent, a name that does not exist, something that
    the strategy lacks, or an answer that is no plan.
    """
    plan = np.array(view.rank, dtype=np.intc)
    if isinstance(strategy, str):
        if _c4py.lb_find(strategy) is None:
            known = ", ".join(name for name, _ in _c4py.lb_builtins())
            raise ValueError(f"there is no strategy '{strategy}'; there are {known}")
        _c4py.lb_run(strategy, view, plan)
        return plan
    answer = strategy(view)
    try:
        ranks = np.asarray(answer if hasattr(answer, "__len__") else list(answer))
    except TypeError:
        raise ValueError(f"a strategy returns a sequence of ranks, not {answer!r}") from None
    if ranks.shape != (view.num_objects,):
        raise ValueError(
            f"the strategy returned {ranks.shape} values for {view.num_objects} objects"
        )
    if view.num_objects and not np.issubdtype(ranks.dtype, np.integer):
        raise ValueError(f"the strategy returned values of type {ranks.dtype}; ranks are integers")
    wrong = np.flatnonzero((ranks < 0) | (ranks >= view.num_ranks))
    if len(wrong):
        raise ValueError(
            f"the strategy sends object {wrong[0]} to rank {ranks[wrong[0]]}; there are {view.num_ranks} ranks"
        )
    plan[:] = ranks
    return plan


def judge(view: View, plan: Any) -> dict[str, Any]:
    """What a plan is worth: max_before, max_after and mean of the ranks' seconds, moved and moved_bytes, cut_before and cut_after (bytes
    between ranks), most_memory."""
    return _c4py.lb_judge(view, np.ascontiguousarray(plan, dtype=np.intc))


# ---- records --------------------------------------------------------------------------------------


class Record:
    """The lines of one round, as they come."""

    def __init__(self, round: int) -> None:
        self.round = round
        self.objects: list[dict[str, Any]] = []
        self.ranks: dict[int, dict[str, Any]] = {}

    def view(self, seed: int = 0) -> View:
        """Everything as recorded. Raises ValueError for lines that contradict each other."""
        self._check_ranks()
        num_ranks = len(self.ranks)
        arrays: dict[str, Any] = {}
        for ours, theirs in (("node", "host"), ("speed", "speed"), ("background", "background")):
            arrays[ours] = self._of_ranks(theirs)
        if self._of_ranks("memory") is not None:
            arrays["memory"] = self._of_ranks("memory")
        names = [o["object"] for o in self.objects]
        for name in ("bytes", "messages", "bytes_sent"):
            if all(name in o for o in self.objects):
                arrays[name] = [o[name] for o in self.objects]
        dims = {len(o.get("coords") or ()) for o in self.objects}
        if len(dims) == 1 and dims != {0}:
            arrays["coords"] = [o["coords"] for o in self.objects]
        if any("edges" in o for o in self.objects):
            arrays.update(self._edges(names))
        return View(
            num_ranks=num_ranks,
            load=[o["load"] for o in self.objects],
            rank=[o["rank"] for o in self.objects],
            seed=seed,
            round=self.round,
            names=names,
            **arrays,
        )

    def _check_ranks(self) -> None:
        used = max((o["rank"] for o in self.objects), default=-1)
        for pe in range(used + 1):  # a record without lines for ranks is complete, too
            self.ranks.setdefault(pe, {})
        if not self.ranks:
            raise ValueError(f"round {self.round} has neither objects nor ranks")
        for pe in range(len(self.ranks)):
            if pe not in self.ranks:
                raise ValueError(f"round {self.round} has no line of rank {pe}")

    def _of_ranks(self, key: str) -> list[Any] | None:
        if not any(key in r for r in self.ranks.values()):
            return None
        missing = {"speed": 1.0}.get(key, 0)
        return [self.ranks[pe].get(key, missing) for pe in range(len(self.ranks))]

    def _edges(self, names: list[str]) -> dict[str, Any]:
        """Bytes that objects sent to others, added up for both directions. What went to objects that are not in the record (that cannot
        move) is left out."""
        number = {name: i for i, name in enumerate(names)}
        if len(number) < len(names):
            raise ValueError(f"round {self.round} names an object twice")
        ends, sent = [], []
        for i, obj in enumerate(self.objects):
            for name, count in obj.get("edges") or ():
                j = number.get(name, i)
                if j != i:
                    ends.append((min(i, j), max(i, j)))
                    sent.append(count)
        n = len(names)
        low, high = np.array(ends, dtype=np.int64).reshape(-1, 2).T
        pairs, which = np.unique(low * n + high, return_inverse=True)
        total = np.zeros(len(pairs), dtype=np.uint64)
        np.add.at(total, which, np.array(sent, dtype=np.uint64))
        low, high = pairs // max(n, 1), pairs % max(n, 1)
        source, target = np.concatenate([low, high]), np.concatenate([high, low])
        order = np.lexsort((target, source))
        return {
            "edge_first": np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]),
            "edge_to": target[order],
            "edge_bytes": np.concatenate([total, total])[order],
        }


def _check_line(line: Any) -> dict[str, Any]:
    """Raise ValueError unless a line is one of an object or of a rank."""
    if not isinstance(line, dict):
        raise ValueError("is no JSON object")
    needs = ("object", "rank", "load") if "object" in line else ("pe",)
    for key in needs:
        if key not in line:
            raise ValueError(f"has no '{key}'")
    for key in ("round", "rank", "pe", "host", "bytes", "memory", "messages", "bytes_sent"):
        value = line.get(key, 0)
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"'{key}' must be a whole number, not {value!r}")
    for key in ("load", "background", "speed"):
        if not isinstance(line.get(key, 0), (int, float)):
            raise ValueError(f"'{key}' must be a number, not {line[key]!r}")
    return line


def _check_lists(line: dict[str, Any]) -> None:
    for x in line.get("coords") or ():
        if not isinstance(x, (int, float)):
            raise ValueError(f"'coords' must be numbers, not {x!r}")
    for edge in line.get("edges") or ():
        if not (isinstance(edge, list) and len(edge) == 2 and isinstance(edge[1], int)):
            raise ValueError(f"'edges' must be pairs of an object and bytes, not {edge!r}")


def read(lines: Iterable[str], name: str = "record") -> Iterator[Record]:
    """The rounds of a record in JSON lines, in their order. Raises ValueError that names the line."""
    records: dict[int, Record] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = _check_line(json.loads(text))
            _check_lists(line)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}:{number}: {error}") from None
        record = records.setdefault(line.get("round", 0), Record(line.get("round", 0)))
        if "object" in line:
            record.objects.append(line)
        else:
            record.ranks[line["pe"]] = line
    yield from (records[round] for round in sorted(records))
