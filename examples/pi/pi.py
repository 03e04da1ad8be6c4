"""Pi by the midpoint rule for the integral of 4/(1+x^2): every element sums its share, a reduction adds the shares.

Usage: pi.py [intervals] [elements per rank]
"""

import math
import sys

from charm4py import Array, Chare, Reducer, charm


class Part(Chare):
    def integrate(self, intervals, parts, done):
        width = 1.0 / intervals
        mine = range(self.thisIndex[0], intervals, parts)
        total = math.fsum(4.0 / (1.0 + ((i + 0.5) * width) ** 2) for i in mine)
        self.reduce(done, total * width, Reducer.sum)


def main(args):
    intervals = int(args[1]) if len(args) > 1 else 200_000
    parts = charm.numPes() * (int(args[2]) if len(args) > 2 else 4)
    array = Array(Part, parts)
    result = charm.Future()
    array.integrate(intervals, parts, result)
    value = result.get()
    print(
        f"pi is about {value:.12f}, off by {abs(value - math.pi):.1e} ({parts} elements on {charm.numPes()} ranks)"
    )
    # The midpoint rule is off by 1/(6 n^2) here (half of h^2/24 times the change of the
    # derivative), rounding adds a little.
    if abs(value - math.pi) > 1.0 / (6 * intervals**2) + 1e-12:
        print("wrong: the error is larger than the rule allows", file=sys.stderr)
        charm.exit(1)
    exit()


charm.start(main)
