# SPDX-License-Identifier: Apache-2.0
"""Which classes a program of several files may use, and the entry class that is a chare like any other."""

import sys

import first
from third import Imported

from charm4py import Array, Chare, Group, charm, register
from charm4py.charm import Charm4PyError


@register
class Main(Chare):
    """The entry class; the decorator does no harm, and it may be used in a group as well."""

    def __init__(self, args):
        if args == "as a member":
            return
        import second  # loaded on rank 0 only by this line, everywhere by modules=

        assert "second" in sys.modules
        ranks = charm.numPes()
        assert Group(first.Hello).say(ret=True).get() == ["first"] * ranks
        assert Array(second.Hello, 3).say(ret=True).get() == ["second"] * 3
        assert Group(Imported).say(ret=True).get() == ["imported by name"] * ranks
        assert Chare(first.ByArgument, onPE=ranks - 1).say(ret=True).get() == "by classes="
        try:
            Group(first.NotRegistered)
        except Charm4PyError as error:
            assert "first.NotRegistered" in str(error) and "@register" in str(error), error
        else:
            raise AssertionError("a class that is not registered was accepted")

        # Two classes of one name: their proxies live in the modules of the classes.
        one, two = Group(first.Hello), Group(second.Hello)
        assert type(one).__name__ == type(two).__name__ == "HelloGroupProxy"
        assert (type(one).__module__, type(two).__module__) == ("first", "second")
        assert one != two

        # Conditions see the globals of the module that has the class.
        chare = Chare(second.Hello, onPE=ranks - 1)
        waiting = chare.guarded(ret=True)
        assert chare.set_and_wait(5, ret=True).get() == "waited"
        assert waiting.get() == "guarded"

        placed = Array(Imported, 4, map=Group(second.Last))
        assert placed.say(ret=True).get() == ["imported by name"] * 4

        assert Group(Main, args=["as a member"]).who(ret=True).get() == list(range(ranks))
        assert self.thisProxy.who_main(ret=True).get() == "main"

        charm.thisProxy.registerNewChareTypes([first.NotRegistered], awaitable=True).get()
        Group(first.NotRegistered)
        print("modules are fine")
        charm.exit()

    def who(self):
        return self.thisIndex

    def who_main(self):
        return "main"


charm.start(Main, classes=[first.ByArgument], modules=["second"])
