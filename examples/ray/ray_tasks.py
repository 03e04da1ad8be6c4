"""Tasks, actors and stored objects: a matrix is stored once, tasks multiply its rows, an actor keeps the largest sum.

Usage: ray_tasks.py [size]
"""

import sys

from charm4py import charm, ray


@ray.remote
def row_sum(matrix, i):
    """One row of the square of the matrix, added up. The reference has become the matrix."""
    n = len(matrix)
    return sum(sum(matrix[i][k] * matrix[k][j] for k in range(n)) for j in range(n))


@ray.remote
class Largest:
    def __init__(self, start):
        self.value = start

    def offer(self, value):
        self.value = max(self.value, value)
        return self.value


def main(args):
    ray.init()
    n = int(args[1]) if len(args) > 1 else 40
    matrix = ray.put([[i * j % 7 for j in range(n)] for i in range(n)])
    sums = [row_sum.remote(matrix, i) for i in range(n)]
    largest = Largest.remote(0)  # type: ignore[attr-defined]
    offers = [largest.offer.remote(ref) for ref in sums]  # runs when the sums are there
    ready, rest = ray.wait(sums, num_returns=n // 2)
    print(f"at least half of {n} rows are done: {len(ready) >= n // 2}")
    ray.get(offers)
    result = ray.get(largest.offer.remote(0))
    print(f"{len(ray.get(sums))} rows, the largest sum is {result}")
    if result != max(row_sum(ray.get(matrix), i) for i in range(n)):
        print("wrong: computed here it is another", file=sys.stderr)
        charm.exit(1)
    exit()


charm.start(main)
