"""Errors as product: every problem says what, where, which value, what is allowed and what to do.

Texts are Simplified Chinese because bureau analysts read them; codes are stable and never reused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Process exit codes (DESIGN §6)."""

    OK = 0
    USAGE = 2
    INPUT = 3
    RULE = 4
    INTERNAL = 5
    VERIFY = 6
    INTERRUPTED = 130


class Severity(StrEnum):
    """阻断 stops the stage; 提示 is reported and the work goes on."""

    BLOCK = "阻断"
    NOTICE = "提示"


CODES: dict[str, str] = {
    "E-USAGE": "命令用法有误",
    "E-FILE-MISSING": "文件不存在",
    "E-FILE-PART": "Shapefile 不成套",
    "E-FILE-TRUNCATED": "文件不完整",
    "E-FILE-UNREADABLE": "文件无法读取",
    "E-FILE-REFUSED": "不接受的文件或数据源类型",
    "E-FILE-WRITE": "文件无法写入",
    "E-RASTER-NOCRS": "影像没有坐标系",
    "E-RASTER-TRANSFORM": "影像的地理变换不可用",
    "E-RASTER-SIDECAR": "位置、掩膜或无效值写在影像旁的文件里",
    "E-RASTER-DTYPE": "影像的像元类型不支持",
    "E-RASTER-EMPTY": "影像没有有效像元",
    "E-RASTER-BANDS": "两期影像的波段对不上",
    "E-RASTER-OVERLAP": "两期影像没有重叠范围",
    "E-RASTER-GSD": "两期影像的分辨率相差过大",
    "E-IMAGE-CRS": "影像坐标与坐标系不符",
    "E-IMAGE-BAND": "影像没有内容",
    "E-IMAGE-SAME": "两期是同一幅影像",
    "E-IMAGE-SWAPPED": "两期影像前后颠倒",
    "N-IMAGE-BAND": "波段为常数或重复",
    "N-IMAGE-ROLE": "波段角色与像元值不合",
    "N-IMAGE-DEPTH": "灰度级少于像元类型所示",
    "N-IMAGE-COLLAR": "影像无效范围没有声明",
    "N-IMAGE-SATURATED": "影像过饱和",
    "N-IMAGE-STRIPES": "影像有条带",
    "N-IMAGE-DATE": "影像日期有疑问",
    "N-IMAGE-SAME": "两期影像几乎相同",
    "N-IMAGE-GSD": "影像分辨率不合适",
    "N-IMAGE-ZONE": "分带不一致",
    "N-IMAGE-COVER": "影像没有盖满县域",
    "E-LABEL-GRID": "标注与影像不在同一格网",
    "E-LABEL-VALUE": "标注里有说不清含义的值",
    "E-CONFIG-SYNTAX": "配置文件语法有误",
    "E-CONFIG-VALUE": "配置项取值有误",
    "E-RULE-SYNTAX": "规则文件语法有误",
    "E-RULE-VALUE": "规则文件内容有误",
    "E-RULE-DATE": "该日期没有有效的规则取值",
    "E-LAYER-SCHEMA": "图层结构与约定不符",
    "E-COUNTY-MISSING": "没有县配置或缺少必需图层",
    "E-LAYER-MISSING": "文件里没有该图层",
    "E-LAYER-FIELD": "源文件没有映射的字段",
    "E-FIELD-AMBIGUOUS": "字段名分不清是哪个",
    "E-LAYER-ENCODING": "文字编码无法识别",
    "E-LAYER-NOCRS": "图层没有坐标系",
    "E-LAYER-CRS": "图层坐标与坐标系不符",
    "E-LAYER-ZONE": "东坐标的带号与坐标系不符",
    "E-LAYER-AXES": "坐标轴颠倒",
    "E-LAYER-DEGREES": "经纬度与平面坐标混淆",
    "E-LAYER-DATUM": "坐标系的基准不同",
    "E-LAYER-MIXED": "同一文件里混有几种坐标",
    "E-LAYER-GEOMETRY": "几何无法使用",
    "E-GEOMETRY-NONE": "没有图形",
    "E-GEOMETRY-KIND": "图形类型不对",
    "E-GEOMETRY-LOST": "图形无效，修不好",
    "E-LAYER-EMPTY": "必需的图层没有要素",
    "E-LAYER-NULL": "必填字段为空",
    "E-LAYER-VALUE": "字段取值不合要求",
    "E-LAYER-CODE": "代码不在代码表中",
    "E-LAYER-DATE": "日期不可能",
    "E-LAYER-PERIOD": "起止日期颠倒",
    "E-LAYER-VALID": "后时相当天没有有效的乡镇",
    "E-LAYER-VERSION": "同一时期有两个版本",
    "E-LAYER-OVERLAP": "乡镇界线互相重叠",
    "E-LAYER-DUPLICATE": "编号重复",
    "E-LAYER-EXTENT": "图层与影像范围不重叠",
    "E-MASK-GRID": "云掩膜与影像对不上",
    "E-CLOUD-EXTRA": "没有安装云检测的可选组件",
    "E-CLOUD-BANDS": "影像没有云检测组件需要的波段",
    "E-MODEL-FILE": "模型文件不是可用的网络",
    "E-MODEL-META": "模型文件里没有合格的说明",
    "E-MODEL-INPUTS": "模型的输入输出与说明不符",
    "E-MODEL-BANDS": "影像没有模型需要的波段",
    "E-MODEL-GSD": "影像分辨率不在模型适用范围",
    "E-TRAIN-EXTRA": "没有安装训练所需的程序包",
    "E-TRAIN-DATA": "训练数据无法使用",
    "E-TRAIN-SAMPLE": "训练样本不足",
    "N-LAYER-ABSENT": "未提供的可选图层",
    "N-LAYER-ENCODING": "文字编码由程序判断",
    "N-LAYER-CPG": "写明的文字编码与内容不符",
    "N-FIELD-CUT": "字段名被截断，按开头对应",
    "N-LAYER-REPAIRED": "几何已自动修复",
    "N-GEOMETRY-NONE": "没有图形，未入库",
    "N-GEOMETRY-KIND": "图形类型不对，未入库",
    "N-GEOMETRY-LOST": "图形无效，未入库",
    "N-LAYER-EMPTY": "图层没有要素",
    "N-LAYER-TWIN": "要素重复",
    "N-LAYER-DUPLICATE": "要素编号重复",
    "N-LAYER-OVERLAP": "同一图层内要素重叠",
    "N-LAYER-GAP": "图层没有盖满",
    "N-LAYER-CRS": "写明的坐标系与文件自带的不同",
    "N-LAYER-OFFSET": "疑似整体偏移（GCJ-02）",
    "N-LAYER-STRAY": "个别要素远离图层",
    "N-LAYER-EXTENT": "图层与影像范围不重叠",
    "N-LAYER-OUTSIDE": "下发图斑不在范围内",
    "N-LAYER-AREA": "面积属性与几何面积不一致",
    "N-LAYER-UNIT": "面积单位多半写错",
    "N-LAYER-VINTAGE": "数据时点与影像时相不配",
    "N-VINTAGE-NONE": "没有数据时点",
    "N-VINTAGE-OLD": "数据时点太旧",
    "N-LAYER-VALUE": "字段取值有疑问",
    "N-LAYER-DATE": "日期无法识别",
    "N-LAYER-NULL": "应填的字段为空",
    "N-LAYER-NEST": "行政区代码不衔接",
    "N-LAYER-CODE": "代码不在代码表中，按未分类处理",
    "N-CODE-FIXED": "代码按误写表改读",
    "N-CODE-IGNORED": "代码表登记过的表外代码",
    "N-SEAM-DATE": "镶嵌线的日期有疑问",
    "E-SEAM-ORDER": "两期镶嵌线的日期前后颠倒",
    "N-SEAM-ORDER": "局部前后日期颠倒",
    "N-SEAM-PATCH": "图斑跨几景，前后时相取最宽",
    "E-PATROL-PROFILE": "巡查分级口径不能用",
    "N-PATROL-GRADE": "巡查区带等级，口径只补其余",
    "N-PATROL-ZONE": "有的巡查区域没有图层，没有参与定级",
    "N-PATROL-WIDTH": "定级用了示例口径的宽度",
    "N-FONT-GLYPH": "字体缺少文字，以〓代替",
    "N-KEPT-ASIDE": "改动过的成果已另存",
    "E-RETURN-FILE": "交回的文件无法读取",
    "E-RETURN-REFUSED": "交回的文件不安全，拒收",
    "E-RETURN-UNKNOWN": "认不出交回的是什么",
    "E-RETURN-PATCH": "图斑不在本期核查任务中",
    "E-RETURN-FOREIGN": "图斑不属于交回的乡镇",
    "E-RETURN-VALUE": "填写内容不合要求",
    "E-RETURN-INCOMPLETE": "必填内容没有填全",
    "E-RETURN-UNSIGNED": "没有签署齐全",
    "E-RETURN-DUPLICATE": "同一份文件里重复填写",
    "E-RETURN-CONFLICT": "几份填报互相矛盾，待裁决",
    "E-RETURN-GEOMETRY": "实测界址无法使用",
    "E-RETURN-PHOTO": "照片无法使用",
    "E-RETURN-CASE": "案件台账前后矛盾",
    "N-RETURN-REJECTED": "有填报被退回",
    "N-RETURN-LOCKED": "改动了锁定的内容，未并入",
    "N-RETURN-DOUBT": "填写内容有疑问",
    "N-RETURN-NONE": "没有交回任何文件",
    "N-RETURN-MISSING": "还有图斑没有交回",
    "E-REGISTER-UNREADABLE": "台账无法读取",
    "E-REGISTER-VERSION": "台账版本不支持",
    "E-REGISTER-BUSY": "台账正被占用",
    "E-REGISTER-CHAIN": "台账历史被改动",
    "E-REGISTER-STATE": "台账现状与历史不符",
    "E-REGISTER-FROZEN": "本期已封存",
    "E-LEDGER-BALANCE": "指标账不平",
    "N-INPUT-MISSING": "缺少县填报数据，有的数字无法计算",
    "E-VERIFY-CONTENT": "成果内容与清单不符",
    "E-VERIFY-SUM": "成果的数字不闭合",
    "E-INTERNAL": "程序内部错误",
    "N-VERIFY-OPENED": "文件被打开过，内容未变",
    "E-REGISTRATION-RESIDUAL": "配准后残差过大",
    "N-REGISTRATION-NONE": "未能建立可靠的配准关系",
    "N-REGISTRATION-RESIDUAL": "配准后残差超过限值",
    "N-RADIOMETRY-POOR": "辐射归一化把握不大",
    "N-BANDS-NOROLE": "波段角色未知",
    "N-RASTER-PIXELWISE": "没有坐标系，按像元行列对应",
    "N-RECALL-UNKNOWN": "要召回的对象不在剔除对象中",
    "N-RUN-INCOMPLETE": "阶段尚未完成",
}
"""Closed catalogue of codes: a code that is not here can not be raised."""


