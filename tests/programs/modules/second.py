# SPDX-License-Identifier: Apache-2.0
from charm4py import ArrayMap, Chare, charm, coro, when


class Hello(Chare):
    """The same name as in the first module; another class."""

    limit = 0

    def say(self):
        return "second"

    @when("self.limit == GLOBAL_OF_SECOND")
    def guarded(self):
        return "guarded"

    @coro
    def set_and_wait(self, value):
        self.limit = value
        self.wait("self.limit == GLOBAL_OF_SECOND")
        return "waited"


GLOBAL_OF_SECOND = 5


class Last(ArrayMap):
    def procNum(self, index):
        return charm.numPes() - 1
