# SPDX-License-Identifier: Apache-2.0
"""A scheduler of tasks with dependencies: a master hands out what is ready, workers ask for more when they are done."""

import random

from charm4py import Chare, Group, charm, coro

TASKS = 120


def dependencies(task):
    """Some earlier tasks; the first few have none."""
    rng = random.Random(task)
    return sorted({rng.randrange(task) for _ in range(rng.randrange(4))}) if task > 5 else []


def work(task, inputs):
    """Some number that depends on all inputs and their order."""
    value = task
    for x in inputs:
        value = (value * 1_000_003 + x) % (2**61 - 1)
    for _ in range(task % 7 * 100):  # tasks take different times
        value = (value * 48271 + 11) % (2**61 - 1)
    return value


class Master(Chare):
    def __init__(self):
        self.results = {}
        self.order = []
        self.waiting = {task: set(dependencies(task)) for task in range(TASKS)}
        self.ready = []
        self.idle = []
        self.running = set()
        self.find_ready()

    def find_ready(self):
        for task in [task for task, missing in self.waiting.items() if not missing]:
            del self.waiting[task]
            self.ready.append(task)

    def ask(self, worker):
        self.idle.append(worker)
        self.hand_out()

    def hand_out(self):
        while self.ready and self.idle:
            task = self.ready.pop(0)
            self.running.add(task)
            self.idle.pop(0).run(task, [self.results[d] for d in dependencies(task)])

    def finished(self, task, result, worker):
        self.running.remove(task)
        self.order.append(task)
        self.results[task] = result
        for missing in self.waiting.values():
            missing.discard(task)
        self.find_ready()
        self.ask(worker)

    @coro
    def all_results(self):
        self.wait("len(self.results) == TASKS")
        return self.results, self.order


class Worker(Chare):
    def __init__(self, master):
        self.master = master
        self.count = 0
        master.ask(self.thisProxy[self.thisIndex])

    def run(self, task, inputs):
        self.count += 1
        self.master.finished(task, work(task, inputs), self.thisProxy[self.thisIndex])

    def how_many(self):
        return self.count


def main(args):
    master = Chare(Master, onPE=0)
    workers = Group(Worker, args=[master])
    results, order = master.all_results(ret=True).get()
    serial = {}
    for task in range(TASKS):
        serial[task] = work(task, [serial[d] for d in dependencies(task)])
    assert results == serial
    place = {task: i for i, task in enumerate(order)}
    assert all(place[d] < place[task] for task in range(TASKS) for d in dependencies(task))
    assert sum(workers.how_many(ret=True).get()) == len(order) == TASKS
    print("all tasks in an order that is allowed")
    charm.exit()


charm.start(main)
