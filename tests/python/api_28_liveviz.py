# SPDX-License-Identifier: Apache-2.0
"""Pictures for clients: configuration, requests, push and poll mode, pieces that overlap or stick out, colours and grey.

Usage: api_28_liveviz.py push|poll|grey. What a picture must look like is computed pixel by pixel here.
"""

import struct
import sys

import charm4py
from ccs_client import ask, connect, outside, request, rest
from charm4py import Array, Chare, Charm4PyError, Reducer, charm, coro, liveviz
from charm4py.liveviz import Config, ImageRequest, LiveViz
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None

sys.argv.append("++server")
if "grey" in sys.argv:
    liveviz.numpy = lambda: None  # numpy is optional: pictures are composed without it

# The whole is 18 x 12 pixels (width, height); the pieces of 3 x 2 elements are 9 x 8, 6 apart, so that they overlap and
# some stick out on the right and below.
WIDTH, HEIGHT, PIECE_W, PIECE_H, STEP = 18, 12, 9, 8, 6


def colour(i, j, row, col, channel, frame):
    return (i * 61 + j * 97 + row * 13 + col * 7 + channel * 31 + frame * 5) % 256


def piece(i, j, channels, frame):
    return bytes(
        colour(i, j, row, col, c, frame)
        for row in range(PIECE_H)
        for col in range(PIECE_W)
        for c in range(channels)
    )


def expected(width, height, channels, frame):
    """The picture by its definition: at each pixel the sum of all pieces there, at most 255; black elsewhere."""
    out = bytearray()
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                total = 0
                if x < WIDTH and y < HEIGHT:
                    for i in range(3):
                        for j in range(2):
                            row, col = y - (STEP * j - 1), x - (STEP * i - 1)
                            if 0 <= row < PIECE_H and 0 <= col < PIECE_W:
                                total += colour(i, j, row, col, c, frame)
                out.append(min(255, total))
    return bytes(out)


class Cell(Chare):
    def __init__(self, channels):
        self.channels = channels
        self.frame = 0

    def draw(self, image_request):
        """In push mode: for each request."""
        assert isinstance(image_request, ImageRequest)
        self.deposit()

    def deposit(self):
        i, j = self.thisIndex
        pixels = piece(i, j, self.channels, self.frame)
        if np is not None and i == 1:  # any buffer of bytes will do
            pixels = np.frombuffer(pixels, np.uint8).reshape(PIECE_H, PIECE_W, self.channels)
        self.frame += 1
        place = (STEP * i - 1, STEP * j - 1, PIECE_H, PIECE_W, HEIGHT, WIDTH)
        LiveViz.deposit(pixels, self, *place)

    @coro
    def mistakes(self):
        """All are refused at the call, and nothing is contributed."""
        good = bytes(2 * 3 * self.channels)
        raises(
            ValueError,
            LiveViz.deposit,
            good + b"x",
            self,
            0,
            0,
            2,
            3,
            9,
            9,
            text="do not make the piece",
        )
        raises(ValueError, LiveViz.deposit, good, self, 0, 0, -2, -3, 9, 9, text="negative sizes")
        raises(
            TypeError,
            LiveViz.deposit,
            [1, 2],
            self,
            0,
            0,
            2,
            3,
            9,
            9,
            text="bytes or an array of uint8",
        )
        raises(TypeError, LiveViz.deposit, good, self, 0.5, 0, 2, 3, 9, 9, text="whole numbers")
        if np is not None:
            wide = np.zeros((2, 3 * self.channels))
            raises(TypeError, LiveViz.deposit, wide, self, 0, 0, 2, 3, 9, 9, text="astype('uint8')")
        import checks

        return checks.failed


def image(width, height, view=b""):
    return struct.pack("!4i", 1, 0, width, height) + view


def picture(width, height, view=b""):
    """What a client gets."""
    return outside(ask, b"lvImage", image(width, height, view))


# 28 Config, its binary form, ImageRequest, Reducer.viz_gather
def config():
    """What clients get for lvConfig, byte by byte."""
    equal(Config().to_binary(), struct.pack("!4i", 1, 1, 1, 0), "the defaults")
    equal(
        Config(),
        Config(version=1, isColor=True, isPush=True, is3d=False, min=(0, 0, 0), max=(1, 1, 1)),
    )
    equal(Config(2, False, False).to_binary(), struct.pack("!4i", 2, 0, 0, 0))
    solid = Config(is3d=True, min=(1, 2, 3), max=(4.5, 5, 6))
    equal(solid.to_binary(), struct.pack("!4i6d", 1, 1, 1, 1, 1, 2, 3, 4.5, 5, 6), "with bounds")
    asked = ImageRequest.from_bytes(struct.pack("!4i14d", 1, 2, 30, 40, *range(14)))
    equal((asked.version, asked.request_type, asked.width, asked.height), (1, 2, 30, 40))
    equal((asked.x, asked.y, asked.z, asked.o), ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)))
    equal((asked.minZ, asked.maxZ), (12.0, 13.0))
    check(Reducer.viz_gather is not None, "the reducer")


