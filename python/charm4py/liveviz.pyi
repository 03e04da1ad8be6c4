"""For type checkers: the same as c4py.liveviz."""

from c4py.liveviz import *
