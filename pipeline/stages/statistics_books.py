"""What the tables are made from: the snapshot's patches with what counts, cases, townships."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import geopandas as gpd
import pandas as pd
from pyproj import CRS

from pipeline.config.load import RULES_DIR, load_all_codes, load_rules
from pipeline.delivery.delivered import Vocabulary
from pipeline.delivery.isolation import Township, find_townships
from pipeline.errors import Finding, InputError
from pipeline.io.vectors import read_layer
from pipeline.rules.books.recognised import count_areas, is_violation
from pipeline.rules.books.rectification import Outcome, patch_outcomes
from pipeline.rules.books.year_union import year_union
from pipeline.rules.parameters import RuleSet
from pipeline.schema.book_layers import YEAR_PATCHES
from pipeline.schema.layer import LayerSpec
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.schema.register_layers import (
    CASE_PATCHES,
    CASES,
    CLOSED_PATCHES,
    COUNTY_INPUTS,
    LEDGER,
    LINEAGE,
    REGISTERED,
    SURVEYS,
)
from pipeline.stages.context import StageContext
from pipeline.stages.layers import supplied_layers
from pipeline.stages.observed import by_code, measure_observed
from pipeline.stages.statistics_observed import closed_townships

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Books:
    """Everything of a run that tables are made from; NULL is None in every row."""

    run: str
    county_code: str
    runs: list[str]
    """Of the snapshot, in time; the own one last."""
    check_year: int
    on: datetime.date
    """The day that decides the rules: end of the period."""
    rules: RuleSet
    vocabulary: Vocabulary
    crs: CRS
    patches: list[Record]
    """The run's patches that are not withdrawn, as rows of `CLOSED_PATCHES`, by patch id."""
    outlines: Any
    """Their outlines."""
    withdrawn: int
    outcomes: Mapping[str, Outcome]
    year_patches: list[Record]
    """Signed violations of the check year, every piece of land once, as rows of `YEAR_PATCHES`."""
    cases: list[Record]
    case_patches: list[Record]
    county_inputs: list[Record]
    """Of all runs the snapshot holds."""
    ledger: list[Record]
    surveys: gpd.GeoDataFrame
    townships: gpd.GeoDataFrame
    """As `CLOSED_TOWNSHIPS`."""

    @cached_property
    def labels(self) -> dict[str, Mapping[str, str]]:
        """Labels by code table."""
        return {name: table.labels for name, table in self.vocabulary.tables.items()}


def read_books(context: StageContext) -> Books:
    """Read the snapshot and work out what of every patch counts."""
    paths, run = context.paths, context.run
    registered = read_layer(paths.snapshot, REGISTERED)
    rows = records(registered, REGISTERED)
    cases, links = _table(context, CASES), _table(context, CASE_PATCHES)
    inputs = _table(context, COUNTY_INPUTS)
    order = _run_order(rows, inputs, run.run)
    closed = _closed(context, rows, cases, links)
    own = [n for n, row in enumerate(rows) if row["run"] == run.run and not row["is_withdrawn"]]
    own.sort(key=lambda n: str(rows[n]["patch_id"]))
    on = _rules_day(context)
    year = on.year if run.after.date is None else run.after.date.year
    surveys = read_layer(paths.snapshot, SURVEYS)
    kept = {str(rows[n]["patch_id"]) for n in own}
    is_own = (surveys["run"] == run.run) & surveys["patch_id"].isin(kept)
    outcomes = _outcomes(context, run.run, rows, cases, links)
    return Books(
        run=run.run,
        county_code=run.county_code,
        runs=order,
        check_year=year,
        on=on,
        rules=load_rules(RULES_DIR),
        vocabulary=Vocabulary(load_all_codes()),
        crs=registered.crs,
        patches=[closed[n] for n in own],
        outlines=registered.geometry.to_numpy()[own],
        withdrawn=sum(bool(row["is_withdrawn"]) for row in rows if row["run"] == run.run),
        outcomes=outcomes,
        year_patches=[
            {name: row[name] for name in YEAR_PATCHES.fields}
            for row in year_union(closed, year, order, _table(context, LINEAGE))
            if is_violation(row)
        ],
        cases=[row for row in cases if row["run"] == run.run],
        case_patches=[
            row for row in links if row["run"] == run.run and str(row["patch_id"]) in kept
        ],
        county_inputs=inputs,
        ledger=_table(context, LEDGER),
        surveys=surveys[is_own].reset_index(drop=True),
        townships=closed_townships(
            _townships(context), by_code(measure_observed(context)), registered.crs
        ),
    )


