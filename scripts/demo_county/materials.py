"""What surfaces reflect at the two dates, and how much one of a kind differs from another."""

from __future__ import annotations

from dataclasses import dataclass

BANDS = ("blue", "green", "red", "nir")


@dataclass(frozen=True)
class Material:
    """Surface reflectance in spring, and its variability."""

    reflectance: tuple[float, float, float, float]
    spread: float = 0.08
    """Between one object and the next: standard deviation of the logarithm."""
    grain: float = 0.05
    """Inside one object, over a few metres."""
    patch: float = 0.04
    """Inside one object, over some tens of metres."""
    is_plant: bool = False


# Plausible round figures for 0.45-0.52, 0.52-0.59, 0.63-0.69, 0.77-0.89 µm, not measurements.
MATERIALS: dict[str, Material] = {
    "wheat": Material((0.040, 0.075, 0.050, 0.400), 0.09, 0.04, 0.05, True),
    "rape": Material((0.050, 0.100, 0.080, 0.410), 0.10, 0.05, 0.05, True),
    "vegetables": Material((0.055, 0.095, 0.070, 0.340), 0.13, 0.08, 0.05, True),
    "late_crop": Material((0.043, 0.082, 0.058, 0.385), 0.10, 0.05, 0.05, True),
    "ripe_crop": Material((0.068, 0.112, 0.115, 0.330), 0.10, 0.05, 0.05, True),
    "seedlings": Material((0.075, 0.102, 0.105, 0.245), 0.12, 0.06, 0.07),
    "stubble": Material((0.105, 0.138, 0.170, 0.250), 0.12, 0.07, 0.06),
    "straw": Material((0.150, 0.190, 0.235, 0.320), 0.12, 0.08, 0.06),
    "bare_pale": Material((0.155, 0.190, 0.230, 0.295), 0.11, 0.05, 0.06),
    "bare": Material((0.120, 0.150, 0.190, 0.250), 0.12, 0.06, 0.07),
    "bare_red": Material((0.080, 0.110, 0.180, 0.265), 0.12, 0.06, 0.07),
    "ploughed": Material((0.098, 0.122, 0.152, 0.200), 0.13, 0.09, 0.07),
    "ploughed_wet": Material((0.064, 0.080, 0.099, 0.128), 0.14, 0.09, 0.10),
    "film": Material((0.265, 0.282, 0.282, 0.340), 0.15, 0.13, 0.05),
    "maize": Material((0.095, 0.175, 0.290, 0.420), 0.10, 0.07, 0.05),
    "rice": Material((0.145, 0.205, 0.270, 0.370), 0.10, 0.06, 0.05),
    "flooded": Material((0.068, 0.085, 0.080, 0.075), 0.12, 0.05, 0.08),
    "grass": Material((0.055, 0.090, 0.075, 0.300), 0.11, 0.09, 0.10, True),
    "dry_grass": Material((0.082, 0.112, 0.122, 0.255), 0.11, 0.09, 0.10, True),
    "tree": Material((0.030, 0.055, 0.040, 0.320), 0.16, 0.14, 0.03, True),
    "wood": Material((0.030, 0.055, 0.040, 0.330), 0.07, 0.22, 0.12, True),
    "orchard": Material((0.040, 0.070, 0.052, 0.340), 0.08, 0.12, 0.05, True),
    "water": Material((0.062, 0.078, 0.056, 0.032), 0.12, 0.02, 0.06),
    "turbid": Material((0.088, 0.118, 0.112, 0.052), 0.12, 0.02, 0.08),
    "mud": Material((0.105, 0.130, 0.145, 0.170), 0.10, 0.06, 0.12),
    "sandbar": Material((0.190, 0.225, 0.255, 0.310), 0.08, 0.05, 0.08),
    "bank": Material((0.075, 0.105, 0.105, 0.250), 0.08, 0.10, 0.14),
    "dirt": Material((0.140, 0.170, 0.205, 0.265), 0.08, 0.06, 0.05),
    "packed_soil": Material((0.135, 0.165, 0.203, 0.258), 0.08, 0.05, 0.06),
    "pushed_soil": Material((0.130, 0.165, 0.225, 0.295), 0.12, 0.08, 0.12),
    "yard": Material((0.135, 0.157, 0.180, 0.230), 0.10, 0.10, 0.08),
    "town_ground": Material((0.120, 0.132, 0.143, 0.175), 0.06, 0.12, 0.10),
    "concrete": Material((0.215, 0.235, 0.255, 0.280), 0.12, 0.05, 0.05),
    "fresh_concrete": Material((0.320, 0.340, 0.355, 0.375), 0.10, 0.04, 0.04),
    "old_concrete": Material((0.165, 0.182, 0.198, 0.222), 0.10, 0.06, 0.06),
    "asphalt": Material((0.085, 0.090, 0.097, 0.115), 0.12, 0.05, 0.04),
    "paint": Material((0.260, 0.270, 0.275, 0.290), 0.05, 0.05, 0.03),
    "gravel": Material((0.150, 0.172, 0.196, 0.232), 0.10, 0.08, 0.06),
    "red_tile": Material((0.082, 0.102, 0.185, 0.240), 0.16, 0.08, 0.03),
    "grey_tile": Material((0.120, 0.128, 0.140, 0.165), 0.16, 0.08, 0.03),
    "grey_metal": Material((0.190, 0.202, 0.212, 0.232), 0.14, 0.04, 0.03),
    "blue_metal": Material((0.245, 0.222, 0.150, 0.245), 0.14, 0.04, 0.03),
    "white_metal": Material((0.410, 0.422, 0.432, 0.445), 0.12, 0.03, 0.03),
    "greenhouse": Material((0.250, 0.270, 0.275, 0.335), 0.12, 0.08, 0.03),
    "panel": Material((0.045, 0.046, 0.050, 0.066), 0.08, 0.04, 0.02),
    "waste": Material((0.150, 0.158, 0.168, 0.195), 0.12, 0.30, 0.12),
    "sand": Material((0.195, 0.235, 0.275, 0.335), 0.10, 0.08, 0.10),
    "rock": Material((0.170, 0.188, 0.205, 0.245), 0.10, 0.18, 0.12),
    "pit": Material((0.080, 0.092, 0.105, 0.125), 0.12, 0.12, 0.10),
    "track": Material((0.110, 0.085, 0.150, 0.210), 0.08, 0.04, 0.03),
    "turf": Material((0.045, 0.085, 0.055, 0.340), 0.08, 0.04, 0.03, True),
}
AUTUMN_PLANT = (1.02, 0.98, 1.10, 0.90)
"""Season: everything green in autumn, relative to spring."""

