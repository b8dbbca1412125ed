"""The cards (核查卡) of one package: pixels around each patch, overlays, one PDF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.delivery.card_images import (
    CardImages,
    DateWindow,
    card_extent,
    card_images,
)
from pipeline.delivery.card_map import SYMBOL_OF_LAYER, Extent
from pipeline.delivery.cards import CardHeading, CardLabels, build_card
from pipeline.delivery.delivered import Screened, Vocabulary
from pipeline.delivery.isolation import OTHERS_ZH, Township
from pipeline.delivery.route import DayPlan, place_line
from pipeline.grid import PixelWindow
from pipeline.io.cogs import window_of
from pipeline.io.rasters import read_window
from pipeline.stages.card_press import CardPress, Pressed
from pipeline.stages.context import StageContext
from pipeline.stages.package_material import Material, Picture

CULTIVATED_PREFIX = "01"
PAD_PX = 2
"""Bicubic resampling looks that far beside the picture."""


@dataclass(frozen=True)
class CardJob:
    """What the cards of one package are made from."""

    township: Township
    screened: Screened
    references: Mapping[str, gpd.GeoDataFrame]
    """Already cut to what the township may see."""
    visible: BaseGeometry
    plan: DayPlan


def press_cards(
    context: StageContext, material: Material, job: CardJob, press: CardPress
) -> Pressed:
    """Begin to typeset the cards of a package, in the order of its register."""
    run, settings = context.run, context.run.settings.package
    rules = material.visit_rules
    heading = CardHeading(
        run.county_name,
        run.period,
        settings.secrecy,
        rules.is_due_assumed,
        rules.is_priority_assumed,
        rules.is_plan_assumed,
    )
    screened = _without_others(job)
    labels = _labels(material.vocabulary, job.township, screened.patches)
    parts = dict(tuple(screened.parts.groupby("patch_id")))
    reasons = dict(tuple(screened.reasons.groupby("patch_id")))
    overlays = _overlays(job.references)
    pages = []
    records = screened.patches.drop(columns="geometry").to_dict("records")
    for record, outline in zip(records, screened.patches.geometry, strict=True):
        key = record["patch_id"]
        row = {str(name): value for name, value in record.items()}
        card = build_card(
            row,
            outline,
            parts.get(key, screened.parts.iloc[:0]),
            reasons.get(key, screened.reasons.iloc[:0]),
            labels,
            material.crs,
        )
        card = replace(card, visit=place_line(job.plan, key))
        pages.append((card, _pictures(context, material, outline, overlays, job.visible)))
    return press.press(pages, heading)


def _without_others(job: CardJob) -> Screened:
    """The same patches with no other township named in a text."""
    township, screened = job.township, job.screened
    patches, reasons = screened.patches.copy(), screened.reasons.copy()
    patches["straddles"] = [codes[:1] for codes in patches["straddles"]]
    is_own = patches["responsible_code"].isin([township.code])
    is_open = patches["responsible_code"].isna()
    for name in ("patrol_area_id", "patrol_grade", "responsible_person"):
        patches[name] = patches[name].where(is_own | is_open, None)
    for name in ("village_name", "responsible_person"):
        patches[name] = township.mask_column(patches[name])
    patches["patrol_area_id"] = township.mask_column(patches["patrol_area_id"], is_id=True)
    is_foreign = ~patches["village_code"].fillna(township.code).str.startswith(township.code)
    patches.loc[is_foreign, ["village_code", "village_name"]] = None
    for name in ("text_zh", "reference_zh"):
        reasons[name] = township.mask_column(reasons[name])
    return replace(screened, patches=patches, reasons=reasons)


def _labels(vocabulary: Vocabulary, township: Township, patches: pd.DataFrame) -> CardLabels:
    """Labels by code; every township but the own one is just another unit."""
    lists = [patches["straddles"], patches["responsible_candidates"]]
    codes = {str(code) for column in lists for items in column for code in items}
    codes |= {str(code) for code in patches["responsible_code"].dropna()}
    townships = {**dict.fromkeys(sorted(codes), OTHERS_ZH), township.code: township.name}
    tables = {
        field.name: vocabulary.tables[field.name].labels
        for field in fields(CardLabels)
        if field.name != "townships"
    }
    return CardLabels(**tables, townships=townships)


def _overlays(references: Mapping[str, gpd.GeoDataFrame]) -> dict[str, gpd.GeoDataFrame]:
    """What the overlay map shows, by the names it knows."""
    found = {name: table for name, table in references.items() if name in SYMBOL_OF_LAYER}
    land_use = references.get("land_use")
    if land_use is not None:
        is_cultivated = land_use["land_class_code"].str.startswith(CULTIVATED_PREFIX)
        found["cultivated"] = land_use[is_cultivated.fillna(False).to_numpy(dtype=bool)]
    return found


def _pictures(
    context: StageContext,
    material: Material,
    outline: BaseGeometry,
    overlays: Mapping[str, gpd.GeoDataFrame],
    visible: BaseGeometry,
) -> CardImages:
    params = context.run.settings.package.card_images
    extent = card_extent(outline, params)
    frame = shapely.box(*extent.bounds)
    near = {
        name: table.geometry.to_numpy()[np.sort(table.sindex.query(frame))].tolist()
        for name, table in overlays.items()
    }
    valid = {
        "before": context.paths.align_valid_before,
        "after": context.paths.align_valid_after,
    }
    windows = [picture_window(material.pictures[name], valid[name], extent) for name in valid]
    return card_images(outline, windows[0], windows[1], near, params, visible)


def picture_window(picture: Picture, valid: Path, extent: Extent) -> DateWindow:
    """The pixels of one date; a single hidden one where the image does not reach.

    `valid`: what that date alone hides, on the image's grid.
    """
    image = picture.image
    window = window_of(image.grid, shapely.box(*extent.bounds))
    if window.is_empty:
        nothing: Any = np.zeros((len(picture.bands), 1, 1), image.dtype)
        side = extent.side_m
        place = (side, 0.0, extent.left, 0.0, -side, extent.top)
        return DateWindow(nothing, np.ones((1, 1), np.uint8), place, picture.stretch)
    window = window.pad(PAD_PX).clip(image.grid.height, image.grid.width)
    pixels = read_window(str(image.path), picture.bands, window)
    hidden = read_window(str(valid), (1,), window)[0]
    return DateWindow(pixels, hidden, _transform(picture, window), picture.stretch)


def _transform(
    picture: Picture, window: PixelWindow
) -> tuple[float, float, float, float, float, float]:
    grid = picture.image.grid
    x, y = grid.xy(np.array([float(window.row0)]), np.array([float(window.col0)]))
    a, b, _, d, e, _ = grid.transform
    return a, b, float(x[0]), d, e, float(y[0])
