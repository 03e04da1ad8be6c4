# SPDX-License-Identifier: Apache-2.0
"""What pages say about code: snippets are parts of the files that they name, or compile by themselves; tables have every setting and
every exit status, links lead somewhere, settings of Open MPI are the same everywhere.

docs.py --cc gcc --build-include build/include --mpi-include DIR…
"""

import argparse
import ast
import os
import re
import subprocess
import textwrap

import common

SNIPPET = re.compile(r"(?:<!-- from (\S+) -->\n)?```(c|python|fortran)\n(.*?)```", re.DOTALL)
PRELUDE = """#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
void snippet(c4p_rt_t *rt, c4p_msg_t *msg);
void snippet(c4p_rt_t *rt, c4p_msg_t *msg)
{
"""


def squeezed(text):
    return re.sub(r"\s+", " ", text).strip()


class Compiler:
    def __init__(self, cc, build_include, mpi_include):
        folders = ("runtime/include", "embed/include")
        include = [build_include, *(os.path.join(common.ROOT, folder) for folder in folders)]
        self.command = [cc, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-xc"]
        self.command += [f"-I{folder}" for folder in include]
        self.command += [f"-isystem{folder}" for folder in mpi_include]

    def c(self, code, source):
        """What the compiler says about a file, or, of what includes nothing, statements."""
        if "#include" not in code:
            code = f"{PRELUDE}(void)rt, (void)msg;\n{code}}}\n"
        beside = f"-I{os.path.join(common.ROOT, os.path.dirname(source or ''))}"
        done = subprocess.run(
            [*self.command, beside, "-"], input=code, capture_output=True, text=True
        )
        return done.stderr

    def python(self, code, source):
        """What is wrong with a file, or with the body of a function."""
        code = textwrap.dedent(code)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            compile(code, "snippet", "exec", flags, dont_inherit=True)
        except SyntaxError as error:
            try:
                body = "async def snippet():\n" + textwrap.indent(code, "    ")
                compile(body, "snippet", "exec", dont_inherit=True)
            except SyntaxError:
                return f"{error.msg} in line {error.lineno}"
        return ""

    def fortran(self, code, source):
        """Nothing: not every system has a compiler. It must be a part of a file, which a test builds where there is one."""
        return "" if source else "it names no file"


def check_snippets(path, text, compiler):
    """Each block of C, Python or Fortran names the file that it is taken from, which compiles and in which it occurs but for white space; or
    it compiles by itself."""
    for match in SNIPPET.finditer(text):
        source, language, code = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        whole = common.read(source) if source else code
        if squeezed(code) not in squeezed(whole):
            yield f"{path}:{line}: this is not in {source}"
        wrong = getattr(compiler, language)(whole, source)
        if wrong:
            yield f"{path}:{line}: {source or 'this'} does not compile: {wrong}"


def check_tables(path, text):
    settings = [setting.name for setting in common.settings()]
    statuses = re.findall(
        r"^\s*X\(\w+, \d+, (\d+),", common.read("runtime/include/c4p/status.h"), re.M
    )
    if len(settings) < 10 or len(statuses) < 10:
        yield f"{path}: the tables in the sources look different from what this check knows"
    for name in settings:
        if f"| `{name}` |" not in text:
            yield f"{path}: the setting {name} is missing"
    for number in sorted(set(statuses)):
        if number != "0" and f"| {number} |" not in text:
            yield f"{path}: the exit status {number} is missing"


def check_links(path, text):
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        if not os.path.exists(os.path.join(common.ROOT, os.path.dirname(path), target)):
            yield f"{path}: nothing is at {target}"


def check_keepalive(path, text, setting=r"\b(OMPI_MCA_oob_tcp_keepalive_\w+)=(\d+)"):
    """When a lost host is given up is said in pages and templates as the wrappers set it."""
    ours = dict(re.findall(setting.replace("=", '": "'), common.read("python/charmrun/launch.py")))
    for name, value in re.findall(setting, text):
        if ours.get(name) != value:
            yield f"{path}: {name}={value}, where charmrun/launch.py has {ours.get(name)}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", required=True)
    parser.add_argument("--build-include", required=True)
    parser.add_argument("--mpi-include", action="append", default=[])
    args = parser.parse_args()
    compiler = Compiler(args.cc, args.build_include, args.mpi_include)
    problems, checked = [], 0
    for path in common.tree_files(".md", ".slurm", ".lsf", ".pbs"):
        problems += check_keepalive(path, common.read(path))
    for path in common.tree_files(".md"):
        text = common.read(path)
        checked += 1
        problems += check_links(path, text)
        problems += check_snippets(path, text, compiler)
        if path == "docs/running.md":
            problems += check_tables(path, text)
    common.finish(problems, checked)


main()
