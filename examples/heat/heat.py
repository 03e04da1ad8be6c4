"""Heat spreads over an insulated plate: blocks of an array exchange their borders, a picture is drawn at the end.

Usage: heat.py [--size W H] [--blocks X Y] [--steps N] [--out FILE] [--plain]
"""

import argparse
import os
import struct
import sys
import zlib

import numpy as np

from charm4py import Array, Chare, Reducer, charm, coro, when

try:
    from tqdm import tqdm
except ImportError:
    tqdm = None

RATE = 0.2  # of the difference to each neighbour that flows in one step; stable below 0.25

LETTERS = (
    " ###   #  #  ####   #   # ",
    "#   #  #  #  #   #  #   # ",
    "#      #  #  #   #   # #  ",
    "#      ####  ####     #   ",
    "#         #  #        #   ",
    "#   #     #  #        #   ",
    " ###      #  #        #   ",
)


def initial(width, height):
    """Hot letters and two hot spots on a cold plate; the same on whatever rank it is computed."""
    y, x = np.mgrid[0:height, 0:width]
    column = ((x / width - 0.08) / 0.84 * len(LETTERS[0])).astype(int)
    row = ((y / height - 0.25) / 0.5 * len(LETTERS)).astype(int)
    inside = (x >= 0.08 * width) & (x < 0.92 * width) & (y >= 0.25 * height) & (y < 0.75 * height)
    table = np.array([[c == "#" for c in line] for line in LETTERS])
    plate = np.where(inside & table[row.clip(0, 6), column.clip(0, 25)], 1.0, 0.0)
    for cx, cy in ((0.95, 0.1), (0.05, 0.9)):
        plate += 1.5 * np.exp(-(((x / width - cx) / 0.05) ** 2 + ((y / height - cy) / 0.05) ** 2))
    return plate


def flow(padded):
    """One step for the inner cells of a block that has a border of one cell all around."""
    inner = padded[1:-1, 1:-1]
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return inner + RATE * (around - 4.0 * inner)


class Block(Chare):
    def __init__(self, width, height, blocks_x, blocks_y):
        x, y = self.thisIndex
        self.rows = slice(y * height // blocks_y, (y + 1) * height // blocks_y)
        self.columns = slice(x * width // blocks_x, (x + 1) * width // blocks_x)
        mine = initial(width, height)[self.rows, self.columns]
        # Outside the plate the border repeats the edge: no difference, so nothing flows out.
        self.padded = np.pad(mine, 1, mode="edge")
        self.neighbours = {
            (dx, dy): self.thisProxy[x + dx, y + dy]
            for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1))
            if 0 <= x + dx < blocks_x and 0 <= y + dy < blocks_y
        }
        self.step = 0
        self.missing = len(self.neighbours)

    @coro
    def advance(self, steps, done):
        """Make some steps, then tell how much heat there is and how hot the hottest cell is."""
        for _ in range(steps):
            p = self.padded
            edges = {
                (-1, 0): p[1:-1, 1],
                (1, 0): p[1:-1, -2],
                (0, -1): p[1, 1:-1],
                (0, 1): p[-2, 1:-1],
            }
            for side, neighbour in self.neighbours.items():
                neighbour.border(self.step, (-side[0], -side[1]), edges[side])
            for side, edge in edges.items():
                if side not in self.neighbours:
                    self.set_border(side, edge)
            self.wait("self.missing == 0")
            self.padded[1:-1, 1:-1] = flow(self.padded)
            self.missing = len(self.neighbours)
            self.step += 1
        inner = self.padded[1:-1, 1:-1]
        self.reduce(done, (float(inner.sum()), float(inner.max())), Reducer.gather)

    @when("self.step == step")  # a fast neighbour may be one step ahead: its border waits
    def border(self, step, side, values):
        self.set_border(side, values)
        self.missing -= 1

    def set_border(self, side, values):
        where = {
            (-1, 0): np.s_[1:-1, 0],
            (1, 0): np.s_[1:-1, -1],
            (0, -1): np.s_[0, 1:-1],
            (0, 1): np.s_[-1, 1:-1],
        }
        self.padded[where[side]] = values

    def collect(self, done):
        self.reduce(done, (self.rows, self.columns, self.padded[1:-1, 1:-1]), Reducer.gather)


