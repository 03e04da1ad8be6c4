"""One call to one element of a large array, found by its index from any rank."""

import sys

from charm4py import Array, Chare, Reducer, charm

ROWS, COLUMNS = 100, 100


class Cell(Chare):
    def __init__(self):
        self.calls = 0

    def work(self, x, y, z):
        """Do something with three arguments and give the answer back to who waits for it."""
        self.calls += 1
        row, column = self.thisIndex
        return row * x + column * y + z

    def count(self, done):
        self.reduce(done, self.calls, Reducer.sum)


def main(args):
    array = Array(Cell, (ROWS, COLUMNS))

    array[3, 10].work(1, 2, 3)  # a message: sent, and the program goes on
    answer = array[3, 10].work(100, 10, 1, ret=True).get()  # a call whose value is waited for
    print("array[3,10].work(100, 10, 1) gives", answer)

    # Indices may be computed, stored, sent about; each finds its element wherever it lives.
    corners = [(0, 0), (0, COLUMNS - 1), (ROWS - 1, 0), (ROWS - 1, COLUMNS - 1)]
    futures = [array[corner].work(100, 10, 1, ret=True) for corner in corners]
    values = [f.get() for f in futures]

    total = charm.Future()
    array.count(total)  # to every element
    calls = total.get()
    print(f"{calls} calls reached {ROWS * COLUMNS} elements")

    right = answer == 401 and values == [1, 991, 9901, 10891] and calls == 6
    if not right:
        print("wrong:", answer, values, calls, file=sys.stderr)
    charm.exit(0 if right else 1)


charm.start(main)
