# SPDX-License-Identifier: Apache-2.0
"""What a link between two hosts carries: link.py serve on the one, link.py measure ADDRESS on the other. Prints JSON."""

import json
import socket
import sys
import time

PORT, ROUNDS, TRIES, BLOCK = 7000, 100, 5, 16 << 20


def receive(peer, count):
    """So many bytes."""
    while count:
        data = peer.recv(min(count, 1 << 20))
        if not data:
            sys.exit("link.py: the other end is gone")
        count -= len(data)


def serve():
    with socket.create_server(("", PORT)) as server:
        print("up", flush=True)
        peer, _ = server.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for size, rounds in ((8, ROUNDS), (BLOCK, TRIES)):
        for _ in range(rounds):
            receive(peer, size)
            peer.sendall(b"x" * 8)


def exchange(peer, block):
    """Seconds until it has arrived and an answer is back."""
    start = time.perf_counter()
    peer.sendall(block)
    receive(peer, 8)
    return time.perf_counter() - start


def measure(address):
    peer = socket.create_connection((address, PORT))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    small = sorted(exchange(peer, b"x" * 8) for _ in range(ROUNDS))[ROUNDS // 2]
    large = min(exchange(peer, b"x" * BLOCK) for _ in range(TRIES))
    print(json.dumps({"round_trip_us": round(small * 1e6, 1), "mb_per_s": round(BLOCK / large / 1e6)}))  # fmt: skip


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else measure(sys.argv[2])
