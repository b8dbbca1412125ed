"""The optional network: what is said where it can not run; what it finds is in tests/shared."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.imagery.csmask import CsmaskParams, network_mask

ROLES = ("blue", "green", "red", "nir")
LASTING = np.zeros(4, np.float32), np.ones(4, np.float32)


def test_images_without_near_infrared_are_refused() -> None:
    image = np.zeros((3, 10, 10), np.float32)
    with pytest.raises(InputError, match="E-CLOUD-BANDS") as refused:
        network_mask(image, ROLES[:3], LASTING, CsmaskParams())
    assert "缺少 nir" in str(refused.value)


def test_without_the_extra_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ukis_csmask", None)
    monkeypatch.setitem(sys.modules, "ukis_csmask.mask", None)
    with pytest.raises(InputError, match="E-CLOUD-EXTRA") as missing:
        network_mask(np.zeros((4, 10, 10), np.float32), ROLES, LASTING, CsmaskParams())
    assert "--extra cloud" in str(missing.value)
