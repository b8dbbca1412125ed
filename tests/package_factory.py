"""A small county ready for packaging: townships, patches, layers, two images; all drawn by hand.

+--------------------------+  y 1200
|  C 北岭镇 (no patch)      |
+-------------+------------+  y 900
|  A 清溪镇    | B 垟头街道  |
|   [D 开发区] |            |
+-------------+------------+  y 0
x 0          600         1200
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.config.models import ImageInput, PackageSettings, RunConfig, Settings
from pipeline.io.digests import DigestCache
from pipeline.io.rasters import close_handles
from pipeline.io.reports import write_json
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import ThreadDispatcher
from pipeline.io.vectors import write_layers
from pipeline.schema.fields import FIELDS
from pipeline.schema.layer import LayerSpec
from pipeline.schema.layers import PARTS, REASONS, RESPONSIBILITY, SCREENED, TOWNSHIP_SHARES
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.catalogue import stage_by_name
from pipeline.stages.context import StageContext, StageReport
from pipeline.stages.package import run as run_package
from pipeline.stages.runner import Outcome, run_stage
from pipeline.units import mu100_from_m2
from tests.factories import texture, to_dtype, write_raster

X0, Y0, SIDE_M, GSD_M = 500_000.0, 3_400_000.0, 1200, 2
WORKING = CRS.from_epsg(4547)
A, B, C, D = "379999101", "379999002", "379999103", "379999401"
NAMES = {A: "清溪镇", B: "垟头街道", C: "北岭镇", D: "示例开发区"}
VILLAGES = {f"{A}201": "上清村", f"{A}202": "下清村", f"{B}201": "垟头村", f"{C}201": "岭脚村"}
BORDER_X = 600


def box(x0: float, y0: float, x1: float, y1: float) -> BaseGeometry:
    """A rectangle in metres from the county's lower left corner."""
    return shapely.box(X0 + x0, Y0 + y0, X0 + x1, Y0 + y1)


LAND = {
    A: box(0, 0, 600, 900),
    B: box(600, 0, 1200, 900),
    C: box(0, 900, 1200, 1200),
    D: box(100, 600, 250, 750),
}
PATCHES: tuple[tuple[int, str | None, BaseGeometry, str], ...] = (
    (1, A, box(300, 100, 360, 160), "suspected_violation"),
    (2, A, box(540, 400, 640, 460), "uncertain"),
    (3, A, box(480, 200, 560, 240), "early_warning"),
    (4, B, box(700, 120, 780, 200), "suspected_violation"),
    (5, B, box(1000, 500, 1030, 530), "facility"),
    (6, D, box(150, 640, 190, 690), "approved"),
    (7, None, box(1180, 1180, 1199, 1199), "not_construction"),
)
"""Number, receiving township, outline, suspected class. Patch 2 reaches from A into B."""


def patch_id(number: int) -> str:
    return f"379999ZJ24{number:06d}"


def table(spec: LayerSpec, rows: Sequence[Mapping[str, Any]]) -> Any:
    """A table of a layer from rows with what matters; the rest is NULL or a plain value."""
    data: dict[str, list[Any]] = {name: [] for name in spec.fields}
    for row in rows:
        assert row.keys() <= {*spec.fields, "geometry"}, row.keys() - set(spec.fields)
        for name in spec.fields:
            data[name].append(row.get(name, _plain(name)))
    columns = {name: _column(name, values) for name, values in data.items()}
    if spec.geometry is None:
        return pd.DataFrame(columns)
    return gpd.GeoDataFrame(columns, geometry=[row["geometry"] for row in rows], crs=WORKING)


def _plain(name: str) -> Any:
    field = FIELDS[name]
    if field.nullable:
        return None
    return {"text": "x", "integer": 0, "real": 1.0, "boolean": False, "json": [], "date": None}[
        field.dtype
    ]


def _column(name: str, values: list[Any]) -> Any:
    match FIELDS[name].dtype:
        case "real":
            return np.array([np.nan if v is None else float(v) for v in values], np.float64)
        case "integer":
            return pd.array(values, dtype="Int64")
        case "boolean":
            return pd.array(values, dtype="boolean")
        case "json":
            return pd.Series(values, dtype=object)
        case _:
            return pd.array(values, dtype=pd.StringDtype(na_value=np.nan))


