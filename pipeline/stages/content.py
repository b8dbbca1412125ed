"""What `align` says of the images' content before it registers them.

A picture of nothing registers with nothing, looks like cloud or like unchanged land, and every
later message would name another reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import Finding, InputError, Severity
from pipeline.grid import Tile, tiles
from pipeline.imagery.content import Content, constant_values, read_content
from pipeline.imagery.likeness import likeness_windows
from pipeline.imagery.validity import NodataRule
from pipeline.io.pairs import ImagePair
from pipeline.io.tiles import Source, TileJob, run_tiles
from pipeline.stages.context import StageContext

LABELS = {"before": "变化前影像", "after": "变化后影像"}
SCAN_TILE_PX = 1024


def check_content(
    context: StageContext, pair: ImagePair, rules: Mapping[str, NodataRule]
) -> tuple[Finding, ...]:
    """Refuse images without content (E-IMAGE-BAND); say if both are one image (N-IMAGE-SAME).

    Looks at small windows spread over each image; only if these hold one value each band, the
    whole image is read to be sure.
    """
    seen: dict[str, list[Content]] = {}
    for name, file in pair.files.items():
        seen[name] = _read(context, pair, rules, name, likeness_windows(file.scene.grid))
        values = _only_values(context, pair, rules, name, seen[name])
        if values is not None:
            raise _without_content(name, str(file.path), values)
    pixels = _same_pixels(pair, seen)
    return () if pixels is None else (_same(pair, pixels),)


def _only_values(
    context: StageContext,
    pair: ImagePair,
    rules: Mapping[str, NodataRule],
    name: str,
    sample: list[Content],
) -> tuple[float, ...] | None:
    """The values of an image that has only one in every band; None if it has content or no data."""
    if constant_values(sample) is None:
        return None
    grid = pair.files[name].scene.grid
    cut = tiles(grid.height, grid.width, SCAN_TILE_PX)
    return constant_values(_read(context, pair, rules, name, cut))


def _read(
    context: StageContext,
    pair: ImagePair,
    rules: Mapping[str, NodataRule],
    name: str,
    windows: list[Tile],
) -> list[Content]:
    bands = pair.bands.before if name == "before" else pair.bands.after
    source = Source(str(pair.files[name].path), bands, None, rules[name].mask_bands)
    job = TileJob(read_content, {"image": source}, rules[name])
    outputs = run_tiles(job, windows, context.local, lambda done, total: None)
    return [part for _, output in outputs for _, part in output.partials]


def _same_pixels(pair: ImagePair, seen: Mapping[str, list[Content]]) -> int | None:
    """How many pixels were found equal; None if some differ or lie elsewhere."""
    before, after = (seen[name] for name in ("before", "after"))
    if not pair.before.scene.grid.same_pixels(pair.after.scene.grid):
        return None
    if [part.fingerprint for part in before] != [part.fingerprint for part in after]:
        return None
    return sum(part.pixels for part in before) or None


def _without_content(name: str, path: str, values: tuple[float, ...]) -> InputError:
    return InputError(
        Finding(
            "E-IMAGE-BAND",
            f"{LABELS[name]}全部波段都是常数，影像没有内容。",
            where=path,
            value="、".join(f"{value:g}" for value in values),
            allowed="有地物的正射影像",
            advice="核对文件是否损坏或导出出错；向供方要求重新下发这一期影像。",
        )
    )


def _same(pair: ImagePair, pixels: int) -> Finding:
    before, after = pair.before.path, pair.after.path
    is_one_file = before.samefile(after)
    return Finding(
        "N-IMAGE-SAME",
        "两期给的是同一个文件，什么变化也查不出来。"
        if is_one_file
        else "两期影像的像元完全相同，是同一幅影像，什么变化也查不出来。",
        where=before.name if is_one_file else f"{before.name}、{after.name}",
        value=f"抽查 {pixels} 个像元，全部相同",
        allowed="两个不同日期的影像",
        advice="核对是否把同一期给了两次；向供方要另一期的影像。",
        severity=Severity.NOTICE,
    )
