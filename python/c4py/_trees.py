# SPDX-License-Identifier: Apache-2.0
"""Spanning trees over ranks for programs that send along one: consecutive slices of the list, balanced."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from ._errors import Charm4PyError


def subtrees(root: int, pes: Sequence[int], bfactor: int) -> list[list[int]]:
    """Cut pes[1:] into at most bfactor lists of nearly equal length; the first of each is a child of the root."""
    if bfactor < 1:
        raise Charm4PyError(f"a tree needs a branching factor of at least 1, not {bfactor}")
    rest = [operator.index(pe) for pe in pes]
    if not rest or rest.pop(0) != root:
        raise Charm4PyError(f"the root {root} must be the first of the ranks in the tree")
    parts = min(bfactor, len(rest))
    out, begin = [], 0
    for part in range(parts):
        size = len(rest) // parts + (part < len(rest) % parts)
        out.append(rest[begin : begin + size])
        begin += size
    return out


def edges(
    pe: int, root: int, pes: Sequence[int] | None, bfactor: int, num_ranks: int
) -> tuple[int | None, list[int]]:
    """(parent or None, children) of a rank in the tree that `subtrees` unfolds."""
    if pes is None:
        if not 0 <= root < num_ranks:
            raise Charm4PyError(f"there is no rank {root} to be the root")
        pes = [root, *(r for r in range(num_ranks) if r != root)]
    parent: int | None = None
    here = [operator.index(rank) for rank in pes]
    while True:
        branches = subtrees(root, here, bfactor)
        if pe == root:
            return parent, [branch[0] for branch in branches]
        for branch in branches:
            if pe in branch:
                parent, root, here = root, branch[0], branch
                break
        else:
            raise Charm4PyError(f"rank {pe} is not in the tree")
