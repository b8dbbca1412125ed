"""One reference layer at intake: its files → one table in core names and in the working CRS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from pipeline.config.models import LayerSource
from pipeline.delivery.intake_facts import LayerFacts
from pipeline.errors import InputError, Severity
from pipeline.io.reference import SourceRequest, read_source
from pipeline.patches.layer_checks import make_usable
from pipeline.patches.layer_crs import crs_label, to_crs
from pipeline.patches.layer_spread import Spread, spread_of
from pipeline.schema.code_findings import at_rows
from pipeline.schema.layer import LayerSpec
from pipeline.schema.mapping import core_columns, stated_areas
from pipeline.schema.problems import (
    Place,
    Problem,
    from_finding,
    representative_places,
    row_problems,
)
from pipeline.schema.raw_layer import RawLayer
from pipeline.schema.source_mapping import Codes, Delivery
from pipeline.stages.intake_areas import check_areas
from pipeline.stages.intake_crs import mixed_problems, resolve_crs
from pipeline.stages.intake_geometry import geometry_problems
from pipeline.stages.intake_images import Frame


@dataclass(frozen=True)
class Taken:
    """A layer after intake; every array is by feature."""

    spec: LayerSpec
    table: gpd.GeoDataFrame
    rows: NDArray[np.int64]
    """Row in the file, from 1."""
    files: NDArray[np.object_]
    is_placed: bool
    """Whether all its files could be brought into the working CRS."""
    systems: tuple[tuple[str, CRS], ...] = ()
    """Files and the systems their coordinates are delivered in."""

    def problems(
        self,
        template: Problem,
        positions: NDArray[np.int64],
        values: Sequence[str] = (),
        places: Sequence[Place] | None = None,
    ) -> list[Problem]:
        """The template for each of these features, with file, row and place."""

        def found(listed: NDArray[np.int64]) -> Sequence[Place | None]:
            if places is not None:
                return [places[n] for n in listed]
            return representative_places(self.table.geometry.to_numpy()[positions[listed]])

        return row_problems(
            replace(template, layer=self.spec.name),
            self.rows[positions],
            values,
            found,
            self.files[positions].tolist(),
        )


@dataclass
class _Gathered:
    """What the files of a layer give, one after the other."""

    tables: list[gpd.GeoDataFrame] = field(default_factory=list)
    rows: list[NDArray[np.int64]] = field(default_factory=list)
    files: list[NDArray[np.object_]] = field(default_factory=list)
    raws: list[tuple[RawLayer, str]] = field(default_factory=list)
    systems: list[tuple[str, CRS]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    n_rows: int = 0
    n_left_out: int = 0
    is_placed: bool = True


def take_layer(
    spec: LayerSpec, sources: Sequence[LayerSource], frame: Frame, codes: Codes
) -> tuple[Taken | None, LayerFacts, list[Problem]]:
    """Read, place, check and concatenate the files of one layer; None if none can be read."""
    gathered = _Gathered()
    for source in sources:
        _take_source(spec, source, frame, codes, gathered)
    facts = LayerFacts(
        spec.name,
        tuple(Path(source.path).name for source in sources),
        tuple(dict.fromkeys(_encoding(raw) for raw, _ in gathered.raws)),
        tuple(dict.fromkeys(crs for _, crs in gathered.raws)),
        sum(len(table) for table in gathered.tables),
        gathered.n_left_out,
        _vintages(gathered.tables),
    )
    if not gathered.tables:
        return None, facts, gathered.problems
    table = gpd.GeoDataFrame(
        pd.concat(gathered.tables, ignore_index=True), geometry="geometry", crs=frame.crs
    )
    taken = Taken(
        spec,
        table,
        np.concatenate(gathered.rows),
        np.concatenate(gathered.files),
        gathered.is_placed and frame.crs is not None,
        tuple(gathered.systems),
    )
    taken, found = _with_unique_ids(taken)
    return taken, facts, gathered.problems + found


def _take_source(
    spec: LayerSpec, source: LayerSource, frame: Frame, codes: Codes, gathered: _Gathered
) -> None:
    path = Path(source.path)
    try:
        raw, findings = read_source(_request(spec, source, path))
    except InputError as refused:
        gathered.problems += [from_finding(f, spec.name, path.name) for f in refused.findings]
        gathered.is_placed = False
        return
    gathered.problems += [from_finding(f, spec.name, path.name) for f in findings]
    crs, spread, found = _place(spec, source, raw, frame)
    gathered.problems += found
    gathered.is_placed &= crs is not None
    gathered.raws.append((raw, "—" if crs is None else crs_label(crs)))
    if crs is not None:
        gathered.systems.append((raw.file, crs))
    placed = raw.geometry
    if crs is not None and frame.crs is not None:
        placed = to_crs(raw.geometry, crs, frame.crs)
    usable = make_usable(placed, str(spec.geometry))

    def places(positions: NDArray[np.int64]) -> list[Place | None]:
        if crs is None:
            return [None] * len(positions)
        # What can not be taken in is still shown where it was drawn.
        return representative_places(placed[positions])

    delivery = Delivery(spec, raw, source, codes, places)
    gathered.problems += geometry_problems(delivery, usable)
    gathered.problems += _strays(delivery, spread)
    columns, found = core_columns(delivery)
    gathered.problems += found
    stated, found = stated_areas(delivery)
    gathered.problems += found
    if crs is not None and frame.crs is not None and spec.geometry == "MultiPolygon":
        gathered.problems += check_areas(delivery, stated, usable.geometry, frame.crs)
    columns["feature_id"] = columns["feature_id"].fillna(
        pd.Series([f"{spec.name}-{gathered.n_rows + row:06d}" for row in raw.rows], dtype=str)
    )
    keep = np.array([shape is not None for shape in usable.geometry], dtype=bool)
    gathered.tables.append(
        gpd.GeoDataFrame(columns[keep], geometry=usable.geometry[keep]).reset_index(drop=True)
    )
    gathered.rows.append(raw.rows[keep])
    gathered.files.append(np.full(int(keep.sum()), raw.file, dtype=object))
    gathered.n_left_out += int((~keep).sum()) + raw.n_left_out
    gathered.n_rows += int(raw.rows.max(initial=0))


def _place(
    spec: LayerSpec, source: LayerSource, raw: RawLayer, frame: Frame
) -> tuple[CRS | None, Spread, list[Problem]]:
    """The CRS of a file's coordinates, None if one is not known or can not be right for all."""
    spread = spread_of(raw.geometry)
    if mixed := mixed_problems(spec, raw, spread, frame):
        return None, spread, mixed
    crs, problems = resolve_crs(spec, source, raw.select(~spread.is_stray), frame)
    return crs, spread, problems


