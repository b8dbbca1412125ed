"""What the intake page shows of images and layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.schema.problems import Place, Problem

Ring = Sequence[Place]


@dataclass(frozen=True)
class ImageFacts:
    """One image as far as it could be opened."""

    label: str
    """前时相 or 后时相."""
    lines: Mapping[str, str]
    """What is known of it, by what it is called; all images of a page have the same lines."""


@dataclass(frozen=True)
class LayerFacts:
    """One layer as it was taken over."""

    name: str
    files: tuple[str, ...]
    encodings: tuple[str, ...]
    crs: tuple[str, ...]
    n_features: int
    n_left_out: int
    """Rows without usable geometry."""
    vintages: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """What the overview map shows, in the working CRS."""

    outlines: Mapping[str, Sequence[Ring]]
    """Township name → outer rings."""
    labels: Mapping[str, Place]
    footprint: Ring
    """Outline of the before image."""


@dataclass(frozen=True)
class IntakeContent:
    """Everything on the page."""

    run: str
    county: str
    """Name and code."""
    period: str
    crs: str
    coverage: str
    """How much of the townships the images cover."""
    images: Sequence[ImageFacts]
    layers: Mapping[str, LayerFacts]
    """Supplied layers by name."""
    problems: Sequence[Problem]
    """In the order of the CSV."""
    overview: Overview | None
