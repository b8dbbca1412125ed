"""Problems of delivered data with the place they are at, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.errors import CODES, Finding, Severity
from pipeline.schema.layers import FINDING_AREAS, FINDINGS
from pipeline.schema.reference import REFERENCE_LAYERS

MAX_LISTED = 200
"""Rows listed one by one for one kind of problem of one file; the rest are counted."""
REST_MARK = "（同类问题"
"""Begins the remark that counts the cases not listed."""
MAX_ROWS_NAMED = 20
"""Row numbers written out in one sentence."""

Place = tuple[float, float]
"""x, y in the working CRS."""


@dataclass(frozen=True)
class Problem:
    """A finding about delivered data, with layer, file, row and place apart."""

    code: str
    what: str
    layer: str | None = None
    """Core name of the layer; None for the images."""
    file: str | None = None
    """File name without its folder."""
    row: int | None = None
    """Row in the file, from 1."""
    value: str = ""
    allowed: str = ""
    advice: str = ""
    severity: Severity = Severity.BLOCK
    place: Place | None = None
    count: int = 1
    """How many cases stand behind it."""
    area: BaseGeometry | None = None
    """The land concerned, polygons in the working CRS; a place on it is found by itself."""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"error code {self.code!r} is not in pipeline.errors.CODES")
        if self.code.startswith("E-") is not self.is_blocking:
            raise ValueError(f"code {self.code} does not go with severity {self.severity}")
        if self.area is not None and self.place is None:
            (place,) = representative_places(np.array([self.area], dtype=object))
            object.__setattr__(self, "place", place)

    @property
    def is_blocking(self) -> bool:
        """Whether the stage must stop."""
        return self.severity is Severity.BLOCK

    @property
    def subject_zh(self) -> str:
        """The layer's Chinese name, or 影像."""
        return "影像" if self.layer is None else REFERENCE_LAYERS[self.layer].label_zh


def from_finding(finding: Finding, layer: str | None, file: str | None) -> Problem:
    """A problem out of a reader's finding; folders in its place are not repeated."""
    return Problem(
        finding.code,
        finding.what,
        layer,
        file,
        value=finding.value,
        allowed=finding.allowed,
        advice=finding.advice,
        severity=finding.severity,
    )


def row_problems(
    template: Problem,
    rows: NDArray[np.int64],
    values: Sequence[str] = (),
    places: Callable[[NDArray[np.int64]], Sequence[Place | None]] | None = None,
    files: Sequence[str] = (),
) -> list[Problem]:
    """One problem per row up to `MAX_LISTED`, and one that counts the rest.

    `values` are the values found in these rows, `files` the files they are in (else the
    template's); `places` gives the places of positions among them.
    """
    n_listed = min(len(rows), MAX_LISTED)
    where = [None] * n_listed if places is None else places(np.arange(n_listed))
    problems = [
        replace(
            template,
            row=int(rows[n]),
            file=files[n] if len(files) else template.file,
            value=values[n] if len(values) else template.value,
            place=where[n],
        )
        for n in range(n_listed)
    ]
    if rest := len(rows) - n_listed:
        what = f"{template.what.rstrip('。')}{REST_MARK}，另有 {rest} 处未逐一列出）。"
        problems.append(replace(template, what=what, count=rest))
    return problems


def representative_places(geometry: NDArray[np.object_]) -> list[Place | None]:
    """A point on every geometry; None where there is no usable geometry."""
    found: list[Place | None] = []
    for shape in geometry:
        if shape is None or shape.is_empty:
            found.append(None)
            continue
        found.append(_place_on(shape))
    return found


