# SPDX-License-Identifier: Apache-2.0
"""The server's sockets alone, without a runtime: limits, slow and vanished clients, hostile bytes. Runs in an ordinary Python.

Usage: ccs_server.py FOLDER-OF-THE-PACKAGE [NUMBER] [SEED]
"""

import importlib.util
import os
import random
import select
import socket
import struct
import sys
import time

spec = importlib.util.spec_from_file_location(
    "_ccs_server", os.path.join(sys.argv[1], "c4py", "_ccs_server.py")
)
module = importlib.util.module_from_spec(spec)
sys.modules["_ccs_server"] = module
spec.loader.exec_module(module)
Limits = module.Limits


class World:
    """A server, what it delivered, lost and said, and its clients."""

    def __init__(self, **limits):
        self.delivered, self.lost, self.said = [], [], []
        self.limits = Limits(**limits)
        self.server = module.Server(
            "127.0.0.1",
            0,
            4,
            lambda *request: self.delivered.append(request),
            self.lost.append,
            self.said.append,
            self.limits,
        )

    def turn(self, until, seconds=10):
        """Serve as the scheduler does, until something is true."""
        end = time.monotonic() + seconds
        while not until():
            wish = self.server.serve()
            assert time.monotonic() < end, f"nothing happens; said: {self.said}"
            if until():
                break
            select.select([self.server.fileno()], [], [], min(0.01, 10 if wish is None else wish))

    def client(self, data=b""):
        sock = socket.create_connection(self.server.address)
        sock.setblocking(False)
        if data:
            sock.sendall(data)
        return sock

    def closed(self, sock):
        """Whether the server has closed this connection; what comes before is thrown away."""
        try:
            return sock.recv(1 << 20) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def said_last(self, text):
        assert text in self.said[-1], f"the last line is {self.said[-1]!r}, expected '{text}'"


def request(name=b"name", data=b"", rank=0, length=None):
    return struct.pack("!Ii32s", len(data) if length is None else length, rank, name) + data


def a_request_arrives_in_pieces_and_is_answered():
    world = World()
    sock = world.client()
    for byte in request(b"name", b"data", 3):
        sock.send(bytes([byte]))
        world.server.serve()
    world.turn(lambda: world.delivered)
    assert world.delivered == [(1, 3, b"name", b"data")], world.delivered
    world.server.reply(1, b"answer")
    got = b""
    sock.settimeout(5)
    while part := sock.recv(100):
        got += part
    assert got == b"\0\0\0\6answer", got
    assert world.said == [], world.said
    assert world.server.serve() is None  # nothing is open, so no time is set


def a_client_that_is_slow_with_its_header_is_closed_in_time():
    world = World(header_s=0.2)
    sock = world.client(b"\0")
    begin = time.monotonic()
    while not world.closed(sock):
        world.turn(lambda: True)
        world.server.serve()
        if time.monotonic() - begin < 0.15:
            try:
                sock.send(b"\0")  # a byte now and then does not help
            except OSError:
                break
            time.sleep(0.01)  # paces the client, nothing waits for it
        assert time.monotonic() - begin < 5
    assert time.monotonic() - begin >= 0.15
    world.said_last("too slow: ")


def a_client_that_is_slow_with_its_data_is_closed_in_time():
    world = World(stuck_s=0.2)
    sock = world.client(request(length=1000) + b"x")
    world.turn(lambda: world.closed(sock))
    world.said_last("too slow: 1 of 1000 bytes of the data came")
    assert world.delivered == []


def a_client_that_does_not_take_its_reply_is_closed_in_time():
    world = World(stuck_s=-100)  # the 10 MB below are worth 152 s
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(world.server.address)
    world.limits.stuck_s = 30
    sock.sendall(request())
    world.turn(lambda: world.delivered)
    world.limits.stuck_s = -152.4
    world.server.reply(1, bytes(10_000_000))
    world.turn(lambda: world.said)
    world.said_last("bytes of the reply are left")
    assert world.lost == []


def a_client_that_closed_its_side_waits_for_a_while_only():
    world = World(half_closed_s=0.1)
    sock = world.client(request())
    sock.shutdown(socket.SHUT_WR)
    world.turn(lambda: world.delivered)
    assert world.server.put_off(1) is True
    world.turn(lambda: world.closed(sock))
    assert world.lost == [1]
    assert world.server.put_off(1) is False
    world.server.reply(1, b"too late")  # goes nowhere


def a_client_that_vanished_is_noticed():
    world = World()
    sock = world.client(request())
    world.turn(lambda: world.delivered)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    world.turn(lambda: world.lost)
    assert world.lost == [1] and world.server.is_running(1)
    world.server.reply(1, b"answer")
    assert not world.server.is_running(1)


def more_after_the_request_is_refused():
    world = World()
    sock = world.client(request(data=b"d"))
    world.turn(lambda: world.delivered)
    sock.send(b"x")
    world.turn(lambda: world.closed(sock))
    world.said_last("more than it had announced")
    assert world.lost == [1] and len(world.delivered) == 1


def the_first_byte_is_enough_to_refuse():
    world = World(data_bytes=0x1FFFFFFF)
    for byte in (b"\x20", b"G", b"\xff"):
        sock = world.client(byte)
        world.turn(lambda sock=sock: world.closed(sock), 2)
        world.said_last(f"its first byte is 0x{byte.hex()}: requests with credentials")
    assert not world.closed(world.client(b"\x1f"))


