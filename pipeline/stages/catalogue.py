"""The stages in order: what each reads and which settings decide its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.load import (
    CHANGE_KIND_CODES,
    CODES_DIR,
    CONSTRUCTION_NETWORK,
    CONSTRUCTION_VERDICT,
    RULES_DIR,
    profile_path,
)
from pipeline.config.models import RunConfig
from pipeline.delivery.assets import FONT_PATH
from pipeline.io.register.earlier import earlier_digest
from pipeline.io.register.store import register_reasons
from pipeline.io.returned.files import returned_files
from pipeline.io.runs import RunPaths
from pipeline.io.scenes import META_FILE
from pipeline.io.source_files import files_of_source

PATROL_RULES = RULES_DIR / "patrol"
"""Widths that patrol zones may have."""

TRACED_STAGES = ("intake", "align", "detect", "extract", "overlay", "screen", "package", "collect")
"""Stages before the books."""


@dataclass(frozen=True)
class Stage:
    """One Make target: what it reads, which settings decide its result, where its code is."""

    name: str
    label_zh: str
    inputs: Callable[[RunConfig, RunPaths], dict[str, Path]]
    settings: Callable[[RunConfig], dict[str, Any]]
    needs_county: bool = False
    """Whether there is nothing to do for a run that only compares two images."""
    uses_rules: bool = False
    also_writes: tuple[str, ...] = ()
    """Folders beside its own that it replaces as a whole."""
    keeps_edits: bool = False
    """Whether people may fill in its results, which must then not be lost when it runs again."""
    is_sealed: bool = False
    """Whether its results may not change while the run is sealed."""
    views: Callable[[RunConfig, RunPaths], dict[str, str]] = lambda _run, _paths: {}
    """Digests of what it reads of files that are more than its input, by logical name."""
    also_stale: Callable[[RunConfig, RunPaths], tuple[str, ...]] = lambda _run, _paths: ()
    """Further reasons to run, in Chinese: of what it changes outside its own folders."""

    @property
    def module(self) -> str:
        """The stage's module; imported only when it runs."""
        return f"pipeline.stages.{self.name}"


def _dump(run: RunConfig, stage: str) -> dict[str, Any]:
    dumped: dict[str, Any] = getattr(run.settings, stage).model_dump(mode="json")
    return dumped


def _dates(run: RunConfig) -> dict[str, str | None]:
    return {"before": _iso(run.before.date), "after": _iso(run.after.date)}


def _iso(date: Any) -> str | None:
    return None if date is None else date.isoformat()


def _county(run: RunConfig) -> dict[str, str]:
    return {"code": run.county_code, "name": run.county_name, "period": run.period}


def _images(run: RunConfig, _paths: RunPaths) -> dict[str, Path]:
    """The two images, their masks, and the `meta.yaml` beside them that may name their bands."""
    given = {"before": run.before, "after": run.after}
    images = {name: Path(image.path) for name, image in given.items()}
    masks = {f"{name}_mask": Path(image.mask) for name, image in given.items() if image.mask}
    meta = {f"{name}_meta": path.parent / META_FILE for name, path in images.items()}
    return images | masks | {name: path for name, path in meta.items() if path.is_file()}


def _intake_inputs(run: RunConfig, paths: RunPaths) -> dict[str, Path]:
    return _images(run, paths) | _layer_files(run) | _code_tables()


def _layer_files(run: RunConfig) -> dict[str, Path]:
    """Every file of every source of every layer, so that a changed sidecar counts too."""
    return {
        f"layer.{layer}.{number}.{part}": path
        for layer, sources in sorted(run.layers.items())
        for number, source in enumerate(sources)
        for part, path in files_of_source(Path(source.path)).items()
    }


def _code_tables() -> dict[str, Path]:
    return {f"codes.{path.stem}": path for path in sorted(CODES_DIR.glob("*.csv"))}


def _patrol_files(run: RunConfig) -> dict[str, Path]:
    """The county's patrol profile and the rules of its widths; not the other rules."""
    if run.patrol_profile is None:
        return {}
    widths = {f"rules.patrol.{path.stem}": path for path in sorted(PATROL_RULES.glob("*.yaml"))}
    return widths | {"patrol_profile": profile_path(run.patrol_profile)}


