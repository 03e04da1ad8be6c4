# SPDX-License-Identifier: Apache-2.0
"""Hosts for tests and benchmarks, all on this machine: network namespaces with addresses and names of their own.

A program that calls ``enter()`` goes on in namespaces of its own (network, mounts, processes, and users if it is not root), in
which ``Hosts`` makes hosts h1, h2, ...; whichever way the program ends, the kernel removes all of it. ``Hosts.environment()``
lets any mpirun that is started on a host by ``Hosts.start()`` place its ranks on them, over TCP. Linux, with the programs ``ip``,
``nsenter`` and ``unshare``.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EXIT_SKIP = 77
MARK = "C4P_TEST_HOSTS_ENTERED"  # set in the environment of the program that has entered
SCRATCH = "/run"  # a file system in memory there is seen by this program and its hosts only
ADDRESS = "10.77.0.{}"

# What mpirun starts daemons with in place of ssh. Like ssh it passes no environment on, and learns nothing from a host that was cut off.
AGENT = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
nsenter --target "$(cat {scratch}/$host.pid)" --net --uts -- env -i HOME="$HOME" PATH="$PATH" TMPDIR={scratch}/$host sh -c "$*"
status=$?
[ -e {scratch}/$host.cut ] && exec sleep 3600
exit $status
"""


def skip(reason):
    """End the program: something cannot be had on this machine."""
    print(f"skipped: {reason}")
    sys.exit(EXIT_SKIP)


# ---- namespaces -----------------------------------------------------------------------------------


def _unshare():
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *users, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]  # fmt: skip


def _trial():
    """Skip where namespaces are not to be had."""
    for name in ("ip", "nsenter", "unshare", "mount"):
        if not shutil.which(name):
            skip(f"there is no program {name}")
    what = f"mount -t tmpfs tmpfs {SCRATCH} && ip link add one type veth peer name two"
    trial = subprocess.run([*_unshare(), "sh", "-c", what], capture_output=True, text=True)
    if trial.returncode:
        skip(f"namespaces are not permitted: {trial.stderr.strip()}")


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))


def enter():
    """Go on in namespaces of our own. Ends the program, with 77 and the reason, where that is not permitted."""
    if os.environ.pop(MARK, None):
        for folder in (SCRATCH, "/dev/shm"):
            _command("mount", "-t", "tmpfs", "tmpfs", folder)
        return
    _trial()
    inner = subprocess.Popen(
        [*_unshare(), sys.executable, *sys.argv],
        env={**os.environ, MARK: "1"},
        preexec_fn=_die_with_parent,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: inner.kill())
    status = inner.wait()
    sys.exit(status if status >= 0 else 128 - status)


