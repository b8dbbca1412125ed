"""From tie points to a correction: agreement, choice of the model, what is left, against truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.imagery.registration import fit_registration, remeasured, with_residuals
from pipeline.imagery.tie_points import TiePoint, TiePointParams
from tests.warps import (
    Warp,
    make_images,
    register_images,
    sheared,
    shifted,
    still,
    utm_grid,
    waved,
)

PARAMS = TiePointParams()
GRID = utm_grid(512, 512)
SIZE = 512
KNOWN: dict[str, tuple[Warp, str]] = {
    "不动": (still, "none"),
    "平移三成": (shifted(0.3, -0.2), "shift"),
    "平移三像元": (shifted(-2.3, 1.9), "shift"),
    "仿射": (sheared(SIZE), "affine"),
    "局部": (waved(SIZE), "field"),
}


@pytest.mark.parametrize("season", [0, 1], ids=["同季", "跨季"])
@pytest.mark.parametrize("name", list(KNOWN))
def test_known_warps_are_found_to_a_fifth_of_a_pixel(name: str, season: int) -> None:
    warp, kind = KNOWN[name]
    before, after = make_images(SIZE, warp, seed=3, season=season)
    result = register_images(before, after)
    assert result.found.kind == kind
    checks = [p for p in result.points if p.is_check and p.is_used]
    assert len(checks) >= 8
    rows, cols = (np.array([getattr(p, a) - 0.5 for p in checks]) for a in ("row", "col"))
    assert np.median(result.errors(warp, rows, cols)) <= 0.2
    # what the program says of itself is no rosier than the truth allows
    assert result.found.residual_px is not None
    assert result.found.residual_px <= 0.2
    assert result.found.n_check == len(checks)
    # and not at the check points alone: everywhere
    r, c = np.mgrid[0:SIZE:31, 0:SIZE:31].astype(float)
    errors = result.errors(warp, r, c)
    assert np.median(errors) <= 0.2
    # the control: the shift that all points share is not enough for a warp that is none
    if kind in ("affine", "field"):
        plain = register_images(before, after, TiePointParams(most_complex_model="shift"))
        assert np.median(plain.errors(warp, r, c)) > 0.5
        assert plain.found.residual_px is not None
        assert plain.found.residual_px > 0.5


def test_swapped_dates_give_the_opposite_correction() -> None:
    warp = waved(SIZE)
    before, after = make_images(SIZE, warp, seed=5, season=1)
    there, back = register_images(before, after), register_images(after, before)
    assert there.found.kind == back.found.kind == "field"
    rows, cols = np.mgrid[40 : SIZE - 40 : 29, 40 : SIZE - 40 : 29].astype(float)
    r, c = there.mapping.positions(rows, cols)
    r, c = back.mapping.positions(r, c)
    assert np.median(np.hypot(r - rows, c - cols)) < 0.1


# --- agreement -----------------------------------------------------------------------------------


def lattice(
    shift: tuple[float, float] = (1.2, -0.7), n: int = 6, noise: float = 0.03
) -> list[TiePoint]:
    """Points that agree on a shift, every fourth a check point."""
    rng = np.random.default_rng(4)
    points = []
    for number in range(n * n):
        row, col = 50.0 + 80 * (number // n), 50.0 + 80 * (number % n)
        found = np.array(shift) + rng.normal(0, noise, 2)
        is_check = (2 * (number // n) + number % n) % 4 == 0
        points.append(
            TiePoint(number, row, col, float(found[0]), float(found[1]), 20.0, 128, is_check)
        )
    return points


def moved(point: TiePoint, row: float, col: float) -> TiePoint:
    return replace(point, shift_row_px=row, shift_col_px=col)


def test_outliers_and_false_locks_are_left_out() -> None:
    points = lattice()
    wild = {3: (1.2, 3.0), 10: (-6.0, -0.7), 17: (75.0, 0.0), 22: (-295.0, 120.0), 30: (1.9, -0.7)}
    points = [moved(p, *wild.get(p.point_id, (p.shift_row_px, p.shift_col_px))) for p in points]
    found, marked = fit_registration(points, PARAMS, 10.0, GRID)
    assert (found.shift_row_px, found.shift_col_px) == pytest.approx((1.2, -0.7), abs=0.03)
    assert {p.point_id for p in marked if not p.is_used} == set(wild)
    assert (found.n_points, found.n_used) == (36, 31)
    assert all((p.residual_px is not None) == p.is_used for p in marked)


def test_points_below_the_signal_to_noise_bound_have_no_vote() -> None:
    weak = [
        replace(moved(p, 4.0, 4.0), point_id=100 + p.point_id, quality=PARAMS.min_snr - 0.01)
        for p in lattice()
    ]
    found, marked = fit_registration(weak + lattice(), PARAMS, 10.0, GRID)
    assert (found.shift_row_px, found.shift_col_px) == pytest.approx((1.2, -0.7), abs=0.03)
    assert sum(p.is_used for p in marked) == 36


def test_a_displacement_that_neighbours_share_is_no_outlier() -> None:
    """One corner of a mosaic lies a pixel further: its points vouch for each other."""
    points = [
        moved(p, p.shift_row_px + 1.0, p.shift_col_px) if p.row < 220 and p.col < 220 else p
        for p in lattice()
    ]
    _, marked = fit_registration(points, PARAMS, 10.0, GRID)
    corner = [p for p in marked if p.row < 140 and p.col < 140]
    assert corner
    assert all(p.is_used for p in corner)
    # the control: one such point alone is thrown out
    lone = [moved(p, p.shift_row_px + 1.0, p.shift_col_px) if p.point_id == 14 else p
            for p in lattice()]  # fmt: skip
    _, marked = fit_registration(lone, PARAMS, 10.0, GRID)
    assert not marked[14].is_used


@pytest.mark.parametrize(
    "points",
    [
        [],
        lattice()[:3],
        [moved(p, 75.0 + 0.01 * p.point_id, 0.0) for p in lattice()],
        [moved(p, 6 * np.cos(p.point_id**2), 6 * np.sin(p.point_id**2)) for p in lattice()],
    ],
    ids=["没有点", "点太少", "一致但超限", "互相矛盾"],
)
def test_without_agreement_nothing_is_moved(points: list[TiePoint]) -> None:
    found, marked = fit_registration(points, PARAMS, 10.0, GRID)
    assert not found.is_established
    assert found.kind == "none"
    assert (found.constant_px, found.field, found.residual_px) == ((0.0, 0.0), None, None)
    assert not any(p.is_used for p in marked)
    assert found.n_points == len(points)


def test_a_minority_that_agrees_is_not_a_majority() -> None:
    rng = np.random.default_rng(1)
    points = [
        p if p.point_id % 3 == 0 else moved(p, *rng.uniform(-9, 9, 2).tolist()) for p in lattice()
    ]
    found, _ = fit_registration(points, PARAMS, 20.0, GRID)
    assert not found.is_established


# --- choice of the correction --------------------------------------------------------------------


def test_noise_alone_does_not_buy_a_complex_model() -> None:
    for noise in (0.02, 0.2, 0.5):
        found, _ = fit_registration(lattice(noise=noise), PARAMS, 10.0, GRID)
        assert found.kind == "shift", noise
        assert found.field is None


def test_negligible_shifts_are_not_worth_an_interpolation() -> None:
    small, _ = fit_registration(lattice((0.06, -0.05)), PARAMS, 10.0, GRID)
    assert (small.kind, small.constant_px) == ("none", (0.0, 0.0))
    assert small.is_established
    # what is left then is the shift itself
    assert small.residual_px == pytest.approx(np.hypot(0.06, 0.05), abs=0.03)
    near, _ = fit_registration(lattice((0.17, -0.09)), PARAMS, 10.0, GRID)
    assert near.kind == "none"
    taken, _ = fit_registration(lattice((0.20, -0.09)), PARAMS, 10.0, GRID)
    assert taken.kind == "shift"


@pytest.mark.parametrize("most", ["none", "shift", "affine", "field"])
def test_no_model_beyond_the_allowed_one(most: str) -> None:
    points = [moved(p, 1.0 + 0.9 * np.sin(p.row / 90), -0.5 + 0.004 * p.col) for p in lattice(n=7)]
    params = TiePointParams.model_validate({"most_complex_model": most})
    found, _ = fit_registration(points, params, 10.0, utm_grid(600, 600))
    assert found.kind == most


def test_figures_come_from_the_check_points_measured_again() -> None:
    found, marked = fit_registration(lattice(), PARAMS, 10.0, GRID)
    checks = [p for p in marked if p.is_check]
    again = {p.point_id: moved(p, 0.3, 0.4) for p in checks}
    weak = checks[0].point_id
    again[weak] = replace(again[weak], quality=0.0)  # this one could not be measured again
    points = remeasured(marked, again, PARAMS)
    result = with_residuals(found, points)
    assert result.residual_px == pytest.approx(0.5)
    assert [p.residual_px for p in points if p.is_check and p.point_id != weak] == [0.5] * (
        len(checks) - 1
    )
    # the fitted points keep their own, and have no part in the figures
    assert [p for p in points if not p.is_check] == [p for p in marked if not p.is_check]


def test_check_points_have_no_part_in_the_fit() -> None:
    points = lattice()
    found, _ = fit_registration(points, PARAMS, 10.0, GRID)
    pushed = [moved(p, p.shift_row_px + 0.2, p.shift_col_px) if p.is_check else p for p in points]
    again, _ = fit_registration(pushed, PARAMS, 10.0, GRID)
    assert again.constant_px == found.constant_px
    assert again.residual_px is not None
    assert again.residual_px > 0.15
