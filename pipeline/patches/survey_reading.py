"""Returned boundaries (交回的实测界址) as surveys of patches of the run, each by itself."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import geopandas as gpd
import shapely
from shapely.geometry import MultiPolygon

from pipeline.errors import Finding
from pipeline.patches.covering import PatchDates
from pipeline.patches.survey import SurveyLayers
from pipeline.patches.survey_outline import (
    REDO_ZH,
    SurveyLimits,
    compare_with_patch,
    join_outlines,
    read_outline,
)
from pipeline.schema.normalise import Invalid, clean_text, parse_date, plain_number
from pipeline.schema.returned import ReturnedFile, SurveyFeature

Returned = tuple[ReturnedFile, SurveyFeature]

SurveyContent = tuple[str, str | None, str | None]
"""Outline, surveyor and day: what is equal in surveys that say the same."""

UNKNOWN = -1
"""Position of a patch that nobody knows."""


@dataclass(frozen=True, eq=False)
class SurveyMaterial:
    """What returned boundaries are held against."""

    run: str
    patches: gpd.GeoDataFrame
    """The run's patches in its projected CRS: patch_id, issued_id, township_code, before_date."""
    dates: PatchDates
    """Of the patches."""
    limits: SurveyLimits
    read_cutters: Callable[[gpd.GeoDataFrame], SurveyLayers]
    """The reference layers near outlines in the run's CRS."""
    township_of: Mapping[str, str | None]
    """File name → township that returned it; None or absent: the bureau, for all patches."""
    decided: Mapping[str, str]
    """Patch id → name of the file that the bureau has decided for."""
    closes_on: str | None = None
    """ISO."""
    stated_area_m2: Mapping[str, float] = field(default_factory=dict)
    """Patch id → area that an accepted form states as measured."""

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Position of the patch that an id names, ours before issued ones."""
        found: dict[str, int] = {}
        for column in ("patch_id", "issued_id"):
            for position, name in enumerate(self.patches[column]):
                if isinstance(name, str):
                    found.setdefault(name, position)
        return found


@dataclass(frozen=True, eq=False)
class Survey:
    """The polygons of one patch in one file, or one that can not be used."""

    sources: tuple[Returned, ...]
    patch: int
    """Position, or `UNKNOWN`."""
    outline: MultiPolygon | None = None
    surveyed_by: str | None = None
    surveyed_date: str | None = None
    notices: tuple[Finding, ...] = ()
    problem: Finding | None = None
    """Why it does not count."""

    @property
    def file(self) -> ReturnedFile:
        """The file it came in."""
        return self.sources[0][0]

    @property
    def content(self) -> SurveyContent:
        """What it says."""
        return outline_wkb(self.outline), self.surveyed_by, self.surveyed_date

    def refused(self, finding: Finding) -> Survey:
        """The same with a reason why it does not count; the first reason stays."""
        return replace(self, problem=self.problem or finding)


def read_survey(material: SurveyMaterial, source: Returned) -> Survey:
    """One polygon with its patch, in the run's CRS."""
    file, feature = source
    patch = _patch_of(material, feature.patch_id)
    piece = Survey((source,), patch)
    if feature.problem is not None:
        return piece.refused(feature.problem)
    if patch == UNKNOWN:
        what = "图斑不在本期的图斑里。" if feature.patch_id else "界址没有写明是哪个图斑的。"
        advice = "填写核查表里的图斑编号或下发编号后重新交回。"
        return piece.refused(
            Finding("E-RETURN-PATCH", what, "", feature.patch_id or "空", "", advice)
        )
    row = material.patches.iloc[patch]
    township = material.township_of.get(file.name)
    if township is not None and row["township_code"] != township:
        what = "图斑不属于交回的乡镇。"
        advice = "只交回发给本乡镇的图斑；确需代报的由县局放入 bureau/survey。"
        return piece.refused(
            Finding("E-RETURN-FOREIGN", what, "", str(row["patch_id"]), "", advice)
        )
    date = parse_date(feature.surveyed_date) if feature.surveyed_date else None
    if isinstance(date, Invalid):
        what, allowed = "测量日期不是有效日期。", "YYYY-MM-DD"
        value = feature.surveyed_date or ""
        return piece.refused(Finding("E-RETURN-VALUE", what, "", value, allowed, REDO_ZH))
    crs = material.patches.crs
    outline = read_outline(feature.geometry, feature.crs, row.geometry, crs, material.limits)
    return replace(
        piece,
        outline=outline.geometry,
        surveyed_by=clean_text(feature.surveyed_by),
        surveyed_date=date,
        notices=outline.notices,
        problem=outline.problem,
    )


def _patch_of(material: SurveyMaterial, written: str | None) -> int:
    name = clean_text(unicodedata.normalize("NFKC", written or ""))
    if name is None:
        return UNKNOWN
    # An issued id that is all digits passes through Excel as a number.
    return material.positions.get(name, material.positions.get(plain_number(name), UNKNOWN))


def join_surveys(material: SurveyMaterial, pieces: Sequence[Survey]) -> list[Survey]:
    """The one survey that polygons make up, or each of them with why there is none."""
    outlines = [piece.outline for piece in pieces if piece.outline is not None]
    if len(outlines) < len(pieces):
        what = "同一图斑的另一块界址无法使用，各块须一并改正后交回。"
        sibling = Finding("E-RETURN-GEOMETRY", what, advice=REDO_ZH)
        return [piece.refused(sibling) for piece in pieces]
    signatures = [
        {value for value in values if value is not None}
        for values in zip(*((one.surveyed_by, one.surveyed_date) for one in pieces), strict=True)
    ]
    if any(len(values) > 1 for values in signatures):
        value = "、".join(sorted(signatures[0]) + sorted(signatures[1]))
        what = "同一份文件里同一图斑的界址写着不同的测量单位或日期，分不清哪一份有效。"
        advice = "只留一份有效的界址后重新交回。"
        twice = Finding("E-RETURN-DUPLICATE", what, "", value, "", advice)
        return [piece.refused(twice) for piece in pieces]
    joined = join_outlines(outlines, material.limits)
    problem, notices = joined.problem, joined.notices
    if joined.geometry is not None:
        patch = material.patches.geometry.iloc[pieces[0].patch]
        problem, notices = compare_with_patch(joined.geometry, patch, material.limits)
    by, date = (next(iter(values), None) for values in signatures)
    sources = tuple(source for piece in pieces for source in piece.sources)
    told = tuple(notice for piece in pieces for notice in piece.notices)
    survey = Survey(sources, pieces[0].patch, joined.geometry, by, date, (*told, *notices), problem)
    return [survey]


def outline_wkb(outline: MultiPolygon | None) -> str:
    """Hexadecimal WKB as it stands in the register; empty without an outline."""
    if outline is None:
        return ""
    return str(shapely.to_wkb(outline, hex=True, output_dimension=2, byte_order=1))
