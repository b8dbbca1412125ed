"""Switches and limits of the pseudo-change filters (伪变化过滤)."""

from __future__ import annotations

from pydantic import Field

from pipeline.schema.model import Frozen


class FilterParams(Frozen):
    """Switches of the pseudo-change filters (伪变化过滤), in the order they are asked."""

    cloud_edge: bool = Field(True, description="云边残留：云、云影掩膜外缘未遮全的变化")
    haze: bool = Field(True, description="薄云薄雾：影像整体发白而边界不清的变化")
    shift: bool = Field(True, description="配准误差窄条：残余错位能解释的细条")
    shadow: bool = Field(True, description="阴影变化：太阳高度不同造成的窄暗带的出现或消失")
    water_level: bool = Field(
        True, description="水位涨落：与原有水面相连的涨落、坑塘干涸、水色变化"
    )
    greenhouse: bool = Field(True, description="既有大棚棚膜更换（两期都有膜）")
    drying_yard: bool = Field(True, description="晒场：原有场地上晾晒粮食、秸秆，或场地明暗变化")
    mulch_film: bool = Field(True, description="地膜覆盖、揭膜")
    ploughing: bool = Field(True, description="翻耕裸地：裸露耕地翻耕、湿润造成的变暗")
    crop_cycle: bool = Field(True, description="作物轮作：田块种植、收割造成的变化")
    demolition: bool = Field(
        True, description="拆除：变化后不如变化前像建成区（检测器 texture、ensemble 给出方向时）"
    )


FILTER_ORDER: tuple[str, ...] = tuple(FilterParams.model_fields)
"""Codes of `configs/codes/drop_reason.csv`: the weather and the pair first, crops after all that is
more particular."""


class FilterLimits(Frozen):
    """Limits of the pseudo-change filters (see `patches.filters`).

    Chosen on generated counties (seeds 100 to 103); those of strips of film on counties 61 to 68;
    the first on these and on NAIP pairs that end in 2015, with a network that had not learned from
    that date.
    """

    min_water_green_nir: float = Field(
        default=2.5,
        gt=0,
        description="网络认作建设而变化后多半像水面的，绿与近红外之比（相对裸地）达到此值的是水面，"
        "不是深色屋顶、光伏",
    )

    cloud_reach_m: float = Field(
        default=30.0, gt=0, description="云、云影掩膜外多远以内算云边，米（示例口径）"
    )
    min_by_cloud: float = Field(
        default=0.5, ge=0, le=1, description="云边：对象在云边范围内的面积比例下限"
    )
    min_white_bright: float = Field(default=1.3, gt=0, description="发白：亮度与当期裸地之比的下限")
    min_white_nir_red: float = Field(
        default=0.86, gt=0, description="薄云发白：近红外与红之比的下限（相对当期裸地）"
    )
    max_soft_edge: float = Field(
        default=0.75, gt=0, description="薄云：变化后轮廓两侧反差的上限（裸地亮度为 1）"
    )
    min_darker: float = Field(
        default=0.6, ge=0, le=1, description="阴影：各波段同时变暗（或变亮）的面积比例下限"
    )
    max_shade_bright: float = Field(
        default=0.52, gt=0, description="阴影、湿润翻耕地：暗的一期亮度与裸地之比的上限"
    )
    max_shade_width_m: float = Field(
        default=20.0, gt=0, description="阴影：外接矩形短边的上限，米（示例口径）"
    )
    min_water: float = Field(default=0.5, ge=0, le=1, description="水面：对象中水面面积比例的下限")
    min_by_water: float = Field(
        default=0.05, ge=0, le=1, description="涨水：轮廓与原有水面相邻的比例下限；低于此值为新水面"
    )
    min_by_water_left: float = Field(
        default=0.15, ge=0, le=1, description="退水：轮廓与剩余水面相邻的比例下限"
    )
    min_dried_edge: float = Field(
        default=1.3, gt=0, description="干涸：轮廓两侧反差，变化前与变化后之比的下限"
    )
    min_grain_bright: float = Field(
        default=1.35, gt=0, description="晾晒：变化后亮度与裸地之比的下限"
    )
    max_grain_green_red: float = Field(
        default=0.95, gt=0, description="晾晒粮食：变化后绿与红之比的上限（发黄）"
    )
    min_straw_bright: float = Field(
        default=1.55, gt=0, description="晾晒秸秆：变化后亮度与裸地之比的下限"
    )
    max_straw_green_red: float = Field(
        default=1.09, gt=0, description="晾晒秸秆：变化后绿与红之比的上限"
    )
    min_dry_plant_nir_red: float = Field(
        default=0.74, gt=0, description="晾晒：变化后近红外与红之比的下限（干植物）"
    )
    max_spread: float = Field(
        default=0.2, gt=0, description="晒场：变化后亮度的标准差与亮度之比的上限（摊得均匀）"
    )
    max_yard_m2: float = Field(
        default=2000.0, gt=0, description="晒场：面积上限，平方米（示例口径）"
    )
    min_bright_step: float = Field(
        default=0.22, gt=0, description="场地只变明暗：两期亮度之比的自然对数，绝对值的下限"
    )
    max_colour_step: float = Field(
        default=0.12, gt=0, description="场地只变明暗：两期绿红比、近红外红比之差的上限"
    )
    min_old_edge: float = Field(
        default=0.45, gt=0, description="场地只变明暗：轮廓反差变化前与变化后之比的下限"
    )
    min_film_bright: float = Field(
        default=1.2, gt=0, description="地膜：覆膜一期亮度与裸地之比的下限"
    )
    min_film_green_red: float = Field(
        default=1.12, gt=0, description="地膜：覆膜一期绿与红之比的下限（比土白）"
    )
    min_film_nir_red: float = Field(
        default=0.76, gt=0, description="棚膜：两期近红外与红之比的下限（水泥、彩钢更低）"
    )
    max_strip_width_m: float = Field(
        default=10.0, gt=0, description="窄条地膜：平均宽度的上限，米（示例口径）"
    )
    min_strip_green_red: float = Field(
        default=1.2, gt=0, description="窄条地膜：变化后绿与红之比的下限（比路面白）"
    )
    min_strip_nir_red: float = Field(
        default=0.8, gt=0, description="窄条地膜：变化后近红外与红之比的下限（水泥路更低）"
    )
    min_strip_plants: float = Field(
        default=0.88,
        ge=0,
        le=1,
        description="窄条地膜：由植被变来的面积比例下限（路要穿过田埂、旧路，条田里的膜不）",
    )
    min_canopy_roughness: float = Field(
        default=0.045, gt=0, description="林中开挖：变化前林冠起伏与亮度之比的下限"
    )
