# SPDX-License-Identifier: Apache-2.0
"""A job under ``python -m c4py.run``, as its checkpoint directory shows it to ``python -m c4py.resize``.

``DIR/job`` says on how many ranks it runs; the supervisor holds a lock on it as long as it lives, so that what a dead one has left
is told from a job that runs. ``DIR/resize`` is a request: the number of ranks. The program's stop file, it is renamed to
``DIR/resize.taken`` by the program once the checkpoint is written, or removed by who withdraws it, never both. Any host that sees
the directory can ask.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from typing import Any


class JobError(Exception):
    """What ends a command with one line."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def request_path(folder: str) -> str:
    """The file that asks the job in this directory to change its size."""
    return os.path.join(folder, "resize")


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


class Post:
    """The supervisor's side: it is the only one for this directory. Raises JobError if there is another."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, "job")
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._file = os.open(
                self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise JobError(f"{error.filename}: {error.strerror}", 73) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JobError(f"another job runs with {folder} as its checkpoint directory") from error
        self._runs = 0
        _remove(request_path(folder))
        _remove(request_path(folder) + ".taken")

    def _write(self, **state: Any) -> None:
        data = json.dumps(state).encode()
        os.pwrite(self._file, data.ljust(512), 0)

    def begins(self, ranks: int) -> None:
        """A run on so many ranks is started."""
        self._runs += 1
        self._write(ranks=ranks, runs=self._runs, pid=os.getpid(), host=socket.gethostname())

    def requested(self) -> int | None:
        """The number of ranks for which the run that has just ended made place; None if it ended for another reason."""
        path = request_path(self._folder) + ".taken"
        try:
            with open(path, encoding="ascii") as file:
                ranks = int(file.read())
        except FileNotFoundError:
            return None
        os.unlink(path)
        return ranks

    def ended(self, status: int) -> None:
        """There will be no further run."""
        self._write(status=status)
        _remove(self._path)
        _remove(request_path(self._folder))
        os.close(self._file)


class Job:
    """The other side. Raises JobError if no job runs with this directory."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        none = JobError(
            f"no job runs with {folder} as its checkpoint directory; python -m c4py.run starts jobs whose size can change",
            66,
        )
        try:
            self._file = os.open(
                os.path.join(folder, "job"), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise none from error
        except OSError as error:
            raise JobError(f"{error.filename}: {error.strerror}", 77) from error
        if self.is_over():
            raise none

    def is_over(self) -> bool:
        """Has its supervisor ended?"""
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return True

    def state(self) -> dict[str, Any]:
        """What the supervisor has said last: ranks, runs, pid, host, or, in the end, status."""
        try:
            state = json.loads(os.pread(self._file, 512, 0))
        except ValueError:  # it is being written
            return {}
        return state if isinstance(state, dict) else {}

    def ask(self, ranks: int) -> None:
        """Request a size. Raises JobError if another request waits."""
        path = request_path(self._folder)
        fresh = f"{path}.{socket.gethostname()}.{os.getpid()}"
        try:
            with open(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w"
            ) as file:
                file.write(str(ranks))
            os.link(fresh, path)
        except FileExistsError as error:
            raise JobError(f"{path}: another request waits") from error
        except OSError as error:
            raise JobError(f"{error.filename}: {error.strerror}", 73) from error
        finally:
            _remove(fresh)

    def withdraw(self) -> bool:
        """Take the request back; False if the job has taken it."""
        return _remove(request_path(self._folder))
