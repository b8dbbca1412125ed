"""ukis-csmask on a hand-drawn cloud mask: our way of calling it loses nothing."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imagery.csmask import CsmaskParams, network_mask
from tests.factories import ROOT

CHIP = ROOT.parent / "shared" / "data" / "clouds" / "ukis_landsat5.npz"
CLOUD_LABEL = 4
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CHIP.is_file(), reason="真实影像 ../shared/data 不在本机"),
]


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-4, None])
def test_the_network_agrees_with_the_hand(scale: float | None) -> None:
    pytest.importorskip("ukis_csmask", reason="可选组件 cloud 没有安装")
    with np.load(CHIP) as chip:
        image, label = chip["img"][:256, :256, :4], chip["msk"][:256, :256, 0]
    pixels = np.moveaxis(image, 2, 0) * np.float32(10_000)
    clear = (label > 0) & (label < CLOUD_LABEL)
    lasting = (
        np.percentile(pixels[:, clear], 1, axis=1).astype(np.float32),
        np.percentile(pixels[:, clear], 99.5, axis=1).astype(np.float32),
    )
    roles = ("blue", "green", "red", "nir")
    found = network_mask(pixels, roles, lasting, CsmaskParams(reflectance_scale=scale))
    cloud = label == CLOUD_LABEL
    assert (found.cloud & cloud).sum() / (found.cloud | cloud).sum() > 0.7
    assert found.shadow.any()
