"""Counting primes on all ranks, with one bar that shows how far all of them have come.

Usage: progress.py [limit]
"""

import sys

from charm4py import Array, Chare, Reducer, charm


class Counter(Chare):
    def count(self, low, high, bar, done):
        """Primes in [low, high), by trial division."""
        found = 0
        for n in range(low, high):
            found += n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))
            bar.update()
        self.reduce(done, found, Reducer.sum)

    def count_own(self, parts, limit, bar, done):
        i = self.thisIndex[0]
        self.count(i * limit // parts, (i + 1) * limit // parts, bar, done)


def main(args):
    limit = int(args[1]) if len(args) > 1 else 60_000
    parts = 8 * charm.numPes()
    done = charm.Future()
    with charm.progress(total=limit, desc="primes", unit="n") as bar:
        Array(Counter, parts).count_own(parts, limit, bar, done)
        primes = done.get()
    print(f"{primes} primes below {limit}")
    known = {60_000: 6057, 100_000: 9592, 1_000_000: 78498}
    if primes != known.get(limit, primes):
        print(f"wrong: there are {known[limit]}", file=sys.stderr)
        charm.exit(1)
    for _ in charm.progress(range(1000), desc="a loop"):  # on one rank: as a wrapper
        pass
    exit()


charm.start(main)
