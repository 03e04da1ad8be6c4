# SPDX-License-Identifier: Apache-2.0
"""A client that sends thousands of hostile byte strings to a server. Runs in an ordinary Python.

Usage: ccs_attack.py HOST PORT NUMBER SEED RANKS
"""

import random
import socket
import struct
import sys

TIMEOUT_S = 20

NAMES = [
    b"echo",
    b"parse",
    b"keep",
    b"ccs_getinfo",
    b"",
    b"x" * 32,
    b"\xff\n\x1b[0m",
    b"lvImage",
    b"ech",
    b"echo ",
]
NUMBERS = [
    0,
    1,
    2,
    4,
    -1,
    -2,
    16,
    31,
    32,
    40,
    255,
    4096,
    4097,
    65536,
    2**24,
    2**29 - 1,
    2**31 - 1,
    -(2**31),
]


def hostile(rng, ranks):
    """One string: a request with something wrong in it, or noise; sometimes it is right."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    data = rng.randbytes(rng.choice((0, 1, 16, 100, 4096, 5000)))
    length = len(data) if rng.randrange(3) else rng.choice(NUMBERS) & 0xFFFFFFFF
    pe = rng.choice((0, 0, ranks - 1, *NUMBERS))
    text = bytearray(struct.pack("!Ii32s", length, pe, rng.choice(NAMES)) + data)
    if kind == 1:  # bits flipped
        for _ in range(rng.randrange(1, 9)):
            text[rng.randrange(40)] ^= 1 << rng.randrange(8)
    elif kind == 2:  # cut off
        del text[rng.randrange(len(text)) :]
    elif kind == 3:  # continued
        text += rng.randbytes(rng.randrange(1, 64))
    return bytes(text)


def attack(address, rng, text):
    """Send it in a few pieces and leave: in good order, one side only, with a reset, or by keeping still."""
    sock = socket.create_connection(address, TIMEOUT_S)
    try:
        cut = rng.randrange(len(text) + 1)
        sock.sendall(text[:cut])
        sock.sendall(text[cut:])
        leave = rng.randrange(4)
        if leave == 0:
            sock.shutdown(socket.SHUT_WR)
        elif leave == 1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif leave == 2:
            return sock  # stays open for a while
    except OSError:  # the server was faster
        pass
    sock.close()
    return None


def main(host, port, number, seed, ranks):
    rng = random.Random(seed)
    still = []
    for _ in range(number):
        sock = attack((host, port), rng, hostile(rng, ranks))
        if sock:
            still.append(sock)
        if len(still) > 20:
            still.pop(rng.randrange(len(still))).close()
    for sock in still:
        sock.close()


main(sys.argv[1], *map(int, sys.argv[2:]))
