# SPDX-License-Identifier: Apache-2.0
"""LeanMD in Python: the same program as leanmd.h and its files, chare by chare and step by step.

    mpirun -n 4 c4py_launcher leanmd.py 4 4 4 200 [options]; --help lists them

Cells (a dense 3-D array) own the particles; computes (a sparse 6-D array) join two neighbouring cells, or one with itself. In each
step a cell sends its positions to its computes, gets their forces, and moves its particles. Forces come from the C version's kernel, or with
``--kernel numba`` from one compiled from Python.
"""

import argparse
import functools
import json
import statistics
import sys
import time

import numpy as np
from leanmd_options import is_safe_point, lb_due, parse, wants_energy
from numpy import zeros

from charm4py import Array, ArrayMap, Chare, Group, Reducer, charm, coro, readonlies

ro = readonlies


@functools.cache
def model():
    """Constants, geometry and arithmetic, made once in each process."""
    opt = ro.options
    if opt.kernel == "numba":
        from leanmd_numba import Model
    else:
        from _leanmd import Model
    return Model(opt.variant, opt.grid, opt.away, opt.particles)


# ---- cells ---------------------------------------------------------------------------------------


def cell_rank(index):
    """Pieces of the cells in the order of their numbers."""
    cells = ro.options.grid[0] * ro.options.grid[1] * ro.options.grid[2]
    return model().cell_id(index) * charm.numPes() // cells


class CellMap(ArrayMap):
    def procNum(self, index):
        return cell_rank(index)


