"""Pseudo-changes (伪变化): which objects are explained by something other than construction.

One pure function per code over the figures of all objects (`change.surfaces`, `patches.shapes`),
one switch per code, a fixed order. An object carries the first reason that explains it. What the
construction network found and its scorecard upheld (`is_told`) has been looked at more closely than
any filter here can: only a strip of film or a shift of the images still explains it, and open water
is taken for no construction (`is_water_now`). Without them the kinds say what is likely
construction, and the ground may speak against it. All others are crops, bare fields or weather
unless the ground speaks for digging, piling or new water. Recall first: what nothing explains stays
a patch.

Colours are relative to the bare ground of the same date: `green/red` near 1 is soil, above 1.05
whiter than soil, below 0.95 yellower; `nir/red` falls below 0.85 on concrete, metal and stone and
stays up on soil and on anything that grew (dry plant matter reflects near infrared strongly,
Elvidge 1990, Int. J. Remote Sensing 11(10)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.patches.filter_params import FILTER_ORDER, FilterLimits, FilterParams

TOLD_TOO = ("shift", "mulch_film")
"""Filters that may drop even what network and scorecard call construction."""
Mask = NDArray[np.bool_]
Figures = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Objects:
    """What the filters see: figures by name and three verdicts, `(object,)` each."""

    figures: Mapping[str, NDArray[np.float64]]
    is_likely: Mask
    """Construction by object."""
    is_spared: Mask
    """With evidence of digging, piling or the like: no filter but water's may drop it."""
    is_told: Mask
    """Likely by the word of network and scorecard (`change.verdict`), not by the kinds alone."""

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.figures[name]


def filter_reasons(
    objects: Objects,
    params: FilterParams,
    limits: FilterLimits,
    found: Mapping[str, Mask] | None = None,
) -> NDArray[np.str_]:
    """Code of the first filter that explains each object, text `(object,)`; empty if none does.

    `found` holds masks that other parts of the program decided (`shift`).
    """
    reasons = np.full(objects.is_likely.size, "", dtype="U16")
    given = found or {}
    for code in FILTER_ORDER:
        if getattr(params, code) and (code in given or code in FILTERS):
            explained = given[code] if code in given else FILTERS[code](objects, limits)
            if code not in TOLD_TOO:
                explained = explained & ~objects.is_told
            reasons[explained & (reasons == "")] = code
    return reasons


def _ratio(o: Objects, band: str, date: str) -> NDArray[np.float64]:
    return o[f"{band}_{date}"] / np.maximum(o[f"red_{date}"], 1e-3)


def _old_edge(o: Objects | Figures) -> NDArray[np.float64]:
    """How much of the contrast across the outline was there before."""
    return o["edge_before"] / np.maximum(o["edge_after"], 1e-3)


def _short_side_m(o: Objects) -> NDArray[np.float64]:
    box_m2 = o["area_m2"] / np.maximum(o["rectangle_fill"], 1e-3)
    return np.sqrt(box_m2 / np.exp(o["elongation"]))


def _share(o: Objects | Figures, when: str, cover: str) -> NDArray[np.float64]:
    """Share of one cover at one date."""
    covers = ("bare", "plants", "water")
    names = [f"{cover}_to_{x}" if when == "before" else f"{x}_to_{cover}" for x in covers]
    return sum((o[name] for name in names), np.zeros(o["area_m2"].size))


def _is_whitened(o: Objects, limits: FilterLimits) -> Mask:
    """Paler than any soil, and yet with the near infrared of what lies below: thin cloud."""
    white = (_ratio(o, "green", "after") >= 1.05) & (_ratio(o, "green", "after") <= 1.4)
    is_pale = _ratio(o, "nir", "after") >= limits.min_white_nir_red
    return white & is_pale & (o["bright_after"] >= limits.min_white_bright)


def cloud_edge(o: Objects, limits: FilterLimits) -> Mask:
    """The rim of a cloud or its shadow beyond the mask: near it, and paler or darker throughout."""
    near = o["by_cloud"] >= limits.min_by_cloud
    is_veiled = (
        _is_whitened(o, limits) | (o["darker"] >= limits.min_darker) | _was_veiled(o, limits)
    )
    return near & is_veiled & ~o.is_spared


