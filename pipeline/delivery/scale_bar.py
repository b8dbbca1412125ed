"""Round lengths for the scale bars of maps and pictures."""

from __future__ import annotations

from collections.abc import Callable

STEPS_M = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000)


def bar_length_m(fits: Callable[[int], bool], shortest_m: int) -> int:
    """The longest round length that fits, metres; `shortest_m` if none does."""
    fitting = [metres for metres in STEPS_M if metres >= shortest_m and fits(metres)]
    return fitting[-1] if fitting else shortest_m


def length_zh(metres: int) -> str:
    """A length as it is written beside the bar."""
    return f"{metres // 1000} 千米" if metres >= 1000 else f"{metres} 米"