def _place_on(shape: BaseGeometry) -> Place | None:
    """A point on a geometry, or among its corners that are numbers where some are not."""
    corners = shapely.get_coordinates(shape)
    is_number = np.isfinite(corners).all(axis=1)
    if not is_number.any():
        return None
    if not is_number.all():
        x, y = corners[is_number].mean(axis=0)
        return float(x), float(y)
    centre = shapely.point_on_surface(shape) if shape.is_valid else shapely.centroid(shape)
    return float(shapely.get_x(centre)), float(shapely.get_y(centre))


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Blocking ones first, then the images, then the layers in the order of the register."""
    rank = {name: number for number, name in enumerate(REFERENCE_LAYERS, start=1)}
    rank_of_code = {code: number for number, code in enumerate(CODES)}
    return sorted(
        problems,
        key=lambda p: (
            not p.is_blocking,
            0 if p.layer is None else rank[p.layer],
            rank_of_code[p.code],
            p.file or "",
            p.row is None,
            p.row or 0,
        ),
    )


def findings_table(problems: Sequence[Problem], crs_wkt: str | None) -> gpd.GeoDataFrame:
    """The FINDINGS layer of the problems that have a place, numbered as in the whole list."""
    placed = [(number, p) for number, p in enumerate(problems, start=1) if p.place is not None]
    points = np.array([shapely.Point(p.place) for _, p in placed if p.place], dtype=object)
    return gpd.GeoDataFrame(_finding_columns(placed), geometry=points, crs=crs_wkt)


def unplaced_table(problems: Sequence[Problem]) -> pd.DataFrame:
    """The problems of whole files and settings, so that the GeoPackage holds every problem."""
    return _finding_columns([(n, p) for n, p in enumerate(problems, start=1) if p.place is None])


def _finding_columns(numbered: Sequence[tuple[int, Problem]]) -> pd.DataFrame:
    columns = {
        "finding_no": np.array([number for number, _ in numbered], np.int64),
        "finding_code": _texts(p.code for _, p in numbered),
        "severity": _texts(p.severity.value for _, p in numbered),
        "layer_name": _texts(p.layer for _, p in numbered),
        "source_file": _texts(p.file for _, p in numbered),
        "source_row": pd.array([p.row for _, p in numbered], dtype="Int64"),
        "what_zh": _texts(p.what for _, p in numbered),
        "value_text": _texts(p.value or None for _, p in numbered),
        "allowed_text": _texts(p.allowed or None for _, p in numbered),
        "advice_zh": _texts(p.advice or None for _, p in numbered),
    }
    return pd.DataFrame(columns)[list(FINDINGS.fields)]


def areas_table(problems: Sequence[Problem], crs_wkt: str | None) -> gpd.GeoDataFrame:
    """The FINDING_AREAS layer: the land of the problems that concern an area, same numbers."""
    found = [(number, p, p.area) for number, p in enumerate(problems, start=1) if p.area]
    columns = {
        "finding_no": np.array([number for number, _, _ in found], np.int64),
        "finding_code": _texts(p.code for _, p, _ in found),
        "severity": _texts(p.severity.value for _, p, _ in found),
        "what_zh": _texts(p.what for _, p, _ in found),
        "value_text": _texts(p.value or None for _, p, _ in found),
    }
    shapes = np.empty(len(found), dtype=object)
    shapes[:] = [_multi_polygon(area) for _, _, area in found]
    table = gpd.GeoDataFrame(columns, geometry=shapes, crs=crs_wkt)
    return table[[*FINDING_AREAS.fields, "geometry"]]


def _multi_polygon(area: BaseGeometry) -> shapely.MultiPolygon:
    parts = shapely.get_parts(area)
    return shapely.MultiPolygon([p for p in parts if p.geom_type == "Polygon"])


def _texts(values: Iterable[str | None]) -> pd.Series[str]:
    return pd.Series(list(values), dtype=pd.StringDtype(na_value=np.nan))


HEADER_ZH = (
    "序号",
    "问题代码",
    "严重程度",
    "图层",
    "源文件",
    "源行号",
    "问题",
    "现值",
    "允许",
    "办法",
    "X坐标",
    "Y坐标",
    "数量",
)


def findings_rows(problems: Sequence[Problem]) -> list[list[str]]:
    """All problems as rows of text under `HEADER_ZH`."""
    return [
        [
            str(number),
            p.code,
            p.severity.value,
            p.subject_zh,
            p.file or "",
            "" if p.row is None else str(p.row),
            p.what,
            p.value,
            p.allowed,
            p.advice,
            "" if p.place is None else f"{p.place[0]:.2f}",
            "" if p.place is None else f"{p.place[1]:.2f}",
            str(p.count),
        ]
        for number, p in enumerate(problems, start=1)
    ]


def merged_findings(problems: Iterable[Problem]) -> list[Finding]:
    """Findings for the end of a run: equal problems of several rows become one that names them."""
    groups: dict[tuple[str | None, ...], list[Problem]] = {}
    for problem in ordered(problems):
        kind = problem.what.split(REST_MARK)[0].rstrip("。")
        groups.setdefault((problem.code, problem.layer, problem.file, kind), []).append(problem)
    merged = []
    for same in groups.values():
        first = same[0]
        merged.append(
            Finding(
                first.code,
                first.what,
                where=_where(same),
                value=_values(same),
                allowed=first.allowed,
                advice=first.advice,
                severity=first.severity,
            )
        )
    return merged


def _where(same: Sequence[Problem]) -> str:
    first = same[0]
    parts = [first.subject_zh] + ([first.file] if first.file else [])
    rows = [str(p.row) for p in same if p.row is not None]
    if rows:
        total = sum(p.count for p in same)
        more = f" 等共 {total} 行" if total > MAX_ROWS_NAMED else ""
        parts.append(f"第 {'、'.join(rows[:MAX_ROWS_NAMED])} 行{more}")
    return "，".join(parts)


def _values(same: Sequence[Problem]) -> str:
    distinct = list(dict.fromkeys(p.value for p in same if p.value))
    more = f" 等 {len(distinct)} 种" if len(distinct) > 5 else ""
    return "；".join(distinct[:5]) + more


MAX_NOTICES = 12
"""Lines of notices in the summary of a run; the full list is in the table and the page."""


def summarised(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """Notices by code with a count per layer, at most `MAX_NOTICES`."""
    notices = sorted((p for p in problems if not p.is_blocking), key=lambda p: p.code)
    lines = []
    for code, group in groupby(notices, key=lambda p: p.code):
        same = ordered(group)
        counts: dict[str, int] = {}
        for problem in same:
            counts[problem.subject_zh] = counts.get(problem.subject_zh, 0) + problem.count
        named = "、".join(
            subject if code == "N-LAYER-ABSENT" else f"{subject} {count} 处"
            for subject, count in counts.items()
        )
        lines.append(
            Finding(
                code,
                f"{CODES[code]}：{named}。",
                advice="逐条见入库检查报告 intake/report.html 和 findings.csv。",
                severity=Severity.NOTICE,
            )
        )
    return tuple(lines[:MAX_NOTICES])