def _was_veiled(o: Objects, limits: FilterLimits) -> Mask:
    """Veiled before and clear now; never of what is taken for construction."""
    white = (_ratio(o, "green", "before") >= 1.05) & (o["bright_before"] >= limits.min_white_bright)
    pale = _ratio(o, "nir", "before") >= limits.min_white_nir_red
    return ((white & pale) | (o["brighter"] >= limits.min_darker)) & ~o.is_likely


def haze(o: Objects, limits: FilterLimits) -> Mask:
    """Thin cloud that no mask shows: whitened without a clear outline."""
    is_soft = o["edge_after"] <= limits.max_soft_edge
    return _is_whitened(o, limits) & is_soft & ~o.is_spared


def shadow(o: Objects, limits: FilterLimits) -> Mask:
    """A narrow strip that is dark at one date: all bands together, down to the light of the sky."""
    came = (o["darker"] >= limits.min_darker) & (o["bright_after"] <= limits.max_shade_bright)
    went = (o["brighter"] >= limits.min_darker) & (o["bright_before"] <= limits.max_shade_bright)
    is_water = (_share(o, "after", "water") + _share(o, "before", "water")) >= limits.min_water
    went &= ~o.is_likely | (_old_edge(o) >= 1.0)
    return (came | went) & ~is_water & (_short_side_m(o) <= limits.max_shade_width_m)


def water_level(o: Objects, limits: FilterLimits) -> Mask:
    """Water that rose beside older water, fell beside what is left, dried up or changed colour.

    New water that touches no older water (a pond dug, a reservoir built) stays; so does ground
    that is taken for construction where water was, unless the remaining water lies beside it or
    the shore was an edge and the dry ground is none.
    """
    after, before = _share(o, "after", "water"), _share(o, "before", "water")
    both = o["water_to_water"] >= limits.min_water
    rose = (after - o["water_to_water"] >= limits.min_water) & (
        o["by_water"] >= limits.min_by_water
    )
    fell = before - o["water_to_water"] >= limits.min_water
    is_shore = o["by_water"] >= limits.min_by_water_left
    is_dried = _old_edge(o) >= limits.min_dried_edge
    return both | rose | (fell & (is_shore | is_dried | ~o.is_likely) & ~o.is_spared)


def greenhouse(o: Objects, limits: FilterLimits) -> Mask:
    """Film at both dates inside an outline that was there: put on anew over the same tunnels.

    Film that only came is no reason: a greenhouse may be new. Film that only went is mulch film's.
    """
    is_film = _is_film(o, "before", limits) & _is_film(o, "after", limits)
    for date in ("before", "after"):
        is_film &= _ratio(o, "nir", date) >= limits.min_film_nir_red
    return is_film & (_old_edge(o) >= limits.min_old_edge)


def _is_film(o: Objects, date: str, limits: FilterLimits) -> Mask:
    is_bare = _share(o, date, "bare") >= 0.6
    is_white = _ratio(o, "green", date) >= limits.min_film_green_red
    return is_bare & is_white & (o[f"bright_{date}"] >= limits.min_film_bright)


def drying_yard(o: Objects, limits: FilterLimits) -> Mask:
    """Grain or straw spread on ground that was bare; a yard that is only lighter or darker."""
    was_bare = _share(o, "before", "bare") >= 0.6
    green, nir = _ratio(o, "green", "after"), _ratio(o, "nir", "after")
    is_dry = (nir >= limits.min_dry_plant_nir_red) & (o["bright_after"] >= limits.min_grain_bright)
    grain = is_dry & (green <= limits.max_grain_green_red)
    straw = is_dry & (green <= limits.max_straw_green_red)
    straw &= o["bright_after"] >= limits.min_straw_bright
    spread = was_bare & (grain | straw)
    is_even = np.sqrt(o["variance_after"]) <= limits.max_spread * o["bright_after"]
    is_small = o["area_m2"] <= limits.max_yard_m2
    is_drying = (spread | _only_brightness(o, limits)) & is_even & is_small
    return is_drying & ~o.is_spared