def _run_order(rows: Sequence[Record], inputs: Sequence[Record], own: str) -> list[str]:
    """Runs as their images follow each other; the snapshot holds none later than the own one.

    A run without a patch is known by what was stated in it alone, and comes first.
    """
    latest = dict.fromkeys((own, *(str(row["run"]) for row in inputs)), "")
    for row in rows:
        name = str(row["run"])
        latest[name] = max(latest.get(name, ""), str(row["after_date"] or ""))
    return sorted(latest, key=lambda name: (name == own, latest[name], name))


def records(table: pd.DataFrame, spec: LayerSpec) -> list[Record]:
    """Rows as plain values, NULL as None."""
    columns = []
    for name in spec.fields:
        column = table[name]
        values = column.astype(object).to_numpy(dtype=object, copy=True)
        values[column.isna().to_numpy(dtype=bool)] = None
        columns.append(values.tolist())
    return [dict(zip(spec.fields, values, strict=True)) for values in zip(*columns, strict=True)]


def _table(context: StageContext, spec: LayerSpec) -> list[Record]:
    return records(read_layer(context.paths.snapshot, spec), spec)


def _closed(
    context: StageContext, rows: Sequence[Record], cases: Sequence[Record], links: Sequence[Record]
) -> list[Record]:
    """Rows of all runs with what counts and what has come of their cases."""
    outcomes = {
        run: _outcomes(context, run, rows, cases, links)
        for run in dict.fromkeys(str(row["run"]) for row in rows)
    }
    closed = []
    for row in rows:
        outcome = outcomes[str(row["run"])][str(row["patch_id"])]
        columns = outcome.columns(is_violation(row))
        whole = {**row, **count_areas(row), **columns}
        closed.append({name: whole[name] for name in CLOSED_PATCHES.fields})
    return closed


def _outcomes(
    context: StageContext,
    run: str,
    rows: Sequence[Record],
    cases: Sequence[Record],
    links: Sequence[Record],
) -> dict[str, Outcome]:
    return patch_outcomes(
        [str(row["patch_id"]) for row in rows if row["run"] == run],
        [case for case in cases if case["run"] == run],
        [link for link in links if link["run"] == run],
        context.run.closes_on,
    )


def _rules_day(context: StageContext) -> datetime.date:
    run = context.run
    on = run.after.date or run.issued_on or run.closes_on
    if on is None:
        raise InputError(
            Finding(
                "E-CONFIG-VALUE",
                "运行配置没有后时相日期、下发日期和统计截止日期，无法确定适用哪一日的规则。",
                where=f"运行 {run.run}",
                allowed="after.date、issued_on 或 closes_on，YYYY-MM-DD",
                advice="在运行配置中写明后时相的日期。",
            )
        )
    return on


def _townships(context: StageContext) -> tuple[Township, ...]:
    path, run = context.paths.intake_layers, context.run
    villages = REFERENCE_LAYERS["villages"]
    return find_townships(
        read_layer(path, REFERENCE_LAYERS["townships"]),
        read_layer(path, villages) if "villages" in supplied_layers(path) else None,
        None if run.after.date is None else run.after.date.isoformat(),
        zones_first=run.settings.overlay.development_zone_first,
    )
