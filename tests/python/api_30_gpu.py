# SPDX-License-Identifier: Apache-2.0
"""The GPU hook: this build has no CUDA, and says so instead of letting the future wait for ever."""

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises


class User(Chare):
    @coro
    def uses(self):
        done = Future()
        try:
            charm.hapiAddCudaCallback(0, done)
        except Charm4PyError as error:
            return str(error), done.ready()


def main(args):
    # 30 without CUDA the hook raises Charm4PyError, on every rank
    error = raises(Charm4PyError, charm.hapiAddCudaCallback, 12345, Future(), text="without CUDA")
    check("synchronize" in str(error), "what to do instead")
    for text, ready in Group(User).uses(ret=True).get():
        equal((text, ready), (str(error), False), "on every rank, the future untouched")
    finish(3)


charm.start(main)
