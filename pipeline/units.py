"""Units and the exact conversions between them.

1 亩 (mu) = 2000/3 m² exactly, so m² → 亩 is the factor 3/2000. Stored truth is m² (float64); a
delivered patch carries one integer of 0.01 亩, rounded HALF_UP (DESIGN §4, DOMAIN §5).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

MU100_PER_M2 = Decimal(3) / Decimal(20)
"""0.01 亩 per m²: 3/2000 亩 × 100."""


def mu100_from_m2(area_m2: float) -> int:
    """Area as a whole number of 0.01 亩, HALF_UP on the exact binary value of `area_m2`."""
    return int((Decimal(area_m2) * MU100_PER_M2).to_integral_value(rounding=ROUND_HALF_UP))


def reaches_mu(area_m2: float, threshold_mu: Decimal) -> bool:
    """Whether an unrounded area is at or above a threshold in 亩 (以上含本数)."""
    return 3 * Decimal(area_m2) >= 2000 * threshold_mu


def two_places(value: float | Decimal) -> Decimal:
    """Two places, HALF_UP on the exact value."""
    return Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP)


def format_mu100(area_mu100: int) -> str:
    """Print an integer of 0.01 亩 with two decimals; the only place 亩 become text."""
    sign = "-" if area_mu100 < 0 else ""
    whole, cents = divmod(abs(area_mu100), 100)
    return f"{sign}{whole}.{cents:02d}"