def serial(width, height, steps):
    """The same steps on one grid."""
    plate = initial(width, height)
    for _ in range(steps):
        plate = flow(np.pad(plate, 1, mode="edge"))
    return plate


def colours(plate):
    """From black over red and yellow to white."""
    t = np.clip(plate / plate.max(), 0.0, 1.0) ** 0.6
    rgb = np.stack(
        [np.clip(3 * t, 0, 1), np.clip(3 * t - 1, 0, 1), np.clip(3 * t - 2, 0, 1)], axis=-1
    )
    return (255 * rgb).astype(np.uint8)


def write_png(path, rgb):
    """A PNG file with nothing but the standard library."""
    height, width, _ = rgb.shape

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    raw = b"".join(b"\0" + rgb[y].tobytes() for y in range(height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)))
        file.write(chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def show(rgb, columns=76):
    """Draw it on the terminal: two cells per character, upper half and lower half."""
    rows = max(2, int(columns * rgb.shape[0] / rgb.shape[1])) // 2 * 2
    y = np.arange(rows) * rgb.shape[0] // rows
    x = np.arange(columns) * rgb.shape[1] // columns
    small = rgb[y][:, x]
    for upper, lower in zip(small[::2], small[1::2]):
        cells = (
            "\x1b[38;2;{};{};{};48;2;{};{};{}m\u2580".format(*u.tolist(), *v.tolist())
            for u, v in zip(upper, lower)
        )
        print("".join(cells) + "\x1b[0m")


def report(done_steps, steps, hottest, bar):
    if bar is not None:
        bar.set_postfix_str(f"hottest cell {hottest:.3f}")
        bar.update(done_steps - bar.n)
    else:
        print(f"step {done_steps:5d} of {steps}, hottest cell {hottest:.3f}", flush=True)


def main(args):
    parser = argparse.ArgumentParser(prog="heat.py")
    parser.add_argument("--size", nargs=2, type=int, default=[480, 240], metavar=("W", "H"))
    parser.add_argument("--blocks", nargs=2, type=int, default=[4, 2], metavar=("X", "Y"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", default="heat.png")
    parser.add_argument("--plain", action="store_true", help="no progress bar, no colours")
    options = parser.parse_args(args[1:])
    width, height = options.size

    blocks = Array(Block, tuple(options.blocks), args=[width, height, *options.blocks])
    plate = initial(width, height)
    before = float(plate.sum())
    bar = None
    if tqdm is not None and not options.plain:
        bar = tqdm(total=options.steps, unit="step", desc=f"heat on {charm.numPes()} ranks")
    made = 0
    while made < options.steps:
        count = min(max(1, options.steps // 20), options.steps - made)
        done = charm.Future()
        blocks.advance(count, done)
        parts = done.get()
        made += count
        report(made, options.steps, max(hottest for _, hottest in parts), bar)
    if bar is not None:
        bar.close()

    done = charm.Future()
    blocks.collect(done)
    for rows, columns, values in done.get():
        plate[rows, columns] = values
    picture = colours(plate)
    if options.out:
        write_png(options.out, picture)
    if not options.plain and "NO_COLOR" not in os.environ:
        show(picture)
    if options.out:
        print("picture:", os.path.abspath(options.out))

    after = float(plate.sum())
    same = np.array_equal(plate, serial(width, height, options.steps))
    print(
        f"{options.blocks[0] * options.blocks[1]} blocks on {charm.numPes()} ranks, {options.steps} steps"
    )
    print("equal to a serial run, bit for bit" if same else "differs from a serial run")
    print(f"heat before {before:.6f}, after {after:.6f}")
    right = same and abs(after - before) <= 1e-9 * before
    if not right:
        print(
            "wrong: heat was lost or came from nowhere, or the blocks disagree with one grid",
            file=sys.stderr,
        )
    charm.exit(0 if right else 1)


charm.start(main)
