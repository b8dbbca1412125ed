"""The offset of GCJ-02 (火星坐标) that public web maps of China put on their coordinates.

Degrees of CGCS2000 (equal to WGS 84 here). The formula is the one that open-source map software
uses; it is good to a few metres, the offset itself is 300–700 m. Nothing is ever corrected with it:
it only tells whether a layer would fit if the offset were taken off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AXIS_M = 6_378_245.0
ECCENTRICITY2 = 0.006_693_421_622_965_943
"""Krassowski's ellipsoid, which the offset is computed on."""

Degrees = NDArray[np.float64]


def to_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Where a public map shows the place."""
    east, north = _offset(lon, lat)
    return lon + east, lat + north


def from_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """The place that a public map shows there, good to a millimetre against `to_gcj02`."""
    true_lon, true_lat = lon, lat
    for _ in range(4):
        east, north = _offset(true_lon, true_lat)
        true_lon, true_lat = lon - east, lat - north
    return true_lon, true_lat


def _offset(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Degrees by which the public map lies east and north."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    short = 20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north = north + 2.0 / 3.0 * (short + _waves(y, ((20.0, 1), (40.0, 3), (160.0, 12))))
    north = north + 2.0 / 3.0 * 320.0 * np.sin(y * np.pi / 30.0)
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east = east + 2.0 / 3.0 * (short + _waves(x, ((20.0, 1), (40.0, 3), (150.0, 12), (300.0, 30))))
    phi = np.radians(lat)
    w2 = 1.0 - ECCENTRICITY2 * np.sin(phi) ** 2
    meridian = AXIS_M * (1.0 - ECCENTRICITY2) / w2**1.5
    parallel = AXIS_M / np.sqrt(w2) * np.cos(phi)
    return np.degrees(east / parallel), np.degrees(north / meridian)


def _waves(value: Degrees, terms: tuple[tuple[float, int], ...]) -> Degrees:
    """The sum of sines, each with its height and the length of its half wave in degrees."""
    total = np.zeros_like(value)
    for height, length in terms:
        total = total + height * np.sin(value * np.pi / length)
    return total
