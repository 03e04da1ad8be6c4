# SPDX-License-Identifier: Apache-2.0
"""The interface in the style of Ray. Not available in this version: its names raise Charm4PyError when used."""

from .api import get, get_object_store, init, put, remote, wait

__all__ = ["get", "get_object_store", "init", "put", "remote", "wait"]
