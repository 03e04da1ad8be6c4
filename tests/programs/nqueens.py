# SPDX-License-Identifier: Apache-2.0
"""Eight queens with a tree of tasks that nobody waits for: quiescence tells when it is done, a reduction how many there are."""

from charm4py import Chare, Group, Reducer, charm

SOLUTIONS = {1: 1, 4: 2, 5: 10, 6: 4, 7: 40, 8: 92, 9: 352}
found = 0


class Counter(Chare):
    def report(self, future):
        self.reduce(future, found, Reducer.sum)


def place(size, row, columns, left, right):
    """Try all fields of a row; below half of the rows each try is a task of its own."""
    global found
    if row == size:
        found += 1
        return
    free = ((1 << size) - 1) & ~(columns | left | right)
    while free:
        bit = free & -free
        free ^= bit
        args = (size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
        if row < size // 2:
            charm.pool.Task(place, args)
        else:
            place(*args)


def main(args):
    size = int(args[1]) if len(args) > 1 else 8
    counters = Group(Counter)
    charm.pool.Task(place, (size, 0, 0, 0, 0))
    charm.waitQD()
    total = charm.Future()
    counters.report(total)
    count = total.get()
    print(f"{count} solutions for {size} queens")
    charm.exit(0 if count == SOLUTIONS[size] else 1)


charm.start(main)