def _command(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


def _write(name, text, mode=0o644):
    path = os.path.join(SCRATCH, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


# ---- hosts ----------------------------------------------------------------------------------------


class Hosts:
    """Hosts in a network of their own, whose links carry what the kernel lets them; with the program `switch` (switch.c)
    frames are late by a time that can be set, and the program is skipped if there are no TAP devices for that."""

    def __init__(self, count=3, switch=None):
        self.names = [f"h{i + 1}" for i in range(count)]
        self._pids = {name: self._start_host(name) for name in self.names}
        self._links = {name: f"link-{name}" for name in self.names}
        self.switch = self._start_switch(switch) if switch else None
        if not switch:
            self._join_by_bridge()
        for name in self.names:
            self._on(name, "ip", "address", "add", f"{self.address(name)}/24", "dev", "eth0")
            self._on(name, "ip", "link", "set", "eth0", "up")
        _write("agent", AGENT.replace("{scratch}", SCRATCH), 0o755)

    def _start_host(self, name):
        """A process that keeps the namespaces of a host."""
        keep = f"hostname {name} && ip link set lo up && echo up && exec sleep infinity"
        keeper = subprocess.Popen(
            ["unshare", "--net", "--uts", "sh", "-c", keep], stdout=subprocess.PIPE, text=True
        )
        if keeper.stdout.readline() != "up\n":
            raise RuntimeError(f"host {name} does not start")
        _write(f"{name}.pid", str(keeper.pid))
        os.mkdir(os.path.join(SCRATCH, name))
        return keeper.pid

    def _join_by_bridge(self):
        _command("ip", "link", "add", "bridge", "type", "bridge")
        _command("ip", "link", "set", "bridge", "up")
        for name, link in self._links.items():
            _command("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._pids[name]))  # fmt: skip
            _command("ip", "link", "set", link, "master", "bridge", "up")

    def _start_switch(self, program):
        switch = subprocess.Popen(
            [program, "0", *map(str, self._pids.values())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if switch.stdout.readline() != "ready\n":
            skip(f"no TAP devices: {switch.stderr.read().strip()}")
        for name in self.names:  # as in clusters: large frames, and no slow start after each pause
            self._on(name, "ip", "link", "set", "eth0", "mtu", "9000")
            self._on(name, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/tcp_slow_start_after_idle")
        return switch

    def set_delay(self, seconds):
        """One way, from now on; of hosts with a switch."""
        self.switch.stdin.write(f"delay {round(seconds * 1e6)}\n")
        self.switch.stdin.flush()
        if self.switch.stdout.readline() != "ready\n":
            raise RuntimeError(f"the switch has ended: {self.switch.stderr.read().strip()}")

    # ---- programs

    def address(self, name):
        return ADDRESS.format(self.names.index(name) + 1)

    def _inside(self, name, words):
        return ["nsenter", "--target", str(self._pids[name]), "--net", "--uts", "--", *words]

    def _on(self, name, *words):
        _command(*self._inside(name, words))

    def start(self, name, words, **options):
        """subprocess.Popen() on a host."""
        return subprocess.Popen(self._inside(name, list(map(str, words))), **options)

    def environment(self, base, slots, names=None):
        """The environment `base` and what lets mpirun on the first host put so many ranks on each of these hosts."""
        hostfile = "".join(f"{name} slots={slots}\n" for name in names or self.names)
        settings = {
            "TMPDIR": os.path.join(SCRATCH, self.names[0]),
            "OMPI_MCA_orte_default_hostfile": _write("hostfile", hostfile),
            "OMPI_MCA_plm_rsh_agent": os.path.join(SCRATCH, "agent"),
        }
        return {**base, **settings}

    # ---- faults

    def cut(self, name):
        """Nothing reaches it any more, nor does it reach anybody; its processes live. Not with a switch."""
        _write(f"{name}.cut", "")
        _command("ip", "link", "set", self._links[name], "down")

    def processes(self, name):
        """pid -> command line of what lives there."""
        there = os.stat(f"/proc/{self._pids[name]}/ns/net").st_ino
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.stat(f"/proc/{pid}/ns/net").st_ino != there or int(pid) == self._pids[name]:
                    continue
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # ended meanwhile
            if command:  # a zombie has none
                found[int(pid)] = command
        return found

    def sent(self, name):
        """Bytes that the host has sent so far."""
        words = self._inside(name, ["ip", "-json", "-statistics", "link", "show", "eth0"])
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return json.loads(shown)[0]["stats64"]["tx"]["bytes"]

    def measure_link(self):
        """{"round_trip_us", "mb_per_s"} of TCP between the first two hosts, the best of some tries."""
        program = os.path.join(HERE, "link.py")
        server = self.start(self.names[1], [sys.executable, program, "serve"], stdout=subprocess.PIPE)  # fmt: skip
        server.stdout.readline()
        client = self.start(
            self.names[0],
            [sys.executable, program, "measure", self.address(self.names[1])],
            stdout=subprocess.PIPE,
        )
        figures = json.loads(client.communicate()[0])
        server.wait()
        return figures


def wait_until(condition, seconds):
    """Whether it comes true in that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
