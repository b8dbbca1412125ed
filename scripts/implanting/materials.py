"""What roofs and yards reflect, as ranges from published spectra, and how they look from above.

Values are rounded means over the blue, green, red and near-infrared bands of aerial cameras, read
from the plots and tables of

- Herold, Roberts, Gardner & Dennison 2004, "Spectrometry for urban area remote sensing",
  Remote Sensing of Environment 91, 304-319 (roofs, roads, gravel, bare soil of Santa Barbara);
- Kotthaus, Smith, Wooster & Grimmond 2014, "Derivation of an urban materials spectral library
  through emittance and reflectance spectroscopy", ISPRS Journal 94, 194-212 (tile, brick, metal,
  asphalt, cement);
- Meerdink, Hook, Roberts & Abbott 2019, "The ECOSTRESS spectral library version 1.0", Remote
  Sensing of Environment 230, 111196 (concrete, paving asphalt, tar, metals).

Between two objects of one material the libraries differ by a third and more: `spread` is the
standard deviation of the logarithm of the whole spectrum, `tint` that of each band by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

BANDS = ("blue", "green", "red", "nir")


@dataclass(frozen=True)
class Material:
    """Reflectance per band of `BANDS`, and how it varies."""

    reflectance: tuple[float, float, float, float]
    spread: float
    tint: float = 0.04
    grain: float = 0.05
    """Inside one object, metre by metre: standard deviation of the logarithm."""


ROOFS: dict[str, Material] = {
    "white_metal": Material((0.46, 0.50, 0.51, 0.53), 0.18, 0.03, 0.03),
    "grey_metal": Material((0.24, 0.26, 0.27, 0.29), 0.25, 0.04, 0.04),
    "blue_steel": Material((0.26, 0.21, 0.13, 0.27), 0.20, 0.06, 0.04),
    "red_tile": Material((0.07, 0.10, 0.21, 0.30), 0.22, 0.07, 0.08),
    "concrete_roof": Material((0.20, 0.23, 0.25, 0.28), 0.22, 0.04, 0.06),
    "dark_membrane": Material((0.06, 0.06, 0.07, 0.08), 0.25, 0.04, 0.05),
}
YARDS: dict[str, Material] = {
    "concrete": Material((0.24, 0.27, 0.30, 0.33), 0.20, 0.04, 0.05),
    "gravel": Material((0.16, 0.20, 0.23, 0.27), 0.22, 0.05, 0.09),
    "compacted_earth": Material((0.13, 0.17, 0.22, 0.28), 0.18, 0.06, 0.08),
    "asphalt": Material((0.09, 0.10, 0.11, 0.13), 0.25, 0.04, 0.05),
}
KINDS = {"roof": ROOFS, "yard": YARDS}

THINGS: tuple[tuple[float, float, float, float], ...] = (
    (0.50, 0.52, 0.52, 0.50),
    (0.05, 0.05, 0.05, 0.07),
    (0.08, 0.09, 0.24, 0.28),
    (0.20, 0.14, 0.09, 0.20),
    (0.24, 0.28, 0.32, 0.36),
    (0.10, 0.13, 0.17, 0.24),
)
"""What stands about on a yard: white and dark vehicles, bricks, blue sheets, sand, timber."""

SKYLIGHT = (0.42, 0.34, 0.28, 0.20)
"""Share of the light left in a cast shadow under a clear sky: scattering falls with wavelength."""
