# SPDX-License-Identifier: Apache-2.0
"""Hosts and trees over ranks. Which ranks share a host is taken from C4PY_TEST_HOSTS, if that is set."""

import os

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None


def expected_hosts(ranks):
    """For each rank the number of its host: the digits, renamed in the order in which they occur."""
    digits = os.environ.get("C4PY_TEST_HOSTS", "1")
    names = {}
    return [names.setdefault(digits[pe % len(digits)], len(names)) for pe in range(ranks)]


def facts():
    hosts = range(charm.numHosts())
    pes = range(charm.numPes())
    return (
        charm.numHosts(),
        [charm.getHostPes(h) for h in hosts],
        [charm.getHostFirstPe(h) for h in hosts],
        [charm.getHostNumPes(h) for h in hosts],
        [charm.getPeHost(pe) for pe in pes],
        [charm.getPeHostRank(pe) for pe in pes],
    )


class Asked(Chare):
    def facts(self):
        return facts()

    def my_host(self):
        return charm.myHost()

    def edges(self, *args, **kwargs):
        return charm.getTopoTreeEdges(charm.myPe(), *args, **kwargs)


def check_hosts(group, ranks):
    host_of = expected_hosts(ranks)
    members = [[pe for pe in range(ranks) if host_of[pe] == h] for h in range(max(host_of) + 1)]
    want = (
        len(members),
        members,
        [pes[0] for pes in members],
        [len(pes) for pes in members],
        host_of,
        [members[h].index(pe) for pe, h in enumerate(host_of)],
    )
    equal(group.facts(ret=True).get(), [want] * ranks, "every rank knows all hosts")
    equal(group.my_host(ret=True).get(), host_of, "and its own")
    equal((charm.myPe(), charm.numPes()), (0, ranks))
    equal(
        (charm.getHostPes(host=0), charm.getHostFirstPe(host=0), charm.getHostNumPes(host=0)),
        (members[0], 0, len(members[0])),
        "by keyword",
    )
    equal((charm.getPeHost(pe=0), charm.getPeHostRank(pe=0)), (0, 0))
    for wrong in (-1, len(members)):
        raises(IndexError, charm.getHostPes, wrong, text="there is no host")
        raises(IndexError, charm.getHostFirstPe, wrong, text="there is no host")
        raises(IndexError, charm.getHostNumPes, wrong, text="there is no host")
    for wrong in (-1, ranks):
        raises(IndexError, charm.getPeHost, wrong, text="there is no rank")
        raises(IndexError, charm.getPeHostRank, wrong, text="there is no rank")


def walk(root, edges, fan_out):
    """The ranks that one reaches from the root, checking parents, fan-out and that none is met twice."""
    seen, left = {root}, [root]
    equal(edges[root][0], None, "the root has no parent")
    while left:
        pe = left.pop()
        check(len(edges[pe][1]) <= fan_out, f"fan-out of {pe}: {edges[pe]}")
        for child in edges[pe][1]:
            equal(edges[child][0], pe, "the parent of a child")
            check(child not in seen, f"{child} is met twice")
            seen.add(child)
            left.append(child)
    return seen


def check_trees(group, ranks):
    for fan_out in (1, 2, 4):
        for root in range(ranks):
            answers = group.edges(root, bfactor=fan_out, ret=True).get()
            equal(walk(root, answers, fan_out), set(range(ranks)), "spans all ranks")
    some = [ranks - 1, *range(0, ranks - 1, 2)]
    edges = {pe: charm.getTopoTreeEdges(pe, some[0], some, 2) for pe in some}
    equal(walk(some[0], edges, 2), set(some), "spans the given ranks")
    # Larger than the job: a tree is only arithmetic.
    many = [7, *range(100, 140)]
    edges = {pe: charm.getTopoTreeEdges(pe, 7, pes=many, bfactor=3) for pe in many}
    equal(walk(7, edges, 3), set(many), "spans many ranks")


def check_subtrees():
    many = [3, *range(20, 60)]
    parts = charm.getTopoSubtrees(3, many, 4)
    check(1 <= len(parts) <= 4 and all(parts), "at most four parts, none empty")
    equal(sorted(pe for part in parts for pe in part), many[1:], "a partition of the rest")
    heads = [part[0] for part in parts]
    equal(charm.getTopoTreeEdges(3, 3, many, 4), (None, heads), "the heads are the children")
    for part in parts:  # subtrees are recursive
        inner = charm.getTopoSubtrees(part[0], part, 4)
        equal(charm.getTopoTreeEdges(part[0], 3, many, 4), (3, [p[0] for p in inner]), "recursive")
    equal(charm.getTopoSubtrees(5, [5]), [], "a tree of one rank")
    want = [[1, 2, 3], [4, 5]]
    for pes in ([0, 1, 2, 3, 4, 5], range(6), (0, 1, 2, 3, 4, 5)):
        equal(charm.getTopoSubtrees(root_pe=0, pes=pes, bfactor=2), want, "any sequence")
        equal(charm.getTopoTreeEdges(pe=1, root_pe=0, pes=pes, bfactor=2), (0, [2, 3]))
    if np is not None:
        got = charm.getTopoSubtrees(np.int64(0), np.arange(6), np.int32(2))
        equal((got, {type(pe) for part in got for pe in part}), (want, {int}), "an array")
        equal(charm.getTopoTreeEdges(np.int64(1), 0, np.arange(6), 2), (0, [2, 3]))
    raises(Charm4PyError, charm.getTopoSubtrees, 0, [], text="first")
    raises(Charm4PyError, charm.getTopoSubtrees, 1, [2, 1], text="first")
    raises(Charm4PyError, charm.getTopoTreeEdges, 0, 0, [1, 0], text="first")
    raises(Charm4PyError, charm.getTopoTreeEdges, 9, 0, [0, 1], text="not in the tree")
    raises(Charm4PyError, charm.getTopoTreeEdges, 0, 0, [0, 1], 0, text="branching factor")
    raises(Charm4PyError, charm.getTopoTreeEdges, 0, charm.numPes(), text="to be the root")


def main(args):
    ranks = charm.numPes()
    group = Group(Asked)
    check_hosts(group, ranks)
    check_trees(group, ranks)
    check_subtrees()
    finish(40)


raises(Charm4PyError, charm.numHosts, text="charm.start()")
raises(Charm4PyError, charm.getPeHost, 0, text="charm.start()")
raises(Charm4PyError, charm.getTopoTreeEdges, 0, 0, text="charm.start()")
charm.start(main)
