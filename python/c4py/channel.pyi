"""For type checkers: what _submodules makes."""

from ._c4py import Channel as Channel

__all__ = ["Channel"]
