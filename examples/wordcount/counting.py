"""Counting: each element of the array owns some of the words."""

import collections

from charm4py import Chare, Reducer


class Counter(Chare):
    def __init__(self):
        self.counted = collections.Counter()

    def add(self, portion):
        self.counted.update(portion)

    def report(self, done):
        self.reduce(done, dict(self.counted), Reducer.gather)
