"""Configuration files → typed values: a run, the rule folder, a code table.

Every problem of everything asked for is reported at once.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pipeline.change.verdict import VerdictCard
from pipeline.config.models import CountyConfig, ImageInput, RunConfig, Settings, SignedLearning
from pipeline.errors import Finding, InputError, PipelineError, RuleError
from pipeline.rules.parameters import RuleParameter, RuleSet
from pipeline.rules.patrol import PatrolProfile
from pipeline.schema.codes import CodeTable, build_code_table
from pipeline.schema.document import parse_document
from pipeline.schema.model import Frozen

Model = TypeVar("Model", bound=Frozen)

CONFIG_DIR = Path(__file__).resolve().parents[2] / "configs"
"""The configuration shipped with the program."""
RULES_DIR = CONFIG_DIR / "rules"
PROFILES_DIR = CONFIG_DIR / "profiles"
CODES_DIR = CONFIG_DIR / "codes"
CHANGE_KIND_CODES = CODES_DIR / "change_kind.csv"
CONSTRUCTION_NETWORK = CONFIG_DIR / "models" / "construction.onnx"
"""The network that tells construction (`pipeline.change.construction`)."""
CONSTRUCTION_VERDICT = CONFIG_DIR / "models" / "construction_verdict.json"
"""The scorecard over what the network found (`pipeline.change.verdict`)."""


def load_kind_codes() -> dict[int, str]:
    """Pixel value of `kind.tif` → code of the change kind."""
    table = load_codes(CHANGE_KIND_CODES)
    return {int(columns["value"]): code for code, columns in table.attributes.items()}


def construction_like_kinds() -> list[str]:
    """Codes of change kinds that are construction, or of which that is not known."""
    table = load_codes(CHANGE_KIND_CODES)
    return [code for code, told in table.attributes.items() if told["is_construction"] in ("1", "")]


@cache
def load_verdict(path: Path) -> VerdictCard:
    """The scorecard over construction candidates. Raises `InputError` E-CONFIG-…"""
    return _load_model(path, VerdictCard)


def load_run(path: Path, data_dir: Path | None = None) -> RunConfig:
    """The configuration of a run, with its county's code, name and layers filled in.

    The county's file is looked for in the folder `county` beside the one the run's file is in.
    Relative paths count from `data_dir`; None leaves them as they are written.
    """
    run = _load_model(path, RunConfig)
    if run.county is not None:
        county_path = path.parent.parent / "county" / f"{run.county}.yaml"
        run = _in_county(run, _load_model(county_path, CountyConfig), path)
        run = _as_learned(run, learned_path(path.parent.parent, county_path.stem))
    return run if data_dir is None else _located(run, data_dir)


def learned_path(config_dir: Path, county: str) -> Path:
    """Where a county's signed learning lies."""
    return config_dir / "county" / f"{county}.learned.yaml"


def signature_of(content: Mapping[str, Any]) -> str:
    """Digest of the parts of a `SignedLearning` but the signature itself."""
    parts = {key: value for key, value in content.items() if key != "signature"}
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _as_learned(run: RunConfig, path: Path) -> RunConfig:
    """The run with what its county has learned and signed, unless it states its own."""
    if not path.is_file():
        return run
    signed = _load_model(path, SignedLearning)
    if signature_of(signed.model_dump(mode="json")) != signed.signature:
        what = "签署后的改进参数被改动过。"
        advice = "恢复原文件，或用 learn propose、learn sign 重新提出并签署。"
        raise InputError(Finding("E-CONFIG-VALUE", what, path.as_posix(), advice=advice))
    extract = run.settings.extract
    if "extract" in run.settings.model_fields_set and "returns" in extract.model_fields_set:
        return run
    settings = run.settings.model_copy(
        update={"extract": extract.model_copy(update={"returns": signed.settings})}
    )
    return run.model_copy(update={"settings": settings})


def _load_model(path: Path, model: type[Model]) -> Model:
    return parse_document(
        _read_text(path),
        path.as_posix(),
        model,
        syntax_code="E-CONFIG-SYNTAX",
        value_code="E-CONFIG-VALUE",
        error=InputError,
    )


def _in_county(run: RunConfig, county: CountyConfig, path: Path) -> RunConfig:
    """What the run does not say itself, its county says; a layer of the run replaces its name."""
    stated = run.model_fields_set
    if "county_code" in stated and run.county_code != county.county_code:
        what = "运行配置的县代码与县配置不同。"
        advice = "删去运行配置里的 county_code，或改正 county。"
        raise InputError(
            Finding(
                "E-CONFIG-VALUE", what, path.as_posix(), run.county_code, county.county_code, advice
            )
        )
    return run.model_copy(
        update={
            "county_code": county.county_code,
            "county_name": run.county_name or county.county_name,
            "patrol_profile": run.patrol_profile or county.patrol_profile,
            "layers": {**county.layers, **run.layers},
        }
    )


def _located(run: RunConfig, data_dir: Path) -> RunConfig:
    """The same run with every relative path below the data folder."""

    def place(path: str) -> str:
        return str(data_dir / path)

    def image(given: ImageInput) -> ImageInput:
        mask = None if given.mask is None else place(given.mask)
        return given.model_copy(update={"path": place(given.path), "mask": mask})

    layers = {
        name: tuple(one.model_copy(update={"path": place(one.path)}) for one in sources)
        for name, sources in run.layers.items()
    }
    located: dict[str, Any] = {
        "before": image(run.before),
        "after": image(run.after),
        "layers": layers,
    }
    model = run.settings.detect.learned.model
    if model is not None:
        located["settings"] = with_model(run.settings, place(model))
    return run.model_copy(update=located)


