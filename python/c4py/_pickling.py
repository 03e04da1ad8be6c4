# SPDX-License-Identifier: Apache-2.0
"""Pickling of what the C module cannot encode by itself, in the rare cases that need more than ``pickle.dumps``."""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable
from typing import Any


def dumps_writable(
    obj: Any, protocol: int, buffer_callback: Callable[[pickle.PickleBuffer], Any]
) -> bytes:
    """``pickle.dumps(obj, protocol, buffer_callback=…)`` in which read-only numpy arrays are replaced by copies.

    Pickle notes for each buffer whether it was read-only, and the array that is made of it is, too. But a receiver
    owns what it gets, and may write to it, wherever in an argument the array was.
    """
    try:
        return _dump(pickle.Pickler, copyreg.dispatch_table, obj, protocol, buffer_callback)
    except (pickle.PicklingError, AttributeError, TypeError):
        import cloudpickle

        cls = cloudpickle.Pickler
        return _dump(cls, cls.dispatch_table, obj, protocol, buffer_callback)


def _dump(pickler: Any, table: Any, obj: Any, protocol: int, buffer_callback: Any) -> bytes:
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    arrays = {sys.modules["numpy"].ndarray: _reduce_array}
    # Looked up on the class, once.
    cls = type("Pickler", (pickler,), {"dispatch_table": ChainMap(arrays, table)})
    cls(file, protocol=protocol, buffer_callback=buffers.append).dump(obj)
    for buffer in buffers:
        buffer_callback(buffer)
    return file.getvalue()


def _reduce_array(array: Any) -> Any:
    return (array if array.flags.writeable else array.copy(order="K")).__reduce_ex__(5)
