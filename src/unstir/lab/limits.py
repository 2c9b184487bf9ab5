"""Limits: what one visitor may ask for, and how many visitors there may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Limits:
    """Numbers that the page is told, too, in its greeting.

    Attributes:
        message: bytes of one message from the page.
        points: of one drawing or file.
        particles: of one path of points.
        images: of one path of images.
        frames: of one path.
        word: letters of a word.
        picture: pixels of an uploaded picture, before it is made smaller.
        slots: places on one page, each with one request at a time.
        rate: messages a second from one page; more are read more slowly.
        burst: messages that may come at once.
        visitors: open pages.
        waiting: bytes of answers that wait for a slow page before its work pauses.
        seconds: of computing for one request.
        patience: seconds that a page may take to receive one answer.
    """

    message: int = 8 * 2**20
    points: int = 5000
    particles: int = 5000
    images: int = 64
    frames: int = 64
    word: int = 24
    picture: int = 16_000_000
    slots: int = 12
    rate: float = 60.0
    burst: int = 120
    visitors: int = 200
    waiting: int = 4 * 2**20
    seconds: float = 120.0
    patience: float = 60.0

    def told(self) -> dict[str, float]:
        """As plain values."""
        return asdict(self)
