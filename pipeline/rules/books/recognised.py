"""What of a patch counts in the books (计入面积): signed, else surveyed, else the patch (未实测).

Rows are mappings with the columns of `schema.register_layers.REGISTERED`. Only a signed judgement
(判定人、审核人、日期齐全) counts; what nobody signed is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.rules.books.row_values import flag_of, mu100_of, real_of, text_of
from pipeline.schema.register_layers import COUNTED_COLUMNS
from pipeline.units import mu100_from_m2

Row = Mapping[str, Any]

VIOLATION = "new_violation"
"""Code of the signed judgement 违法用地."""
KINDS = ("area", "new", "cultivated", "pbf", "reserve")


def signed_judgement(row: Row) -> str | None:
    """The judgement if it is signed in full, else None."""
    signature = (text_of(row, name) for name in ("judged_by", "reviewed_by", "judged_date"))
    return text_of(row, "judgement") if all(signature) else None


def is_violation(row: Row) -> bool:
    """Whether the bureau signed 违法用地 for a patch that is still in the register."""
    return signed_judgement(row) == VIOLATION and not flag_of(row, "is_withdrawn")


def counted_basis(row: Row) -> str:
    """Code of configs/codes/counted_basis.csv."""
    if signed_judgement(row) is not None and real_of(row, "recognised_area_m2") is not None:
        return "signed"
    return "survey" if real_of(row, "survey_area_m2") is not None else "patch"


def is_new_known(row: Row) -> bool:
    """Whether new construction land is known; if not, the whole area counts as new."""
    match counted_basis(row):
        case "signed":
            return real_of(row, "recognised_new_m2") is not None
        case "survey":
            return real_of(row, "survey_construction_m2") is not None
        case _:
            return real_of(row, "construction_m2") is not None


def count_areas(row: Row) -> dict[str, Any]:
    """The columns `COUNTED_COLUMNS` of a registered patch; NULL where a layer was not supplied.

    Land whose earlier use is unknown counts as new in full, see `is_new_known`.
    """
    basis = counted_basis(row)
    if basis == "signed":
        areas = _signed(row)
        is_measured = flag_of(row, "is_surveyed")
    else:
        areas = _outlined(row, "survey_" if basis == "survey" else "")
        is_measured = basis == "survey"
    counted: dict[str, Any] = {"counted_basis": basis, "is_measured": is_measured}
    for kind in KINDS:
        counted[f"counted_{kind}_m2"], counted[f"counted_{kind}_mu100"] = areas[kind]
    return {name: counted[name] for name in COUNTED_COLUMNS}


Area = tuple[float | None, int | None]
"""m² and hundredths of a 亩."""


def _signed(row: Row) -> dict[str, Area]:
    """As signed; the reserve, if the bureau did not state it, by the outline."""
    whole = real_of(row, "recognised_area_m2")
    stated = {kind: real_of(row, f"recognised_{kind}_m2") for kind in KINDS}
    if stated["new"] is None:
        stated["new"] = whole
    if stated["reserve"] is None and whole is not None:
        prefix = "survey_" if real_of(row, "survey_area_m2") is not None else ""
        outlined = real_of(row, f"{prefix}reserve_m2")
        stated["reserve"] = None if outlined is None else min(outlined, whole)
    return {
        kind: (area, None if area is None else mu100_from_m2(area)) for kind, area in stated.items()
    }


def _outlined(row: Row, prefix: str) -> dict[str, Area]:
    """By the partition of the survey's boundary or of the patch, whose hundredths are balanced."""
    areas: dict[str, Area] = {
        kind: (real_of(row, f"{prefix}{kind}_m2"), mu100_of(row, f"{prefix}{kind}"))
        for kind in ("area", "construction", "cultivated", "pbf", "reserve")
    }
    existing_m2, existing_mu100 = areas.pop("construction")
    whole_m2, whole_mu100 = areas["area"]
    areas["new"] = (
        None if whole_m2 is None else max(0.0, whole_m2 - (existing_m2 or 0.0)),
        None if whole_mu100 is None else max(0, whole_mu100 - (existing_mu100 or 0)),
    )
    return areas
