# SPDX-License-Identifier: Apache-2.0
"""Pictures of the benchmark page, as inline SVG.

By hand and not with a plotting library: a bar, a line and a log-log plot are few shapes, and this way their colours are classes that the
page's style sheet sets for light, dark and print, their text is text, and bench/report needs no more than Python.
"""

import math
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 480, 300  # of a plot, in its own units
LEFT, RIGHT, TOP, BOTTOM = 62, 118, 26, 44  # its margins


def length_bar(part, css):
    """A bar that fills a part (0 to 1) of the width that the page gives it."""
    return f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="{css}" width="{max(100 * part, 0.6):.1f}" height="10"/></svg>'


def target_bar(part, css):
    """A bar of a figure beside its target, which is the line in the middle; what is beyond twice the target ends in an arrow."""
    width = min(max(50 * part, 0.6), 100)
    arrow = '<path class="beyond" d="M94 1l6 4l-6 4z"/>' if 50 * part > 100 else ""
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{css}" y="1" width="{width:.1f}" height="8"/>{arrow}<path class="target" d="M50 0v10"/></svg>'
    )


def sparkline(values, target=None):
    """How a figure went from record to record; the last one has a dot, the target is a line."""
    seen = [v for v in (*values, target) if v is not None]
    low, high = min(seen), max(seen)

    def at(i, found):
        y = 12 if high == low else 20 - 16 * (found - low) / (high - low)
        return f"{4 + 102 * i / max(len(values) - 1, 1):.1f},{y:.1f}"

    points = [at(i, v) for i, v in enumerate(values) if v is not None]
    x, y = points[-1].split(",")
    line = (
        "" if target is None else f'<path class="ideal" d="M4 {at(0, target).split(",")[1]}h102"/>'
    )
    return f'<svg class="spark" viewBox="0 0 112 24" aria-hidden="true">{line}<polyline class="line c0" points="{" ".join(points)}"/><circle class="dot c0" cx="{x}" cy="{y}" r="3"/></svg>'


class Line(NamedTuple):
    """Of a log-log plot: a name, which of the colours, and (x, y, hollow) for each point."""

    name: str
    colour: int
    points: list


def decade_ticks(low, high):
    """1, 2, 5, 10, … from below the least to above the greatest value."""
    exponent = math.floor(math.log10(low))
    ticks = [m * 10.0**e for e in range(exponent, exponent + 20) for m in (1, 2, 5)]
    first = max(t for t in ticks if t <= low * 1.001)
    last = min(t for t in ticks if t >= high * 0.999)
    return [t for t in ticks if first <= t <= last]


class LogPlot:
    """Axes of a log-log plot, and what is drawn in them."""

    def __init__(self, xs, ys, y_text):
        self.ticks = decade_ticks(min(ys), max(ys))
        if len(self.ticks) < 2:
            self.ticks.append(self.ticks[0] * 2)
        self.xs, self.y_text = xs, y_text
        self.shapes = []

    def x(self, value):
        span = math.log(self.xs[-1] * 1.12 / self.xs[0])
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / self.xs[0] * 1.06) / span

    def y(self, value):
        low, high = self.ticks[0], self.ticks[-1]
        return (
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(value / low) / math.log(high / low)
        )

    def text(self, x, y, words, css, anchor="middle"):
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>')  # fmt: skip

    def axes(self, x_title, y_title):
        for tick in self.ticks:
            self.shapes.append(
                f'<path class="grid" d="M{LEFT} {self.y(tick):.1f}H{WIDTH - RIGHT}"/>'
            )
            self.text(LEFT - 6, self.y(tick) + 4, self.y_text(tick), "tick", "end")
        for x in self.xs:
            self.text(self.x(x), HEIGHT - BOTTOM + 16, f"{x:g}", "tick")
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_title, "axis")
        self.text(4, TOP - 12, y_title, "axis", "start")

    def shade(self, beyond, words):
        """What lies beyond some x."""
        x = self.x(beyond)
        if x < WIDTH - RIGHT:
            self.shapes.append(f'<rect class="shade" x="{x:.1f}" y="{TOP}" width="{WIDTH - RIGHT - x:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>')  # fmt: skip
            self.text((x + WIDTH - RIGHT) / 2, TOP - 7, words, "tick")

    def ideal(self, points):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.shapes.append(f'<polyline class="ideal" points="{path}"/>')

    def line(self, line):
        at = [(self.x(x), self.y(y), hollow) for x, y, hollow in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
        self.shapes.append(f'<polyline class="line c{line.colour}" points="{path}"/>')
        for x, y, hollow in at:
            css = f"{'hollow' if hollow else 'dot'} c{line.colour}"
            self.shapes.append(f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')

    def labels(self, ends):
        """Names beside the ends of lines, (y, name, class), moved apart where they would touch."""
        lowest = -math.inf
        for y, name, css in sorted((self.y(y), name, css) for y, name, css in ends):
            lowest = max(y, lowest + 15)
            self.text(WIDTH - RIGHT + 6, lowest + 4, name, css, "start")

    def render(self, title):
        return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(self.shapes)}</svg>'
