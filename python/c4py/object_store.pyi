"""For type checkers: what _submodules makes."""

from ._store import ObjectRef as ObjectRef
from ._store import ObjectStore as ObjectStore

__all__ = ["ObjectRef", "ObjectStore"]
