"""Running the product's commands; what is finished and still the same is not run again."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
CODES = ROOT / "configs" / "codes"
"""Public code tables of the product: which kinds are construction, which filters there are."""


def run_command(words: Iterable[str | Path], log: Path, root: Path = ROOT) -> float:
    """Run one command from a repository's root; seconds it took. Stops if it fails."""
    command = [sys.executable, *map(str, words)]
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("w", encoding="utf-8") as stream:
        code = subprocess.run(
            command, cwd=root, stdout=stream, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        raise SystemExit(
            f"exit status {code}: {' '.join(command)}\n{log.read_text('utf-8')[-2000:]}"
        )
    return time.perf_counter() - started


def compare(
    before: Path, after: Path, out: Path, options: Iterable[str], root: Path = ROOT
) -> float:
    """`compare` of two images into `out`, which the command itself reuses."""
    words = ["-m", "pipeline", "compare", before, after, "--out", out, *options]
    return run_command(words, out.with_suffix(".log"), root)


def with_models(models: Path, folder: Path) -> Path:
    """A copy of the product in `folder` that has the files of `models` in place of its own."""
    for part in ("pipeline", "configs"):
        shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True)
    for path in sorted(models.iterdir()):
        if not (folder / "configs" / "models" / path.name).is_file():
            raise SystemExit(f"{path}: the product has no model of this name")
        shutil.copyfile(path, folder / "configs" / "models" / path.name)
    return folder


def run_stages(work: Path, content: Mapping[str, Any], workers: int) -> Path:
    """Stages 2-4 of a run described by `content`; returns the run's folder."""
    name = str(content["run"])
    configs = work / "configs" / "runs"
    configs.mkdir(parents=True, exist_ok=True)
    (configs / f"{name}.yaml").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    words = ["-m", "pipeline", "run", "--run", name, "--workers", str(workers)]
    words += ["--data-dir", str(work / "data"), "--config-dir", str(work / "configs")]
    run_command(words, work / f"{name}.log")
    return work / "data" / "runs" / name


def construction_like() -> set[str]:
    """Codes of change kinds that are construction or of which that is not known."""
    with (CODES / "change_kind.csv").open(encoding="utf-8-sig", newline="") as stream:
        return {
            row["code"] for row in csv.DictReader(stream) if row["is_construction"] in ("1", "")
        }


def filter_codes() -> list[str]:
    """The switches `extract.filters.<code>` of the product, from its generated defaults."""
    defaults = YAML(typ="safe").load(ROOT / "configs" / "default.yaml")
    return [name for name, value in defaults["extract"].get("filters", {}).items() if value is True]


def product_digest(root: Path = ROOT) -> str:
    """Digest of the product's code and configuration: what a kept result depends on."""
    digest = hashlib.sha256()
    paths = [*(root / "pipeline").rglob("*.py"), *(root / "configs").rglob("*")]
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def write_report(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
