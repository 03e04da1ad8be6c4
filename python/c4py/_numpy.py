# SPDX-License-Identifier: Apache-2.0
"""numpy, loaded when something needs it: loading takes longer than all else that a rank does to start."""

from __future__ import annotations

import sys
from typing import Any


def numpy() -> Any:
    """The module, or None if it cannot be imported: everything works without it, slower or on lists instead of arrays."""
    try:
        import numpy as module
    except ImportError:
        return None
    return module


def loaded_numpy() -> Any:
    """The module if somebody has loaded it, else None: then there is no array or number of numpy's in this process."""
    return sys.modules.get("numpy")
