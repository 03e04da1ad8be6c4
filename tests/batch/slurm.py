#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A throw-away Slurm of a few nodes on this machine, for tests.

::

    with Cluster(nodes=2) as cluster:
        job = cluster.submit(script, "--nodes=2", "--ntasks-per-node=2")
        print(job.wait(), job.output())

    slurm.py [--nodes 2] -- bash      runs a command, here a shell, that finds such a Slurm

Each node is a slurmd with a host name, processes and shared memory of its own (namespaces), so that Open MPI takes it for a host; all
are on the loopback interface. Files, keys and sockets are in a temporary directory. Nothing outlives this process, whatever it dies
of: a daemon's namespace ends with all that is in it when the pipe to this process is closed. Works as root, and as an ordinary user where user
namespaces are permitted. Needs Debian's slurm-wlm and munge, or the same from elsewhere.
"""

import argparse
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from run import mpi_env  # noqa: E402

POLL_S = 0.1
START_S = 30
CPUS = 4  # of a node, whatever this machine has
LOG_LINES = 12
CONTROLLER = "controller"
PROGRAMS = "munged slurmctld slurmd sbatch scancel scontrol sinfo srun unshare".split()
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")

SETTINGS = """\
ClusterName=throwaway
SlurmctldHost={controller}(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/tmp.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
KillWait=2
MailProg=/bin/true
PartitionName=all Nodes=ALL Default=YES State=UP
"""
NODE = "NodeName={name} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} State=UNKNOWN\n"

# A process table, host name, /etc/hosts and shared memory of its own, until standard input ends. Arguments: host name, file, command.
DAEMON = """\
hostname "$1" && mount --bind "$2" /etc/hosts && mount -t tmpfs none /dev/shm || exit
shift 2
"$@" </dev/null &
read -r _
"""

# Open MPI leaves the loopback interface out by default; and all nodes share the cores of this machine.
MPI_HERE = {
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "OMPI_MCA_oob_tcp_if_include": "lo",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


class NotHere(Exception):
    """Slurm cannot be started on this machine; the text says why."""


class Failed(Exception):
    """Something that was waited for did not happen."""


def wait_until(condition, what, timeout_s):
    """what: the thing waited for, for the message."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {timeout_s:g} s")
        time.sleep(POLL_S)


def read(path):
    """A file's text; none if it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def find_programs():
    """Daemons are not on every user's path."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = {name: shutil.which(name, path=path) for name in PROGRAMS}
    missing = [name for name in PROGRAMS if not found[name]]
    if missing:
        raise NotHere(f"no {', '.join(missing)} here (apt-get install slurm-wlm munge util-linux)")
    return found


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def base_environment():
    """Without traces of a job in which we may run."""
    inherited = ("SLURM", "SBATCH", "SRUN", "PMI", "OMPI_COMM", "PMIX")
    env = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
    return mpi_env(env | MPI_HERE)


