# SPDX-License-Identifier: Apache-2.0
"""Fetches pictures from a running program with a server, and writes them as PNG or PPM. Needs nothing but Python.

python3 client.py HOST PORT [--size W H] [--out picture.png] [--stop]
"""

import argparse
import socket
import struct
import sys
import zlib


def ask(address, name, data=b"", rank=0):
    """Send a request to a handler, return its reply."""
    with socket.create_connection(address, timeout=60) as sock:
        sock.sendall(struct.pack("!Ii32s", len(data), rank, name.encode()) + data)
        reply = b""
        while part := sock.recv(1 << 16):
            reply += part
    if len(reply) < 4 or len(reply) != 4 + struct.unpack("!I", reply[:4])[0]:
        sys.exit(f"no answer to '{name}'; the program's log says why")
    return reply[4:]


def png(width, height, channels, pixels):
    """The bytes of a PNG file."""

    def chunk(kind, data):
        return (
            struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        )

    row = width * channels
    lines = b"".join(b"\0" + pixels[at : at + row] for at in range(0, len(pixels), row))
    head = struct.pack("!2I5B", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def ppm(width, height, channels, pixels):
    """The bytes of a PPM file, or PGM without colours."""
    return b"P%d %d %d 255\n" % (6 if channels == 3 else 5, width, height) + pixels


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("W", "H"))
    parser.add_argument("--out", default="picture.png")
    parser.add_argument("--stop", action="store_true", help="tell the program to end")
    options = parser.parse_args()
    address = (options.host, options.port)
    if options.stop:
        ask(address, "stop")
        return
    _version, colour, _push, _solid = struct.unpack("!4i", ask(address, "lvConfig")[:16])
    width, height = options.size
    pixels = ask(address, "lvImage", struct.pack("!4i", 1, 0, width, height))
    make = png if options.out.endswith(".png") else ppm
    with open(options.out, "wb") as file:
        file.write(make(width, height, 3 if colour else 1, pixels))


main()
