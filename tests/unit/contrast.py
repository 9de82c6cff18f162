"""How far two colours stand apart, as WCAG 2.2 counts it."""

from __future__ import annotations

import numpy as np


def linear(colour: str) -> np.ndarray:
    """(3,) light of red, green and blue, 0 to 1, of `#RRGGBB`."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    light: np.ndarray = np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )
    return light


def contrast(one: str, other: str) -> float:
    """From 1, equal, to 21, black on white."""
    dark, light = sorted(
        float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other)
    )
    return (light + 0.05) / (dark + 0.05)
