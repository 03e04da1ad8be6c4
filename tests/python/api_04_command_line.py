# SPDX-License-Identifier: Apache-2.0
"""Flags of the reference on the command line of a program. The words of each flag are tested in plain_cli.py."""

import sys

from charm4py import *
from checks import equal, finish


class Other(Chare):
    def argv(self):
        return sys.argv


def main(args):
    # 4 known flags are stripped, others stay
    equal(
        args,
        [sys.argv[0], "input.txt", "-n", "5", "++mystery", "+7"],
        "what is left for the program",
    )
    equal(Group(Other).argv(ret=True).get(), [given] * charm.numPes(), "sys.argv is left as it was")
    finish(3)


equal("+libcharm_interface" in sys.argv, False, "taken out when the package is imported")
sys.argv += ["+LBCommOff", "+LBObjOnly", "+7"]  # a script may add flags before the start
given = list(sys.argv)
charm.start(main)
