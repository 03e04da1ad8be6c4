# SPDX-License-Identifier: Apache-2.0
"""The object store: values that stay where they were made, and references to them that any rank can hold.

How it works. The rank that makes a reference owns its object: it knows where the value is and when
nobody wants it any more. Values of up to a kilobyte are brought to the owner, larger ones stay
where they were made; a rank that asks gets a copy once and keeps it as long as it has references.

Counting. Each rank has at most one `_Record` per object, which counts the references that live
there and the copies that left for elsewhere and have not been given back. The rank that a copy came
from is its parent; a rank whose counts are both 0 gives one copy back to its parent, and when the
owner's counts are 0 the value is deleted. So there is only one kind of message about counts, no
order of messages matters, and a copy under way is counted by who sent it. That needs to be known
how often a message will be read: calls of one chare, values of futures and channels are read once,
calls of a group once per rank. What travels in another way (constructor arguments, calls of whole
arrays, readonlies, contributions to reductions, the program's own use of pickle) may be read any
number of times: such an object is kept until the job ends.
"""

from __future__ import annotations

import copy
import weakref
from collections import deque
from collections.abc import Generator
from typing import Any, NoReturn

from . import _c4py
from ._c4py import Chare, LocalFuture
from ._chare import register
from ._errors import Charm4PyError
from ._tasks import IMMUTABLE, cannot_return, capture, describe_error

#: Values that take more bytes than this stay where they were made.
_SMALL = 1024
_ITEM_BYTES = 16

_OWNER_SHIFT = 40  # a number is owner << 40 | serial


class _Record:
    """What a rank knows of one object."""

    __slots__ = (
        "asked",
        "done",
        "error",
        "live",
        "location",
        "lent",
        "parent",
        "pinned",
        "ref",
        "seen",
        "value",
        "wanted",
    )

    def __init__(self, parent: int) -> None:
        self.parent = parent  # who gets the copy back; -1: nobody
        self.live = 0  # references on this rank
        self.lent = 0  # copies that left
        self.pinned = 0  # how often a copy left for readers that nobody counts
        self.ref: Any = None  # weak: the reference on this rank
        self.done = False  # value or error is here
        self.value: Any = None
        self.error: Exception | None = None
        self.asked = False  # this rank has asked for the value
        self.seen = False  # somebody has looked at the error
        # at the owner:
        self.location = -1  # the rank that has the value; -1: not made yet
        self.wanted: list[int] = []  # ranks that wait for it


class ObjectRef(LocalFuture):
    """A reference to an object of the object store, from ``ray.put()`` or a remote call.

    A future that every rank can wait for: pass it to any chare or task, and ``get()`` it there, or
    ``await`` it, or give it to ``charm.wait()`` and ``charm.iwait()``. References to one object
    are equal and have the same hash. The object lives as long as some rank has a reference.

    oid: number of the object, the same on all ranks.
    """

    __slots__ = ("oid",)
    oid: int

    def get(self) -> Any:
        """The value; waits until it is on this rank (coroutine only then). Raises the exception of the call that failed.

        All callers on a rank get the same object, which they must not change.
        """
        _store.demand(self)
        super().get()
        return _store.value(self.oid)

    def __await__(self) -> Generator[Any, None, Any]:
        _store.demand(self)
        yield from super().__await__()
        return _store.value(self.oid)

    def ready(self) -> bool:
        """True if the value is on this rank."""
        return super().ready()

    def send(self, result: Any = None) -> NoReturn:
        """Raises Charm4PyError, whatever the result: only the call behind a reference gives it its value."""
        raise Charm4PyError(
            "a reference to a stored object gets its value from the call that makes it; send to a Future() instead"
        )

    def __call__(self, result: Any = None) -> NoReturn:
        self.send(result)

    @property
    def src(self) -> int:
        """The rank that owns the object."""
        return self.oid >> _OWNER_SHIFT

    @property
    def fid(self) -> int:
        """Number of the object on the rank that owns it."""
        return self.oid & ((1 << _OWNER_SHIFT) - 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRef) and self.oid == other.oid

    def __hash__(self) -> int:
        return hash(self.oid)

    def __repr__(self) -> str:
        return f"<ObjectRef {self.fid} of rank {self.src}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return ref_arrives, (_c4py._lend(self),)

    def __del__(self) -> None:
        try:
            _store.dropped(self.oid)
        except AttributeError:  # not complete: its construction failed, or the program ends
            pass