class ComputeMap(ArrayMap):
    """Where computes are made. Since it is their home, too, every rank knows where the members of a section are."""

    def procNum(self, index):
        cell, number = model().compute_maker(index)
        rank, ranks = cell_rank(cell), charm.numPes()
        if ro.options.placement == "block":
            return rank
        return (rank + number + 1) % ((ranks + 1) // 2 if ro.options.placement == "bad" else ranks)


class Cell(Chare):
    def __init__(self):
        n = model().particles(self.thisIndex)
        self.pos, self.vel = np.empty(3 * n), np.empty(3 * n)  # planes: all x, all y, all z
        model().fill(self.thisIndex, self.pos, self.vel)
        self.id = model().cell_id(self.thisIndex)
        self.step = 0
        self.arrivals = {}
        self.setMigratable(False)  # computes move

    def create(self, computes):
        """Make this cell's computes."""
        for num in range(model().neighbours):
            index, mine = model().compute_index(self.thisIndex, num)
            if mine:
                computes.ckInsert(index, useAtSync=True)

    @coro
    def join(self, computes):
        """The section that this cell talks to."""
        mine = [model().compute_index(self.thisIndex, num)[0] for num in range(model().neighbours)]
        if ro.options.variant == "a":
            self.computes = [computes[index] for index in mine]
            for num, compute in enumerate(self.computes):
                compute.join(self.id, num, self.thisProxy[self.thisIndex].force_of, None)
        else:
            (self.computes,) = charm.split(computes, 1, elems=mine)
            self.computes.join(self.id, 0, self.thisProxy[self.thisIndex].forces, self.computes)

    def go(self, _=None):
        """The next step."""
        self.step += 1
        if ro.options.variant == "a":
            self.forces_came, self.force = [], None
            for compute in self.computes:
                compute.positions(self.id, self.step, self.pos)
        else:
            self.computes.positions(self.id, self.step, self.pos)

    def force_of(self, num, force):
        """Variant a: one compute's, added as they come or in the order of their numbers."""
        self.forces_came.append((num, force))
        if len(self.forces_came) < model().neighbours:
            return
        if ro.options.ordered:
            self.forces_came.sort(key=lambda item: item[0])
        total = zeros(len(self.pos))
        for _, one in self.forces_came:
            total += one
        self.forces(total)

    def forces(self, force):
        """The sum of all computes'."""
        opt = ro.options
        motion = model().advance(self.step > 1, self.pos, self.vel, force)
        if wants_energy(opt, self.step):
            self.contribute(np.array(motion), ro.adding, ro.main.on_motion)
        if self.step % opt.exchange == 0 and self.step < opt.steps:
            self.send_particles()
        else:
            self.step_ended()

    def send_particles(self):
        """To each neighbour those that enter it, to this cell those that stay; most messages are empty."""
        where = np.frombuffer(model().destinations(self.thisIndex, self.pos), dtype=np.int32)
        all_of_them = np.vstack([self.pos.reshape(3, -1), self.vel.reshape(3, -1)])
        for num in range(model().neighbours):
            cell, number_there = model().neighbour(self.thisIndex, num)
            self.thisProxy[cell].arrive(number_there, all_of_them[:, where == num])

    def arrive(self, num, particles):
        """Taken in by the neighbours' order, so that a cell's order does not depend on which message came first."""
        self.arrivals[num] = particles
        if len(self.arrivals) == model().neighbours:
            everything = np.hstack([self.arrivals[num] for num in sorted(self.arrivals)])
            self.pos, self.vel = everything[:3].ravel(), everything[3:].ravel()
            self.arrivals = {}
            self.step_ended()

    def step_ended(self):
        if self.id == 0:
            ro.main.stepped(self.step, time.perf_counter())
        if lb_due(ro.options, self.step):
            self.AtSync()
        else:
            self.go_on()

    def resumeFromSync(self):
        self.go_on()

    def go_on(self):
        """Stop here if the step that has ended asks for it, and go on otherwise."""
        opt = ro.options
        if self.step == opt.steps:
            return
        if is_safe_point(opt, self.step):
            self.contribute(self.step, Reducer.max, ro.main.on_safe)
        elif opt.barrier:
            self.contribute(None, None, self.thisProxy.go)
        else:
            self.go()


# ---- computes ------------------------------------------------------------------------------------


class Compute(Chare):
    def __init__(self):
        first, second, self.shift = model().compute_cells(self.thisIndex)
        self.first, self.second = model().cell_id(first), model().cell_id(second)
        self.one_cell = self.thisIndex[:3] == self.thisIndex[3:]
        self.cells = {}
        self.waiting = None

    def join(self, cell, num, target, section):
        """Where the forces on a cell's particles go: added up in a section, or as they are."""
        self.cells[cell] = (num, target, section)

    def positions(self, cell, step, pos):
        """The positions of one cell; the forces, once those of both are there."""
        if self.one_cell:
            self.interact(step, pos, pos)
        elif self.waiting is None:
            self.waiting = pos
        else:
            waiting, self.waiting = self.waiting, None
            if cell == self.first:
                self.interact(step, pos, waiting)
            else:
                self.interact(step, waiting, pos)

    def interact(self, step, a, b):
        """Positions of both cells are there: the first one's, the second one's; the same for one cell."""
        wanted = wants_energy(ro.options, step)
        on_a = zeros(len(a))
        if self.one_cell:
            sums = model().alone(a, on_a, wanted)
        else:
            on_b = zeros(len(b))
            sums = model().pair(a, b, self.shift, on_a, on_b, wanted)
            self.give_back(self.second, on_b)
        self.give_back(self.first, on_a)
        if wanted:
            n, m = len(a) // 3, len(b) // 3
            tests = n * (n - 1) / 2 if self.one_cell else n * m
            self.contribute(np.array([*sums, tests]), ro.adding, ro.main.on_potential)
        if lb_due(ro.options, step):
            self.AtSync()

    def give_back(self, cell, force):
        num, target, section = self.cells[cell]
        if section is None:
            target(num, force)
        else:
            self.contribute(force, ro.adding, target, section)

    def resumeFromSync(self):
        """The load is balanced; positions will come."""


# ---- the main chare ------------------------------------------------------------------------------


class Main(Chare):
    """Creates, counts, and ends the run."""

    def __init__(self, args):
        opt = parse(args)
        ro.options, ro.main = opt, self.thisProxy
        ro.adding = Reducer.sum_ordered if opt.ordered else Reducer.sum  # forces and energies
        self.energies, self.motions, self.works = [], 0, 0
        self.ended, self.shown = [], (0, time.perf_counter())
        self.rounds = []
        self.thisProxy.begin()  # once all ranks are given the options

    @coro
    def begin(self):
        opt = ro.options
        self.cells = Array(Cell, opt.grid, map=Group(CellMap), useAtSync=True)
        self.computes = Array(Compute, ndims=6, map=Group(ComputeMap), useAtSync=True)
        self.cells.create(self.computes, awaitable=True).get()
        self.computes.ckDoneInserting()
        charm.waitQD()
        self.cells.join(self.computes, awaitable=True).get()
        charm.waitQD()
        self.cells.go()

    def energy(self, k):
        while k >= len(self.energies):
            step = self.energies[-1]["step"] + 1 if self.energies else 1
            while not wants_energy(ro.options, step):
                step += 1
            self.energies.append({"step": step})
        return self.energies[k]

    def on_motion(self, motion):
        energy = self.energy(self.motions)
        energy.update(zip(("kinetic", "abs_force", "v2", "clamped"), map(float, motion)))
        self.motions += 1
        self.check_known(energy)

    def on_potential(self, work):
        energy = self.energy(self.works)
        energy.update(zip(("potential", "inside", "tests"), map(float, work)))
        self.works += 1
        self.check_known(energy)

    def check_known(self, energy):
        """Both parts of an energy are there."""
        if "kinetic" not in energy or "potential" not in energy:
            return
        a, b, _, _, _, far2, _ = model().law
        energy["conserved"] = (
            energy["kinetic"]
            + energy["potential"]
            - energy["inside"] * (a * far2**-3 - b) * far2**-3
        )
        if ro.options.variant == "a":
            print(f"step {energy['step']}: sum of forces {energy['abs_force']:.12e}, clamped {energy['clamped']:.0f}, "
                  f"sum of v^2 {energy['v2']:.12e}")  # fmt: skip
        else:
            print(f"step {energy['step']}: kinetic {energy['kinetic']:.11e} potential {energy['potential']:.11e} "
                  f"conserved {energy['conserved']:.11e} mJ")  # fmt: skip
        if energy["step"] == ro.options.steps:
            self.report()
            exit()

    def stepped(self, step, now):
        """Cell 0 has finished a step."""
        self.ended.append(now)
        period = ro.options.progress
        if period and step % period == 0:
            shown_step, shown = self.shown
            each = (now - shown) / (step - shown_step) * 1e3
            print(f"step {step} of {ro.options.steps}: {each:.3f} ms/step", file=sys.stderr)
            self.shown = (step, now)

    @coro
    def on_safe(self, step):
        """All cells have finished the same step, and wait."""
        period = ro.options.checkpoint_period
        if charm.checkpointDue() or (period and step % period == 0):
            charm.checkpoint(ro.options.checkpoint).get()
        self.cells.go()

    @coro
    def restarted(self, args):
        """This job goes on from a checkpoint."""
        self.ended, self.shown = [], (ro.options.steps, time.perf_counter())
        ro.options.record = parse(args).record
        self.cells.go()

    def report(self):
        opt, last = ro.options, self.energies[-1]
        skip = 20 if len(self.ended) > 40 else 1
        each = [b - a for a, b in zip(self.ended[skip - 1 :], self.ended[skip:])]
        step_s = statistics.median(each) if each else 0.0
        ns = step_s / last["tests"] * 1e9
        if opt.variant != "a" and opt.steps > 1:
            change = last["conserved"] - self.energies[0]["conserved"]
            print(
                f"energy changed by {change / self.energies[0]['kinetic']:.3g} of the kinetic energy"
            )
        print(
            f"{step_s * 1e3:.3f} ms/step, {last['tests']:.0f} pairs tested in each, {ns:.3f} ns per pair"
        )
        if opt.record:
            record = {
                "program": "leanmd", "language": "Python", "kernel": opt.kernel, "variant": opt.variant, "grid": opt.grid,
                "away": opt.away, "ranks": charm.numPes(), "hosts": charm.numHosts(), "steps": opt.steps,
                "placement": opt.placement, "ordered": opt.ordered, "barrier": opt.barrier,
                "computes": self.num_computes(), "tests": last["tests"], "inside": last["inside"],
                "ms_per_step": step_s * 1e3, "ns_per_test": ns, "energies": self.energies,
            }  # fmt: skip
            write_record(opt.record, record)

    def num_computes(self):
        x, y, z = ro.options.grid
        return x * y * z * (model().neighbours // 2 + 1)


def write_record(path, record):
    line = json.dumps(record)
    if path == "-":
        print(line)
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        print(f"leanmd: record {path}: {error}", file=sys.stderr)


if __name__ == "__main__":
    charm.options.checkpoint_classes = [argparse.Namespace]  # the options
    charm.start(Main)
