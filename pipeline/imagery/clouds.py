"""Clouds told by own rules from a pair: bright in one date alone, white, large, soft at the edge.

Two dates make the strong rule: what was built stays, a cloud does not, so a block must be brighter
than nearly everything that both dates show and than the other date at the same place. A new bright
roof is all this too. It differs at its rim: a roof ends within one or two pixels, a cloud fades
over tens of metres. Where the pixels are too coarse to see that (or the rim says nothing), only a
shadow of matching shape beside it makes a cloud. In doubt an object is no cloud: what is left over
of a cloud becomes a doubtful patch, but a building taken for a cloud would be lost.

Zhu and Woodcock 2012, RSE 118 (object-based shadow match); Zhu and Woodcock 2014, RSE 152 (clouds
as change against clear dates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from pipeline.imagery.cloud_blocks import BlockView
from pipeline.imagery.cloud_shadows import CloudShape, ShadowMatch, match_shadows, shadow_area
from pipeline.imagery.csmask import CsmaskParams, NetworkMask, network_mask
from pipeline.imagery.radiometry import BandFit, RadiometryParams, fit_radiometry
from pipeline.imagery.validity import CLOUD, SATURATED, SHADOW, VALID
from pipeline.schema.model import Frozen

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
HALF_SEEN = 50
"""Per cent of a block's pixels that must be seen for its mean to stand for it."""
MIN_BLOCKS = 64
"""Fewer blocks seen on both dates carry no statistics."""
LASTING_PERCENT = (1.0, 99.5)
"""Percentiles of what both dates show that count as black and white."""
CONTRAST_PERCENT = 90.0
"""Percentile of an object's brightness over the other date that stands for its opaque part."""
MIN_SHAPE_BLOCKS = 40
"""Fewer coarse blocks have no shape that a shadow could prove."""
DRAWN_SHARE = 0.7
"""A shadow that need not prove its cloud may match by that much less: only dark land is drawn."""
AIR_SHARE, LEAST_LIGHT = np.float32(0.8), np.float32(0.05)
VISIBLE_ROLES = ("blue", "green", "red")
SQUARE = np.ones((3, 3), np.bool_)

CloudMethod = Literal["own", "csmask", "both"]


class CloudParams(Frozen):
    """Settings of the cloud, shadow and saturation rules (云、云影、过饱和)."""

    enabled: bool = Field(True, description="是否由程序判断云、云影和过饱和；否则只用供方掩膜")
    method: CloudMethod = Field(
        "own",
        description="own 用本程序的规则；csmask 用可选组件 ukis-csmask；both 两者合用",
    )
    csmask: CsmaskParams = Field(
        default=CsmaskParams(), description="可选组件 ukis-csmask（method 为 csmask 或 both 时）"
    )
    add_to_supplied: bool = Field(
        True,
        description="某期有供方掩膜时是否仍补充判断该期（掩膜里标了云影的，不再给供方的云另找云影）；"
        "否则该期只用供方掩膜",
    )
    min_brightness: float = Field(
        1.6, gt=1, description="云至少多亮：0 为两期都有的最暗地物，1 为两期都有的最亮地物（99.5%）"
    )
    min_excess: float = Field(0.8, gt=0, description="云至少比另一期同一处亮多少，单位同上")
    rim_excess: float = Field(
        0.22, gt=0, description="云的淡边在每个波段至少比另一期同一处亮多少，单位同上"
    )
    rim_m: float = Field(96, ge=0, description="云的淡边最宽多少米")
    max_colour: float = Field(
        0.35, gt=0, description="云的颜色最多偏离白色多少（可见光波段之间的相对差）"
    )
    min_area_m2: float = Field(4000, gt=0, description="云（不计淡边）的最小面积，平方米")
    sharp_step: float = Field(
        0.4, gt=0, le=1, description="约四米（至少两个像元）之内亮度变化达到云地反差的多少算陡变"
    )
    max_sharp_share: float = Field(
        0.2, ge=0, le=1, description="云边陡变的比例上限：屋顶的边处处陡变，云边逐渐变淡"
    )
    resolved_gsd_m: float = Field(
        6, gt=0, description="像元不大于此（米）才凭云边判断；更粗的影像要有形状相配的云影才算云"
    )
    max_shadow_m: float = Field(2500, gt=0, description="云影离云的最远距离，米")
    min_darkening: float = Field(
        0.2, gt=0, lt=1, description="云影至少比另一期同一处暗多少（相对值，各波段都要达到）"
    )
    min_shadow_share: float = Field(
        0.6, gt=0, le=1, description="云形平移后所盖之处至少多少变暗才算云影"
    )
    buffer_m: float = Field(12, ge=0, le=500, description="云和云影向外扩出的距离，米")
    saturated_area_m2: float = Field(
        100_000,
        gt=0,
        description="可见光波段全部达到上限的连片面积不小于此（平方米）才算过饱和",
    )