@dataclass(frozen=True)
class Finding:
    """One problem found in an input, a setting, a rule or a result."""

    code: str
    what: str
    """What is wrong, one Chinese sentence."""
    where: str = ""
    """File, layer, row or file:line:column."""
    value: str = ""
    """The value as found."""
    allowed: str = ""
    """What would be accepted."""
    advice: str = ""
    """What to do."""
    severity: Severity = Severity.BLOCK

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"error code {self.code!r} is not in pipeline.errors.CODES")

    def render(self) -> str:
        """The finding as Chinese text, one line per aspect that is known."""
        lines = [f"[{self.severity.value}] {self.code} {self.what}"]
        for label, text in (
            ("位置", self.where),
            ("现值", self.value),
            ("允许", self.allowed),
            ("办法", self.advice),
        ):
            if text:
                lines.append(f"    {label}：{text}")
        return "\n".join(lines)


class PipelineError(Exception):
    """Base of all errors meant for the user; carries every finding at once."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, findings: Finding | Iterable[Finding]) -> None:
        self.findings = (findings,) if isinstance(findings, Finding) else tuple(findings)
        super().__init__("\n".join(f.render() for f in self.findings))


class UsageError(PipelineError):
    """The command line asks for something that does not exist or contradicts itself."""

    exit_code = ExitCode.USAGE


class InputError(PipelineError):
    """A given file or setting can not be used as it is."""

    exit_code = ExitCode.INPUT


class RuleError(PipelineError):
    """A law, standard or local rule is missing, malformed or asked outside its life."""

    exit_code = ExitCode.RULE


class VerifyError(PipelineError):
    """A finished result no longer agrees with its manifest or with itself."""

    exit_code = ExitCode.VERIFY
