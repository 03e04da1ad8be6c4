# SPDX-License-Identifier: Apache-2.0
"""Every public C function has a row in tests/mpi/rt_badargs_test.c that says what it does with bad arguments."""

import re

import common

TABLE = "tests/mpi/rt_badargs_test.c"
NO_REFUSAL = "c4p_pup_status"  # its status is that of the packing


def table_rows():
    """(kind, function) of each row."""
    code = common.c_code(TABLE)
    for match in re.finditer(r"\b(REFUSED|ANSWERS)\(\s*(.*?);", code, re.DOTALL):
        for name in re.findall(r"\b(c4p_\w+)\(", match.group(2)):
            yield match.group(1), name
    for kind, name in re.findall(r"\b(IGNORED|TAKES_VALID_ONES)\(\s*(c4p_\w+)\b", code):
        yield kind, name


def main():
    functions = common.public_functions()
    rows = set(table_rows())
    problems = []
    for name, (header, returns) in sorted(functions.items()):
        has = {kind for kind, function in rows if function == name}
        if not has:
            problems.append(f"{header} declares {name}, which has no row in {TABLE}")
        elif returns == "c4p_status_t" and "REFUSED" not in has and name != NO_REFUSAL:
            problems.append(f"{name} returns a status, but {TABLE} has no row of one")
    common.finish(problems, len(functions))


main()
