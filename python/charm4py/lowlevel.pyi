"""For type checkers: the same as c4py.lowlevel."""

from c4py.lowlevel import *
