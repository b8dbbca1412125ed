"""What returns are held against: the patches of the run, who got them, and in which words."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from pipeline.config.load import load_all_codes
from pipeline.delivery.delivered import (
    Screened,
    Vocabulary,
    area_mu,
    county_table,
    in_order,
    is_sent,
    package_id,
    verify_table,
)
from pipeline.delivery.form_columns import form_value
from pipeline.delivery.isolation import Township, find_townships
from pipeline.errors import Finding, InputError
from pipeline.io.vectors import read_layer
from pipeline.rules.returns.records import Task
from pipeline.schema.delivered import FORM_COLUMNS
from pipeline.schema.fields import FIELDS
from pipeline.schema.layers import PARTS, REASONS, SCREENED
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.schema.register_layers import PATCH_AREAS, SCREENED_COLUMNS
from pipeline.stages.context import StageContext
from pipeline.stages.identity import read_identity
from pipeline.stages.layers import supplied_layers

ISSUED_SOURCES = ("issued", "both")
LINEAGE_COLUMNS = ("lineage_id", "parent_id", "lineage_relation")


@dataclass(frozen=True)
class Material:
    """Everything that `collect` reads of the run."""

    task: Task
    patches: gpd.GeoDataFrame
    """`SCREENED` rows."""
    vocabulary: Vocabulary

    @property
    def outlines(self) -> dict[str, Any]:
        """Patch id → outline in the run's CRS."""
        return dict(zip(self.patches["patch_id"], self.patches.geometry, strict=True))


def load_material(context: StageContext) -> Material:
    """The run's patches, its townships' packages as they stand, and all code tables."""
    paths, run = context.paths, context.run
    screened = Screened(
        in_order(read_layer(paths.screened, SCREENED)),
        read_layer(paths.overlay, PARTS),
        read_layer(paths.screened, REASONS),
    )
    vocabulary = Vocabulary(load_all_codes())
    townships = _townships(context)
    registered = registered_patches(context, screened)
    locked: dict[str, dict[str, tuple[Any, ...]]] = {}
    packages = {}
    for township in townships:
        own = screened.of(township.code, run.settings.package.withheld_classes)
        if not len(own.patches):
            continue
        packages[township.code] = package_id(run.run, township.code, own)
        table = verify_table(own, township, vocabulary, packages[township.code])
        locked |= _locked(table, vocabulary)
    county = county_table(screened, vocabulary, run.run, run.settings.package.withheld_classes)
    task = Task(
        run=run.run,
        county_code=run.county_code,
        county_name=run.county_name,
        check_year=_base_date(context, screened.patches).year,
        after_date=None if run.after.date is None else run.after.date.isoformat(),
        closes_on=None if run.closes_on is None else run.closes_on.isoformat(),
        patches=registered,
        locked=locked,
        locked_county=_locked(county, vocabulary),
        townships={one.code: one.name for one in townships},
        packages=packages,
        codes=vocabulary.tables,
    )
    return Material(task, screened.patches, vocabulary)


def _townships(context: StageContext) -> tuple[Township, ...]:
    path = context.paths.intake_layers
    present = supplied_layers(path)
    layers = {
        name: read_layer(path, REFERENCE_LAYERS[name])
        for name in ("townships", "villages")
        if name in present
    }
    date = context.run.after.date
    return find_townships(
        layers["townships"],
        layers.get("villages"),
        None if date is None else date.isoformat(),
        zones_first=context.run.settings.overlay.development_zone_first,
    )


def registered_patches(context: StageContext, screened: Screened) -> dict[str, dict[str, Any]]:
    """Payload of the event that registers each patch, by patch id."""
    run, patches = context.run, screened.patches
    mu = area_mu(patches, screened.parts)
    sent = is_sent(patches, run.settings.package.withheld_classes).to_numpy(dtype=bool)
    base = _base_date(context, patches)
    identity = _identity(context, patches)
    registered = {}
    for n, (row, shape) in enumerate(
        zip(patches.to_dict("records"), patches.geometry, strict=True)
    ):
        plain = {name: plain_value(row.get(name), name) for name in SCREENED_COLUMNS}
        areas = {
            name: _mu100(mu, name, n) if name.endswith("_mu100") else plain_value(row[name], name)
            for name in PATCH_AREAS
        }
        patch = str(plain["patch_id"])
        registered[patch] = {
            "run": run.run,
            **{name: identity[patch][name] for name in LINEAGE_COLUMNS},
            "check_year": base.year,
            "source_group": "issued" if plain["source"] in ISSUED_SOURCES else "detected",
            "is_sent": bool(sent[n]),
            **plain,
            **areas,
            "wkb": outline_wkb(shape),
        }
    return dict(sorted(registered.items()))


