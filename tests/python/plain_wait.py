# SPDX-License-Identifier: Apache-2.0
"""The condition language, without running anything in parallel."""

from charm4py import charm
from charm4py.wait import ChareStateCond, ChareStateMsgCond, MsgTagCond, parse_cond_str
from checks import check, equal, finish, raises

LIMIT = 10


class Thing:
    def __init__(self, **values):
        self.__dict__.update(values)


def parse(text, **positions):
    return parse_cond_str(text, __name__, positions)


def main(args):
    for text in ("self.step == step", "step == self.step", " self.step==step "):
        cond = parse(text, x=0, step=1)
        check(type(cond) is MsgTagCond, text)
        equal((cond.attrib_name, cond.arg_idx, cond.cond_str), ("step", 1, text), text)
        check(cond.cond_func(Thing(step=4), (9, 4)), text)
        check(not cond.cond_func(Thing(step=4), (4, 9)), text)

    # Anything beyond a bare parameter and a bare attribute is general.
    for text, chare, args_, want in (
        ("self.step == msg.step", Thing(step=3), (Thing(step=3),), True),
        ("self.step == msg['k']", Thing(step=3), ({"k": 4},), False),
        ("self.step == msg and self.go", Thing(step=3, go=True), (3,), True),
        ("self.step < msg", Thing(step=3), (4,), True),
        ("self.step != msg", Thing(step=3), (3,), False),
        ("self.a.b == msg", Thing(a=Thing(b=7)), (7,), True),
        ("msg in self.step", Thing(step=[1, 2]), (2,), True),
        ("msg + LIMIT > 12", Thing(), (3,), True),
        ("self.step == msg == 3", Thing(step=3), (3,), True),
        ("not (msg or self.step)", Thing(step=0), (0,), True),
    ):
        cond = parse(text, msg=0)
        check(type(cond) is ChareStateMsgCond, text)
        equal(bool(cond.cond_func(chare, args_)), want, text)

    for text, chare, want in (
        ("self.ready", Thing(ready=1), True),
        ("self.count == LIMIT", Thing(count=10), True),
        ("len(self.items) > 2", Thing(items=[1]), False),
        ("self.step == 3", Thing(step=3), True),
    ):
        cond = parse(text, msg=0)
        check(type(cond) is ChareStateCond, text)
        equal(bool(cond.cond_func(chare)), want, text)
        check(type(parse(text)) is ChareStateCond, text)

    # Globals are looked up when the condition is evaluated.
    global LIMIT
    cond = parse("self.count < LIMIT")
    check(cond.cond_func(Thing(count=10)) is False)
    LIMIT = 11
    check(cond.cond_func(Thing(count=10)) is True)

    # A name bound inside the expression is not the parameter.
    cond = parse("any(x == 3 for x in self.items) and x == 1", x=0)
    check(cond.cond_func(Thing(items=[3]), (1,)), "generator variable")
    check(not cond.cond_func(Thing(items=[1]), (1,)), "generator variable")
    cond = parse("[y for y in x if y > z] == [2]", x=0, z=1)
    check(cond.cond_func(Thing(), ([1, 2], 1)), "comprehension over a parameter")
    cond = parse("(lambda x: x + 1)(x) == 5", x=0)
    check(cond.cond_func(Thing(), (4,)), "parameter of a lambda")
    check(type(parse("(lambda x: x)(4)", x=0)) is ChareStateCond, "only the lambda's own name")
    cond = parse("{k: v for k, v in pairs}[key] == self.v", pairs=0, key=1)
    check(cond.cond_func(Thing(v=2), ([(1, 2)], 1)), "dict comprehension")

    raises(SyntaxError, parse, "self.x ==")
    raises(SyntaxError, parse, "x = 3", x=0)
    raises(SyntaxError, parse, "")
    raises(TypeError, parse, 5)
    raises(KeyError, parse_cond_str, "self.x", "no_such_module", {})
    raises(NameError, parse("no_such_name").cond_func, Thing())
    finish(50)


charm.start(main)