def connections_and_running_requests_are_limited():
    world = World(connections=3, running=2, half_closed_s=0.05)
    socks = [world.client() for _ in range(3)]
    fourth = world.client()
    world.turn(lambda: world.closed(fourth))
    world.said_last("there are 3 connections")
    for sock in socks:
        sock.sendall(request())
    world.turn(
        lambda: len(world.delivered) == 2 and world.said[-1].count("wait for their handlers")
    )
    for sock in socks:  # they leave, but their requests are still with the handlers
        sock.close()
    world.turn(lambda: not world.server._clients)
    fifth = world.client(request())
    world.turn(lambda: world.closed(fifth))
    world.said_last("2 requests wait for their handlers already")
    world.server.reply(world.delivered[0][0], b"")
    world.client(request())
    world.turn(lambda: len(world.delivered) == 3)


def who_closed_its_side_makes_room():
    world = World(connections=2)
    socks = [world.client(request()) for _ in range(2)]
    socks[1].shutdown(socket.SHUT_WR)
    world.turn(lambda: any(c.due is not None for c in world.server._clients if c.number))
    third = world.client(request())
    world.turn(lambda: len(world.delivered) == 3)
    assert world.closed(socks[1]) and not world.closed(socks[0]) and not world.closed(third)
    world.said_last("its place was needed")


def memory_is_taken_as_data_comes():
    world = World(data_bytes=0x1FFFFFFF)
    socks = [world.client(request(length=0x1FFFFFFF)) for _ in range(20)]
    world.turn(
        lambda: all(c.header for c in world.server._clients) and len(world.server._clients) == 20
    )
    assert sum(len(c.got) for c in world.server._clients) == 0
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    assert pages * os.sysconf("SC_PAGESIZE") < 1 << 28, (
        "20 announcements of 512 MB have taken memory"
    )
    del socks


def lines_are_limited():
    world = World(log_lines=5)
    for _ in range(50):
        sock = world.client(b"\xff")
        world.turn(lambda sock=sock: world.closed(sock))
    assert (
        len(world.said) == 6
        and world.said[-1] == "ccs: no more lines of this kind for up to a minute"
    ), world.said
    assert all("\n" not in line and line.isprintable() for line in world.said)


def a_turn_is_short_under_a_flood():
    world = World(data_bytes=1 << 28)
    socks = [world.client(request(length=1 << 28)) for _ in range(10)]
    junk, took = bytes(1 << 20), []
    for _ in range(200):
        for sock in socks:
            try:
                sock.send(junk)
            except BlockingIOError:
                pass
        begin = time.thread_time()
        world.server.serve()
        took.append(time.thread_time() - begin)
    took.sort()
    assert took[len(took) // 2] < 0.003, f"a turn takes {took[len(took) // 2] * 1e3:.2f} ms of work"


def the_last_reply_goes_out_at_the_end():
    world = World()
    sock = world.client(request())
    world.turn(lambda: world.delivered)
    sock.setblocking(True)
    world.server.reply(1, bytes(200_000))
    world.server.close()
    got = 0
    while part := sock.recv(1 << 16):
        got += len(part)
    assert got == 200_004, got


def hostile_bytes(number, seed):
    """Whatever comes: only whole and legal requests are delivered, everything else is closed, nothing is left over."""
    rng = random.Random(seed)
    world = World(data_bytes=512, header_s=0.05, stuck_s=0.05, half_closed_s=0.05, log_lines=1)
    good = 0
    for _ in range(number):
        data = rng.randbytes(rng.choice((0, 1, 40, 512, 513)))
        text = bytearray(
            request(rng.choice((b"a", b"a" * 31, b"a" * 32)), data, rng.randrange(-2, 6))
        )
        if rng.randrange(2):
            for _ in range(rng.randrange(1, 4)):
                text[rng.randrange(len(text))] = rng.choice((0, 1, 0x1F, 0x20, 0x7F, 0x80, 0xFF))
        del text[rng.choice((len(text), rng.randrange(len(text) + 1))) :]
        text += rng.randbytes(rng.choice((0, 0, 0, 1)))
        good += is_whole(text)
        sock, before = world.client(), len(world.delivered)
        cut = rng.randrange(len(text) + 1)
        try:
            sock.send(text[:cut])
            world.server.serve()
            sock.send(text[cut:])
        except OSError:  # it was closed already
            pass
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        world.turn(
            lambda sock=sock, before=before: len(world.delivered) > before or world.closed(sock)
        )
        for number_, rank, name, body in world.delivered[before:]:
            assert 0 <= rank < 4 and len(name) < 32 and len(body) <= 512, (rank, name, body)
            world.server.reply(number_, body)
        sock.close()
    world.turn(lambda: not world.server._clients)
    assert not world.server._waiting and not world.server._running
    assert good * 0.5 < len(world.delivered) < number, (
        f"{len(world.delivered)} delivered, {good} were right"
    )


def is_whole(text):
    if len(text) < 40:
        return False
    length, rank, name = struct.unpack_from("!Ii32s", text)
    return length <= 512 and len(text) == 40 + length and 0 <= rank < 4 and b"\0" in name


def main():
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(2**32)
    cases = (
        a_request_arrives_in_pieces_and_is_answered,
        a_client_that_is_slow_with_its_header_is_closed_in_time,
        a_client_that_is_slow_with_its_data_is_closed_in_time,
        a_client_that_does_not_take_its_reply_is_closed_in_time,
        a_client_that_closed_its_side_waits_for_a_while_only,
        a_client_that_vanished_is_noticed,
        more_after_the_request_is_refused,
        the_first_byte_is_enough_to_refuse,
        connections_and_running_requests_are_limited,
        who_closed_its_side_makes_room,
        memory_is_taken_as_data_comes,
        lines_are_limited,
        a_turn_is_short_under_a_flood,
        the_last_reply_goes_out_at_the_end,
    )
    for case in cases:
        case()
    print(f"seed {seed}", flush=True)
    hostile_bytes(number, seed)
    print(f"{len(cases) + 1} checks passed")


main()
