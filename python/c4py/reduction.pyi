"""For type checkers: what _submodules makes."""

from ._reducers import Reducers as ReducerContainer
from ._runtime import reducers as Reducer

__all__ = ["Reducer", "ReducerContainer"]