def before_init(cells):
    raises(Charm4PyError, LiveViz.deposit, b"", None, 0, 0, 0, 0, 0, 0, text="after LiveViz.init()")
    raises(TypeError, LiveViz.init, 5, cells.draw, text="liveviz.Config")
    raises(TypeError, LiveViz.init, Config(), text="poll=True")
    text = Chare(Elsewhere, onPE=0).try_init(ret=True).get()
    check("mark the method with @coro" in text, text)


# 28 push mode: a callback for each request; overlaps saturate; cut off or filled up to the size asked for
def push(cells, channels):
    LiveViz.init(Config(isColor=channels == 3), cells.draw)
    raises(Charm4PyError, LiveViz.init, Config(), cells.draw, text="called before")
    equal(outside(ask, b"lvConfig"), struct.pack("!4i", 1, channels == 3, 1, 0), "lvConfig")
    sizes = ((WIDTH, HEIGHT), (40, 30), (7, 5), (1, 1), (WIDTH, 3), (3, 50))
    for frame, (width, height) in enumerate(sizes):
        view = struct.pack("!14d", *range(14)) if frame % 2 else b""
        got = picture(width, height, view)
        check(got == expected(width, height, channels, frame), f"picture of {width} x {height}")
    for bad in (
        b"",
        bytes(15),
        image(0, 5),
        image(5, -1),
        image(2**31 - 1, 2**31 - 1),
        image(-(2**31), -1),
        image(5, 5, b"x"),
        image(5, 5, bytes(80)),
        image(5, 5, struct.pack("!14d", *[float("nan")] * 14)),
        image(5000, 5000),
    ):
        equal(outside(ask, b"lvImage", bad), None, f"refused: {bad[:16]}")
    equal(outside(ask, b"lvConfig", b"ignored"), struct.pack("!4i", 1, channels == 3, 1, 0))
    for failed in cells.mistakes(ret=True).get():
        equal(failed, 0, "mistakes in an element")
    # One client asks and vanishes: the picture made for it goes nowhere, the next one is the next client's.
    sock = connect()
    sock.sendall(request(b"lvImage", image(4, 4)))
    outside(rest_of, sock, 4 + 4 * 4 * channels)
    frame = len(sizes) + 1
    check(
        picture(WIDTH, HEIGHT) == expected(WIDTH, HEIGHT, channels, frame),
        "after a client that left early",
    )
    several = [connect() for _ in range(5)]
    for sock in several:
        sock.sendall(request(b"lvImage", image(2, 2)))
    got = sorted(outside(rest, sock)[4:] for sock in several)
    want = sorted(expected(2, 2, channels, frame + 1 + k) for k in range(5))
    check(got == want, "five clients at once get five pictures")


def rest_of(sock, length):
    got = b""
    while len(got) < length:
        got += sock.recv(1000)
    sock.close()


# 28 poll mode: pictures are kept for requests, and requests wait for pictures
def poll(cells, channels):
    LiveViz.init(Config(isPush=False), None, poll=True, max_images=3)
    for _ in range(5):
        cells.deposit(awaitable=True).get()
    charm.waitQD()
    for frame in (2, 3, 4):  # the oldest two had to go
        check(
            picture(WIDTH, HEIGHT) == expected(WIDTH, HEIGHT, channels, frame), f"picture {frame}"
        )
    early = [connect() for _ in range(3)]
    for sock in early:  # they wait, as there is no picture
        sock.sendall(request(b"lvImage", image(WIDTH, HEIGHT)))
    equal(len(outside(ask, b"lvConfig")), 16, "others are served meanwhile")
    early.pop().close()
    for _ in range(2):
        cells.deposit()
    got = sorted(outside(rest, sock)[4:] for sock in early)
    check(got == sorted(expected(WIDTH, HEIGHT, channels, f) for f in (5, 6)), "one picture each")


class Elsewhere(Chare):
    def try_init(self):
        try:
            LiveViz.init(Config(), print)
        except Charm4PyError as error:
            return str(error)


def main(args):
    mode = args[1] if len(args) > 1 else "push"
    channels = 1 if mode == "grey" else 3
    config()
    cells = Array(Cell, (3, 2), args=[channels])
    before_init(cells)
    if charm.numPes() > 1:
        text = Chare(Elsewhere, onPE=1).try_init(ret=True).get()
        check("on rank 0" in text, text)
    check(liveviz is charm4py.liveviz)
    (poll if mode == "poll" else push)(cells, channels)
    finish(15)


charm.start(main)
