# SPDX-License-Identifier: Apache-2.0
"""Every public name of the Python packages is documented where it is defined, with all its parameters and attributes.

A docstring must name each parameter of its function, or of its class what its objects have; whether it is true is for people
to see. Usage: docstrings.py BUILD/python
"""

import dataclasses
import importlib
import inspect
import os
import re
import sys
import types

import common

MODULES = """
c4py c4py.charm c4py.threads c4py.wait c4py.ray c4py.ray.api c4py.liveviz c4py.pool c4py.chare c4py.channel c4py.reduction
c4py.sections c4py.entry_method c4py.object_store c4py.interactive c4py.lowlevel c4py.testing
charm4py charm4py.interactive charmrun charmrun.start charmrun.launch
"""
#: Types of objects that programs get without importing their names.
TYPES = """
c4py._c4py.Proxy c4py._c4py.GroupProxy c4py._c4py.ArrayProxy c4py._c4py.SectionProxy c4py._c4py.MainProxy
c4py._c4py.BoundEntry c4py._c4py.Op c4py._ccs.CcsToken c4py._options.InteractiveOptions c4py._progress.Progress
c4py._runtime._Lib c4py.ray.api.ActorClass c4py.ray.api.ActorHandle c4py.ray.api.ActorMethod c4py.ray.api._StartTask
"""
#: Objects whose attributes programs use: (module, name), documented by their classes.
OBJECTS = (
    ("c4py._runtime", "charm"),
    ("c4py._runtime.charm", "options"),
    ("c4py._runtime.charm.options", "interactive"),
)
#: Classes that programs call.
CONSTRUCTED = {"c4py.Array", "c4py.Group", "c4py.Channel"}
#: Written for all objects, or said by the kind of method.
UNNAMED = {"self", "cls", "args", "kwargs", "_data", "options"}


def find(path):
    """The object behind a dotted path whose beginning is a module."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for name in parts[cut:]:
            value = getattr(value, name)
        return value
    raise ImportError(path)


def public(names):
    return sorted(name for name in names if not name.startswith("_"))


def names_of(module):
    """What a module offers: its __all__, else what it has from this package."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    ours = ("c4py", "charm4py", "charmrun")
    values = ((name, getattr(module, name)) for name in public(vars(module)))
    return [n for n, v in values if (getattr(v, "__module__", None) or "").split(".")[0] in ours]


def parameters(function):
    try:
        return [p for p in inspect.signature(function).parameters if p not in UNNAMED]
    except (TypeError, ValueError):
        return []


def lacking(text, names):
    words = set(re.findall(r"\w+", text))
    return [name for name in names if name not in words]


class Walk:
    """Looks at each object once."""

    def __init__(self):
        self.problems, self.seen = [], set()

    def complain(self, path, what):
        self.problems.append(f"{path}: {what}")

    def text(self, path, value, names=()):
        """An object must have a docstring with these names in it."""
        text = value.__dict__.get("__doc__") if isinstance(value, type) else value.__doc__
        if not isinstance(text, str) or not text.strip():
            self.complain(path, "lacks a docstring")
            return
        missing = lacking(text, names)
        if missing and "See ``" not in text:  # which says where they are
            self.complain(path, f"its docstring does not tell of {', '.join(missing)}")

    def visit(self, path, value):
        if isinstance(value, type):
            return self.visit_class(path, value)
        if id(value) in self.seen or isinstance(value, (str, int, float, list, tuple, dict)):
            return None
        self.seen.add(id(value))
        if isinstance(value, types.ModuleType):
            self.text(path, value)
        elif callable(value) and hasattr(value, "__name__"):
            self.text(path, value, parameters(value))
        elif type(value).__module__.split(".")[0] in ("c4py", "charmrun"):
            self.visit_class(f"type({path})", type(value))
        return None

    def visit_class(self, path, cls):
        if not cls.__module__.startswith(("c4py", "charm")) or id(cls) in self.seen:
            return
        self.seen.add(id(cls))
        fields = [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []
        self.text(path, cls, fields + (parameters(cls) if path in CONSTRUCTED else []))
        for name in public(vars(cls)):
            member = vars(cls)[name]
            if isinstance(member, (staticmethod, classmethod)):
                member = member.__func__
            if name in fields or isinstance(member, type):
                continue
            if isinstance(member, types.MemberDescriptorType) and not member.__doc__:
                if lacking(cls.__doc__ or "", [name]):  # one of __slots__
                    self.complain(
                        f"{path}.{name}", "the docstring of its class does not tell of it"
                    )
            elif inspect.isdatadescriptor(member):
                self.text(f"{path}.{name}", member)
            elif callable(member):
                self.text(f"{path}.{name}", member, parameters(member))
            elif lacking(cls.__doc__ or "", [name]):
                self.complain(f"{path}.{name}", "the docstring of its class does not tell of it")


def main():
    sys.path.insert(0, os.path.abspath(sys.argv[1]))
    find("c4py._runtime").say_nothing_at_exit()
    walk = Walk()
    for path in MODULES.split():
        module = sys.modules.get(path) or importlib.import_module(path)
        walk.visit(path, module)
        for name in names_of(module):
            walk.visit(f"{path}.{name}", getattr(module, name))
    for path in TYPES.split():
        walk.visit(path, find(path))
    for module, name in OBJECTS:
        value = getattr(find(module), name)
        cls = type(value)
        walk.visit(f"{module}.{name}", value)
        own = [n for n in public(vars(value)) if n not in vars(cls)]
        walk.text(f"type({module}.{name})", cls, own)
    common.finish(walk.problems, len(walk.seen))


main()
