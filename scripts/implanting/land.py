"""What an image says by itself: which pixels are land, and what a reflectance would look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from implanting.materials import BANDS

# Rounded from the same libraries as the materials; pale dry soil and gravel roads stand for the
# bright end of bare land, dark peaty water for the dark end.
WATER = (0.020, 0.025, 0.020, 0.010)
VEGETATION = (0.045, 0.085, 0.050, 0.450)
BRIGHT_SOIL = (0.170, 0.220, 0.270, 0.340)

DARK_NIR, WET_NIR, WET_RATIO = 0.22, 0.45, 0.60
WATER_BUFFER_PX = 3
KNEE_PERCENTILE = 99.5


@dataclass(frozen=True)
class Rendering:
    """Reflectance to pixel values: an empirical line per band, in the order of `BANDS`."""

    offset: np.ndarray
    slope: np.ndarray
    knee: np.ndarray
    """Pixel value above which an 8-bit product's tone curve bends; infinite otherwise."""
    top: float

    def values(self, reflectance: np.ndarray) -> np.ndarray:
        """Pixel values `(band, …)` of reflectances `(band, …)`."""
        shape = (-1,) + (1,) * (reflectance.ndim - 1)
        offset, slope, knee = (a.reshape(shape) for a in (self.offset, self.slope, self.knee))
        value = offset + slope * reflectance
        room = np.where(np.isfinite(knee), np.maximum(self.top - knee, 1.0), 1.0)
        over = np.maximum(value - np.where(np.isfinite(knee), knee, value), 0.0)
        return np.where(value > knee, knee + room * (1.0 - np.exp(-over / room)), value)


def water_mask(image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Water and deep shade of an image `(band, y, x)` in the order of `BANDS`, `(y, x)` bool.

    After taking off each band's darkest value, water is dark in the near infrared: either darker
    than anything that grows or lies open, or darker there than in the visible.
    """
    dark = np.array([np.percentile(band[seen], 0.1) for band in image]).reshape(-1, 1, 1)
    above = np.maximum(image - dark, 0.0)
    nir, visible = above[3], above[:3].mean(axis=0)
    usual = np.percentile(nir[seen], 75)
    is_water = (nir < DARK_NIR * usual) | (
        (nir < WET_NIR * usual) & (nir < WET_RATIO * np.maximum(visible, 1.0))
    )
    return ndimage.median_filter(is_water & seen, 3)


def rendering(image: np.ndarray, seen: np.ndarray, water: np.ndarray, is_8bit: bool) -> Rendering:
    """Fit one line per band through water, dense vegetation and bright bare soil of the image.

    The empirical line (Smith & Milton 1999) with three targets that the image always holds:
    the darkest fiftieth of the water, the greenest twentieth of the land, and the brightest
    fiftieth of land that is not green. Without water its target is left out.
    """
    land = seen & ~ndimage.binary_dilation(water, iterations=WATER_BUFFER_PX)
    dark = np.array([np.percentile(band[seen], 0.1) for band in image]).reshape(-1, 1, 1)
    above = np.maximum(image - dark, 1.0)
    green = (above[3] - above[2]) / (above[3] + above[2])
    grows = land & (green >= np.percentile(green[land], 95))
    open_land = land & (green <= np.percentile(green[land], 30))
    visible = above[:3].mean(axis=0)
    bright = open_land & (visible >= np.percentile(visible[open_land], 98))
    targets = [(grows, VEGETATION, 50), (bright, BRIGHT_SOIL, 50)]
    if water.sum() >= 200:
        targets.append((water, WATER, 2))
    offsets, slopes = [], []
    for band in range(len(BANDS)):
        x = np.array([reflectance[band] for _, reflectance, _ in targets])
        y = np.array([np.percentile(image[band][mask], q) for mask, _, q in targets])
        slope, offset = np.polyfit(x, y, 1)
        if slope <= 0:
            raise SystemExit(f"the image's {BANDS[band]} band does not brighten with reflectance")
        slopes.append(slope)
        offsets.append(offset)
    knee = np.array([np.percentile(band[seen], KNEE_PERCENTILE) for band in image])
    return Rendering(
        np.array(offsets),
        np.array(slopes),
        np.maximum(knee, 0.75 * 255.0) if is_8bit else np.full(len(BANDS), np.inf),
        255.0 if is_8bit else np.inf,
    )


def noise_sigma(image: np.ndarray, land: np.ndarray) -> np.ndarray:
    """Noise per band: the lower quartile of local residuals against the 3 × 3 mean on land.

    Even fields have rows and tracks; the lower quartile is what is left without them.
    """
    sigmas = []
    for band in image:
        residual = band - ndimage.uniform_filter(band, 3)
        power = ndimage.uniform_filter(residual * residual, 9)
        sigmas.append(np.sqrt(np.percentile(power[land], 25) * 9.0 / 8.0))
    return np.array(sigmas)
