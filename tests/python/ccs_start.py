# SPDX-License-Identifier: Apache-2.0
"""Starting and ending with a server: flags, addresses, what is refused, and clients that are processes of their own. Runs in an ordinary Python.

Usage: ccs_start.py PATH-OF-LAUNCHER
"""

import os
import re
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

LAUNCHER = os.path.abspath(sys.argv[1])
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("C4PY_", "VIRTUAL_ENV", "CONDA_"))}
checks = 0

# Which TCP sockets the process listens on, by the kernel's account.
LISTENS = """
import os, re
def listening():
    inodes = {m.group(1) for fd in os.listdir("/proc/self/fd")
              for m in [re.match(r"socket:.(\\d+)", os.readlink("/proc/self/fd/" + fd) if os.path.lexists("/proc/self/fd/" + fd) else "")] if m}
    found = []
    for name in ("tcp", "tcp6"):
        for line in open("/proc/net/" + name).readlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.append(words[1])
    return found
def main(args):
    print("listens", *listening())
    exit()
from charm4py import *
charm.start(main)
"""

SERVES = """
from charm4py import *
def bye(data):
    charm.CcsSendReply(data * 100000)
    charm.exit(5)
def main(args):
    charm.CcsRegisterHandler("bye", bye)
    print(args[1:], charm.CcsServerAddress() is not None, flush=True)
charm.start(main)
"""


def script(name, text):
    with open(name, "w") as file:
        file.write(text)
    return name


LISTENS = script("listens.py", LISTENS)
SERVES = script("serves.py", SERVES)


def run(program, *flags, expect=0, out="", err=""):
    """Run a program to its end; check its status and parts of its output."""
    global checks
    done = subprocess.run(
        [LAUNCHER, program, *flags],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENV,
    )
    told = f"{flags}: status {done.returncode}, output {done.stdout!r}, errors {done.stderr!r}"
    assert done.returncode == expect, f"{told}; expected status {expect}"
    assert out in done.stdout, f"{told}; expected output {out!r}"
    assert err in done.stderr, f"{told}; expected errors {err!r}"
    checks += 1
    return done


def listens_only_when_asked():
    plain = re.search("listens(.*)", run(LISTENS).stdout).group(1).split()
    asked = re.search("listens(.*)", run(LISTENS, "++server").stdout).group(1).split()
    assert len(asked) == len(plain) + 1, (plain, asked)
    loopback = "0100007F" if sys.byteorder == "little" else "7F000001"
    new = [address for address in asked if address not in plain]
    assert any(address.startswith(loopback + ":") for address in new), new
    quiet = run(LISTENS, "++quiet", "++server")
    assert quiet.stdout.startswith("ccs: Server IP = 127.0.0.1, Server port = "), quiet.stdout
    everywhere = run(LISTENS, "++server-host", "0.0.0.0", err="there are no passwords")
    assert "Server IP = 0.0.0.0" in everywhere.stdout, everywhere.stdout


def refuses_what_cannot_be():
    # Other values: plain_cli.py.
    run(
        SERVES, "++server-port", "65536",
        expect=2, err="'++server-port' needs a whole number from 0 to 65535",
    )  # fmt: skip
    run(SERVES, "++server-auth", "file", expect=2, err="without that flag the server serves")
    for host in ("no.such.host.invalid", "empty..label"):
        run(SERVES, "++server-host", host, expect=69, err=f"cannot listen on {host}, port 0")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        run(
            SERVES, "++server-port", port, expect=69, err=f"cannot listen on 127.0.0.1, port {port}"
        )


def a_reply_is_sent_before_the_end():
    """The port is chosen here; the program ends itself after a reply that is longer than the kernel's buffers."""
    global checks
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = subprocess.Popen(
        [LAUNCHER, SERVES, f"++server-port{port}", "word"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENV,
    )
    line = ""
    while "True" not in line:
        line = program.stdout.readline()
        assert line, program.communicate()
    assert line == "['word'] True\n", line
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.sendall(struct.pack("!Ii32s", 50, 0, b"bye") + b"x" * 50)
        got = 0
        while part := sock.recv(1 << 16):
            got += len(part)
    assert got == 4 + 5_000_000, got
    assert program.wait(30) == 5, program.communicate()
    checks += 1


with ThreadPoolExecutor() as threads:  # a start mostly waits
    for done in [
        threads.submit(test)
        for test in (
            listens_only_when_asked,
            refuses_what_cannot_be,
            a_reply_is_sent_before_the_end,
        )
    ]:
        done.result()
print(f"{checks} checks passed")
