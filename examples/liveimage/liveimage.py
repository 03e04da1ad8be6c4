# SPDX-License-Identifier: Apache-2.0
"""Two substances that react and spread (Gray-Scott), computed by strips; clients look at it while it runs.

Run it with ++server and leave it alone; client.py fetches pictures. With --picture FILE it starts the
client itself when all steps are done, and ends.
"""

import argparse
import os
import subprocess
import sys
from typing import Any

import numpy as np

from charm4py import Array, Channel, Chare, Reducer, charm, coro, liveviz

FEED, KILL, SPREAD_U, SPREAD_V = 0.037, 0.060, 0.16, 0.08
BETWEEN_LOOKS = 10  # steps


def spread(field):
    """How much flows into each inner cell from its four neighbours; left and right edge are joined."""
    inner = field[1:-1]
    sides = np.roll(inner, 1, axis=1) + np.roll(inner, -1, axis=1)
    return field[:-2] + field[2:] + sides - 4 * inner


def colours(v):
    """Red, green and blue for each cell: black, then blue, green and white for more of v."""
    level = np.clip(v / 0.35, 0, 1)
    red, green, blue = level**3, level**1.5, np.sqrt(level) * (1 - level) + level**3
    return (np.stack((red, green, blue), axis=-1) * 255).astype(np.uint8)


class Strip(Chare):
    """Some rows of the dish, which is joined at its edges. The amounts u and v have one row more on both sides."""

    def __init__(self, number, rows, width):
        self.number, self.width = number, width
        self.first = self.thisIndex[0] * rows
        self.both = np.empty((2, rows + 2, width))
        self.u, self.v = self.both
        self.u[:], self.v[:] = 1, 0
        rng = np.random.default_rng(7)  # the same on all ranks
        for x, y in rng.integers(0, (width, number * rows), (24, 2)):
            for row in range(y, y + 8):
                here = row % (number * rows) - self.first
                if 0 <= here < rows:
                    self.v[here + 1, x : x + 8], self.u[here + 1, x : x + 8] = 0.5, 0.25
        index = self.thisIndex[0]
        self.up: Any = None
        self.down: Any = None
        if (
            number > 1
        ):  # of two strips each is above and below the other: the first's up is the second's down
            for side in ("up", "down") if index % 2 == 0 else ("down", "up"):
                other = self.thisProxy[(index + (1 if side == "down" else -1)) % number]
                setattr(self, side, Channel(self, remote=other))

    def edges(self):
        """Exchange edge rows with the neighbours; the coroutine waits, and requests for pictures are served meanwhile."""
        both = self.both
        if self.up is None:
            both[:, 0], both[:, -1] = both[:, -2], both[:, 1]
        else:
            self.up.send(both[:, 1])
            self.down.send(both[:, -2])
            both[:, 0], both[:, -1] = self.up.recv(), self.down.recv()

    @coro
    def run(self, steps, done):
        """So many steps; 0: for ever."""
        step = 0
        while steps == 0 or step < steps:
            self.edges()
            u, v = self.u[1:-1], self.v[1:-1]
            reaction = u * v * v
            du = SPREAD_U * spread(self.u) - reaction + FEED * (1 - u)
            dv = SPREAD_V * spread(self.v) + reaction - (FEED + KILL) * v
            u += du
            v += dv
            step += 1
            if step % BETWEEN_LOOKS == 0:
                charm.sleep(0)  # also a strip that is alone lets requests come in
        self.reduce(done, float(self.v[1:-1].sum()), Reducer.sum)

    def draw(self, request):
        """A client wants a picture: give this strip's part of it."""
        pixels = colours(self.v[1:-1])
        rows = len(pixels)
        liveviz.LiveViz.deposit(
            pixels, self, 0, self.first, rows, self.width, rows * self.number, self.width
        )


def fetch(file, size):
    """Run the client; this rank goes on serving meanwhile."""
    address = charm.CcsServerAddress()
    assert address is not None, "rank 0 listens"
    host, port = address
    client = os.path.join(os.path.dirname(os.path.abspath(__file__)), "client.py")
    words = [sys.executable, client, host, str(port), "--size", str(size), str(size), "--out", file]
    process = subprocess.Popen(words)
    while process.poll() is None:
        charm.sleep(0.01)
    return process.returncode


def stop(data):
    """Handler: a client wants the program to end."""
    charm.CcsSendReply(b"")
    exit()


def main(args):
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=256, help="cells in each direction")
    parser.add_argument("--strips", type=int, default=4)
    parser.add_argument("--steps", type=int, default=0, help="0: until a client says stop")
    parser.add_argument(
        "--picture", metavar="FILE", help="write one at the end, through the client"
    )
    options = parser.parse_args(args[1:])
    if options.size % options.strips:
        parser.error(f"{options.size} rows cannot be cut into {options.strips} equal strips")
    if charm.CcsServerAddress() is None:
        print("nobody will see it: add ++server to the command line")
    rows = options.size // options.strips
    strips = Array(Strip, options.strips, args=[options.strips, rows, options.size])
    liveviz.LiveViz.init(liveviz.Config(isColor=True), strips.draw)
    charm.CcsRegisterHandler("stop", stop)
    done = charm.Future()
    strips.run(options.steps, done)
    print(f"{options.steps or 'many'} steps, of v there is {done.get():.6f}")
    if options.picture and fetch(options.picture, options.size) == 0:
        print(f"the client wrote {options.picture}")
    exit()


charm.start(main)
