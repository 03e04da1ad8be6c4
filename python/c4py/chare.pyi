"""For type checkers: what _submodules makes."""

from ._c4py import Chare as Chare
from ._chare import ARRAY as ARRAY
from ._chare import GROUP as GROUP
from ._chare import MAINCHARE as MAINCHARE
from ._chare import ArrayMap as ArrayMap
from ._chare import register as register
from ._collections import Array as Array
from ._collections import Group as Group

__all__ = ["ARRAY", "Array", "ArrayMap", "Chare", "GROUP", "Group", "MAINCHARE", "register"]
