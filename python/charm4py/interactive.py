# SPDX-License-Identifier: Apache-2.0
"""The interactive shell under this package's name. Run with ``-m`` it is a program; imported it is c4py.interactive."""

import sys

import c4py.interactive

if __name__ == "__main__":
    c4py.interactive.start()
sys.modules[__name__] = c4py.interactive
