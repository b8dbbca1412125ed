"""What a county consists of: townships, villages, roads, waters, hills, towns, farmland."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from shapely import Polygon, box
from shapely.geometry.base import BaseGeometry

from .shapes import Points

COUNTY_CODE = "379999"


@dataclass(frozen=True)
class Seat:
    """A township and where its seat lies, as shares of the side."""

    code: str
    name: str
    kind: str
    at: tuple[float, float]


SEATS = (
    Seat("379999100", "城关镇", "镇", (0.585, 0.255)),
    Seat("379999001", "瀍东街道", "街道", (0.885, 0.225)),
    Seat("379999101", "堉阳镇", "镇", (0.215, 0.735)),
    Seat("379999102", "漷河镇", "镇", (0.665, 0.835)),
    Seat("379999200", "垟坪乡", "乡", (0.205, 0.415)),
)
ZONE = Seat("379999400", "示例经济开发区", "开发区", (0.815, 0.665))
VILLAGE_NAMES = (
    "上堉村", "下堉村", "㘵口村", "垟头村", "柳林村", "石桥村", "王家洼村", "张畈村", "东垟村",
    "西漷村", "漷沿村", "瀍湾村", "瀍阳社区", "大桥社区", "李家垱村", "新墩村", "古井村", "双槐村",
    "白鹭村", "红旗村", "徐家塝村", "南岗村", "北岗村", "杨树店村", "土门村", "青龙村", "麻塘村",
    "河沿村", "周湾村", "牌楼村", "孙家坳村", "月湖村", "堰塘村", "长埠村", "刘家埒村", "马畈村",
    "塔儿村", "蔡店村", "祠堂村", "落雁村",
)  # fmt: skip


@dataclass(frozen=True)
class Township:
    """One township-level unit; `polygon` as on the before date."""

    code: str
    name: str
    kind: str
    polygon: BaseGeometry


@dataclass(frozen=True)
class Village:
    """One administrative village and the place of its main settlement."""

    code: str
    name: str
    township_code: str
    polygon: BaseGeometry
    seed: Points


@dataclass(frozen=True)
class Road:
    """A road; `road_class` is the DLDJ value."""

    name: str
    road_class: str
    line: Points
    width_m: float


@dataclass(frozen=True)
class Settlement:
    """A built-up place of farm houses."""

    centre: Points
    radius_m: float
    angle: float
    polygon: Polygon


@dataclass(frozen=True)
class District:
    """Farmland of one direction and parcel size."""

    number: int
    polygon: Polygon
    seed: Points
    angle: float
    cell_m: tuple[float, float]
    kind: str


@dataclass(eq=False)
class County:
    """Everything that stands or lies still."""

    seed: int
    side_m: float
    townships: list[Township] = field(default_factory=list)
    zone: Township | None = None
    villages: list[Village] = field(default_factory=list)
    moved: Village | None = None
    """The village that went from `moved.township_code` to `moved_to` on 2024-07-01."""
    moved_to: str = "379999102"
    river: Points = field(default_factory=lambda: np.zeros((2, 2)))
    river_width_m: float = 40.0
    stream: Points = field(default_factory=lambda: np.zeros((2, 2)))
    reservoir: Polygon = field(default_factory=Polygon)
    reservoir_low: BaseGeometry = field(default_factory=Polygon)
    hills: list[tuple[float, float, float, float]] = field(default_factory=list)
    """x, y, radius, height of the summits."""
    woods: list[Polygon] = field(default_factory=list)
    quarry: Polygon = field(default_factory=Polygon)
    quarry_right: Polygon = field(default_factory=Polygon)
    ponds: list[Polygon] = field(default_factory=list)
    roads: list[Road] = field(default_factory=list)
    town: Polygon = field(default_factory=Polygon)
    town_angle: float = 0.1
    zone_ground: Polygon = field(default_factory=Polygon)
    zone_angle: float = 0.0
    settlements: list[Settlement] = field(default_factory=list)
    districts: list[District] = field(default_factory=list)

    @property
    def frame(self) -> Polygon:
        """The whole scene."""
        return box(0, 0, self.side_m, self.side_m)


def within(value: float, low: float, high: float) -> float:
    """The value, not below `low` nor above `high`."""
    return min(max(value, low), high)