@dataclass(frozen=True)
class BlockSize:
    """What blocks and pixels measure on the ground."""

    block_m: float
    pixel_m: float

    def count(self, area_m2: float) -> int:
        """Blocks of an area, at least one."""
        return max(1, round(area_m2 / self.block_m**2))

    def steps(self, length_m: float) -> int:
        """Blocks along a length, rounded up."""
        return ceil(length_m / self.block_m - 1e-9)


@dataclass(frozen=True)
class Candidate:
    """One bright object of one date and how it was decided; for the report."""

    row: int
    col: int
    """First block of its frame."""
    area_m2: float
    sharp_share: float
    """Share of its rim that is as sharp as a roof's."""
    shadow_share: float
    """Share of its moved shape that is dark."""
    is_cloud: bool


@dataclass(frozen=True, eq=False)
class DateClouds:
    """What one date's blocks hide."""

    codes: NDArray[np.uint8]
    """`(y, x)` of blocks: 0, CLOUD, SHADOW or SATURATED, buffer included."""
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, eq=False)
class _Light:
    """One date beside the other, in units of what both show: 0 black, 1 white."""

    brightness: Floats
    """`(y, x)` mean of the visible bands."""
    colour: Floats
    """Spread of the visible bands."""
    excess: Floats
    """Brightness over the other date's; 0 where either shows nothing."""
    veil: Floats
    """The same in the band that gained least: a veil of white brightens every band, a field that
    was harvested, ploughed or built over loses infrared."""
    darkening: Floats
    """Share of the other date's light that is missing in every band."""
    step: Floats
    """Largest step of brightness in the block."""
    saturated: NDArray[np.uint8]
    """Per cent of the block's pixels cut off in every visible band."""
    is_seen: Bools
    """Both dates show the block."""
    lasting: tuple[Floats, Floats]
    """Per band, the darkest and the brightest ground that both dates show."""


@dataclass(frozen=True, eq=False)
class _Decided:
    """What one date's objects come to."""

    cloud: Bools
    shadow: Bools
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, eq=False)
class _Bright:
    """A bright object and the share of its rim that is sharp."""

    shape: CloudShape
    sharp_share: float


def find_clouds(
    views: tuple[BlockView, BlockView],
    roles: Sequence[str],
    size: BlockSize,
    params: CloudParams,
) -> tuple[DateClouds, DateClouds]:
    """Clouds, shadows and saturation of both dates from their blocks.

    `roles`: of the bands, empty text where unknown. Land that only one date shows is not judged: it
    is hidden already. Raises `InputError` if ukis-csmask is asked for and can not run.
    """
    blank = tuple(DateClouds(np.zeros(view.state.shape, np.uint8)) for view in views)
    both = np.logical_and(*((view.seen >= HALF_SEEN) & (view.state == VALID) for view in views))
    if int(both.sum()) < MIN_BLOCKS:
        return blank[0], blank[1]
    lights = _lights(views, visible_bands(roles), both)
    is_own = params.method != "csmask"
    bright = [_bright_objects(light, size, params) if is_own else [] for light in lights]
    network = [_network(view, roles, lt, params) for view, lt in zip(views, lights, strict=True)]
    supplied = [view.state == CLOUD for view in views]
    known = [given | more.cloud for given, more in zip(supplied, network, strict=True)]
    hidden = [_drawn(objects, more) for objects, more in zip(bright, known, strict=True)]
    clear = both & ~hidden[0] & ~hidden[1]
    # Where a supplied mask tells shadows, those of its clouds are told: what is left is other land.
    seeking = [
        cloud & ~(given & bool((view.state == SHADOW).any()))
        for cloud, given, view in zip(known, supplied, views, strict=True)
    ]
    found = [
        _date_clouds(
            lights[k], bright[k], NetworkMask(seeking[k], network[k].shadow), clear, (size, params)
        )
        for k in (0, 1)
    ]
    masks = [
        _codes(light, one, given, (size, params))
        for light, one, given in zip(lights, found, supplied, strict=True)
    ]
    first, second = (
        DateClouds(codes, one.candidates) for codes, one in zip(masks, found, strict=True)
    )
    return first, second


