"""What is left under a place, the gate at its limits, and the slivers that it explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.grid import PixelWindow
from pipeline.imagery.residuals import (
    RegistrationGateParams,
    is_flagged,
    local_residual,
    require_registered,
    residual_notice,
    residual_points,
    unregistered_cells,
)
from pipeline.imagery.tie_points import TiePointParams
from tests.warps import make_images, register_images, shifted, utm_grid

GATE = RegistrationGateParams()
UNCORRECTED = TiePointParams(most_complex_model="none")


def measured(residual: float = 0.2) -> np.ndarray:
    """A lattice of points 60 px apart over 600 × 600."""
    at = np.arange(30.0, 600, 60)
    rows, cols = np.meshgrid(at, at, indexing="ij")
    return np.column_stack([rows.ravel(), cols.ravel(), np.full(rows.size, residual)])


def test_the_local_residual_is_that_of_the_points_around() -> None:
    points = measured()
    points[(points[:, 0] < 240) & (points[:, 1] < 240), 2] = 1.7
    found = local_residual(points, np.array([[90.0, 90.0], [500.0, 500.0]]))
    assert found.tolist() == [1.7, 0.2]


def test_two_false_points_do_not_make_a_residual() -> None:
    points = measured()
    points[:2, 2] = 3.0
    assert local_residual(points, np.array([[30.0, 60.0]])).tolist() == [0.2]


def test_without_points_the_residual_is_unknown_not_zero() -> None:
    assert np.isnan(local_residual(np.empty((0, 3)), np.zeros((2, 2)))).all()


def test_cells_above_the_limit_where_points_support_it() -> None:
    points = measured()
    high = points[:, 0] < 300
    points[high, 2] = GATE.flag_p95_px + 0.1
    points = points[points[:, 1] < 300]  # nothing is known of the right half
    cells = unregistered_cells(points, utm_grid(600, 600), GATE)
    assert cells is not None
    mask = cells.mask(PixelWindow(0, 600, 0, 600))
    assert mask[:250, :250].all()
    assert not mask[360:].any()
    assert not mask[:, 420:].any()
    # the same for any window
    np.testing.assert_array_equal(cells.mask(PixelWindow(37, 411, 5, 300)), mask[37:411, 5:300])


def test_no_cells_if_all_is_well() -> None:
    assert unregistered_cells(measured(GATE.flag_p95_px - 0.1), utm_grid(600, 600), GATE) is None


@pytest.mark.parametrize("limit", ["flag", "stop"])
@pytest.mark.parametrize("season", [0, 1], ids=["同季", "跨季"])
def test_the_gate_trips_within_a_tenth_of_a_pixel_of_its_limit(limit: str, season: int) -> None:
    """Images displaced by a known length and left as they are: below nothing, above it trips."""
    at = GATE.flag_median_px if limit == "flag" else GATE.stop_median_px
    below, above = (
        register_images(
            *make_images(512, shifted(0.6 * length, -0.8 * length), seed=6, season=season),
            UNCORRECTED,
        ).found
        for length in (at - 0.1, at + 0.1)
    )
    assert below.kind == above.kind == "none"
    if limit == "flag":
        assert not is_flagged(below, GATE)
        assert is_flagged(above, GATE)
        return
    require_registered(below, GATE, "after.tif")
    with pytest.raises(InputError) as stopped:
        require_registered(above, GATE, "after.tif")
    finding = stopped.value.findings[0]
    assert finding.code == "E-REGISTRATION-RESIDUAL"
    assert finding.where == "after.tif"
    assert f"{GATE.stop_median_px:g} 像元" in finding.allowed
    assert finding.advice


def test_a_corrected_shift_does_not_trip() -> None:
    before, after = make_images(512, shifted(1.8, -2.4), seed=6, season=1)
    found = register_images(before, after).found
    assert not is_flagged(found, GATE)
    require_registered(found, GATE, "after.tif")


def test_the_tail_alone_flags_too() -> None:
    result = register_images(*make_images(512, shifted(0.5, 0.0), seed=6, season=0))
    tail = replace(result.found, residual_p95_px=GATE.flag_p95_px + 0.01)
    assert is_flagged(tail, GATE)
    notice = residual_notice(tail, GATE, "after.tif", 12).render()
    assert "12 个" in notice
    assert not is_flagged(replace(tail, residual_px=None, residual_p95_px=None), GATE)
    points = residual_points(result.points)
    assert points.shape == (result.found.n_used, 3)


def test_limits_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="停止的限值小于提示的限值"):
        RegistrationGateParams(flag_median_px=2.0, stop_median_px=1.0)


def test_too_few_check_points_neither_flag_nor_stop() -> None:
    found = register_images(*make_images(512, shifted(0.5, 0.0), seed=6, season=0)).found
    few, enough = (replace(found, residual_px=9.0, n_check=n) for n in (7, 8))
    assert GATE.min_check_points == 8
    assert not is_flagged(few, GATE)
    require_registered(few, GATE, "after.tif")
    assert is_flagged(enough, GATE)
    with pytest.raises(InputError, match="E-REGISTRATION-RESIDUAL"):
        require_registered(enough, GATE, "after.tif")
