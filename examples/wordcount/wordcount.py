"""Count words by map and reduce. The chares are in modules of their own: mapping.py and counting.py.

Usage: wordcount.py [file ...]; without files some text is made up. Compared with a serial count.
"""

import collections
import sys

from counting import Counter
from mapping import Mapper, words

from charm4py import Array, Future, Group, charm

TEXT = """the quick brown fox jumps over the lazy dog while the dog dreams of the fox
a chare is an object and an object is a chare when a message comes
"""


def texts(paths):
    """What to count, cut into parts of a few lines."""
    if paths:
        lines = [line for path in paths for line in open(path, encoding="utf-8", errors="replace")]
    else:
        lines = [line[i % 7 :] for i in range(300) for line in TEXT.splitlines(True)]
    return ["".join(lines[i : i + 20]) for i in range(0, len(lines), 20)]


def main(args):
    parts = texts(args[1:])
    counters = Array(Counter, 2 * charm.numPes())
    mappers = Group(Mapper, args=[counters, 2 * charm.numPes()])
    for i, part in enumerate(parts):
        mappers[i % charm.numPes()].count(part)
    charm.waitQD()  # all words have been mapped and counted when nothing is under way any more
    done = Future()
    counters.report(done)
    result = {}
    for counted in done.get():
        assert not result.keys() & counted.keys(), "a word was counted at two places"
        result.update(counted)

    serial = collections.Counter(word for part in parts for word in words(part))
    for word, _ in serial.most_common(3):
        print(f"{result.get(word, 0):6d} {word}")
    print(f"{len(result)} words in {len(parts)} parts on {charm.numPes()} ranks")
    same = result == serial
    print("equal to a serial count" if same else "differs from a serial count")
    if not same:
        print("wrong: words were lost or counted twice", file=sys.stderr)
    charm.exit(0 if same else 1)


# The classes were imported by name, so they are known; modules= would name modules that are not.
charm.start(main)