def screened() -> tuple[Any, Any, Any]:
    """Patches, parts and reasons; every patch is half cultivated farmland, half construction."""
    patches, parts, reasons = [], [], []
    for number, code, shape, suspected in PATCHES:
        key, mu100 = patch_id(number), mu100_from_m2(shape.area)
        halves = _halves(shape)
        straddles = [B] if number == 2 else []
        name = NAMES.get(code or "")
        # The development zone lies on the land of A's villages.
        village = {A: f"{A}201", B: f"{B}201", D: f"{A}202"}.get(code or "")
        texts = [
            f"图斑压占永久基本农田 {shape.area / 2:.0f} 平方米，未见批文。",
            f"图斑跨入{NAMES[B]}（{B}），整体归{name}。" if straddles else "=1+1，须核对。",
        ]
        patches.append(
            {
                "patch_id": key,
                "issued_id": f"2024Q3-{number:04d}" if number % 2 else None,
                "source": "both" if number % 2 else "detected",
                "theme": "land",
                "before_date": "2024-05-06",
                "after_date": "2024-10-18",
                "change_kind": "building",
                "area_m2": shape.area,
                "area_mu100": mu100,
                "width_m": 20.0,
                "observed_ratio": 0.98,
                "township_code": code,
                "township_name": name,
                "village_code": village,
                "village_name": VILLAGES.get(village or ""),
                "responsible_code": {1: A, 2: None, 3: B}.get(number, code),
                "responsible_candidates": [A, B] if number == 2 else [],
                "responsible_names": [NAMES[A], NAMES[B]] if number == 2 else [],
                "straddles": straddles,
                "patrol_area_id": f"XC-{code}" if code else None,
                "patrol_grade": "1",
                "responsible_person": "王某" if number == 3 else "李某",
                "cultivated_m2": halves[0].area,
                "other_agricultural_m2": 0.0,
                "unused_m2": 0.0,
                "construction_m2": halves[1].area,
                "unclassified_m2": 0.0,
                "pbf_m2": halves[0].area,
                "approved_m2": 0.0,
                "suspected_class": suspected,
                "violation_kinds": ["1", "4"] if number != 7 else [],
                "flags": ["straddles_townships"] if straddles else [],
                "reasons": texts,
                "missing_evidence": ["approval"],
                "handling_route": "field_check",
                "priority": 50 - number,
                "due_date": "2024-11-20",
                "rule_set": "0" * 64,
                "geometry": shape,
            }
        )
        for n, half in enumerate(halves, start=1):
            is_first = n == 1
            parts.append(
                {
                    "part_id": f"{key}-{n}",
                    "patch_id": key,
                    "township_code": B if number == 2 and not is_first else code,
                    "village_code": f"{B}201" if number == 2 and not is_first else village,
                    "land_class_code": "0101" if is_first else "0702",
                    "land_category": "cultivated" if is_first else "construction",
                    "pbf_id": "pbf-1" if is_first else None,
                    "area_m2": half.area,
                    "area_mu100": mu100 // 2 if is_first else mu100 - mu100 // 2,
                    "geometry": half,
                }
            )
        for n, text in enumerate(texts, start=1):
            reasons.append(
                {
                    "patch_id": key,
                    "reason_no": n,
                    "step": "approval",
                    "text_zh": text,
                    "reference_zh": "《土地管理法》第四十四条",
                    "is_assumption": n == 2,
                }
            )
    return table(SCREENED, patches), table(PARTS, parts), table(REASONS, reasons)


def _halves(shape: BaseGeometry) -> tuple[BaseGeometry, BaseGeometry]:
    xmin, ymin, xmax, ymax = shape.bounds
    middle = max(xmin + 1, min(xmax - 1, (xmin + xmax) / 2))
    return shapely.box(xmin, ymin, middle, ymax), shapely.box(middle, ymin, xmax, ymax)


def reference_layers() -> dict[LayerSpec, Any]:
    """Layers that reach over borders and name everybody."""
    rows: dict[str, list[dict[str, Any]]] = {
        "townships": [
            {
                "township_code": code,
                "township_name": NAMES[code],
                "township_kind": "development_zone" if code == D else "town",
                "geometry": land,
            }
            for code, land in LAND.items()
        ],
        "villages": [
            {"village_code": code, "village_name": name, "geometry": LAND[code[:9]]}
            for code, name in VILLAGES.items()
        ],
        "land_use": [
            {"land_class_code": "0101", "land_class_name": "水田", "geometry": box(0, 0, 450, 900)},
            {
                "land_class_code": "0702",
                "land_class_name": "农村宅基地",
                "geometry": box(450, 0, 1200, 1200),
            },
        ],
        "permanent_basic_farmland": [{"geometry": box(250, 50, 590, 300)}],
        "ecological_redline": [
            {"feature_name": f"{NAMES[B]}水源红线", "geometry": box(650, 600, 900, 800)}
        ],
        "approvals": [
            {
                "document_no": "示政土〔2023〕7号",
                "project_name": f"{NAMES[B]}污水厂至{NAMES[A]}管网",
                "geometry": box(560, 380, 700, 420),
            },
            {"document_no": "B区〔2022〕1号", "geometry": box(1100, 20, 1150, 60)},
        ],
        "patrol_areas": [
            {
                "patrol_area_id": f"XC-{code}",
                "patrol_grade": "1",
                "responsible_code": code,
                "responsible_person": f"巡查员{code[-3:]}",
                "geometry": LAND[code],
            }
            for code in (A, B)
        ],
        "previous_patches": [
            {
                "issued_id": "2023-B-9",
                "prior_result": "B的旧图斑",
                "geometry": box(590, 60, 680, 90),
            }
        ],
        "roads": [
            {
                "road_name": "示例大道",
                "road_class": "provincial",
                "geometry": shapely.LineString([(X0, Y0 + 320), (X0 + 1200, Y0 + 330)]),
            }
        ],
        "leads": [{"lead_text": "举报人张三", "geometry": shapely.Point(X0 + 320, Y0 + 120)}],
    }
    layers = {}
    for name, given in rows.items():
        spec = REFERENCE_LAYERS[name]
        numbered = [
            {"feature_id": f"{name}-{n:06d}", **row} for n, row in enumerate(given, start=1)
        ]
        layers[spec] = table(spec, numbered)
    return layers