def visible_bands(roles: Sequence[str]) -> tuple[int, ...]:
    """Positions of blue, green and red; of all bands if none is known."""
    known = tuple(k for k, role in enumerate(roles) if role in VISIBLE_ROLES)
    return known or tuple(range(len(roles)))


def _network(
    view: BlockView, roles: Sequence[str], light: _Light, params: CloudParams
) -> NetworkMask:
    if params.method == "own":
        nothing = np.zeros(view.state.shape, np.bool_)
        return NetworkMask(nothing, nothing)
    found = network_mask(view.mean, roles, light.lasting, params.csmask)
    return NetworkMask(found.cloud & light.is_seen, found.shadow & light.is_seen)


def _lights(
    views: tuple[BlockView, BlockView], visible: tuple[int, ...], both: Bools
) -> tuple[_Light, _Light]:
    before, after = views
    lines = fit_radiometry(before.mean[:, both], after.mean[:, both], RadiometryParams()).bands
    inverse = [BandFit(1 / b.gain, -b.offset / b.gain, b.sigma / b.gain) for b in lines]
    return (
        _light(before, _mapped(after.mean, lines), visible, both),
        _light(after, _mapped(before.mean, inverse), visible, both),
    )


def _mapped(mean: Floats, lines: Sequence[BandFit]) -> Floats:
    gain, offset = (
        np.array([getattr(line, name) for line in lines], np.float32)[:, None, None]
        for name in ("gain", "offset")
    )
    result: Floats = gain * mean + offset
    return result


def _light(view: BlockView, other: Floats, visible: tuple[int, ...], both: Bools) -> _Light:
    lasting = np.minimum(view.mean[:, both], other[:, both])
    black, white = np.percentile(lasting, LASTING_PERCENT, axis=1).astype(np.float32)
    span = np.maximum(white - black, np.float32(1e-6))
    own = np.stack([(view.mean[k] - black[k]) / span[k] for k in visible])
    theirs = sum((other[k] - black[k]) / span[k] for k in visible) / np.float32(len(visible))
    brightness = own.mean(axis=0)
    darkening, veil = (np.full(both.shape, np.inf, np.float32) for _ in range(2))
    for k in range(len(span)):
        veil = np.minimum(veil, (view.mean[k] - other[k]) / span[k])
        # Part of the darkest value is light of the air, which no shadow takes away.
        ground = np.maximum(other[k] - black[k] * AIR_SHARE, span[k] * LEAST_LIGHT)
        darkening = np.minimum(darkening, (other[k] - view.mean[k]) / ground)
    return _Light(
        brightness,
        own.max(axis=0) - own.min(axis=0),
        np.where(both, brightness - theirs, np.float32(0)),
        np.where(both, veil, np.float32(0)),
        np.where(both, darkening, np.float32(0)),
        view.edge / span[list(visible)].mean(),
        view.saturated,
        both,
        (black, white),
    )


def _bright_objects(light: _Light, size: BlockSize, params: CloudParams) -> list[_Bright]:
    """Bright white objects of sufficient size, with what tells roofs from clouds."""
    is_white = light.colour <= params.max_colour * light.brightness
    is_much = light.is_seen & (light.excess >= params.min_excess)
    is_seed = is_much & is_white & (light.brightness >= params.min_brightness)
    labels, _ = ndimage.label(ndimage.binary_propagation(is_seed, SQUARE, mask=is_much), SQUARE)
    found = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if int((labels[place] == number).sum()) < size.count(params.min_area_m2):
            continue
        wide = tuple(
            slice(max(one.start - 2, 0), min(one.stop + 2, side))
            for one, side in zip(place, labels.shape, strict=True)
        )
        core = np.asarray(ndimage.binary_fill_holes(labels[wide] == number))
        contrast = float(np.percentile(light.excess[wide][core], CONTRAST_PERCENT))
        rim = ndimage.binary_dilation(core, SQUARE) & ~ndimage.binary_erosion(core, SQUARE)
        sharp = float((light.step[wide][rim] >= params.sharp_step * contrast).mean())
        resolved = size.pixel_m <= params.resolved_gsd_m
        is_soft = resolved and sharp <= params.max_sharp_share
        found.append(_Bright(CloudShape((wide[0], wide[1]), core, is_soft), sharp))
    return found