def ref_leaves(ref: ObjectRef, copies: int) -> tuple[int, int]:
    """A reference is being packed, into something that will be read `copies` times, 0: nobody knows."""
    record = _store.records[ref.oid]
    if copies == 0:
        record.pinned += 1
        return ref.oid, -1
    record.lent += copies
    return ref.oid, _store.rank


def ref_stays(ref: ObjectRef, copies: int) -> None:
    """What the reference was packed into is not sent: it is packed again in another way, or the call was refused."""
    record = _store.records[ref.oid]
    if copies == 0:
        record.pinned -= 1
    record.lent -= copies


def ref_arrives(token: tuple[int, int]) -> ObjectRef:
    """The reference on this rank for what `ref_leaves` made."""
    return _store.arrived(*token)


def is_small(value: Any, budget: int = _SMALL) -> bool:
    """Whether a value takes few bytes. What is not known counts as large."""
    return _measure(value, budget) >= 0


def _measure(value: Any, budget: int) -> int:
    """What is left of a number of bytes; negative: too large."""
    kind = type(value)
    budget -= _ITEM_BYTES
    if kind in (str, bytes):
        return budget - len(value)
    if kind is int:
        return budget - value.bit_length() // 8
    if kind in IMMUTABLE or isinstance(value, LocalFuture):
        return budget
    if kind in (list, tuple, set, frozenset, dict):
        if len(value) * _ITEM_BYTES > budget:
            return -1
        items = [*value.keys(), *value.values()] if kind is dict else value
        for item in items:
            budget = _measure(item, budget)
            if budget < 0:
                return -1
        return budget
    nbytes = getattr(value, "nbytes", None)  # arrays and numbers of numpy
    return budget - nbytes if isinstance(nbytes, int) else -1


def bare(error: Exception) -> Exception:
    """An exception without traceback and causes: their frames hold references, which would never end."""
    try:
        twin = copy.copy(error)
    except Exception:
        twin = error
    if type(twin) is not type(error):
        twin = error
    twin.__cause__ = twin.__context__ = None
    return twin.with_traceback(None)


