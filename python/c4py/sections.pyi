"""For type checkers: what _submodules makes."""

from ._sections import combine as combine
from ._sections import split as split

__all__ = ["combine", "split"]