def with_model(settings: Settings, model: str) -> Settings:
    """The same settings with another network for the detector `learned`."""
    learned = settings.detect.learned.model_copy(update={"model": model})
    detect = settings.detect.model_copy(update={"learned": learned})
    return settings.model_copy(update={"detect": detect})


def load_codes(path: Path) -> CodeTable:
    """A code table from a CSV file with one header row, named after the file."""
    source = path.as_posix()
    reader = csv.DictReader(io.StringIO(_read_text(path), newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as broken:
        where = f"{source}:{reader.reader.line_num}"
        advice = "检查该行的引号是否成对。"
        what = "CSV 写法有误。"
        raise InputError(Finding("E-CONFIG-SYNTAX", what, where, advice=advice)) from broken
    header = reader.fieldnames or ()
    # DictReader marks surplus cells with the key None and absent ones with the value None.
    ragged = [n for n, row in enumerate(rows, start=2) if None in row or None in row.values()]
    if ragged:
        what = "该行的格数与表头不一致。"
        allowed = f"{len(header)} 格"
        advice = "补齐或删去多余的逗号；含逗号的内容要加引号。"
        raise InputError(
            Finding("E-CONFIG-SYNTAX", what, f"{source}:{n}", allowed=allowed, advice=advice)
            for n in ragged
        )
    return build_code_table(path.stem, rows, source)


def load_all_codes() -> dict[str, CodeTable]:
    """Every code table by its name."""
    return {path.stem: load_codes(path) for path in sorted(CODES_DIR.glob("*.csv"))}


def profile_path(name: str) -> Path:
    """Where a patrol profile lies."""
    return PROFILES_DIR / f"{name}.yaml"


def load_profile(name: str) -> PatrolProfile:
    """A patrol profile by its name; raises E-PATROL-PROFILE if there is none of that name."""
    path = profile_path(name)
    if not path.is_file():
        what = f"没有巡查分级口径“{name}”。"
        allowed = "、".join(sorted(found.stem for found in PROFILES_DIR.glob("*.yaml")))
        advice = "改正县配置里的 patrol_profile，或在 configs/profiles/ 里照样写一份。"
        raise InputError(Finding("E-PATROL-PROFILE", what, path.as_posix(), name, allowed, advice))
    profile = _load_model(path, PatrolProfile)
    if profile.id != name:
        what = "口径的 id 与文件名不一致。"
        raise InputError(
            Finding("E-PATROL-PROFILE", what, path.as_posix(), profile.id, name, "改 id 或文件名。")
        )
    return profile


def load_rules(directory: Path) -> RuleSet:
    """Every rule parameter under a folder; a file's path below it spells the rule's id."""
    if not directory.is_dir():
        raise _missing(directory, "规则目录")
    findings: list[Finding] = []
    parameters: list[RuleParameter] = []
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    for path in files:
        try:
            parameters.append(_load_rule(path, path.relative_to(directory)))
        except PipelineError as refused:
            findings += refused.findings
    if not files:
        advice = "核对规则目录的位置。"
        what = "规则目录里没有规则文件。"
        findings.append(Finding("E-RULE-VALUE", what, directory.as_posix(), advice=advice))
    if findings:
        raise RuleError(findings)
    return RuleSet(tuple(sorted(parameters, key=lambda parameter: parameter.id)))


def _load_rule(path: Path, relative: Path) -> RuleParameter:
    source = path.as_posix()
    if path.suffix != ".yaml":
        what = "规则目录里只能有 .yaml 文件。"
        advice = "改扩展名，或移出规则目录。"
        raise RuleError(Finding("E-RULE-SYNTAX", what, source, path.name, "*.yaml", advice))
    parameter = _parse_rule(_read_text(path), source)
    expected = ".".join(relative.with_suffix("").parts)
    if parameter.id != expected:
        what = "规则的 id 与文件位置不一致。"
        advice = "改 id，或改文件名和所在目录。"
        raise RuleError(Finding("E-RULE-VALUE", what, source, parameter.id, expected, advice))
    return parameter


@cache
def _parse_rule(text: str, source: str) -> RuleParameter:
    """A rule out of its text; remembered, because one command asks for the rules many times."""
    return parse_document(
        text,
        source,
        RuleParameter,
        syntax_code="E-RULE-SYNTAX",
        value_code="E-RULE-VALUE",
        error=RuleError,
    )


def _read_text(path: Path) -> str:
    """Text of a UTF-8 file, with or without BOM."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as missing:
        raise _missing(path, "文件") from missing
    except UnicodeDecodeError as foreign:
        what = "文件不是 UTF-8 编码。"
        advice = "用记事本另存为 UTF-8；用 WPS 或 Excel 时另存为“CSV UTF-8”。"
        finding = Finding("E-FILE-UNREADABLE", what, path.as_posix(), advice=advice)
        raise InputError(finding) from foreign
    except OSError as refused:
        what = "文件无法打开。"
        advice = "确认它是文件而不是目录，并有读取权限。"
        finding = Finding("E-FILE-UNREADABLE", what, path.as_posix(), advice=advice)
        raise InputError(finding) from refused


def _missing(path: Path, noun: str) -> InputError:
    what = f"找不到{noun}“{path.name}”。"
    advice = "核对路径和文件名。"
    return InputError(Finding("E-FILE-MISSING", what, path.as_posix(), advice=advice))
