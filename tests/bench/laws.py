"""How something grows: the simplest law that fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from figures import figure

ENOUGH = 0.1  # a law that errs by so little is good enough, so that a simpler one is preferred


@dataclass(frozen=True)
class Law:
    """a + b f(n); `residual` is the error that is left, a part of the value (root mean square)."""

    name: str
    a: float
    b: float
    residual: float
    slope: float = 0.0  # of the logarithms at the end: 1 is linear, 0 does not grow

    def __str__(self) -> str:
        term = "" if self.name == "1" else f" + {self.b:.3g} {self.name}"
        return f"{figure(self.a)}{term} (error {self.residual:.0%}); n^{self.slope:.2f} at the end"


SHAPES: dict[str, Callable[[float], float]] = {  # the simplest first
    "1": lambda n: 0.0,
    "log2(n)": math.log2,
    "n": lambda n: n,
}


def fit(name: str, points: Sequence[tuple[float, float]]) -> Law:
    """The law of that shape with the least relative error: least squares, weighted by 1/y²."""
    shape = SHAPES[name]
    rows = [(1 / y, shape(n) / y) for n, y in points]
    aa, ab, bb = (sum(r[i] * r[j] for r in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    a1, b1 = (sum(r[i] for r in rows) for i in (0, 1))
    determinant = aa * bb - ab * ab
    b = (aa * b1 - ab * a1) / determinant if determinant > 0 else 0.0
    a = (a1 - b * ab) / aa
    errors = [(a * one + b * other - 1) ** 2 for one, other in rows]
    return Law(name, a, b, math.sqrt(sum(errors) / len(errors)))


def law(points: Sequence[tuple[float, float]]) -> Law:
    """The first that is good enough, else the best."""
    known = [(n, y) for n, y in points if y > 0]
    if len(known) < 2:
        return Law("1", 0.0, 0.0, 0.0)
    laws = [fit(name, known) for name in SHAPES]
    good = (one for one in laws if one.residual <= ENOUGH)
    (n1, y1), (n2, y2) = known[-2:]
    slope = math.log(y2 / y1) / math.log(n2 / n1)
    return replace(next(good, min(laws, key=lambda one: one.residual)), slope=slope)
