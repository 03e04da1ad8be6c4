"""For type checkers: the same as c4py.testing."""

from c4py.testing import *