def _strays(delivery: Delivery, spread: Spread) -> list[Problem]:
    """Features far from all others of their file; they are kept."""
    template = delivery.problem(
        "N-LAYER-STRAY",
        "这个要素远离图层的其他要素，坐标多半录错；仍然保留。",
        allowed="离其他要素不远",
        advice="核对坐标，改正或删去后重新运行。",
        severity=Severity.NOTICE,
    )
    positions = np.flatnonzero(spread.is_stray)
    corners = shapely.bounds(delivery.raw.geometry[positions]).reshape(-1, 4)
    values = [f"坐标约 ({x:.9g}, {y:.9g})" for x, y in corners[:, :2]]
    return at_rows(delivery, template, positions, values)


def _request(spec: LayerSpec, source: LayerSource, path: Path) -> SourceRequest:
    point_columns = None
    if "x" in source.fields and "y" in source.fields:
        point_columns = (source.fields["x"], source.fields["y"])
    return SourceRequest(
        path, source.layer, source.encoding, point_columns, spec.geometry == "Point"
    )


def _encoding(raw: RawLayer) -> str:
    return f"{raw.encoding}（程序判断）" if raw.encoding_note else raw.encoding


def _vintages(tables: Sequence[gpd.GeoDataFrame]) -> tuple[str, ...]:
    found = {text for table in tables for text in table["vintage_date"].dropna().unique()}
    return tuple(sorted(map(str, found)))


def _with_unique_ids(taken: Taken) -> tuple[Taken, list[Problem]]:
    """Feature ids made unique by a number behind the second and later ones, in file order."""
    ids = taken.table["feature_id"].to_numpy(dtype=object)
    repeated = pd.Series(ids).duplicated(keep="first").to_numpy()
    positions = np.flatnonzero(repeated)
    if not len(positions):
        return taken, []
    given, unique = set(ids), ids.copy()
    for position in positions:
        number = 2
        while (candidate := f"{ids[position]}-{number}") in given:
            number += 1
        given.add(candidate)
        unique[position] = candidate
    table = taken.table.assign(feature_id=pd.Series(unique, dtype=taken.table["feature_id"].dtype))
    template = Problem(
        "N-LAYER-DUPLICATE",
        "要素编号重复，后一个已加上序号。",
        allowed="每个编号一条",
        advice="核对源数据是否重复录入；也可以不映射 feature_id，由程序编号。",
        severity=Severity.NOTICE,
    )
    found = taken.problems(template, positions, [str(ids[p]) for p in positions])
    return replace(taken, table=table), found
