"""Vector files that broke other programs: each is read, or refused with a clear finding."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shapely

from pipeline.config.models import LayerSource
from pipeline.errors import CODES, InputError
from pipeline.io.dbf import read_dbf
from pipeline.io.reference import SourceRequest, read_source
from pipeline.patches.layer_checks import make_usable
from pipeline.patches.layer_crs import robust_bounds
from pipeline.schema.problems import findings_rows
from pipeline.schema.reference import REFERENCE_LAYERS
from pipeline.stages.intake import _load_codes
from pipeline.stages.intake_layers import take_layer
from tests.factories import ROOT
from tests.zoo_county import FRAME

DATA = ROOT.parent / "shared" / "data" / "broken_vectors"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="坏文件 ../shared/data 不在本机"),
]

PARTS = {".dbf", ".shx", ".prj", ".cpg", ".sbn", ".sbx", ".xml"}
FILES = sorted(p for p in DATA.rglob("*") if p.is_file() and p.suffix not in PARTS)


def name_of(path: Path) -> str:
    return path.relative_to(DATA).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_read_or_refused_in_words(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            raw, findings = read_source(SourceRequest(path, takes_points=True))
        except InputError as refused:
            findings = list(refused.findings)
            assert all(f.what and f.advice for f in findings)
        else:
            kinds = ("MultiPolygon", "MultiLineString", "Point")
            kept = [make_usable(raw.geometry, kind).geometry for kind in kinds]
            for geometry in kept:
                there = geometry[~shapely.is_missing(geometry)]
                assert shapely.is_valid(there).all()
                assert np.isfinite(shapely.get_coordinates(there)).all()
            robust_bounds(raw.geometry)
            assert all(len(column.values) == len(raw) for column in raw.columns.values())
    assert all(f.code in CODES for f in findings)
    assert all(str(DATA) not in f.render() for f in findings)


def test_how_many_of_each() -> None:
    """So that a reader that refuses everything does not pass."""
    outcome: Counter[str] = Counter()
    for path in FILES:
        try:
            read_source(SourceRequest(path, takes_points=True))
            outcome["read"] += 1
        except InputError as refused:
            outcome[refused.findings[0].code] += 1
    assert outcome["read"] > 90
    assert set(outcome) == {
        "read",
        "E-FILE-REFUSED",
        "E-FILE-PART",
        "E-FILE-UNREADABLE",
        "E-LAYER-MISSING",
        "E-LAYER-FIELD",
    }


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_intake_ends_in_findings_or_a_clean_layer(path: Path) -> None:
    """The whole way: place, repair, fields, as polygons, lines and points of a county."""
    source = LayerSource(path=str(path), fields={"x": "x", "y": "y"})
    for name in ("nature_reserve", "patrol_tracks", "leads"):
        given = source if name == "leads" else LayerSource(path=str(path))
        layer, facts, problems = take_layer(REFERENCE_LAYERS[name], [given], FRAME, _load_codes())
        assert layer is not None or any(p.is_blocking for p in problems)
        assert all(p.what and p.advice and p.file for p in problems)
        assert all(str(DATA) not in "".join(findings_rows([p])[0]) for p in problems)
        if layer is not None and not any(p.is_blocking for p in problems):
            assert len(layer.table) == facts.n_features
            told = {p.code for p in problems}
            # Nothing is left out without a word.
            assert facts.n_left_out == 0 or told & {
                f"N-GEOMETRY-{k}" for k in ("NONE", "KIND", "LOST")
            }
            assert np.isfinite(shapely.get_coordinates(layer.table.geometry.to_numpy())).all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mapshaper/gb2312.dbf", "简体"),
        ("mapshaper/gbk.dbf", "简体"),
        ("mapshaper/utf8.dbf", "国语國語"),
        ("mapshaper/ldid/chinese.dbf", "简体"),
    ],
)
def test_chinese_tables_without_cpg(name: str, text: str) -> None:
    table = read_dbf(DATA / name, None, None)
    found = [v for column in table.columns.values() for v in column.values if v]
    assert any(text in value for value in found), found


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.dbf")), ids=name_of)
def test_tables_are_read_or_refused(path: Path) -> None:
    try:
        table = read_dbf(path, None, None)
    except InputError as refused:
        codes = {finding.code for finding in refused.findings}
    else:
        codes = set()
        assert all(len(column.values) == table.n_records for column in table.columns.values())
    assert codes <= {"E-FILE-UNREADABLE"}
