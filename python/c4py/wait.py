# SPDX-License-Identifier: Apache-2.0
"""Conditions of ``@when`` and ``self.wait()``: what the strings mean.

A condition is a Python expression. ``self`` is the chare, the parameter names of the decorated
method are the arguments of the message, every other name is a global of the module, looked up
whenever the condition is evaluated. `parse_cond_str` sorts a condition into one of three classes,
from the cheapest to examine to the most general one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["ChareStateCond", "ChareStateMsgCond", "MsgTagCond", "parse_cond_str"]


class MsgTagCond:
    """``self.<attribute> == <parameter>``: the message carries a tag that the chare must have reached.

    cond_str: the condition as written. attrib_name: the attribute. arg_idx: which argument holds
    the tag.
    """

    __slots__ = ("arg_idx", "attrib_name", "cond_str")

    def __init__(self, cond_str: str, attrib_name: str, arg_idx: int) -> None:
        self.cond_str = cond_str
        self.attrib_name = attrib_name
        self.arg_idx = arg_idx

    def cond_func(self, obj: Any, args: Sequence[Any]) -> bool:
        """True if the message with these args may run on the chare obj now."""
        return getattr(obj, self.attrib_name) == args[self.arg_idx]

    def __repr__(self) -> str:
        return f"MsgTagCond({self.cond_str!r})"


class ChareStateMsgCond:
    """Any other expression in which an argument of the message occurs: ``cond_func(chare, args)``.

    cond_str: the condition as written.
    """

    __slots__ = ("cond_func", "cond_str")

    def __init__(self, cond_str: str, cond_func: Callable[[Any, Sequence[Any]], Any]) -> None:
        self.cond_str = cond_str
        self.cond_func = cond_func

    def __repr__(self) -> str:
        return f"ChareStateMsgCond({self.cond_str!r})"


class ChareStateCond:
    """An expression of the chare's state alone: ``cond_func(chare)``.

    cond_str: the condition as written.
    """

    __slots__ = ("cond_func", "cond_str")

    def __init__(self, cond_str: str, cond_func: Callable[[Any], Any]) -> None:
        self.cond_str = cond_str
        self.cond_func = cond_func

    def __repr__(self) -> str:
        return f"ChareStateCond({self.cond_str!r})"


def parse_cond_str(
    cond_str: str, module_name: str, method_arguments: Mapping[str, int] | None = None
) -> MsgTagCond | ChareStateMsgCond | ChareStateCond:
    """Parse a condition.

    cond_str: the expression. module_name: the loaded module whose globals it may use.
    method_arguments: parameter names of the method without ``self``, mapped to their positions;
        empty or None for ``self.wait()``.

    Returns one of the three condition objects of this module. Raises SyntaxError when it is no
    expression, TypeError when it is not a string, KeyError when the module is not loaded. Does not
    block, works on any rank.
    """
    if not isinstance(cond_str, str):
        raise TypeError(
            f"a condition is a string with a Python expression, not {type(cond_str).__name__}"
        )
    params = dict(method_arguments or {})
    source = cond_str.strip()
    tree = _parse(source)
    tag = _as_tag(tree.body, params)
    if tag is not None:
        return MsgTagCond(cond_str, *tag)
    rewriter = _ParamsToArgs(params)
    body = rewriter.visit(tree.body)
    globals_ = sys.modules[module_name].__dict__
    if rewriter.used:
        return ChareStateMsgCond(
            cond_str, _make_function(body, ("self", rewriter.args_name), source, globals_)
        )
    return ChareStateCond(cond_str, _make_function(body, ("self",), source, globals_))


def _parse(source: str) -> ast.Expression:
    """The tree of an expression, which may go over several lines."""
    name = f"<condition {source!r}>"
    try:
        return ast.parse(source, filename=name, mode="eval")
    except SyntaxError:
        if "\n" not in source:
            raise
    return ast.parse(f"({source}\n)", filename=name, mode="eval")


def _as_tag(node: ast.expr, params: Mapping[str, int]) -> tuple[str, int] | None:
    """(attribute, position) if the expression is `self.attribute == parameter`, either way round."""
    if not (
        isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)
    ):
        return None
    left, right = node.left, node.comparators[0]
    for state, argument in ((left, right), (right, left)):
        if (
            isinstance(state, ast.Attribute)
            and isinstance(state.value, ast.Name)
            and state.value.id == "self"
            and isinstance(argument, ast.Name)
            and argument.id in params
        ):
            return state.attr, params[argument.id]
    return None


class _ParamsToArgs(ast.NodeTransformer):
    """Replace parameter names by items of the argument tuple, except where an inner scope binds the same name."""

    args_name = "__c4py_args"

    def __init__(self, params: Mapping[str, int]) -> None:
        self.params = params
        self.used = False
        self.hidden: list[set[str]] = []

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if (
            not isinstance(node.ctx, ast.Load)
            or node.id not in self.params
            or any(node.id in names for names in self.hidden)
        ):
            return node
        self.used = True
        item = ast.Subscript(
            value=ast.Name(id=self.args_name, ctx=ast.Load()),
            slice=ast.Constant(value=self.params[node.id]),
            ctx=ast.Load(),
        )
        return ast.copy_location(item, node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        spec = node.args
        spec.defaults = [self.visit(d) for d in spec.defaults]
        spec.kw_defaults = [d and self.visit(d) for d in spec.kw_defaults]
        every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
        self.hidden.append({a.arg for a in every if a is not None})
        node.body = self.visit(node.body)
        self.hidden.pop()
        return node

    def _visit_comprehension(self, node: Any) -> ast.expr:
        first = node.generators[0]
        first.iter = self.visit(first.iter)  # evaluated outside of the new scope
        bound = {
            n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)
        }
        self.hidden.append(bound)
        for number, generator in enumerate(node.generators):
            if number:
                generator.iter = self.visit(generator.iter)
            generator.ifs = [self.visit(test) for test in generator.ifs]
        for part in ("elt", "key", "value"):
            if hasattr(node, part):
                setattr(node, part, self.visit(getattr(node, part)))
        self.hidden.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension


def _make_function(
    body: ast.expr, params: tuple[str, ...], source: str, globals_: dict[str, Any]
) -> Callable[..., Any]:
    """Compile `lambda params: body`, named so that a traceback shows which condition failed."""
    spec = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(arg=name) for name in params],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )
    tree = ast.fix_missing_locations(ast.Expression(body=ast.Lambda(args=spec, body=body)))
    return eval(compile(tree, f"<condition {source!r}>", "eval"), globals_)
