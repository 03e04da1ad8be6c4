"""For type checkers: the same as c4py.sections."""

from c4py.sections import *