def unshare_command():
    words = ["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.getuid() != 0:  # the same user inside, with the rights to name a host and to mount
        words += ["--user", "--map-current-user", "--keep-caps"]
    return words


class Job:
    """A batch job of a cluster."""

    def __init__(self, cluster, number, path):
        self.cluster, self.number, self.path = cluster, number, path

    def fields(self):
        """What Slurm knows of it: JobState, ExitCode, Restarts and many others."""
        text = self.cluster.run("scontrol", "--oneliner", "show", "job", str(self.number))
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def output(self):
        return read(self.path)

    def wait_for_output(self, text, timeout_s=120):
        try:
            wait_until(lambda: text in self.output(), f"'{text}'", timeout_s)
        except Failed as problem:
            fields = self.fields()
            state = f"{fields['JobState']}, reason {fields['Reason']}"
            raise Failed(f"{problem}; job is {state}:\n{self.output()}") from None

    def wait(self, timeout_s=60):
        """Until it is over; its fields."""
        wait_until(lambda: self.fields()["JobState"] in OVER, f"end of job {self.number}", timeout_s)  # fmt: skip
        return self.fields()


class Cluster:
    """Slurm with nodes n1, n2, …. Entering it raises NotHere, with the reason, if that is impossible here.

    folder: its temporary directory, for whatever jobs write; environment: for commands that are to find it.
    """

    def __init__(self, nodes=2):
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.daemons = []

    def __enter__(self):
        self.programs = find_programs()
        self.folder = tempfile.mkdtemp(prefix="slurm.")
        try:
            self._write_files()
            self._check_namespaces()
            self._start_daemons()
        except Failed as problem:
            self.show_logs()
            self._stop()
            raise NotHere(str(problem)) from None
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind, error, traceback):
        if kind not in (None, KeyboardInterrupt):
            self.show_logs()
        self._stop()

    def _write_files(self):
        os.chmod(self.folder, 0o755)  # munged wants others to reach its socket
        of_nodes = [f"{name}.{node}" for name in ("spool", "tmp") for node in self.nodes]
        for name in ("state", "tmp", *of_nodes):
            os.mkdir(f"{self.folder}/{name}", 0o700)
        self.environment = base_environment()
        self.environment |= {
            "SLURM_CONF": f"{self.folder}/slurm.conf",
            "TMPDIR": f"{self.folder}/tmp",
        }
        key = os.open(f"{self.folder}/munge.key", os.O_CREAT | os.O_WRONLY, 0o600)
        with open(key, "wb") as file:
            file.write(os.urandom(128))
        port, *ports = free_ports(1 + len(self.nodes))
        settings = SETTINGS.format(controller=CONTROLLER, port=port, user=os.getuid(), folder=self.folder)  # fmt: skip
        for name, port in zip(self.nodes, ports, strict=True):
            settings += NODE.format(name=name, port=port, cpus=CPUS)
        self._write("slurm.conf", settings)
        self._write("cgroup.conf", "CgroupPlugin=cgroup/v1\n")  # which nothing uses
        names = ["localhost", socket.gethostname(), CONTROLLER, *self.nodes]
        self._write("hosts", "".join(f"127.0.0.1 {name}\n" for name in names))

    def _write(self, name, text):
        with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def _on(self, host, *words):
        """The command line that runs a program on a host until standard input ends."""
        return [*unshare_command(), "sh", "-c", DAEMON, "sh", host, f"{self.folder}/hosts", *words]

    def _check_namespaces(self):
        command = self._on("n1", "true")
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.stderr:
            raise NotHere(f"nodes cannot have namespaces of their own: {done.stderr.strip()}")

    def _start(self, host, program, *words):
        with open(f"{self.folder}/{program}.{host}.log", "wb") as log:
            command = self._on(host, self.programs[program], *words)
            self.daemons.append(subprocess.Popen(command, env=self.environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
                                                 start_new_session=True))  # fmt: skip

    def _start_daemons(self):
        at = f"{self.folder}/munge"
        self._start(CONTROLLER, "munged", "--foreground", f"--key-file={at}.key", f"--socket={at}.socket",
                    f"--pid-file={at}.pid", f"--seed-file={at}.seed")  # fmt: skip
        wait_until(lambda: os.path.exists(f"{at}.socket"), "start of munged", START_S)
        self._start(CONTROLLER, "slurmctld", "-D", "-c", "-i")
        for node in self.nodes:
            self._start(node, "slurmd", "-D", "-N", node)
        wait_until(self._is_up, "start of Slurm with all its nodes", START_S)

    def _is_up(self):
        command = [self.programs["sinfo"], "--noheader", "--states=idle", "--format=%D"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout.strip() == str(len(self.nodes))

    def _stop(self):
        for daemon in self.daemons:
            daemon.stdin.close()
        for daemon in self.daemons:
            daemon.wait()
        self.daemons = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def show_logs(self):
        for path in sorted(glob.glob(f"{self.folder}/*.log")):
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.readlines()[-LOG_LINES:]
            print(f"---- the end of {os.path.basename(path)}\n{''.join(lines)}", end="", flush=True)

    # ---- use -------------------------------------------------------------------------------------

    def run(self, *command, timeout_s=60):
        """The output of a command that succeeds."""
        done = self.call(*command, timeout_s=timeout_s)
        if done.returncode:
            raise Failed(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}")
        return done.stdout

    def call(self, *command, timeout_s=60):
        """Run a command; stdout has its standard error, too."""
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
        )  # fmt: skip

    def submit(self, script, *options):
        """A batch job; script: its text."""
        name = f"job{len(glob.glob(f'{self.folder}/job*.sh')) + 1}"
        self._write(f"{name}.sh", script)
        path = f"{self.folder}/{name}.out"
        words = ["sbatch", "--parsable", f"--output={path}", *options, f"{self.folder}/{name}.sh"]
        return Job(self, int(self.run(*words)), path)


def terminated(number, _frame):
    sys.exit(128 + number)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, terminated)
    try:
        with Cluster(args.nodes) as cluster:
            done = subprocess.run(args.command, env=cluster.environment, cwd=cluster.folder)
            return done.returncode
    except NotHere as reason:
        sys.exit(f"slurm.py: {reason}")


if __name__ == "__main__":
    sys.exit(main())
