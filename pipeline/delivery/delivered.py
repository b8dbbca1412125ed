"""The tables that go out: which columns, in which words, with areas that add up.

Pure: screened patches, parts and reasons in; tables of `schema.delivered` layers out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from pipeline.delivery.isolation import OTHERS_ZH, Township
from pipeline.errors import Finding, VerifyError
from pipeline.schema.codes import CodeTable
from pipeline.schema.delivered import (
    COUNTY,
    DELIVERED_PARTS,
    FORM_COLUMNS,
    TOWNSHIP,
    VERIFY,
)
from pipeline.schema.fields import FIELDS
from pipeline.schema.layer import LayerSpec
from pipeline.units import mu100_from_m2

GEOGRAPHIC = 4490
"""CGCS2000 in degrees."""
PENDING_ZH = "责任单位待定"
OWN_ZH = "本单位"

TABLE_OF_FIELD = {
    "source": "patch_source",
    "theme": "theme",
    "issued_theme": "theme",
    "change_kind": "change_kind",
    "suspected_class": "suspected_class",
    "primary_kind": "violation_kind",
    "handling_route": "handling_route",
    "land_category": "land_category",
    "permit_class": "permit_class",
    "township_kind": "township_kind",
    "patrol_grade": "patrol_grade",
    "permit_kind": "permit_kind",
    "use_kind": "other_use",
    "road_class": "road_class",
    "site_state": "site_state",
    "stop_effect": "stop_effect",
}
"""Coded columns and the table of configs/codes that gives their labels."""
LIST_LABELS = {
    "violation_kinds": "violation_kind",
    "flags": "flag",
    "missing_evidence": "evidence",
}
"""List columns that go out as one line of labels."""


@dataclass(frozen=True)
class Vocabulary:
    """The code tables by name."""

    tables: Mapping[str, CodeTable]

    def labels(self, field: str) -> Mapping[str, str]:
        """Code → label of a coded field; empty for other fields."""
        name = TABLE_OF_FIELD.get(field)
        return {} if name is None or name not in self.tables else self.tables[name].labels

    def line(self, field: str, codes: Any) -> str | None:
        """Labels of a list of codes; an unknown code stands for itself."""
        name = LIST_LABELS[field]
        labels = self.tables[name].labels if name in self.tables else {}
        return "、".join(labels.get(str(code), str(code)) for code in codes) or None


@dataclass(frozen=True)
class Screened:
    """Everything that is known of the patches of a county or of one township."""

    patches: gpd.GeoDataFrame
    parts: gpd.GeoDataFrame
    reasons: pd.DataFrame

    def of(self, township_code: str, withheld: Collection[str] = ()) -> Screened:
        """The patches that one township receives, with all that hangs on them.

        `withheld`: suspected classes that no township gets, unless the patch was issued.
        """
        is_theirs = self.patches["township_code"].isin([township_code])
        patches = self.patches[is_theirs & is_sent(self.patches, withheld)]
        own = set(patches["patch_id"])
        return Screened(
            in_order(patches),
            self.parts[self.parts["patch_id"].isin(own)].reset_index(drop=True),
            self.reasons[self.reasons["patch_id"].isin(own)].reset_index(drop=True),
        )


def in_order(patches: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Urgent patches first, then by id: the order of register, cards and numbers."""
    return patches.sort_values(["priority", "patch_id"], ascending=[False, True], ignore_index=True)


def is_sent(patches: pd.DataFrame, withheld: Collection[str]) -> pd.Series[bool]:
    """Which patches townships verify: every issued one (each needs an answer), else by class.

    A patch outside every township has nobody to go to.
    """
    is_issued = patches["source"].isin(["issued", "both"])
    is_wanted = ~patches["suspected_class"].isin(list(withheld))
    return patches["township_code"].notna() & (is_issued | is_wanted)


def package_id(run: str, code: str, screened: Screened) -> str:
    """Names a package by what is in it: another content is another package."""
    total = hashlib.sha256()
    patches = screened.patches
    for name in ("patch_id", "area_m2", "suspected_class", "due_date"):
        total.update(json.dumps([str(value) for value in patches[name]]).encode("ascii"))
    total.update(b"".join(shapely.to_wkb(patches.geometry.to_numpy()).tolist()))
    return f"{run}-{code}-{total.hexdigest()[:8]}"


