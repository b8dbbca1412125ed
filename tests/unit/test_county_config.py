"""A run takes what it does not say from its county, and finds its files below the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.load import load_run
from pipeline.errors import InputError

COUNTY = """\
county_code: "379999"
county_name: 示例县
layers:
  townships:
    - {path: reference/t.gpkg, fields: {township_code: XZQDM}}
  issued_patches:
    - {path: reference/old.shp}
"""
RUN = """\
run: q1
county: demo
before: {path: raw/b.tif, mask: raw/bm.tif}
after: {path: /elsewhere/a.tif}
layers:
  issued_patches:
    - {path: raw/issued.shp}
"""


def project(root: Path, run: str = RUN, county: str = COUNTY) -> Path:
    for name, text in (("runs/q1.yaml", run), ("county/demo.yaml", county)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "runs" / "q1.yaml"


def test_county_fills_in_code_name_and_layers(tmp_path: Path) -> None:
    run = load_run(project(tmp_path))
    assert (run.county_code, run.county_name) == ("379999", "示例县")
    assert set(run.layers) == {"townships", "issued_patches"}
    assert [source.path for source in run.layers["issued_patches"]] == ["raw/issued.shp"]


def test_relative_paths_count_from_the_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run = load_run(project(tmp_path), data)
    assert run.before.path == str(data / "raw" / "b.tif")
    assert run.before.mask == str(data / "raw" / "bm.tif")
    assert Path(run.after.path) == Path("/elsewhere/a.tif")
    assert run.after.mask is None
    assert run.layers["townships"][0].path == str(data / "reference" / "t.gpkg")


def test_county_code_of_the_run_must_agree(tmp_path: Path) -> None:
    path = project(tmp_path, RUN + 'county_code: "379998"\n')
    with pytest.raises(InputError) as caught:
        load_run(path)
    (finding,) = caught.value.findings
    assert (finding.code, finding.value, finding.allowed) == ("E-CONFIG-VALUE", "379998", "379999")


def test_missing_county_file_is_named(tmp_path: Path) -> None:
    path = project(tmp_path)
    (tmp_path / "county" / "demo.yaml").unlink()
    with pytest.raises(InputError, match="找不到") as caught:
        load_run(path)
    assert caught.value.findings[0].where.endswith("county/demo.yaml")


def test_unknown_layer_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    path = project(tmp_path, county=COUNTY.replace("townships:", "township:"))
    with pytest.raises(InputError) as caught:
        load_run(path)
    text = str(caught.value)
    assert "township" in text
    assert "是否想写“townships”" in text