CROPS_BEFORE = {
    "wheat": 0.40,
    "rape": 0.08,
    "vegetables": 0.13,
    "seedlings": 0.07,
    "bare": 0.08,
    "bare_pale": 0.04,
    "bare_red": 0.04,
    "ploughed": 0.06,
    "stubble": 0.05,
    "film": 0.05,
}
"""Shares of the fields in May."""
CROPS_AFTER: dict[str, dict[str, float]] = {
    "wheat": {
        "late_crop": 0.66,
        "ripe_crop": 0.06,
        "stubble": 0.11,
        "ploughed": 0.06,
        "ploughed_wet": 0.03,
        "straw": 0.03,
        "seedlings": 0.03,
        "film": 0.02,
    },
    "rape": {"late_crop": 0.62, "ripe_crop": 0.10, "stubble": 0.16, "ploughed": 0.12},
    "vegetables": {
        "vegetables": 0.76,
        "bare": 0.08,
        "ploughed_wet": 0.06,
        "film": 0.04,
        "seedlings": 0.06,
    },
    "seedlings": {"seedlings": 0.55, "late_crop": 0.25, "stubble": 0.20},
    "bare": {"bare": 0.68, "late_crop": 0.12, "stubble": 0.12, "ploughed_wet": 0.08},
    "bare_pale": {"bare_pale": 0.70, "seedlings": 0.15, "straw": 0.15},
    "bare_red": {"bare_red": 0.74, "late_crop": 0.16, "seedlings": 0.10},
    "ploughed": {"ploughed": 0.56, "late_crop": 0.20, "stubble": 0.16, "straw": 0.08},
    "stubble": {"stubble": 0.62, "late_crop": 0.18, "ploughed": 0.20},
    "film": {"film": 0.35, "bare": 0.20, "late_crop": 0.25, "vegetables": 0.20},
}
"""What stands on a field in October, given what stood there in May: about a third change."""
