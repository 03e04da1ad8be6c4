"""For type checkers: the same as c4py.entry_method."""

from c4py.entry_method import *