def _intake_settings(run: RunConfig) -> dict[str, Any]:
    """How the layers are read; where they lie decides nothing."""
    layers = {
        name: [source.model_dump(mode="json", exclude={"path"}) for source in sources]
        for name, sources in run.layers.items()
    }
    return {
        "county": _county(run),
        "layers": layers,
        "gsd_m": run.gsd_m,
        "bands": {"before": run.before.bands, "after": run.after.bands},
        "dates": _dates(run),
        "sensors": {"before": run.before.sensor, "after": run.after.sensor},
        "quality": _dump(run, "intake"),
        "patch_size": run.settings.extract.patches.model_dump(mode="json"),
    }


def _detect_inputs(run: RunConfig, paths: RunPaths) -> dict[str, Path]:
    inputs = {
        "before": paths.align_before,
        "after": paths.align_after,
        "valid": paths.align_valid,
        "fit": paths.align_fit,
        "change_kind_codes": CHANGE_KIND_CODES,
        "construction_network": CONSTRUCTION_NETWORK,
    }
    detect = run.settings.detect
    if detect.detector == "learned" and detect.learned.model is not None:
        inputs["model"] = Path(detect.learned.model)
    return inputs


def _detect_settings(run: RunConfig) -> dict[str, Any]:
    """The network counts by its content, among the inputs; where it lies decides nothing."""
    detect = _dump(run, "detect")
    detect["learned"].pop("model")
    return {"detect": detect, "gsd_m": run.gsd_m}


def _extract_inputs(run: RunConfig, paths: RunPaths) -> dict[str, Path]:
    inputs = {
        "score": paths.detect_score,
        "kind": paths.detect_kind,
        "traces": paths.detect_traces,
        "detect_summary": paths.detect_summary,
        "fit": paths.align_fit,
        "change_kind_codes": CHANGE_KIND_CODES,
        "construction_verdict": CONSTRUCTION_VERDICT,
    }
    return inputs | ({"layers": paths.intake_layers} if run.county else {})


def _package_inputs(_run: RunConfig, paths: RunPaths) -> dict[str, Path]:
    return {
        "patches": paths.screened,
        "parts": paths.overlay,
        "layers": paths.intake_layers,
        "before": paths.align_before,
        "after": paths.align_after,
        "valid": paths.align_valid,
        "valid_before": paths.align_valid_before,
        "valid_after": paths.align_valid_after,
        "fit": paths.align_fit,
        "font": FONT_PATH,
        **{f"asset.{path.name}": path for path in sorted(FONT_PATH.parent.glob("*.typ"))},
        **_code_tables(),
    }


def _identity(paths: RunPaths) -> dict[str, Path]:
    """What `extract` told of the land's earlier patches; read where it is there."""
    found = paths.extract_patches
    return {"identity": found} if found.is_file() else {}


def _collect_inputs(run: RunConfig, paths: RunPaths) -> dict[str, Path]:
    """Every returned file, and what was sent out."""
    return {
        "screened": paths.screened,
        "parts": paths.overlay,
        **_identity(paths),
        "layers": paths.intake_layers,
        **{f"returns.{name}": path for name, path in returned_files(paths.returns).items()},
        **_code_tables(),
    }


def _statistics_inputs(_run: RunConfig, paths: RunPaths) -> dict[str, Path]:
    # Figures are traced to the inputs and results that the manifests name.
    manifests = {f"manifest.{name}": paths.manifest(name) for name in TRACED_STAGES}
    return {
        "snapshot": paths.snapshot,
        "collect_summary": paths.collect_summary,
        "parts": paths.overlay,
        "layers": paths.intake_layers,
        "valid": paths.align_valid,
        **{name: path for name, path in manifests.items() if path.is_file()},
        **_code_tables(),
    }


def _register_moved(run: RunConfig, paths: RunPaths) -> tuple[str, ...]:
    """The register was changed by another hand, or is gone: what was collected must be redone."""
    return register_reasons(paths.register(run.county_code), run.run)


def _earlier_runs(run: RunConfig, paths: RunPaths) -> dict[str, str]:
    """What the register tells of earlier runs; nothing while it tells of none."""
    if run.county is None:
        return {}
    found = earlier_digest(paths.register(run.county_code), run.run, _iso(run.after.date))
    return {} if found is None else {"register.earlier": found}


