"""For type checkers: the same as c4py.pool."""

from c4py.pool import *
