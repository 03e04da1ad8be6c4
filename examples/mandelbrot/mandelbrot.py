"""The Mandelbrot set by the pool: strips of the picture are tasks, and whichever worker is free takes the next.

Usage: mandelbrot.py [width] [height] [file]; compared with a serial run, writes a PNG.
"""

import os
import struct
import sys
import zlib

import numpy as np

from charm4py import charm

LIMIT = 100
ROWS = 10  # of one task


def strip(first, width, height):
    """For some rows, how many steps each point takes to leave the circle of radius 2; LIMIT: it stays."""
    x = np.linspace(-2.2, 0.8, width)
    y = np.linspace(-1.15, 1.15, height)[first : first + ROWS]
    c = x[None, :] + 1j * y[:, None]
    z = np.zeros_like(c)
    count = np.full(c.shape, LIMIT, np.int32)
    alive = np.ones(c.shape, bool)
    for step in range(LIMIT):
        z[alive] = z[alive] ** 2 + c[alive]
        left = alive & (z.real**2 + z.imag**2 > 4.0)
        count[left] = step
        alive &= ~left
    return count


def colours(count):
    """Blue to white the longer it took; inside black."""
    t = np.where(count == LIMIT, 0.0, np.sqrt(count / LIMIT))
    rgb = np.stack([t**1.5, t, np.where(count == LIMIT, 0.0, 0.25 + 0.75 * t)], axis=-1)
    return (255 * rgb).astype(np.uint8)


def write_png(path, rgb):
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


def main(args):
    width = int(args[1]) if len(args) > 1 else 300
    height = int(args[2]) if len(args) > 2 else 200
    path = args[3] if len(args) > 3 else "mandelbrot.png"
    # A tuple becomes the arguments of the function.
    tasks = [(first, width, height) for first in range(0, height, ROWS)]
    picture = np.concatenate(charm.pool.map(strip, tasks))

    same = np.array_equal(picture, np.concatenate([strip(*task) for task in tasks]))
    # The picture is symmetric to the real axis, and about a fifth of this window is inside.
    symmetric = (picture == picture[::-1]).mean() > 0.999
    inside = float((picture == LIMIT).mean())
    write_png(path, colours(picture))
    print(
        f"{len(tasks)} tasks on {charm.numPes()} ranks, {100 * inside:.1f} % of the picture inside"
    )
    print("picture:", os.path.abspath(path))
    right = same and symmetric and 0.2 < inside < 0.25
    print("equal to a serial run" if right else "differs from a serial run")
    if not right:
        print("wrong: strips are missing, mixed up or miscalculated", file=sys.stderr)
    charm.exit(0 if right else 1)


charm.start(main)