STAGES: tuple[Stage, ...] = (
    Stage("intake", "入库检查", _intake_inputs, _intake_settings, needs_county=True),
    Stage(
        "align",
        "配准归一",
        _images,
        lambda run: {
            "align": _dump(run, "align"),
            "gsd_m": run.gsd_m,
            "bands": {"before": run.before.bands, "after": run.after.bands},
            "dates": _dates(run),
        },
    ),
    Stage(
        "detect",
        "变化检测",
        _detect_inputs,
        _detect_settings,
    ),
    Stage(
        "extract",
        "图斑提取",
        _extract_inputs,
        lambda run: {
            "extract": _dump(run, "extract"),
            "county_code": run.county_code,
            "dates": _dates(run),
            "gsd_m": run.gsd_m,
        },
        views=_earlier_runs,
    ),
    Stage(
        "overlay",
        "套合分析",
        lambda run, paths: {
            "patches": paths.extract_patches,
            "valid": paths.align_valid,
            "layers": paths.intake_layers,
            **_code_tables(),
            **_patrol_files(run),
        },
        lambda run: {
            "overlay": _dump(run, "overlay"),
            "dates": _dates(run),
            "patrol_profile": run.patrol_profile,
        },
        needs_county=True,
    ),
    Stage(
        "screen",
        "合规初判",
        lambda run, paths: {
            "overlay": paths.overlay,
            "layers": paths.intake_layers,
            **_identity(paths),
            **_code_tables(),
        },
        lambda run: {
            "dates": _dates(run),
            "issued_on": _iso(run.issued_on),
        },
        needs_county=True,
        uses_rules=True,
    ),
    Stage(
        "package",
        "核查包",
        _package_inputs,
        lambda run: {
            "package": _dump(run, "package"),
            "development_zone_first": run.settings.overlay.development_zone_first,
            "run": run.run,
            "county": _county(run),
            "dates": _dates(run),
            "issued_on": _iso(run.issued_on),
        },
        needs_county=True,
        uses_rules=True,
        also_writes=("delivery",),
        keeps_edits=True,
    ),
    Stage(
        "collect",
        "回收核查",
        _collect_inputs,
        lambda run: {
            "run": run.run,
            "county": _county(run),
            "dates": _dates(run),
            "closes_on": _iso(run.closes_on),
            "withheld_classes": list(run.settings.package.withheld_classes),
            "overlay": _dump(run, "overlay"),
            "secrecy": run.settings.package.secrecy,
        },
        needs_county=True,
        uses_rules=True,
        keeps_edits=True,
        also_stale=_register_moved,
    ),
    Stage(
        "statistics",
        "统计挂钩",
        _statistics_inputs,
        lambda run: {
            "run": run.run,
            "county": _county(run),
            "dates": _dates(run),
            "issued_on": _iso(run.issued_on),
            "closes_on": _iso(run.closes_on),
            "secrecy": run.settings.package.secrecy,
            "overlay": _dump(run, "overlay"),
        },
        needs_county=True,
        uses_rules=True,
        is_sealed=True,
    ),
    Stage(
        "report",
        "领导简报",
        lambda run, paths: {
            "tables": paths.tables,
            "books": paths.books,
            "font": FONT_PATH,
            **{f"asset.{path.name}": path for path in sorted(FONT_PATH.parent.glob("*.typ"))},
            **_code_tables(),
        },
        lambda run: {
            "run": run.run,
            "county": _county(run),
            "dates": _dates(run),
            "closes_on": _iso(run.closes_on),
            "secrecy": run.settings.package.secrecy,
        },
        needs_county=True,
        uses_rules=True,
        keeps_edits=True,
    ),
)
"""The stages in order. Every one depends on files of earlier ones only."""


def stage_by_name(name: str) -> Stage:
    """The stage called `name`; KeyError if there is none."""
    found = {stage.name: stage for stage in STAGES}
    return found[name]


def stages_of(run: RunConfig) -> tuple[Stage, ...]:
    """The stages that apply to a run: without a county only the comparison of its images."""
    return tuple(stage for stage in STAGES if run.county or not stage.needs_county)
