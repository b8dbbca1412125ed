"""All settings of a run, composed of the parameter models that live beside their functions.

To add a parameter model: import it and give it one line in the stage's class below.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pipeline.change.built_up import BuiltUpParams
from pipeline.change.cleaning import CleaningParams
from pipeline.change.construction import ConstructionParams
from pipeline.change.detectors import DetectorName
from pipeline.change.irmad import IrmadParams
from pipeline.change.kinds import KindParams
from pipeline.change.learned.params import TrainParams
from pipeline.change.learned.scoring import NetworkParams
from pipeline.change.sample import SampleParams
from pipeline.change.sfa import SfaParams
from pipeline.change.thresholds import ThresholdParams
from pipeline.delivery.card_images import CardImageParams
from pipeline.grid import MAX_GSD_M
from pipeline.imagery.clouds import CloudParams
from pipeline.imagery.quality import QualityParams
from pipeline.imagery.radiometry import RadiometryParams
from pipeline.imagery.residuals import RegistrationGateParams
from pipeline.imagery.tie_points import TiePointParams
from pipeline.patches.agreement import EvaluateParams
from pipeline.patches.construction import ConstructionWeightParams
from pipeline.patches.filter_params import FilterLimits, FilterParams
from pipeline.patches.identity import IdentityParams
from pipeline.patches.issued import IssuedParams
from pipeline.patches.learning import ReturnsParams
from pipeline.patches.measures import PatchParams
from pipeline.patches.object_kinds import ObjectKindParams
from pipeline.patches.scene_dates import SceneDateParams
from pipeline.patches.shift_slivers import ShiftSliverParams
from pipeline.patches.simplify import SimplifyParams
from pipeline.patches.townships import AssignmentParams
from pipeline.scene import BAND_ROLES, DateName
from pipeline.schema.messages import suggest
from pipeline.schema.model import Frozen, refusal
from pipeline.schema.reference import REFERENCE_LAYERS

ObjectName = Annotated[str, Field(pattern=r"^[0-9]+_[0-9]+$")]


class IntakeSettings(Frozen):
    """Settings of the stage `intake`."""

    quality: QualityParams = Field(default=QualityParams(), description="影像质量检查")


class AlignSettings(Frozen):
    """Settings of the stage `align`."""

    reference: DateName = Field(
        "before",
        description="位置和格网以哪一期影像为准：before 变化前，改正变化后影像；"
        "after 变化后，改正变化前影像",
    )
    tie_points: TiePointParams = Field(default=TiePointParams(), description="配准：同名点")
    gate: RegistrationGateParams = Field(
        default=RegistrationGateParams(), description="配准：残差限值"
    )
    radiometry: RadiometryParams = Field(default=RadiometryParams(), description="辐射归一化")
    clouds: CloudParams = Field(default=CloudParams(), description="云、云影、过饱和")


class DetectSettings(Frozen):
    """Settings of the stage `detect`."""

    detector: DetectorName = Field(
        default="auto",
        description="检测器：auto 按共有波段和分辨率选择（4 个及以上波段用 irmad；"
        "红绿蓝 1 米以下用 texture、3 米及以下用 ensemble；其余用 cva）",
    )
    sample: SampleParams = Field(default=SampleParams(), description="统计样本")
    irmad: IrmadParams = Field(default=IrmadParams(), description="迭代加权多元变化检测（IR-MAD）")
    sfa: SfaParams = Field(default=SfaParams(), description="迭代慢特征分析（SFA）")
    texture: BuiltUpParams = Field(default=BuiltUpParams(), description="纹理（建成区指数）")
    learned: NetworkParams = Field(default=NetworkParams(), description="学习型检测器（ONNX 模型）")
    thresholds: ThresholdParams = Field(default=ThresholdParams(), description="变化阈值")
    construction: ConstructionParams = Field(
        default=ConstructionParams(), description="建设判别网络"
    )
    kinds: KindParams = Field(default=KindParams(), description="变化类别初分")


class ExtractSettings(Frozen):
    """Settings of the stage `extract`."""

    cleaning: CleaningParams = Field(default=CleaningParams(), description="变化掩膜清理")
    construction: ConstructionWeightParams = Field(
        default=ConstructionWeightParams(), description="疑似建设图斑"
    )
    patches: PatchParams = Field(default=PatchParams(), description="图斑轮廓与量算")
    filters: FilterParams = Field(
        default=FilterParams(), description="伪变化过滤的开关；关闭后对象作为图斑保留"
    )
    filter_limits: FilterLimits = Field(default=FilterLimits(), description="伪变化过滤的界限")
    shift: ShiftSliverParams = Field(default=ShiftSliverParams(), description="配准误差窄条的界限")
    kinds: ObjectKindParams = Field(default=ObjectKindParams(), description="图斑类型")
    recall: tuple[ObjectName, ...] = Field(
        default=(),
        description='召回的剔除对象：dropped 图层的“首像元行号_首像元列号”，例如 ["1203_88"]',
    )
    sources: Literal["both", "detected", "issued"] = Field(
        default="both",
        description="图斑来源：both 下发和自主提取都用；issued 只用下发图斑（自主提取的列入剔除，"
        "可恢复）；detected 不读下发图斑",
    )
    simplify: SimplifyParams = Field(default=SimplifyParams(), description="边界化简")
    issued: IssuedParams = Field(default=IssuedParams(), description="与下发图斑合并")
    identity: IdentityParams = Field(
        default=IdentityParams(), description="与前期图斑的沿革（示例口径）"
    )
    scenes: SceneDateParams = Field(
        default=SceneDateParams(), description="镶嵌影像：图斑的前后时相"
    )
    returns: ReturnsParams = Field(
        default=ReturnsParams(), description="由核查结果改进的参数；签署后写在县配置旁，不必手改"
    )


class OverlaySettings(AssignmentParams):
    """Settings of the stage `overlay`."""


class PackageSettings(Frozen):
    """Settings of the stage `package`."""

    buffer_m: float = Field(
        default=200, ge=0, le=2000, description="核查包的影像和图层超出本乡镇和图斑的距离，米"
    )
    kml_outlines: bool = Field(
        default=True, description="patches.kml 是否含图斑范围；否则只含约百米精度的位置"
    )
    secrecy: str = Field(
        default="内部资料　注意保管",
        min_length=1,
        max_length=40,
        description="密级，印在每份成果上",
    )
    withheld_classes: tuple[str, ...] = Field(
        default=("not_construction",),
        description="不下发乡镇核查的初判类别（代码见 suspected_class.csv）；下发图斑一律下发核查",
    )
    seats: Mapping[str, tuple[float, float]] = Field(
        default={},
        description="核查路线的起点（乡镇政府驻地），乡镇代码: [经度, 纬度]；没写的从范围中部出发",
    )
    card_images: CardImageParams = Field(default=CardImageParams(), description="核查卡影像")


class Settings(Frozen):
    """Every setting that can change a result."""

    intake: IntakeSettings = Field(default=IntakeSettings(), description="入库检查")
    align: AlignSettings = Field(default=AlignSettings(), description="配准归一")
    detect: DetectSettings = Field(default=DetectSettings(), description="变化检测")
    extract: ExtractSettings = Field(default=ExtractSettings(), description="图斑提取")
    overlay: OverlaySettings = Field(default=OverlaySettings(), description="套合分析")
    package: PackageSettings = Field(default=PackageSettings(), description="核查包")
    evaluate: EvaluateParams = Field(
        default=EvaluateParams(), description="精度评价（命令 evaluate）"
    )
    train: TrainParams = Field(default=TrainParams(), description="训练自己的检测器（make train）")


def _layer_name(name: str) -> str:
    if name not in REFERENCE_LAYERS:
        allowed = "、".join(f"{key}（{spec.label_zh}）" for key, spec in REFERENCE_LAYERS.items())
        advice = suggest(name, REFERENCE_LAYERS) or "用列出的图层名。"
        raise refusal(f"没有参考图层“{name}”", allowed=allowed, advice=advice)
    return name


def _band_role(role: str) -> str:
    if role and role not in BAND_ROLES:
        allowed = "、".join(BAND_ROLES) + '；角色未知写 ""'
        advice = suggest(role, BAND_ROLES) or "按影像文件中的波段顺序逐个写明。"
        raise refusal(f"没有波段角色“{role}”", allowed=allowed, advice=advice)
    return role


BandRole = Annotated[
    str, AfterValidator(_band_role), Field(json_schema_extra={"enum": ["", *BAND_ROLES]})
]


class ImageInput(Frozen):
    """One image of the pair."""

    path: str = Field(min_length=1, description="影像文件路径；相对路径从数据文件夹算起")
    date: datetime.date | None = Field(default=None, description="影像时相，YYYY-MM-DD")
    bands: tuple[BandRole, ...] | None = Field(
        default=None, min_length=1, description="按文件顺序的波段角色，例如 [blue, green, red, nir]"
    )
    sensor: str | None = Field(
        default=None, min_length=1, description="卫星和传感器，例如 GF-1 PMS；印在入库检查报告里"
    )
    mask: str | None = Field(
        default=None, description="影像供方的云掩膜：0 清晰，1 无数据，2 云，3 云影；与影像同一格网"
    )

    @field_validator("bands")
    @classmethod
    def _role_once(cls, bands: tuple[str, ...] | None) -> tuple[str, ...] | None:
        named = [role for role in bands or () if role]
        twice = sorted({role for role in named if named.count(role) > 1})
        if twice:
            advice = "每个角色只写一次，其余波段的角色改正或留空。"
            raise refusal(f"波段角色重复：{'、'.join(twice)}", advice=advice)
        return bands


LayerName = Annotated[str, AfterValidator(_layer_name)]


class LayerSource(Frozen):
    """Where one reference layer (参考图层) comes from, and how its fields are called there."""

    path: str = Field(
        min_length=1,
        description="文件路径（shp、gdb、gpkg、geojson、csv）；相对路径从数据文件夹算起",
    )
    layer: str | None = Field(default=None, description="文件内的图层名；只有一个图层时不用写")
    encoding: str | None = Field(
        default=None, description="文字编码，如 GBK、UTF-8；不写则自动判断并在报告中说明"
    )
    crs: str | None = Field(
        default=None, description="坐标系，如 EPSG:4526；只在文件没有写明坐标系时填写"
    )
    fields: Mapping[str, str] = Field(default={}, description="本程序字段: 源文件字段")
    constants: Mapping[str, str] = Field(default={}, description="本程序字段: 全图层同一个值")
    values: Mapping[str, Mapping[str, str]] = Field(
        default={}, description="本程序字段: {源文件取值: 本程序取值}"
    )
    units: Mapping[str, Literal["m2", "mu", "ha", "km2"]] = Field(
        default={}, description="面积字段: 源文件的单位"
    )
    vintage: datetime.date | None = Field(default=None, description="数据时点，YYYY-MM-DD")


ProfileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
PROFILE_ZH = (
    "巡查分级口径 configs/profiles/<名字>.yaml（xiangfan、xuzhou、jiuji、city2024）；"
    "不写则只用巡查区图层的等级"
)


class CountyConfig(Frozen):
    """One county: its code and its reference layers."""

    county_code: str = Field(pattern=r"^[0-9]{6}$", description="6 位县级行政区划代码，须加引号")
    county_name: str = Field(min_length=1, description="县名")
    patrol_profile: ProfileName | None = Field(default=None, description=PROFILE_ZH)
    layers: Mapping[LayerName, tuple[LayerSource, ...]] = Field(
        default={}, description="参考图层；一个图层可以由几个文件拼成"
    )


class SignedLearning(Frozen):
    """What a county has learned from its returns and signed; lies beside its configuration."""

    settings: ReturnsParams = Field(description="签署采用的参数")
    learned_from: str = Field(min_length=1, description="依据哪一次运行的核查结果")
    proposal_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="所依据的建议（proposal.json）的 SHA-256"
    )
    signed_by: str = Field(min_length=1, description="经办人")
    reviewed_by: str = Field(min_length=1, description="审核人，不能与经办人相同")
    reason: str = Field(min_length=1, description="理由")
    signature: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="以上各项的 SHA-256；改动任何一项都要重新签署"
    )


class RunConfig(Frozen):
    """One run: which county, which two images, which settings."""

    run: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
        description="运行编号：字母、数字、下划线、短横，例如 2026Q1",
    )
    county: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
        description="县配置的名字：configs/county/<名字>.yaml；只比较影像时不用写",
    )
    county_code: str = Field(
        default="000000",
        pattern=r"^[0-9]{6}$",
        description="6 位县级行政区划代码；写了 county 时取自县配置",
    )
    county_name: str = Field(default="", description="县名；写了 county 时取自县配置")
    patrol_profile: ProfileName | None = Field(
        default=None, description="巡查分级口径；写了 county 时取自县配置"
    )
    period: str = Field(default="", description="期次名称，例如 2026年第一季度；印在每份成果上")
    issued_on: datetime.date | None = Field(
        default=None, description="核查任务下发日期，YYYY-MM-DD；由它推算反馈截止"
    )
    closes_on: datetime.date | None = Field(
        default=None,
        description="统计截止日期，YYYY-MM-DD；逾期和验收都按这一天算，不写则不判断是否逾期",
    )
    layers: Mapping[LayerName, tuple[LayerSource, ...]] = Field(
        default={}, description="本次运行专有的图层（如下发图斑），同名的代替县配置里的"
    )
    before: ImageInput = Field(description="变化前影像（前时相）")
    after: ImageInput = Field(description="变化后影像（后时相）")
    gsd_m: float | None = Field(
        default=None, gt=0, le=MAX_GSD_M, description="地面分辨率，米；仅影像没有坐标系时填写"
    )
    settings: Settings = Field(
        default=Settings(), description="处理参数，缺省见 configs/default.yaml"
    )

    @field_validator("after")
    @classmethod
    def _after_is_later(cls, after: ImageInput, info: ValidationInfo) -> ImageInput:
        before: ImageInput | None = info.data.get("before")
        if before and before.date and after.date and after.date <= before.date:
            raise refusal(
                "后时相不晚于前时相",
                at=("date",),
                allowed=f"晚于 {before.date}",
                advice="核对两期影像的日期，或对调 before 与 after。",
            )
        return after
