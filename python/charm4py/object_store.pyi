"""For type checkers: the same as c4py.object_store."""

from c4py.object_store import *
