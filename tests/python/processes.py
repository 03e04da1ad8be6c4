# SPDX-License-Identifier: Apache-2.0
"""Threads and child processes in programs: neither may touch the runtime, both are told so, and nothing of theirs disturbs it."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

from charm4py import *
from checks import check, equal, finish

try:
    import numpy as np
except ImportError:
    np = None


def in_child(queue):
    queue.put(os.getpid())


def exit_status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Worker(Chare):
    def nothing(self):
        pass

    def calls_from_thread(self):
        said = []

        def body():
            for call in (self.thisProxy[0].nothing, lambda: self.reduce(self.thisProxy[0].nothing)):
                try:
                    call()
                    said.append("no error")
                except Charm4PyError as error:
                    said.append(str(error))

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        return said

    def start_thread(self):
        self.count = 0
        self.stop = False

        def body():
            while not self.stop:
                self.count += 1
                time.sleep(0.001)

        threading.Thread(target=body, daemon=True).start()

    def stop_thread(self):
        self.stop = True
        return self.count

    def forks(self, how):
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            if how == "exits":
                sys.exit(7)
            if how == "raises":
                sys.stderr = open(os.devnull, "w")
                raise ValueError("in the child")
            if how == "calls":
                try:
                    self.thisProxy[0].nothing()
                except Charm4PyError as error:
                    os._exit(5 if "child process" in str(error) else 6)
            return None
        return exit_status(pid)

    def keep(self, values):
        self.values = values

    def take(self, values):
        pass

    def forks_with_arrays(self, how):
        """A child that writes to what this rank has received, or drops it, or reads it later."""
        self.ready, self.go = os.pipe()
        pid = os.fork()
        if pid == 0:
            if how == "writes":
                self.values[:] = -7.0
            elif how == "drops":
                self.values = None
            else:
                os.read(self.ready, 1)
                os._exit(0 if (self.values == 1.0).all() else 9)
            os._exit(0)
        self.child = pid
        if how == "reads":
            self.values = None
        else:
            self.status = exit_status(pid)

    def what_is_left(self):
        if self.values is None:
            os.write(self.go, b"x")
            return exit_status(self.child)
        return self.status, float(self.values.min()), float(self.values.max())

    @coro
    def forks_in_coroutine(self):
        pid = os.fork()
        return exit_status(pid) if pid else None

    def runs_program(self):
        return subprocess.run(["echo", "hello"], capture_output=True, check=True).stdout

    def runs_multiprocessing(self):
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=in_child, args=(queue,))
        process.start()
        pid = queue.get()
        process.join()
        return process.exitcode == 0 and pid != os.getpid()


def main(args):
    worker = Group(Worker)[charm.numPes() - 1]
    for said in worker.calls_from_thread(ret=True).get():
        check("by the main thread only" in said, f"a call in another thread: {said}")
    if np is not None:
        for how, want in (("writes", (0, 1.0, 1.0)), ("drops", (0, 1.0, 1.0)), ("reads", 0)):
            worker.keep(np.ones(100_000), awaitable=True).get()
            worker.forks_with_arrays(how, awaitable=True).get()
            for _ in range(20):  # into memory that was given back, if any was
                worker.take(np.full(100_000, 99.0), awaitable=True).get()
            equal(worker.what_is_left(ret=True).get(), want, f"a child {how} what was received")
    equal(worker.forks("returns", ret=True).get(), 0, "a child that returns from the method")
    equal(worker.forks("exits", ret=True).get(), 7, "a child that exits")
    equal(worker.forks("raises", ret=True).get(), 1, "a child that fails")
    equal(worker.forks("calls", ret=True).get(), 5, "a child that calls a proxy")
    equal(worker.forks_in_coroutine(ret=True).get(), 0, "a child in a coroutine")
    equal(worker.runs_program(ret=True).get(), b"hello\n", "subprocess")
    check(worker.runs_multiprocessing(ret=True).get(), "multiprocessing")
    worker.start_thread(awaitable=True).get()
    charm.sleep(0.2)
    check(worker.stop_thread(ret=True).get() > 3, "a thread runs while the rank is idle")
    finish(10)


charm.start(main)
