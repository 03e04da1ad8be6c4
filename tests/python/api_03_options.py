# SPDX-License-Identifier: Apache-2.0
"""charm.options: names, defaults, how they are shown. What they do is tested where it shows: api_19, api_26, programs/options.py;
++quiet on the command line in launcher.py and tools.py."""

import sys

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

DEFAULTS = {
    "local_msg_optim": False,
    "local_msg_buf_size": 50,
    "pickle_protocol": -1,
    "profiling": False,
    "auto_flush_wait_queues": True,
    "quiet": False,
    "remote_exec": False,
}


class Other(Chare):
    def options(self):
        shown = {name: getattr(charm.options, name) for name in DEFAULTS}
        return shown, charm.options.own, charm.options.interactive.verbose


def main(args):
    want = {**DEFAULTS, "quiet": True, "remote_exec": True}
    for shown, own, verbose in Group(Other).options(ret=True).get():
        equal(shown, want, "set on every rank by the script")
        equal((own, verbose), ("kept", 0))
    equal(args[1:], [], "++quiet is not for the program")
    finish(30)


# 3 names and defaults
options = charm.options
check(type(options) is Options, "the class that is exported")
for name, default in DEFAULTS.items():
    equal(getattr(options, name), default, name)
equal(options.interactive.verbose, 1)
equal(options.interactive.broadcast_imports, True)
# 3 quiet is the flag
check("++quiet" not in sys.argv)
options.quiet = True
check("++quiet" in sys.argv, "setting quiet is the flag")
options.quiet = True
equal(sys.argv.count("++quiet"), 1, "once")
sys.argv.append("++quiet")
equal(Options().quiet, True, "giving the flag sets it")
sys.argv.remove("++quiet")
# 3 an attribute bag
options.remote_exec = True
options.own = "kept"
options.interactive.verbose = 0
lines = str(options).splitlines()
for name in (*DEFAULTS, "own"):
    check(f"{name}: {getattr(options, name)}" in lines, f"str() lists {name}")
check(not any("verbose" in line or "interactive" in line for line in lines), "nested ones are not")
# 2.2 removed spellings
for name in set(DEFAULTS) - {"remote_exec"}:  # spellings of 0.x
    setattr(Options, name.upper(), 1)
    raises(Charm4PyError, charm.start, main, text=f"charm.options.{name}")
    delattr(Options, name.upper())
# refused before anything has started
options.on_balance = "print"
raises(Charm4PyError, charm.start, main, text="charm.options.on_balance must be a function")
options.on_balance = None
charm.start(main)
