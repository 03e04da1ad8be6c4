# SPDX-License-Identifier: Apache-2.0
"""Live pictures of a running program. Not available in this version: its names raise Charm4PyError when used."""

from __future__ import annotations

from typing import Any, NoReturn

from ._errors import not_available


class Config:
    """How pictures look. Not available in this version: raises Charm4PyError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        not_available("liveviz.Config")


class LiveViz:
    """Delivers pictures to clients. Not available in this version."""

    @classmethod
    def init(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises Charm4PyError."""
        not_available("liveviz.LiveViz.init()")

    @classmethod
    def deposit(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises Charm4PyError."""
        not_available("liveviz.LiveViz.deposit()")
