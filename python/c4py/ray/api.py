# SPDX-License-Identifier: Apache-2.0
"""The functions of `c4py.ray`. Not available in this version: they raise Charm4PyError."""

from __future__ import annotations

from typing import Any, NoReturn

from .._errors import not_available


def init(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises Charm4PyError."""
    not_available("ray.init()")


def remote(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises Charm4PyError."""
    not_available("ray.remote()")


def get(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises Charm4PyError."""
    not_available("ray.get()")


def put(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises Charm4PyError."""
    not_available("ray.put()")


def wait(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises Charm4PyError."""
    not_available("ray.wait()")


def get_object_store() -> NoReturn:
    """Raises Charm4PyError."""
    not_available("ray.get_object_store()")