def _only_brightness(o: Objects, limits: FilterLimits) -> Mask:
    """The same material inside the same outline, lighter or darker."""
    steps = [abs(_ratio(o, b, "after") - _ratio(o, b, "before")) for b in ("green", "nir")]
    is_same = np.maximum(*steps) <= limits.max_colour_step
    was_hard = _ratio(o, "nir", "before") <= limits.min_white_nir_red
    bright = [np.maximum(o[f"bright_{date}"], 1e-3) for date in ("before", "after")]
    is_other = abs(np.log(bright[1] / bright[0])) >= limits.min_bright_step
    is_bare = o["bare_to_bare"] >= 0.9
    return is_same & is_other & was_hard & is_bare & (_old_edge(o) >= limits.min_old_edge)


def mulch_film(o: Objects, limits: FilterLimits) -> Mask:
    """Film on a field at one date. What is taken for construction stays: a greenhouse is as white,
    and on the counties that the limits come from no figure of whole objects told them apart. Only
    film on a strip of one field, which looks like a road, is told by what was there before."""
    is_film = _is_film(o, "after", limits) | _is_film(o, "before", limits)
    return ((is_film & ~o.is_likely) | _is_film_strip(o, limits)) & ~o.is_spared


def _is_film_strip(o: Objects, limits: FilterLimits) -> Mask:
    """As narrow as a road, but plants from end to end before, and white as film."""
    is_white = _ratio(o, "green", "after") >= limits.min_strip_green_red
    is_white &= _ratio(o, "nir", "after") >= limits.min_strip_nir_red
    is_white &= o["bright_after"] >= limits.min_film_bright
    is_narrow = o["width_m"] <= limits.max_strip_width_m
    return is_white & is_narrow & (o["plants_to_bare"] >= limits.min_strip_plants)


def ploughing(o: Objects, limits: FilterLimits) -> Mask:
    """Bare ground at both dates, or as dark as wet soil inside an outline that was there."""
    bare = (o["bare_to_bare"] >= 0.5) & ~o.is_likely & ~o.is_spared
    is_wet = (o["bright_after"] <= limits.max_shade_bright) & (_share(o, "after", "bare") >= 0.8)
    return bare | (is_wet & (_old_edge(o) >= 0.8) & ~o.is_spared)


def crop_cycle(o: Objects, limits: FilterLimits) -> Mask:
    """What is left between plants and bare ground, and is neither construction nor digging."""
    wet = _share(o, "after", "water") + _share(o, "before", "water") - o["water_to_water"]
    return ~o.is_likely & ~o.is_spared & (wet < limits.min_water)


def is_water_now(o: Figures, limits: FilterLimits) -> Mask:
    """Open water after, by its colour: green far above near infrared, which water swallows.

    Dark roofs, asphalt and solar panels are dark in all bands alike.
    """
    is_wet = _share(o, "after", "water") >= limits.min_water
    ratio = o["green_after"] / np.maximum(o["nir_after"], 1e-3)
    return is_wet & (ratio >= limits.min_water_green_nir)


def opened_wood(o: Figures, limits: FilterLimits) -> Mask:
    """Plants under a rough canopy gave way to bare ground with new edges: no crop does that."""
    was_rough = o["rough_before"] >= limits.min_canopy_roughness * o["bright_before"]
    is_opened = o["plants_to_bare"] >= 0.8
    is_new = (_old_edge(o) <= 0.35) & (o["edge_after"] >= 0.9)
    return was_rough & is_opened & is_new & (o["by_plants"] >= 0.25)


FILTERS: Mapping[str, Callable[[Objects, FilterLimits], Mask]] = {
    "cloud_edge": cloud_edge,
    "haze": haze,
    "shadow": shadow,
    "water_level": water_level,
    "greenhouse": greenhouse,
    "drying_yard": drying_yard,
    "mulch_film": mulch_film,
    "ploughing": ploughing,
    "crop_cycle": crop_cycle,
}
