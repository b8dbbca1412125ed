"""Where the files of a run lie. File names are written here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

MANIFEST_NAME = "manifest.json"
"""Name of the manifest inside every stage folder."""

LOG_NAME = "run.log"
WORK_FOLDER = "work"
"""Where `compare` keeps its stages inside the output folder."""
PUBLISHED = (
    "score.tif",
    "change.tif",
    "kind.tif",
    "patches.gpkg",
    "quicklook.png",
    "summary.json",
)
"""What `compare` gives out (DESIGN §10)."""


@dataclass(frozen=True)
class RunPaths:
    """The files of one run; every property is a path, nothing is opened or created."""

    root: Path
    """Folder of the run."""
    staged: tuple[str, Path] | None = None
    """A stage being written and the temporary folder that stands for its final one."""

    @classmethod
    def for_run(cls, data_dir: Path, run: str) -> RunPaths:
        """Paths of the run named `run` below the data folder."""
        return cls(data_dir / "runs" / run)

    def stage_dir(self, stage: str) -> Path:
        """Folder that a stage owns and replaces as a whole."""
        if self.staged is not None and self.staged[0] == stage:
            return self.staged[1]
        return self.root / stage

    def writing(self, stage: str, folder: Path) -> RunPaths:
        """The same paths while `stage` writes into `folder`; other stages stay where they are."""
        return replace(self, staged=(stage, folder))

    def manifest(self, stage: str) -> Path:
        """Manifest of a stage, written last."""
        return self.stage_dir(stage) / MANIFEST_NAME

    @property
    def align_before(self) -> Path:
        """Before image on the common grid."""
        return self.stage_dir("align") / "before.tif"

    @property
    def align_after(self) -> Path:
        """After image on the common grid."""
        return self.stage_dir("align") / "after.tif"

    @property
    def align_valid(self) -> Path:
        """Validity of every pixel (0 ok, 1 nodata, 2 cloud, 3 shadow, 4 saturated, 5 failed)."""
        return self.stage_dir("align") / "valid.tif"

    @property
    def align_tie_points(self) -> Path:
        """Tie points with their measured shifts."""
        return self.stage_dir("align") / "tie_points.gpkg"

    @property
    def align_fit(self) -> Path:
        """Report of the registration fit."""
        return self.stage_dir("align") / "fit.json"

    @property
    def detect_score(self) -> Path:
        """Probability of change × 10,000, uint16."""
        return self.stage_dir("detect") / "score.tif"

    @property
    def detect_kind(self) -> Path:
        """Kind of change per pixel."""
        return self.stage_dir("detect") / "kind.tif"

    @property
    def detect_preview(self) -> Path:
        """Thinned pixels of both dates, for pictures."""
        return self.stage_dir("detect") / "preview.npy"

    @property
    def detect_summary(self) -> Path:
        """Statistics and thresholds used."""
        return self.stage_dir("detect") / "summary.json"

    @property
    def extract_patches(self) -> Path:
        """Patches and dropped objects."""
        return self.stage_dir("extract") / "patches.gpkg"

    @property
    def extract_change(self) -> Path:
        """1 inside a kept patch, 0 not, 255 unobserved."""
        return self.stage_dir("extract") / "change.tif"

    @property
    def extract_summary(self) -> Path:
        """Counts of kept and dropped objects, observed share."""
        return self.stage_dir("extract") / "summary.json"

    @property
    def log(self) -> Path:
        """Log of the run: the only place for times, host and absolute paths."""
        return self.root / LOG_NAME

    @property
    def digest_cache(self) -> Path:
        """Cache of file digests; may be deleted at any time."""
        return self.root / ".digests.json"
