"""For type checkers: the same as c4py.charm."""

from c4py.charm import *
