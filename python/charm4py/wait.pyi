"""For type checkers: the same as c4py.wait."""

from c4py.wait import *
