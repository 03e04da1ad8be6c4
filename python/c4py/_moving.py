# SPDX-License-Identifier: Apache-2.0
"""What of a chare travels when it moves, for classes that are not plain: those with slots or with __getstate__ and the like.

As pickle does it, but for the object itself, which the runtime makes: so ``__reduce__`` has no place here.
"""

from __future__ import annotations

import copyreg
from typing import Any

from ._c4py import Chare


def get_state(chare: Any) -> Any:
    """What ``__getstate__`` gives; without it the attributes, in a tuple (of __dict__, of slots) where there are slots."""
    cls = type(chare)
    for name in ("__reduce__", "__reduce_ex__"):
        if getattr(cls, name) is not getattr(Chare, name):
            raise TypeError(
                f"class {cls.__name__} defines {name}(); say with __getstate__() and __setstate__() "
                f"what travels when its chares move"
            )
    own = getattr(cls, "__getstate__", None)
    if own is not None and own is not getattr(object, "__getstate__", None):
        return chare.__getstate__()
    attributes = getattr(chare, "__dict__", None)
    slots = copyreg._slotnames(cls)  # type: ignore[attr-defined]
    filled = {name: getattr(chare, name) for name in slots if hasattr(chare, name)}
    return (attributes, filled) if filled else attributes


def set_state(chare: Any, state: Any) -> None:
    """The inverse, on the new object."""
    own = getattr(chare, "__setstate__", None)
    if own is not None:
        own(state)
        return
    attributes, filled = state if isinstance(state, tuple) else (state, None)
    if attributes:
        chare.__dict__.update(attributes)
    for name, value in (filled or {}).items():
        setattr(chare, name, value)
