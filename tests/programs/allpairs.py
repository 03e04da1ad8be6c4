# SPDX-License-Identifier: Apache-2.0
"""Gravity between all pairs of bodies: blocks travel round a ring of chares, everybody adds up the pull on its own."""

import numpy as np

from charm4py import Array, Channel, Chare, Future, Reducer, charm, coro

BODIES, PARTS, STEPS, DT = 60, 5, 4, 0.01


def bodies():
    """Rows of mass, position and velocity."""
    rng = np.random.default_rng(6)
    return np.column_stack(
        [
            rng.uniform(1, 2, BODIES),
            rng.normal(size=(BODIES, 3)),
            0.1 * rng.normal(size=(BODIES, 3)),
        ]
    )


def pull(on, of):
    """The acceleration of bodies `on` by bodies `of`; softened, so that a body does not pull itself."""
    d = of[None, :, 1:4] - on[:, None, 1:4]
    r3 = ((d**2).sum(axis=2) + 0.01) ** 1.5
    return (of[None, :, :1] * d / r3[:, :, None]).sum(axis=1)


def advance(mine, force):
    mine[:, 4:] += DT * force
    mine[:, 1:4] += DT * mine[:, 4:]


class Part(Chare):
    @coro
    def run(self, done):
        i = self.thisIndex[0]
        mine = bodies()[i * BODIES // PARTS : (i + 1) * BODIES // PARTS]
        after, before = self.thisProxy[(i + 1) % PARTS], self.thisProxy[(i - 1) % PARTS]
        onward, incoming = Channel(self, after), Channel(self, before)
        for _ in range(STEPS):
            visitor, force = mine, np.zeros((len(mine), 3))
            for hop in range(PARTS):
                if hop < PARTS - 1:
                    onward.send(visitor)
                force += pull(mine, visitor)
                if hop < PARTS - 1:
                    visitor = incoming.recv()
            advance(mine, force)
        momentum = self.allreduce((mine[:, :1] * mine[:, 4:]).sum(axis=0), Reducer.sum).get()
        self.reduce(done, (mine, momentum), Reducer.gather)


def main(args):
    done = Future()
    Array(Part, PARTS).run(done)
    answers = done.get()
    got = np.concatenate([part for part, _ in answers])
    want = bodies()
    start = (want[:, :1] * want[:, 4:]).sum(axis=0)
    for _ in range(STEPS):
        advance(want, pull(want, want))
    assert np.allclose(got, want, rtol=1e-12, atol=1e-12), np.abs(got - want).max()
    for _, momentum in answers:
        assert np.allclose(momentum, start, rtol=0, atol=1e-10), "momentum is kept"
    print("all bodies agree")
    charm.exit()


charm.start(main)
