# SPDX-License-Identifier: Apache-2.0
"""Live pictures of a running program (liveViz): the elements of an array each give a piece, clients get the whole.

    from c4py import liveviz

    liveviz.LiveViz.init(liveviz.Config(), cells.draw)       # in a coroutine on rank 0
    liveviz.LiveViz.deposit(pixels, self, x, y, h, w, H, W)  # in Cell.draw, in every element

It needs a server for clients (``++server``). A client asks the handler ``lvConfig`` for how pictures
look, and ``lvImage`` for a picture of a size that it chooses.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from dataclasses import dataclass
from typing import Any

from . import _c4py
from ._c4py import Chare
from ._ccs import CcsToken, ccs
from ._chare import register
from ._collections import await_creation
from ._errors import Charm4PyError, NotThreadedError
from ._numpy import numpy
from ._runtime import reducers

__all__ = ["Config", "ImageRequest", "LiveViz"]

#: The largest picture that a client can ask for, in pixels.
MAX_PIXELS = 1 << 24

_HEAD = struct.Struct("!4i")
_BOUNDS = struct.Struct("!6d")
_VIEW = struct.Struct("!14d")

_Vector = tuple[float, float, float]


@dataclass
class Config:
    """How pictures look; what clients get for ``lvConfig``.

    version: of the protocol. isColor: three bytes per pixel (red, green, blue), else one (grey).
    isPush: for the client's information, whether pictures are made on request. is3d: requests carry
    a view; min, max: corners of the scene then.
    """

    version: int = 1
    isColor: bool = True
    isPush: bool = True
    is3d: bool = False
    min: _Vector = (0, 0, 0)
    max: _Vector = (1, 1, 1)

    def to_binary(self) -> bytes:
        """Four integers of 32 bits: version, isColor, isPush, is3d; if is3d six doubles, too. Highest byte first."""
        head = _HEAD.pack(self.version, bool(self.isColor), bool(self.isPush), bool(self.is3d))
        return head + _BOUNDS.pack(*self.min, *self.max) if self.is3d else head


@dataclass
class ImageRequest:
    """What a client asks for: the argument of the callback.

    version: of the protocol. request_type: a number that is the client's business. width, height:
    of the picture, in pixels. x, y, z: right, down and forward of the view, o: its origin, minZ,
    maxZ: its depth; zeros if the client sent no view.
    """

    version: int
    request_type: int
    width: int
    height: int
    x: _Vector = (0.0, 0.0, 0.0)
    y: _Vector = (0.0, 0.0, 0.0)
    z: _Vector = (0.0, 0.0, 0.0)
    o: _Vector = (0.0, 0.0, 0.0)
    minZ: float = 0.0
    maxZ: float = 0.0

    @classmethod
    def from_bytes(cls, data: bytes) -> ImageRequest:
        """Decode the data of an ``lvImage`` request. Raises ValueError for anything that is none."""
        if len(data) not in (_HEAD.size, _HEAD.size + _VIEW.size):
            raise ValueError(
                f"a request for a picture has {_HEAD.size} or {_HEAD.size + _VIEW.size} bytes, not {len(data)}"
            )
        version, kind, width, height = _HEAD.unpack_from(data)
        if width < 1 or height < 1 or width * height > MAX_PIXELS:
            raise ValueError(
                f"a picture of {width} x {height} pixels was asked for; possible are 1 to {MAX_PIXELS} pixels in all"
            )
        request = cls(version, kind, width, height)
        if len(data) > _HEAD.size:
            v = _VIEW.unpack_from(data, _HEAD.size)
            if not all(map(math.isfinite, v)):
                raise ValueError("the view has numbers that are not finite")
            request.x, request.y, request.z, request.o = v[0:3], v[3:6], v[6:9], v[9:12]
            request.minZ, request.maxZ = v[12], v[13]
        return request


# ---- pieces and pictures ---------------------------------------------------------------------------

#: (x, y, height, width, total height, total width, pixels)
_Piece = tuple[int, int, int, int, int, int, bytes]


def viz_gather(contributions: list[list[_Piece]]) -> list[_Piece]:
    """The reducer ``Reducer.viz_gather``: all pieces of a picture in one list, in any order."""
    return [piece for pieces in contributions for piece in pieces]


def _as_list(piece: _Piece, _chare: Any) -> list[_Piece]:
    return [piece]


def _add_saturated(above: bytes | bytearray, below: bytes) -> bytes:
    """Byte by byte the sum, at most 255."""
    np = numpy()
    if np is None:  # slower, but the same pictures
        if not any(above):
            return below
        return bytes([min(255, a + b) for a, b in zip(above, below)])
    a = np.frombuffer(above, np.uint8)
    total = a + np.frombuffer(below, np.uint8)
    total[total < a] = 255  # it wrapped around
    return total.tobytes()


class _Canvas:
    """A picture of the size that a client asked for, black at first."""

    def __init__(self, width: int, height: int, channels: int) -> None:
        self._width, self._height, self._channels = width, height, channels
        self.pixels = bytearray(width * height * channels)

    def add(self, piece: _Piece) -> None:
        """Put a piece at its place: it adds to what is there; what is outside of the picture is cut off."""
        x, y, height, width, total_height, total_width, pixels = piece
        right = min(x + width, total_width, self._width)
        left, channels = max(x, 0), self._channels
        if left >= right:
            return
        for row in range(max(y, 0), min(y + height, total_height, self._height)):
            source = ((row - y) * width + left - x) * channels
            at = (row * self._width + left) * channels
            length = (right - left) * channels
            old = self.pixels[at : at + length]
            self.pixels[at : at + length] = _add_saturated(old, pixels[source : source + length])


def _compose(pieces: list[_Piece], request: ImageRequest, channels: int) -> bytes:
    sizes = {piece[4:6] for piece in pieces}
    if len(sizes) > 1:
        raise Charm4PyError(
            f"LiveViz.deposit(): the pieces of one picture disagree on its total (height, width): {sorted(sizes)}"
        )
    canvas = _Canvas(request.width, request.height, channels)
    for piece in pieces:
        canvas.add(piece)
    return bytes(canvas.pixels)


class _Assembler(Chare):
    """A group: its elements tell their ranks how pictures look; the one on rank 0 gets the pieces."""

    def __init__(self, cfg: Config) -> None:
        LiveViz.cfg, LiveViz._assembler = cfg, self.thisProxy[0]

    def image(self, pieces: list[_Piece] | None = None) -> None:
        """All elements have deposited."""
        assert _desk is not None
        _desk.take_image(pieces or [])


class _Desk:
    """On rank 0: who waits for a picture, and pictures that nobody has asked for yet."""

    def __init__(self, config: Config, callback: Any, poll: bool, max_images: int) -> None:
        self._config = config
        self._callback = callback
        self._poll = poll
        self._requests: deque[tuple[CcsToken, ImageRequest]] = deque()
        self._images: deque[list[_Piece]] = deque()
        self._max_images = max_images
        self._dropped = False

    def on_config(self, _data: bytes) -> None:
        """Handler lvConfig."""
        ccs.send_reply(self._config.to_binary())

    def on_image(self, data: bytes) -> None:
        """Handler lvImage."""
        request = ImageRequest.from_bytes(data)
        token = ccs.delay_reply()
        if self._poll:
            self._forget_lost()
            if self._images:
                self._answer(token, request, self._images.popleft())
            else:
                self._requests.append((token, request))
        else:
            self._callback(request)
            self._requests.append((token, request))

    def take_image(self, pieces: list[_Piece]) -> None:
        """In push mode pictures come in the order of the requests, also those whose clients have gone meanwhile."""
        if self._poll:
            self._forget_lost()
        if self._requests:
            token, request = self._requests.popleft()
            if ccs.waits(token):
                self._answer(token, request, pieces)
        elif self._poll:
            self._keep(pieces)
        else:
            self._say_once("a picture was deposited that no client had asked for; it is dropped")

    def _answer(self, token: CcsToken, request: ImageRequest, pieces: list[_Piece]) -> None:
        ccs.send_delayed_reply(token, _compose(pieces, request, _channels(self._config)))

    def _forget_lost(self) -> None:
        self._requests = deque(item for item in self._requests if ccs.waits(item[0]))

    def _keep(self, pieces: list[_Piece]) -> None:
        self._images.append(pieces)
        if len(self._images) > self._max_images:
            self._images.popleft()
            self._say_once(
                f"more than {self._max_images} pictures wait for clients; the oldest are dropped (max_images)"
            )

    def _say_once(self, text: str) -> None:
        if not self._dropped:
            self._dropped = True
            _c4py.log("warn", f"liveviz: {text}")


_desk: _Desk | None = None  # on rank 0, between init() and the end


# ---- what programs use -----------------------------------------------------------------------------


def _channels(config: Config) -> int:
    return 3 if config.isColor else 1


class LiveViz:
    """Pictures for clients. Not to be made into objects: `init` once, `deposit` in every element for each picture.

    cfg: the `Config` that was given to `init`, on every rank; None before.
    """

    cfg: Config | None = None
    _assembler: Any = None

    @classmethod
    def init(
        cls, cfg: Config, callback: Any = None, poll: bool = False, max_images: int = 16
    ) -> Any:
        """Begin to serve pictures: once, in a coroutine on rank 0. Waits until all ranks know; ``await`` it in an async def.

        cfg: how pictures look. callback: push mode: called with an `ImageRequest` for each request,
        a proxy's method or a function that must not wait; it makes every element deposit once.
        poll: poll mode: elements deposit when they like and callback is not used; each
        picture goes to one request, the oldest first, and at most max_images are kept.

        Raises Charm4PyError on other ranks, outside of coroutines, or when called twice; TypeError
        for other objects.
        """
        global _desk
        if _c4py.rank() != 0:
            raise Charm4PyError("LiveViz.init() is to be called once, on rank 0, after the start")
        if not isinstance(cfg, Config):
            raise TypeError(f"LiveViz.init() needs a liveviz.Config, not {type(cfg).__name__}")
        if not poll and not callable(callback):
            raise TypeError(
                f"LiveViz.init() needs a callback for each request, not {type(callback).__name__}; or poll=True"
            )
        if _desk is not None:
            raise Charm4PyError("LiveViz.init() was called before")
        cfg.to_binary()  # fails now, not when a client asks
        if not _c4py.in_coroutine():
            raise NotThreadedError(
                "LiveViz.init() waits, so it needs a coroutine: mark the method with @coro"
            )
        desk = _desk = _Desk(cfg, callback, poll, max_images)
        group = _c4py.group_new(_Assembler, (cfg,), True)
        ccs.register("lvConfig", desk.on_config)
        ccs.register("lvImage", desk.on_image)
        return await_creation((group,))

    @classmethod
    def deposit(
        cls,
        buffer: Any,
        chare: Chare,
        x: int,
        y: int,
        height: int,
        width: int,
        total_height: int,
        total_width: int,
    ) -> None:
        """Give a piece of the next picture: to be called once per picture by every element of one array. Does not block.

        buffer: bytes, or an array of uint8, row by row: one byte per pixel, or three if the picture
        has colours. chare: the element itself. x, y: column and row of the piece's upper left
        corner in the whole, which has total_height rows and total_width columns of pixels; height,
        width: of the piece, perhaps 0. Pieces that overlap add up, to at most 255; what lies outside
        is cut off. The client sees the whole from its upper left corner, black where there is nothing.

        Raises Charm4PyError before `init`, TypeError or ValueError if buffer does not fit.
        """
        if cls.cfg is None:
            raise Charm4PyError("LiveViz.deposit() works after LiveViz.init()")
        sizes = tuple(_whole(v) for v in (x, y, height, width, total_height, total_width))
        if min(sizes[2:]) < 0:
            raise ValueError(f"LiveViz.deposit(): negative sizes: {sizes[2:]}")
        pixels = _pixels(buffer, sizes[2] * sizes[3] * _channels(cls.cfg), cls.cfg)
        chare.reduce(cls._assembler.image, (*sizes, pixels), reducers.viz_gather)


def _whole(value: Any) -> int:
    try:
        return int(value.__index__())
    except AttributeError:
        raise TypeError(
            f"LiveViz.deposit(): places and sizes are whole numbers, not {type(value).__name__}"
        ) from None


def _pixels(buffer: Any, expected: int, cfg: Config) -> bytes:
    try:
        view = memoryview(buffer)
    except TypeError:
        raise TypeError(
            f"LiveViz.deposit() needs bytes or an array of uint8, not {type(buffer).__name__}"
        ) from None
    if view.itemsize != 1:
        raise TypeError(
            f"LiveViz.deposit() needs one byte per value, not {view.itemsize}; convert with .astype('uint8')"
        )
    if view.nbytes != expected:
        raise ValueError(
            f"LiveViz.deposit(): {view.nbytes} bytes do not make the piece, which has {expected}: "
            f"height * width{' * 3' if _channels(cfg) == 3 else ''}"
        )
    return view.tobytes()


register(_Assembler)
reducers.addReducer(viz_gather, pre=_as_list)