class _Store:
    """The part of the store on this rank."""

    def __init__(self) -> None:
        self.rank = -1
        self.peers: Any = None  # proxy of the group of ObjectStore
        self.records: dict[int, _Record] = {}
        self.made_here: dict[int, Any] = {}  # large values, until their owner deletes them
        self._next = 1
        self._dropped: deque[int] = deque()
        self._sweeping = False
        self._given_back: dict[int, dict[int, int]] = {}  # parent -> object -> copies

    def attach(self, peers: Any) -> None:
        self.peers = peers
        self.rank = _c4py.rank()

    def need(self, what: str) -> None:
        if self.peers is None:
            raise Charm4PyError(
                f"{what}: call ray.init() first, once, in a coroutine on rank 0 (this is rank {_c4py.rank()})"
            )

    # ---- references --------------------------------------------------------------------------------

    def new_ref(self) -> ObjectRef:
        """A reference to an object that is not made yet, owned by this rank."""
        oid = self.rank << _OWNER_SHIFT | self._next
        self._next += 1
        self.records[oid] = record = _Record(-1)
        return self._make_ref(oid, record)

    def _make_ref(self, oid: int, record: _Record) -> ObjectRef:
        ref = ObjectRef()
        ref.oid = oid
        record.live += 1
        record.ref = weakref.ref(ref)
        if record.done:
            LocalFuture.send(ref)
        return ref

    def arrived(self, oid: int, parent: int) -> ObjectRef:
        """A reference has been unpacked."""
        if self.peers is None:
            raise Charm4PyError(
                "a reference to a stored object was read outside of the job that made it"
            )
        record = self.records.get(oid)
        if record is None:
            if parent == self.rank or oid >> _OWNER_SHIFT == self.rank:
                raise Charm4PyError(
                    f"the stored object {oid} was deleted: its reference was unpickled more often than was known"
                )
            record = self.records[oid] = _Record(parent)
        elif parent == self.rank:
            record.lent -= 1
        elif parent >= 0:
            self._give_back(parent, oid)
        ref = record.ref() if record.ref is not None else None
        return ref if ref is not None else self._make_ref(oid, record)

    def dropped(self, oid: int) -> None:
        """A reference is gone. May be called in the middle of anything, so only take a note."""
        self._dropped.append(oid)
        self._sweep_soon()

    def _sweep_soon(self) -> None:
        if not self._sweeping and _c4py.rank() >= 0:
            self._sweeping = True
            try:
                _c4py.post(self.sweep)
            except Charm4PyError:  # another thread, or the end of the program
                self._sweeping = False

    def sweep(self) -> None:
        """Draw the consequences of references that are gone."""
        self._sweeping = False
        while self._dropped:
            oid = self._dropped.popleft()
            record = self.records.get(oid)
            if record is not None:
                record.live -= 1
                self._check(oid, record)
        given_back, self._given_back = self._given_back, {}
        for parent, copies in given_back.items():
            self.peers[parent]._give_back(copies)

    def _check(self, oid: int, record: _Record) -> None:
        """Forget an object that this rank has no use for."""
        if record.live:
            return
        if record.lent or record.pinned:
            if record.error is None and not self._keeps(oid, record):
                record.done, record.asked, record.value = False, False, None
            return
        del self.records[oid]
        if oid >> _OWNER_SHIFT != self.rank:
            if record.parent >= 0:
                self._give_back(record.parent, oid)
            return
        if record.error is not None and not record.seen:
            text = getattr(record.error, "remote_stacktrace", (self.rank, repr(record.error)))[1]
            _c4py.log("warn", f"ray: a remote call failed and nobody asked for its result:\n{text}")
        if record.location not in (-1, self.rank):
            self.peers[record.location]._delete(oid)

    def _keeps(self, oid: int, record: _Record) -> bool:
        """Whether others get the value from this record; else it is only a copy."""
        return oid >> _OWNER_SHIFT == self.rank and record.location in (-1, self.rank)

    def _give_back(self, parent: int, oid: int) -> None:
        copies = self._given_back.setdefault(parent, {})
        copies[oid] = copies.get(oid, 0) + 1
        self._sweep_soon()

    def on_give_back(self, copies: dict[int, int]) -> None:
        for oid, number in copies.items():
            record = self.records.get(oid)
            if record is not None:
                record.lent -= number
                self._check(oid, record)

    # ---- values ------------------------------------------------------------------------------------

    def value(self, oid: int) -> Any:
        """The value of an object that is here."""
        record = self.records[oid]
        if record.error is not None:
            record.seen = True
            raise bare(record.error)
        return record.value

    def fulfil(self, ref: ObjectRef, value: Any, error: Exception | None = None) -> None:
        """A call on this rank has made the object of a reference."""
        oid, owner = ref.oid, ref.src
        if error is not None:
            error, value = bare(describe_error(error, self.rank)), None
        else:
            try:
                value = capture(value)
            except Exception as cause:
                error, value = (
                    bare(describe_error(cannot_return(cause, "remote call"), self.rank)),
                    None,
                )
        if owner == self.rank:
            self._arrives(oid, value, error)
            self.located(oid, self.rank)
            return
        if error is not None or is_small(value):
            try:
                self.peers[owner]._made(oid, value, error)
            except Exception as cause:
                error = bare(describe_error(cannot_return(cause, "remote call"), self.rank))
                self.peers[owner]._made(oid, None, error)
        else:
            self.made_here[oid] = value
            self.peers[owner]._located(oid, self.rank)
        self._arrives(oid, value, error)

    def _arrives(self, oid: int, value: Any, error: Exception | None) -> None:
        """A value is here now."""
        record = self.records.get(oid)
        if record is None or record.done:
            return
        if not record.live and not self._keeps(oid, record):
            return  # the references it was fetched for are gone
        record.done, record.value, record.error = True, value, error
        ref = record.ref() if record.ref is not None else None
        if ref is not None:
            LocalFuture.send(ref)

    def located(self, oid: int, rank: int) -> None:
        """At the owner: a rank has the value."""
        record = self.records.get(oid)
        if record is None:
            if rank != self.rank:
                self.peers[rank]._delete(oid)
            return
        record.location = rank
        wanted, record.wanted = record.wanted, []
        for other in wanted:
            self._let_send(oid, record, other)

    def demand(self, ref: ObjectRef) -> None:
        """Somebody on this rank waits for the value of a reference."""
        record = self.records[ref.oid]
        if record.done or record.asked:
            return
        record.asked = True
        if ref.src == self.rank:
            self.fetch(ref.oid, self.rank)
        else:
            self.peers[ref.src]._fetch(ref.oid, self.rank)

    def fetch(self, oid: int, rank: int) -> None:
        """At the owner: a rank wants the value."""
        record = self.records.get(oid)
        if record is None:
            return  # whoever wanted it has dropped its reference meanwhile
        if record.location < 0:
            record.wanted.append(rank)
        else:
            self._let_send(oid, record, rank)

    def _let_send(self, oid: int, record: _Record, rank: int) -> None:
        if record.location != self.rank:
            self.peers[record.location]._send_to(oid, rank)
        elif rank != self.rank:
            record.seen = True
            self._send(oid, record.value, record.error, rank)

    def send_to(self, oid: int, rank: int) -> None:
        """At a rank that has made a large value: another one wants it."""
        if oid in self.made_here:
            self._send(oid, self.made_here[oid], None, rank)

    def _send(self, oid: int, value: Any, error: Exception | None, rank: int) -> None:
        try:
            self.peers[rank]._value(oid, value, error)
        except Exception as cause:  # it cannot be packed
            error = describe_error(
                Charm4PyError(f"a stored object cannot travel: {type(cause).__name__}: {cause}"),
                self.rank,
            )
            self.peers[rank]._value(oid, None, error)

    def put(self, value: Any) -> ObjectRef:
        """A reference to a copy of a value, which stays on this rank."""
        value = capture(value)
        ref = self.new_ref()
        record = self.records[ref.oid]
        record.done, record.value, record.location = True, value, self.rank
        LocalFuture.send(ref)
        return ref

    def counts(self) -> dict[str, int]:
        """How many objects this rank knows of, and how many values it keeps."""
        self.sweep()
        return {
            "references": sum(record.live for record in self.records.values()),
            "records": len(self.records),
            "values": sum(record.done for record in self.records.values()),
            "made_here": len(self.made_here),
        }


_store = _Store()


@register
class ObjectStore(Chare):
    """The group behind ``ray``: what the parts of the object store on two ranks tell each other. Made by ``ray.init()``."""

    def __init__(self) -> None:
        _store.attach(self.thisProxy)

    def counts(self) -> dict[str, int]:
        """For tests: references, records, values and large values made here, on the rank called."""
        return _store.counts()

    def _give_back(self, copies: dict[int, int]) -> None:
        _store.on_give_back(copies)

    def _made(self, oid: int, value: Any, error: Exception | None) -> None:
        _store._arrives(oid, value, error)
        _store.located(oid, _store.rank)

    def _located(self, oid: int, rank: int) -> None:
        _store.located(oid, rank)

    def _fetch(self, oid: int, rank: int) -> None:
        _store.fetch(oid, rank)

    def _send_to(self, oid: int, rank: int) -> None:
        _store.send_to(oid, rank)

    def _value(self, oid: int, value: Any, error: Exception | None) -> None:
        _store._arrives(oid, value, error)

    def _delete(self, oid: int) -> None:
        _store.made_here.pop(oid, None)


_c4py.bind(
    ref_leaves=ref_leaves, ref_stays=ref_stays, ref_arrives=ref_arrives, ref_demand=_store.demand
)
