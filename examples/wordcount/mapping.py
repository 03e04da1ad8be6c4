"""Mapping: texts to words with their counts, sent to whoever counts that word."""

import collections
import re
import zlib

from charm4py import Chare


def words(text):
    return re.findall(r"[a-z']+", text.lower())


class Mapper(Chare):
    def __init__(self, counters, places):
        self.counters = counters
        self.places = places

    def count(self, text):
        """Cut a text into words; each place gets its words in one message."""
        portions = collections.defaultdict(collections.Counter)
        for word in words(text):
            # hash() of a string differs from rank to rank; a word must go to one place.
            portions[zlib.crc32(word.encode()) % self.places][word] += 1
        for place, counted in portions.items():
            self.counters[place].add(dict(counted))
