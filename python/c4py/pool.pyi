"""For type checkers: what _submodules makes."""

from ._errors import Charm4PyError as Charm4PyError
from ._pool import Pool as Pool
from ._pool import PoolAgent as PoolAgent
from ._pool import _pool as pool

__all__ = ["Charm4PyError", "Pool", "PoolAgent", "pool"]
