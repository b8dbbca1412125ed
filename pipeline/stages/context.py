"""What every stage gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.config.models import RunConfig
from pipeline.errors import Finding
from pipeline.io.runs import RunPaths
from pipeline.io.tiles import Dispatcher

Number = int | float | str | None


class ProgressFactory(Protocol):
    """Starts a progress display for one pass; the result is called with `(done, total)`."""

    def __call__(self, label_zh: str) -> Callable[[int, int], None]:
        """Start one display."""


@dataclass(frozen=True)
class StageContext:
    """Everything a stage may use: the run's settings, its files, where tiles run, progress."""

    run: RunConfig
    paths: RunPaths
    tiled: Dispatcher
    """Runs tile functions: threads here or a cluster."""
    local: Dispatcher
    """Runs work on arrays already in memory: always threads of this process."""
    tile_px: int
    progress: ProgressFactory
    recorded_at: str = ""
    """When the command was given, for the register's events alone; goes into no other result."""


@dataclass(frozen=True)
class StageReport:
    """What a stage says of its result: counts for the manifest, findings for the summary."""

    counts: dict[str, Number] = field(default_factory=dict)
    notices: tuple[Finding, ...] = ()