def verify_table(
    screened: Screened, township: Township, vocabulary: Vocabulary, identity: str
) -> gpd.GeoDataFrame:
    """The `patches` layer of a township: its own patches, no other township in any column."""
    table = _with_texts(screened, vocabulary)
    table["package_id"] = identity
    is_own = table["responsible_code"] == township.code
    table["responsible_zh"] = np.where(
        table["responsible_code"].isna(),
        [_pending(_seen_by(township, codes)) for codes in table["responsible_candidates"]],
        np.where(is_own, OWN_ZH, f"{OTHERS_ZH}（由县局确认）"),
    )
    # The assignment of another unit is that unit's data.
    for name in ("patrol_area_id", "patrol_grade", "responsible_person"):
        table[name] = table[name].where(is_own | table["responsible_code"].isna(), None)
    for name in FORM_COLUMNS:
        table[name] = _empty(name, len(table))
    for name in ("village_name", "reasons_zh", "responsible_person"):
        table[name] = township.mask_column(table[name])
    table["patrol_area_id"] = township.mask_column(table["patrol_area_id"], is_id=True)
    is_foreign = ~table["village_code"].fillna(township.code).str.startswith(township.code)
    table.loc[is_foreign, ["village_code", "village_name"]] = None
    return _conform(table, VERIFY)


def _seen_by(township: Township, codes: Collection[str]) -> list[str]:
    """Candidates as a township may see them: itself, and others without their names."""
    return list(dict.fromkeys(OWN_ZH if code == township.code else OTHERS_ZH for code in codes))


def _pending(names: Collection[str]) -> str:
    """责任单位待定 with every candidate."""
    return f"{PENDING_ZH}（候选：{'、'.join(names)}）" if names else PENDING_ZH


def county_table(
    screened: Screened, vocabulary: Vocabulary, run: str, withheld: Collection[str]
) -> gpd.GeoDataFrame:
    """The `patches` layer of the bureau: all patches, all columns."""
    table = _with_texts(screened, vocabulary)
    table["package_id"] = run
    table["is_sent"] = is_sent(table, withheld).to_numpy(dtype=bool)
    table["responsible_zh"] = [
        _pending(names) if code is None else (names or [code])[0]
        for code, names in zip(
            table["responsible_code"].astype(object).where(table["responsible_code"].notna(), None),
            table["responsible_names"],
            strict=True,
        )
    ]
    return _conform(table, COUNTY)


def parts_table(parts: gpd.GeoDataFrame, township: Township | None = None) -> gpd.GeoDataFrame:
    """The `parts` layer; for a township without the codes of others."""
    table = parts.copy()
    table["area_mu"] = table["area_mu100"].to_numpy(np.float64) / 100
    if township is not None:
        is_own = (table["township_code"] == township.code).fillna(False).to_numpy(dtype=bool)
        table.loc[~is_own, ["township_code", "patrol_area_id"]] = None
        # A development zone lies on the land of another unit's villages.
        is_own_village = table["village_code"].str.startswith(township.code).fillna(False)
        table.loc[~is_own_village.to_numpy(dtype=bool), "village_code"] = None
        for name in DELIVERED_PARTS.fields:
            if name.endswith("_id") and name not in ("part_id", "patch_id"):
                table[name] = township.mask_column(table[name], is_id=True)
    return _conform(table, DELIVERED_PARTS)


def township_table(townships: tuple[Township, ...], crs: Any, spec: LayerSpec = TOWNSHIP) -> Any:
    """The land of one or of all townships."""
    return gpd.GeoDataFrame(
        {
            "township_code": [one.code for one in townships],
            "township_name": [one.name for one in townships],
            "township_kind": [one.kind for one in townships],
        },
        geometry=[one.territory for one in townships],
        crs=crs,
    )[[*spec.fields, "geometry"]]


