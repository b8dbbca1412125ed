"""A whole amount shared out so that the shares add up to it exactly (分摊)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction


def apportion(
    total_mu100: int, weights: Mapping[str, int | float | Decimal | Fraction]
) -> dict[str, int]:
    """Hundredths of a 亩 by unit, in the order of the codes; they sum to the total exactly.

    Largest remainder (最大余数法): every unit gets its exact share rounded down, then the units
    with the largest fractions get one more; of equal fractions the smaller code goes first. A
    weight of zero or less gets nothing. A negative total is shared like its opposite. Empty if
    there is no positive weight: then nobody can say whose it is.
    """
    positive = {code: Fraction(weights[code]) for code in sorted(weights) if weights[code] > 0}
    whole = sum(positive.values())
    if not whole:
        return {}
    sign = -1 if total_mu100 < 0 else 1
    exact = {code: abs(total_mu100) * weight / whole for code, weight in positive.items()}
    shares = {code: int(share) for code, share in exact.items()}
    missing = abs(total_mu100) - sum(shares.values())
    for code in sorted(exact, key=lambda code: (shares[code] - exact[code], code))[:missing]:
        shares[code] += 1
    return {code: sign * shares.get(code, 0) for code in sorted(weights)}
