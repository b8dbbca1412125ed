"""T15's material: figures added up again from layers, receipts and the ledger."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import geopandas as gpd

from pipeline.delivery.tables.reconcile import (
    Identity,
    Tables,
    reconcile_table,
    table_identities,
    total_of,
)
from pipeline.delivery.tables.table import M2, MU, PIECES, Table, mu_cell
from pipeline.errors import Severity
from pipeline.io.reports import read_json
from pipeline.io.vectors import read_layer
from pipeline.rules.books.balances import check_ledger
from pipeline.rules.books.recognised import is_violation
from pipeline.rules.books.rectification import cases_without_violation
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.context import StageContext
from pipeline.stages.layers import supplied_layers
from pipeline.stages.statistics_books import Books
from pipeline.stages.statistics_quota import inputs_in_order
from pipeline.units import two_places

RECORDS, ROWS = "条", "项"


def reconcile(
    context: StageContext, books: Books, tables: Sequence[Table], parts: gpd.GeoDataFrame
) -> Table:
    """T15 of a run."""
    by_id = {table.id: table for table in tables}
    summary = read_json(context.paths.collect_summary)
    return reconcile_table(
        [
            *_receipts(summary),
            *table_identities(by_id),
            *_parts(books, parts),
            *_townships(books, by_id),
            *_ledger(books, by_id),
            *_issued_areas(context, books),
            *_to_look_at(books, summary),
        ]
    )


def _receipts(summary: Mapping[str, Any]) -> Iterator[Identity]:
    yield Identity(
        "收到的记录＝接收＋退回",
        "收到",
        int(summary["received"]),
        "接收＋退回",
        int(summary["accepted"]) + int(summary["rejected"]),
        RECORDS,
    )


def _parts(books: Books, parts: gpd.GeoDataFrame) -> Iterator[Identity]:
    """Parts make up the outline that was cut: the survey where there is one, else the patch."""
    prefix = {
        row["patch_id"]: "" if row["survey_area_m2"] is None else "survey_" for row in books.patches
    }
    for column, name, unit in (("area_mu100", "面积", MU), ("area_m2", "面积", M2)):
        whole = [row[f"{prefix[row['patch_id']]}{column}"] for row in books.patches]
        pieces = parts[column].tolist()
        left, right = _sum(whole, unit), _sum(pieces, unit)
        yield Identity(
            f"图斑（界址）{name}＝套合分块之和", "图斑（界址）", left, "分块", right, unit
        )
    counted = parts["land_category"].eq("cultivated").fillna(False).to_numpy(dtype=bool)
    known = [row[f"{prefix[row['patch_id']]}cultivated_mu100"] for row in books.patches]
    if None not in known:
        pieces = parts["area_mu100"].to_numpy()[counted].tolist()
        left, right = _sum(known, MU), _sum(pieces, MU)
        yield Identity("耕地面积＝耕地分块之和", "图斑（界址）", left, "分块", right, MU)


def _sum(amounts: Sequence[Any], unit: str) -> Decimal:
    if unit == MU:
        return mu_cell(sum(int(amount) for amount in amounts))
    return two_places(math.fsum(float(amount) for amount in amounts))


def _townships(books: Books, tables: Tables) -> Iterator[Identity]:
    names = ("nodata_m2", "cloud_m2", "shadow_m2", "other_unobserved_m2")
    land = two_places(math.fsum(books.townships["land_m2"]))
    seen = (books.townships["land_m2"] * books.townships["observed_ratio"]).tolist()
    unseen = [value for name in names for value in books.townships[name].tolist()]
    yield Identity(
        "辖区面积＝可观测＋不可观测",
        "T11",
        land,
        "可观测＋无影像＋云＋影＋其他",
        two_places(math.fsum([*seen, *unseen])),
        M2,
    )
    ratio = tables["T06"]
    for period, label in (("period", "本期"), ("year", "年度累计")):
        cells = {
            key: row["violation_cultivated_mu"]
            for key, row in zip(ratio.row_keys, ratio.rows, strict=True)
            if key.endswith(f"|{period}")
        }
        whole, *units = cells.values()
        known = [cell for cell in units if isinstance(cell, Decimal)]
        yield Identity(
            f"{label}违法占用耕地：全县与各乡镇之和",
            "T06 全县",
            whole,
            "T06 各乡镇",
            sum(known, Decimal("0.00")) if isinstance(whole, Decimal) else whole,
        )
    yield Identity(
        "本期违法占用耕地：比例表与判定表",
        "T06 全县",
        next(iter(ratio.rows))["violation_cultivated_mu"],
        "T02 下发违法用地",
        total_of(tables["T02"], "total|issued|new_violation", "cultivated_mu"),
    )


def _ledger(books: Books, tables: Tables) -> Iterator[Identity]:
    findings = check_ledger(books.ledger)
    broken = [found for found in findings if found.severity is Severity.BLOCK]
    yield Identity("指标账：凭证平衡、期末数与各项相符", "不符项数", len(broken), "应为", 0, ROWS)
    odd = [found for found in findings if found.severity is Severity.NOTICE]
    name = "指标账：期末为负、返还多于扣减的账户"
    yield Identity(name, "个数", len(odd), unit=PIECES, is_note=True)
    year = books.check_year + 1
    documents = _deducted_by_document(books, year)
    if documents:
        yield Identity(
            "上级扣减文件数＝各乡镇分摊之和（含留县级）",
            "县填报",
            mu_cell(sum(documents.values())),
            "T05 指标账扣减合计",
            total_of(tables["T05"], "total|issued", "quota_deducted_mu"),
        )


def _deducted_by_document(books: Books, year: int) -> dict[str, int]:
    """What the county stated of every document; shares stated for townships are part of that.

    Without a figure for the county the shares are all there is. Of a statement that a later run
    made again, the later counts.
    """
    latest = {
        (str(row["doc_no"] or ""), str(row["unit_code"])): _mu100(row["value_mu"])
        for row in inputs_in_order(books)
        if row["item"] == "quota_deducted" and row["year"] == year
    }
    shares: Counter[str] = Counter()
    whole: dict[str, int] = {}
    for (document, unit_code), amount in latest.items():
        if unit_code == books.county_code:
            whole[document] = amount
        else:
            shares[document] += amount
    return {**shares, **whole}


def _mu100(value_mu: float) -> int:
    """A stated number of 亩 as hundredths, by the decimals that were written."""
    return int(two_places(Decimal(str(value_mu))) * 100)


def _issued_areas(context: StageContext, books: Books) -> Iterator[Identity]:
    """What the issuer stated against the outlines; for information, both stand."""
    path = context.paths.intake_layers
    if "issued_patches" not in supplied_layers(path):
        return
    issued = read_layer(path, REFERENCE_LAYERS["issued_patches"])
    stated = issued["stated_area_m2"]
    own = {row["issued_id"] for row in books.patches}
    chosen = issued["issued_id"].isin(own).to_numpy(dtype=bool)
    if not chosen.any() or stated[chosen].isna().any():
        return
    total = math.fsum(float(value) for value in stated[chosen])
    areas = [row["area_m2"] for row in books.patches if row["issued_id"] is not None]
    difference = two_places(total) - two_places(math.fsum(areas))
    yield Identity("下发图斑：下发所附面积减图形面积", "差", difference, unit=M2, is_note=True)


def _to_look_at(books: Books, summary: Mapping[str, Any]) -> Iterator[Identity]:
    issued = [row for row in books.patches if row["source_group"] == "issued"]
    unanswered = sum(row["filled_date"] is None for row in issued)
    beside = sum(not row["is_sent"] and row["filled_date"] is not None for row in books.patches)
    lonely = cases_without_violation(books.patches, books.cases, books.case_patches)
    conflicts = int(summary.get("by_code", {}).get("E-RETURN-CONFLICT", 0))
    unmeasured = sum(not row["is_measured"] for row in books.patches if is_violation(row))
    for name, n, unit in (
        ("下发图斑尚无核查结果", unanswered, PIECES),
        ("未下发乡镇而有核查结果的图斑", beside, PIECES),
        ("几份填报互相矛盾而退回的记录（含已裁决）", conflicts, RECORDS),
        ("退回的记录", int(summary["rejected"]), RECORDS),
        ("本期已撤回的图斑（不计入各表）", books.withdrawn, PIECES),
        ("没有违法用地图斑的案件（不计入宗数）", len(lonely), "宗"),
        ("违法用地图斑中未实测的", unmeasured, PIECES),
    ):
        yield Identity(name, "个数", n, unit=unit, is_note=True)
