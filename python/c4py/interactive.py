# SPDX-License-Identifier: Apache-2.0
"""The interactive shell. Not available in this version."""

from __future__ import annotations

from typing import NoReturn

from ._errors import not_available


def start() -> NoReturn:
    """Run the shell. Not available in this version: raises Charm4PyError."""
    not_available("the interactive shell")


if __name__ == "__main__":
    start()
