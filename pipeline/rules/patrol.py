"""Patrol grades (巡查区域等级) as data: what a patrol document calls grade 1, 2 and 3.

One profile per document (`configs/profiles/*.yaml`); documents contradict each other and are never
merged (DESIGN §5). Where a zone lies is `pipeline.patches.patrol_grades`' matter. No file is read
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.rules.parameters import Reference, Text
from pipeline.schema.messages import suggest
from pipeline.schema.model import Frozen, refusal
from pipeline.schema.reference import REFERENCE_LAYERS

Grade = Literal["1", "2", "3"]
"""Codes of configs/codes/patrol_grade.csv; 1 is the highest."""

LAND_CATEGORY = "land_category"
"""Condition on a land class by its group in configs/codes/land_class.csv."""


class ZoneSource(Frozen):
    """Features of one reference layer that make up (part of) a zone."""

    layer: str
    where: Mapping[str, tuple[Text, ...]] = {}
    """Field of the layer → codes of which one must be there; all fields must agree."""
    extent: Literal["inside", "beside"] = "inside"
    """Inside the features, or within a width of their outlines or centre lines, on both sides."""
    width_rule: str | None = None
    """Rule that gives the width in metres; for `beside` only."""

    @field_validator("layer")
    @classmethod
    def _is_layer(cls, layer: str) -> str:
        if layer not in REFERENCE_LAYERS:
            advice = suggest(layer, REFERENCE_LAYERS) or "图层名见 configs/county/layers.md。"
            allowed = "、".join(REFERENCE_LAYERS)
            raise refusal(f"没有参考图层“{layer}”", allowed=allowed, advice=advice)
        return layer

    @field_validator("where")
    @classmethod
    def _are_fields(
        cls, where: Mapping[str, tuple[str, ...]], info: ValidationInfo
    ) -> Mapping[str, tuple[str, ...]]:
        layer = info.data.get("layer")
        if layer is None:
            return where
        fields = {*REFERENCE_LAYERS[layer].fields}
        fields |= {LAND_CATEGORY} if "land_class_code" in fields else set()
        if unknown := sorted(where.keys() - fields):
            advice = suggest(unknown[0], fields) or "字段名见 configs/county/layers.md。"
            what = f"图层“{layer}”没有字段“{unknown[0]}”"
            raise refusal(what, allowed="、".join(sorted(fields)), advice=advice)
        return where

    @field_validator("width_rule")
    @classmethod
    def _beside_has_width(cls, rule: str | None, info: ValidationInfo) -> str | None:
        if (info.data.get("extent") == "beside") != (rule is not None):
            advice = "extent: beside 时写明 width_rule（宽度的规则编号），inside 时删去。"
            raise refusal("width_rule 与 extent 不配", at=("extent",), advice=advice)
        return rule


class Zone(Frozen):
    """One kind of place that the document names."""

    zone_zh: Text
    """As the document calls it."""
    sources: tuple[ZoneSource, ...] = Field(min_length=1)
    """Any of them makes the zone."""


class GradeZones(Frozen):
    """Everything of one grade."""

    grade: Grade
    text_zh: Text
    """The sentence of the document."""
    zones: tuple[Zone, ...] = Field(min_length=1)


class Rest(Frozen):
    """The grade of every other place."""

    grade: Grade
    text_zh: Text


class PatrolProfile(Frozen):
    """How one document grades patrol areas."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")
    title_zh: Text
    grading: Literal["zones", "supplied", "none"]
    """By zones; only by a supplied layer, because the document defines none; without grades."""
    reference: Reference
    grades: tuple[GradeZones, ...] = Field(default=(), validate_default=True)
    """From the highest to the lowest."""
    rest: Rest | None = None
    """None: what lies in no zone has no grade (未定级)."""

    @field_validator("grades")
    @classmethod
    def _grades_fit(
        cls, grades: tuple[GradeZones, ...], info: ValidationInfo
    ) -> tuple[GradeZones, ...]:
        grading = info.data.get("grading")
        if grading is not None and (grading == "zones") != bool(grades):
            advice = "grading: zones 时逐级写明 grades，否则删去。"
            raise refusal("grades 与 grading 不配", at=("grading",), advice=advice)
        codes = [one.grade for one in grades]
        if codes != sorted(set(codes)):
            advice = "每级只写一段，从一级写起。"
            raise refusal("等级重复或次序不对", allowed="1、2、3", advice=advice)
        return grades

    @field_validator("rest")
    @classmethod
    def _rest_is_lowest(cls, rest: Rest | None, info: ValidationInfo) -> Rest | None:
        grades = info.data.get("grades")
        if rest is not None and grades is not None:
            if not grades:
                raise refusal("没有分级就没有其余区域", advice="删去 rest。")
            if rest.grade <= grades[-1].grade:
                what = "其余区域的等级不低于已写明的等级"
                raise refusal(what, at=("grade",), advice="其余区域应是最低一级。")
        return rest

    @property
    def width_rules(self) -> tuple[str, ...]:
        """Rules of the widths, each once."""
        named = (s.width_rule for g in self.grades for z in g.zones for s in z.sources)
        return tuple(dict.fromkeys(rule for rule in named if rule is not None))

    @property
    def layers(self) -> tuple[str, ...]:
        """Reference layers that zones are made of, each once."""
        named = (s.layer for g in self.grades for z in g.zones for s in z.sources)
        return tuple(dict.fromkeys(named))
