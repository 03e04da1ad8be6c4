# SPDX-License-Identifier: Apache-2.0
"""For tests: clients of the server, with plain sockets, in threads beside the program."""

import socket
import struct
import threading

from charm4py import charm

TIMEOUT_S = 20


def connect():
    return socket.create_connection(charm.CcsServerAddress(), TIMEOUT_S)


def request(name, data=b"", pe=0, length=None):
    """The bytes of a request; length: what it announces, if that is not the truth."""
    return struct.pack("!Ii32s", len(data) if length is None else length, pe, name) + data


def rest(sock):
    """What comes until the server closes; None stands for a connection that was reset."""
    got = b""
    try:
        while True:
            part = sock.recv(65536)
            if not part:
                return got
            got += part
    except ConnectionResetError:
        return None


def exchange(data):
    """Send bytes, return all that comes back; both resets and an orderly end without a reply are b""."""
    with connect() as sock:
        try:
            sock.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            return b""
        return rest(sock) or b""


def ask(name, data=b"", pe=0):
    """A request and its reply; None if the connection was closed without one."""
    answer = exchange(request(name, data, pe))
    if not answer:
        return None
    (length,) = struct.unpack("!I", answer[:4])
    assert length == len(answer) - 4, f"{length} bytes announced, {len(answer) - 4} came"
    return answer[4:]


def outside(func, *args):
    """Run func(*args), the client, in a thread while the program goes on; returns what it returns."""
    result = []

    def run():
        try:
            result.append(("value", func(*args)))
        except BaseException as error:
            result.append(("error", error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not result:
        charm.sleep(0.002)
    thread.join()
    kind, value = result[0]
    if kind == "error":
        raise value
    return value
