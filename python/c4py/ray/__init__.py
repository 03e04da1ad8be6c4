# SPDX-License-Identifier: Apache-2.0
"""Tasks, actors and stored objects in the style of Ray: ``from charm4py import ray``, then ``ray.init()`` on rank 0.

``@ray.remote`` makes a function a task (``f.remote(x)``) and a class an actor (``C.remote()``,
``actor.m.remote(x)``). Both return references at once; ``ray.get(ref)`` waits for the value. A
reference may be passed to other calls before its value exists.
"""

from .._store import ObjectRef
from .api import get, get_object_store, init, put, remote, wait

__all__ = ["ObjectRef", "get", "get_object_store", "init", "put", "remote", "wait"]
