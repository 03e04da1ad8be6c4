"""For type checkers: the same as c4py.channel."""

from c4py.channel import *
