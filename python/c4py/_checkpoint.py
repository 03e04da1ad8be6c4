# SPDX-License-Identifier: Apache-2.0
"""Reading the pickles of a checkpoint: only what is known to do no harm is looked up, so that a file cannot run code.

What is allowed: registered chare classes, the classes of ``charm.options.checkpoint_classes``, and the names below.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any

from ._chare import registered
from ._errors import Charm4PyError

#: Names by module. What they make when called with any arguments is data.
_SAFE = {
    "builtins": "set frozenset complex bytearray range slice bool int float str bytes list tuple dict object "
    "Ellipsis NotImplemented ArithmeticError AssertionError AttributeError BufferError EOFError Exception ImportError "
    "IndexError KeyError LookupError MemoryError NameError NotImplementedError OSError OverflowError RuntimeError "
    "StopIteration TypeError UnicodeError ValueError ZeroDivisionError",
    "collections": "OrderedDict deque Counter",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "pathlib": "Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath",
    "uuid": "UUID",
    "array": "array _array_reconstructor",
    "random": "Random",
    "numpy": "ndarray dtype bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble "
    "complex64 complex128 clongdouble datetime64 timedelta64 str_ bytes_ void",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "c4py._c4py": "_load_proxy _load_reducer _moving_self _moving_channel",
}
_NAMES = {module: frozenset(names.split()) for module, names in _SAFE.items()}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _NAMES.get(module, ()):
            return super().find_class(module, name)
        if module == "collections" and name == "defaultdict":
            return super().find_class(module, name)  # its factory is looked up here as well
        for cls in _own_classes():
            if cls.__module__ == module and cls.__qualname__ == name:
                return cls
        raise Charm4PyError(
            f"it needs {module}.{name}, which a checkpoint may not use: name the class in "
            "charm.options.checkpoint_classes, or give ++trust-checkpoint if nobody else can have written the files"
        )


def _own_classes() -> Iterable[type]:
    from ._runtime import charm

    yield from (cls for cls in registered if isinstance(cls, type))
    yield from charm.options.checkpoint_classes


def safe_loads(data: Any, *, buffers: Any = None) -> Any:
    """As ``pickle.loads``, but it finds only what is safe."""
    return _Unpickler(io.BytesIO(data), buffers=buffers).load()