def _identity(context: StageContext, patches: gpd.GeoDataFrame) -> dict[str, Mapping[str, Any]]:
    """What `extract` found of every patch's lineage; where it looked for none, all are new."""
    run = context.run.run
    unlinked = dict.fromkeys(LINEAGE_COLUMNS)
    pairs = zip(patches["patch_id"], patches["issued_id"], strict=True)
    new: dict[str, Mapping[str, Any]] = {
        str(patch): unlinked | {"lineage_id": f"{run}:{patch}" if pd.isna(issued) else str(issued)}
        for patch, issued in pairs
    }
    return new | {str(row["patch_id"]): row for row in read_identity(context.paths.extract_patches)}


def outline_wkb(shape: Any) -> str:
    """Hexadecimal WKB of an outline as a two-dimensional MultiPolygon."""
    parts = getattr(shape, "geoms", [shape])
    multi = shapely.MultiPolygon(list(parts))
    return str(shapely.to_wkb(multi, hex=True, output_dimension=2, byte_order=1))


def plain_value(value: Any, name: str) -> Any:
    """A cell as a JSON value of its field's type; None for NULL."""
    if isinstance(value, list | tuple | np.ndarray):
        return [str(one) for one in value]
    if pd.isna(value):
        return None
    match FIELDS[name].dtype:
        case "real":
            return float(value)
        case "integer":
            return int(value)
        case "boolean":
            return bool(value)
        case _:
            return str(value)


def _mu100(mu: pd.DataFrame, name: str, position: int) -> int | None:
    value = mu[name.replace("_mu100", "_mu")].iloc[position]
    return None if pd.isna(value) else round(float(value) * 100)


def _base_date(context: StageContext, patches: gpd.GeoDataFrame) -> datetime.date:
    """The date whose year is checked: of the after image, else the latest of the patches."""
    run = context.run
    latest = patches["after_date"].dropna().max() if len(patches) else None
    date = run.after.date or (datetime.date.fromisoformat(str(latest)) if latest else run.issued_on)
    if date is None:
        raise InputError(
            Finding(
                "E-CONFIG-VALUE",
                "不知道后时相的日期，无法确定检查年度。",
                where=f"运行 {run.run}",
                allowed="after.date，YYYY-MM-DD",
                advice="在运行配置中写明后时相的日期。",
            )
        )
    return date


def _locked(table: pd.DataFrame, vocabulary: Vocabulary) -> dict[str, dict[str, tuple[Any, ...]]]:
    """Patch id → locked column → value as stored and as the form shows it."""
    names = [name for name in table.columns if name not in (*FORM_COLUMNS, "geometry")]
    names = [name for name in names if FIELDS[name].dtype != "json"]
    return {
        str(row["patch_id"]): {name: _ways(row[name], name, vocabulary) for name in names}
        for row in table[names].to_dict("records")
    }


def _ways(value: Any, name: str, vocabulary: Vocabulary) -> tuple[Any, ...]:
    stored = plain_value(value, name)
    shown = form_value(value, name, vocabulary)
    return (stored,) if stored == shown and type(stored) is type(shown) else (stored, shown)


_PACKAGE = re.compile(r"(?P<run>.+)-(?P<code>\d{9})-(?P<digest>[0-9a-f]{8})", re.ASCII)
_LEADING_CODE = re.compile(r"(\d{9})(?!\d)", re.ASCII)


def split_package_id(identity: str) -> tuple[str, str] | None:
    """Run and township code of a package id; None if it is not one."""
    match = _PACKAGE.fullmatch(identity.strip())
    return None if match is None else (match["run"], match["code"])


def township_of_name(name: str, townships: Mapping[str, str]) -> str | None:
    """The township whose code begins the name of a file or of a folder it lies in.

    The innermost name that says it counts.
    """
    for part in reversed(re.split(r"!?/", name)):
        match = _LEADING_CODE.match(part)
        if match and match.group(1) in townships:
            return match.group(1)
    return None
