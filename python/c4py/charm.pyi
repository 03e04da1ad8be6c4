"""For type checkers: what _submodules makes."""

from ._errors import Charm4PyError as Charm4PyError
from ._runtime import Charm as Charm
from ._runtime import CharmRemote as CharmRemote
from ._runtime import Options as Options
from ._runtime import charm as charm
from ._runtime import readonlies as readonlies

__all__ = ["Charm", "Charm4PyError", "CharmRemote", "Options", "charm", "readonlies"]
