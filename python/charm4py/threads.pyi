"""For type checkers: the same as c4py.threads."""

from c4py.threads import *