def periods(patches: Any) -> list[dict[str, Any]]:
    """Who was responsible: one stretch per patch, two where it is pending."""
    return [
        {"patch_id": row.patch_id, "period_no": number, "responsible_code": code}
        for row in patches.itertuples()
        for number, code in enumerate(row.responsible_candidates or [row.responsible_code], 1)
    ]


def write_county(paths: RunPaths) -> None:
    """Everything the stage reads, as the earlier stages would have left it."""
    patches, parts, reasons = screened()
    wkt = WORKING.to_wkt()
    write_layers(paths.screened, {SCREENED: patches, REASONS: reasons}, wkt)
    overlaid = {
        PARTS: parts,
        RESPONSIBILITY: table(RESPONSIBILITY, periods(patches)),
        TOWNSHIP_SHARES: table(TOWNSHIP_SHARES, []),
    }
    write_layers(paths.overlay, overlaid, wkt)
    write_layers(paths.intake_layers, reference_layers(), wkt)
    n = SIDE_M // GSD_M
    ground = to_dtype(texture((n, n), 4, 3), "uint16")
    later = ground.copy()
    for _, _, shape, _ in PATCHES:
        xmin, ymin, xmax, ymax = ((np.array(shape.bounds) - [X0, Y0, X0, Y0]) / GSD_M).astype(int)
        later[:, n - ymax : n - ymin, xmin:xmax] = np.array([9000, 9200, 9500, 5000])[:, None, None]
    transform = Affine(GSD_M, 0, X0, 0, -GSD_M, Y0 + SIDE_M)
    roles = ("blue", "green", "red", "nir")
    for path, pixels in ((paths.align_before, ground), (paths.align_after, later)):
        write_raster(path, pixels, crs=4547, transform=transform, descriptions=roles)
    valid = np.zeros((n, n), np.uint8)
    valid[:75, :] = 2  # half of C is under cloud
    for path in (paths.align_valid, paths.align_valid_before, paths.align_valid_after):
        write_raster(path, valid, crs=4547, transform=transform)
    write_json(paths.align_fit, {"nodata": {}})


def county_run(**package: Any) -> RunConfig:
    """The run's settings; a buffer of 50 m unless another is asked for."""
    settings = Settings(package=PackageSettings(**{"buffer_m": 50, **package}))
    return RunConfig(
        run="T1",
        county_code="379999",
        county_name="示例县",
        period="2024年第三季度",
        issued_on=datetime.date(2024, 10, 30),
        before=ImageInput(path="before.tif", date=datetime.date(2024, 5, 6)),
        after=ImageInput(path="after.tif", date=datetime.date(2024, 10, 18)),
        settings=settings,
    )


def _silent(label_zh: str) -> Callable[[int, int], None]:
    return lambda done, total: None


def package_county(folder: Path, run: RunConfig | None = None) -> tuple[RunPaths, StageReport]:
    """The county written and packaged under a folder."""
    paths = RunPaths(folder)
    write_county(paths)
    through = ThreadDispatcher(1)
    try:
        context = StageContext(run or county_run(), paths, through, through, 512, _silent)
        return paths, run_package(context)
    finally:
        through.close()
        close_handles()


def bring_up_to_date(folder: Path) -> Outcome:
    """The stage as the runner runs it, on a county that `write_county` has put there."""
    paths = RunPaths(folder)
    through = ThreadDispatcher(1)
    try:
        context = StageContext(county_run(), paths, through, through, 512, _silent)
        return run_stage(stage_by_name("package"), context, DigestCache(paths.digest_cache))
    finally:
        through.close()
        close_handles()
