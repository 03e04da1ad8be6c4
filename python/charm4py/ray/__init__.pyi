"""For type checkers: the same as c4py.ray."""

from c4py.ray import *