def _drawn(objects: Sequence[_Bright], known: Bools) -> Bools:
    result = known.copy()
    for one in objects:
        result[one.shape.place] |= one.shape.piece
    return result


def _date_clouds(
    light: _Light,
    bright: Sequence[_Bright],
    known: NetworkMask,
    clear: Bools,
    how: tuple[BlockSize, CloudParams],
) -> _Decided:
    """Which of one date's objects are clouds, and where their shadows lie."""
    size, params = how
    is_dark = clear & (light.darkening >= params.min_darkening)
    labels, _ = ndimage.label(known.cloud, SQUARE)
    shapes = [one.shape for one in bright] + [
        CloudShape(place, labels[place] == number, True)
        for number, place in enumerate(ndimage.find_objects(labels), start=1)
    ]
    matches = match_shadows(shapes, is_dark, clear, size.steps(params.max_shadow_m))
    counts = [
        shape.is_trusted or _is_told_by_shadow(shape, match, size, params)
        for shape, match in zip(shapes, matches, strict=True)
    ]
    cloud, shadow = known.cloud.copy(), known.shadow.copy()
    for shape, match, is_cloud in zip(shapes, matches, counts, strict=True):
        if is_cloud:
            cloud[shape.place] |= shape.piece
            if match.share >= params.min_shadow_share * DRAWN_SHARE:
                shadow |= shadow_area(shape, match, is_dark, size.steps(params.rim_m / 2))
    candidates = tuple(
        _candidate(one, match, is_cloud, size)
        for one, match, is_cloud in zip(bright, matches, counts, strict=False)
    )
    return _Decided(cloud, shadow, candidates)


def _is_told_by_shadow(
    shape: CloudShape, match: ShadowMatch, size: BlockSize, params: CloudParams
) -> bool:
    """Coarse pixels: whether a shadow of its shape proves the cloud."""
    return (
        size.pixel_m > params.resolved_gsd_m
        and int(shape.piece.sum()) >= MIN_SHAPE_BLOCKS
        and match.share >= params.min_shadow_share
    )


def _candidate(one: _Bright, match: ShadowMatch, is_cloud: bool, size: BlockSize) -> Candidate:
    place, area = one.shape.place, float(one.shape.piece.sum()) * size.block_m**2
    return Candidate(place[0].start, place[1].start, area, one.sharp_share, match.share, is_cloud)


def _codes(
    light: _Light, decided: _Decided, supplied: Bools, how: tuple[BlockSize, CloudParams]
) -> NDArray[np.uint8]:
    """Draw clouds, shadows, saturation with their buffers. A `supplied` cloud is taken as it is
    given, without rim or buffer: whoever drew it has settled how much was seen."""
    size, params = how
    cloud, shadow = decided.cloud & ~supplied, decided.shadow
    near = _wider(cloud, size.steps(params.rim_m))
    rim = near & light.is_seen & (light.veil >= params.rim_excess)
    cloud = ndimage.binary_fill_holes(ndimage.binary_propagation(cloud, SQUARE, mask=rim | cloud))
    codes = np.zeros(cloud.shape, np.uint8)
    labels, _ = ndimage.label(light.saturated >= HALF_SEEN, SQUARE)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    codes[(sizes >= size.count(params.saturated_area_m2))[labels]] = SATURATED
    buffer = size.steps(params.buffer_m)
    codes[_wider(ndimage.binary_fill_holes(shadow), buffer)] = SHADOW
    codes[_wider(cloud, buffer)] = CLOUD
    return codes


def _wider(mask: Bools, steps: int) -> Bools:
    """Grown by a number of blocks, corners cut off."""
    if steps < 1 or not mask.any():
        return mask
    reach = np.arange(-steps, steps + 1)
    # A quarter, not half: one step is the four neighbours, which is 0.7 to 1 blocks outward from an
    # edge in any direction; with the diagonal ones it would be up to 1.4.
    disc = reach[:, None] ** 2 + reach[None, :] ** 2 <= (steps + 0.25) ** 2
    return np.asarray(ndimage.binary_dilation(mask, disc))