def area_mu(patches: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """All 亩 columns, from sums of the parts' hundredths; index of `patches`.

    NULL where the m² is NULL (layer not supplied). Raises `VerifyError` E-VERIFY-SUM if the parts
    of a patch do not add up to it.
    """
    mu100 = parts["area_mu100"].astype("int64")
    total = mu100.groupby(parts["patch_id"]).sum().reindex(patches["patch_id"])
    wanted = [
        mu100_from_m2(float(area)) if pd.isna(mu) else int(mu)
        for mu, area in zip(patches["area_mu100"], patches["area_m2"], strict=True)
    ]
    _require_sums(patches, total.to_numpy(dtype=np.float64, na_value=np.nan), wanted)
    columns = {"area_mu": np.asarray(wanted, np.float64) / 100}
    for name, chosen in _choices(parts).items():
        sums = mu100.where(chosen, 0).groupby(parts["patch_id"]).sum()
        values = sums.reindex(patches["patch_id"]).to_numpy(np.float64) / 100
        m2 = patches[f"{name.removesuffix('_mu')}_m2"]
        columns[name] = np.where(m2.isna().to_numpy(dtype=bool), np.nan, values)
    return pd.DataFrame(columns, index=patches.index)


def _choices(parts: pd.DataFrame) -> dict[str, pd.Series]:
    """Which parts count for which 亩 column."""
    category, permit = parts["land_category"], parts["permit_class"]
    conforming = parts["is_plan_conforming"].astype("boolean")
    chosen = {f"{code}_mu": category == code for code in _CATEGORIES}
    chosen["unclassified_mu"] = category.isna()
    for name in ("pbf", "redline", "reserve"):
        chosen[f"{name}_mu"] = parts[f"{name}_id"].notna()
    chosen |= {f"{code}_mu": permit == code for code in _PERMITS}
    chosen["plan_conform_mu"] = conforming.fillna(False)
    chosen["plan_nonconform_mu"] = (~conforming).fillna(False)
    return {name: which.fillna(False).astype(bool) for name, which in chosen.items()}


_CATEGORIES = ("cultivated", "other_agricultural", "unused", "construction")
_PERMITS = ("approved", "supplied", "registered", "facility", "temporary")


def _require_sums(patches: pd.DataFrame, found: Any, wanted: list[int]) -> None:
    broken = [
        Finding(
            "E-VERIFY-SUM",
            "图斑各分块的面积之和不等于图斑面积。",
            where=f"图斑 {patch}",
            value=f"分块合计 {total} ，图斑 {right}（百分之一亩）",
            advice="重新运行套合分析。",
        )
        for patch, total, right in zip(patches["patch_id"], found, wanted, strict=True)
        if total != right
    ]
    if broken:
        raise VerifyError(broken)


def _with_texts(screened: Screened, vocabulary: Vocabulary) -> gpd.GeoDataFrame:
    """Patches with 亩, position and texts that people can read."""
    table = screened.patches.copy()
    for name, column in area_mu(table, screened.parts).items():
        table[str(name)] = column
    table["area_mu100"] = (table["area_mu"] * 100).round().astype("Int64")
    table["serial_no"] = np.arange(1, len(table) + 1)
    points = shapely.point_on_surface(table.geometry.to_numpy())
    to_degrees = Transformer.from_crs(table.crs, GEOGRAPHIC, always_xy=True)
    lon, lat = to_degrees.transform(shapely.get_x(points), shapely.get_y(points))
    table["center_lon"], table["center_lat"] = np.round(lon, 6), np.round(lat, 6)
    table["is_straddling"] = [len(codes) > 0 for codes in table["straddles"]]
    for name in LIST_LABELS:
        table[f"{name}_zh"] = [vocabulary.line(name, codes) for codes in table[name]]
    table["reasons_zh"] = [_numbered(reasons) for reasons in table["reasons"]]
    table["priority_parts_zh"] = [priority_line(parts) for parts in table["priority_parts"]]
    return table


def priority_line(parts: Sequence[Mapping[str, Any]]) -> str | None:
    """The additive score with its parts: 初判类别 50＋下发图斑 10＝60; None without parts."""
    if not parts:
        return None
    addends = "＋".join(f"{part['label']} {part['points']}" for part in parts)
    return f"{addends}＝{sum(int(part['points']) for part in parts)}"


def _numbered(reasons: list[str]) -> str | None:
    # The screening may have numbered them already.
    texts = [re.sub(r"^\d+[.．、]\s*", "", text) for text in reasons]
    lines = [f"{number}. {text}" for number, text in enumerate(texts, start=1)]
    return "\n".join(lines) or None


def _empty(name: str, n: int) -> Any:
    """A column of NULLs in the type of its field."""
    dtype = FIELDS[name].dtype
    if dtype == "real":
        return np.full(n, np.nan)
    if dtype == "boolean":
        return pd.array([None] * n, dtype="boolean")
    return pd.array([None] * n, dtype=pd.StringDtype(na_value=np.nan))


def _conform(table: gpd.GeoDataFrame, spec: LayerSpec) -> gpd.GeoDataFrame:
    """The columns of a layer in its order, nullable texts as text."""
    result = table[[*spec.fields, "geometry"]].reset_index(drop=True)
    for field in spec.field_specs:
        if field.dtype in ("text", "date"):
            result[field.name] = result[field.name].astype(pd.StringDtype(na_value=np.nan))
    return result
