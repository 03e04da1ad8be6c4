"""For type checkers: the same as c4py.reduction."""

from c4py.reduction import *
