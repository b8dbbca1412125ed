"""The real images beside the repository: nothing of them is kept, only that the product copes."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from tests.factories import ROOT, Called, call_cli, read_raster

DATA = ROOT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="真实影像 ../shared/data 不在本机"),
]

NAIP = [
    f"m_4709963_se_14_1_{date}.tif"
    for date in (
        "20090818",
        "20100629",
        "20120731",
        "20140720",
        "20150926",
        "20160816",
        "20170827",
        "20180716",
        "20190904",
        "20200831",
    )
]
PERU = [f"{year}.tif" for year in range(1985, 2025, 5)]


def compared(before: Path, after: Path, out: Path, *options: object) -> dict[str, Any]:
    """A finished comparison on exactly the before grid; its summary."""
    done = call_cli("compare", before, after, "--out", out, *options)
    assert done.code == 0, done.text
    change, score = read_raster(out / "change.tif"), read_raster(out / "score.tif")
    with rasterio.open(before) as own, rasterio.open(out / "change.tif") as found:
        assert found.shape == own.shape
        assert found.transform == own.transform
        assert found.crs == own.crs
    assert set(np.unique(change)) <= {0, 1, 255}
    np.testing.assert_array_equal(change == 255, score == 65535)
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def evaluated(data: Path, out: Path, *options: object) -> dict[str, Any]:
    done: Called = call_cli("evaluate", data, "--out", out, *options)
    assert done.code == 0, done.text
    return json.loads(done.out.strip().splitlines()[-1])


def test_泰州_精度不低于公开方法(tmp_path: Path) -> None:
    """Upper bound of plain IR-MAD with the best threshold: F1 0.950, kappa 0.934 at Otsu."""
    found = evaluated(DATA / "taizhou", tmp_path)
    assert found["kappa"] >= 0.93
    assert found["n"] + found["unobserved"] == 17_163 + 4_227


@pytest.mark.parametrize(("before", "after"), list(pairwise(NAIP)), ids=lambda name: name[18:22])
def test_农田十年_九对相邻年份(tmp_path: Path, before: str, after: str) -> None:
    bands = "red,green,blue,nir"
    folder = DATA / "naip_nd"
    summary = compared(folder / before, folder / after, tmp_path, "--bands", bands)
    # origins are 0.6 to 3 m apart in the file headers; content is never further than that off
    assert abs(summary["shift_row_px"]) < 2
    assert abs(summary["shift_col_px"]) < 2
    assert summary["observed_share"] > 0.8
    # no construction in ten years: whatever is found, it is not half the county
    change = read_raster(tmp_path / "change.tif")
    assert (change == 1).mean() < 0.5


@pytest.mark.parametrize(("before", "after"), list(pairwise(PERU)), ids=lambda name: name[:4])
def test_秘鲁陆地卫星_经纬度_七对(tmp_path: Path, before: str, after: str) -> None:
    folder = DATA / "landsat_peru"
    summary = compared(folder / before, folder / after, tmp_path)
    assert summary["observed_share"] > 0.5
    assert summary["patches"] > 0  # five years of a meandering river


@pytest.mark.slow
def test_西安西部_整幅(tmp_path: Path) -> None:
    found = evaluated(DATA / "xian_west", tmp_path)
    assert found["n"] + found["unobserved"] == 2048 * 3072
    # No figure is promised for sub-metre-like RGB with the two detectors there are: only that the
    # whole scene runs and is judged. Its F1 is reported, not asserted.
    assert 0.0 <= found["f1"] <= 1.0


def test_建筑小图_随机五对(tmp_path: Path) -> None:
    names = sorted(path.name for path in (DATA / "levir_chips" / "A").glob("*.png"))
    assert len(names) == 263
    chosen = tmp_path / "chips"
    for name in random.Random(1).sample(names, 5):
        for folder in ("A", "B", "label"):
            (chosen / folder).mkdir(parents=True, exist_ok=True)
            content = (DATA / "levir_chips" / folder / name).read_bytes()
            (chosen / folder / name).write_bytes(content)
    found = evaluated(chosen, tmp_path / "out", "--gsd", 0.5)
    assert found["n"] + found["unobserved"] == 5 * 256 * 256


@pytest.mark.slow
def test_建筑小图_全部(tmp_path: Path) -> None:
    found = evaluated(DATA / "levir_chips", tmp_path, "--gsd", 0.5)
    assert found["n"] + found["unobserved"] == 263 * 256 * 256


def test_昴宿星无坐标系_要求给出分辨率(tmp_path: Path) -> None:
    folder = DATA / "pleiades_no_crs"
    before, after = folder / "pre_event_img1.tif", folder / "post_event_img1.tif"
    refused = call_cli("compare", before, after, "--out", tmp_path / "no")
    assert refused.code == 3
    assert "E-RASTER-NOCRS" in refused.err
    assert before.name in refused.err
    assert "Traceback" not in refused.text
    compared(before, after, tmp_path / "yes", "--gsd", 0.5)
