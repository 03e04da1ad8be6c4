"""For type checkers: the same as c4py.chare."""

from c4py.chare import *
