"""The tile engine: one dispatcher interface, threads or dask.distributed behind it.

map → merge → apply (DESIGN §6): a tile function gets the pixels of its padded window and returns
core-shaped rasters and per-block statistics. Outputs come back in row-major order and statistics
are merged in block order, so nothing depends on tile size, number of workers or who was first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pipeline.errors import Finding, UsageError
from pipeline.grid import PixelWindow, RasterWindow, Tile, TileFunction, TileOutput
from pipeline.io.rasters import read_mask, read_window

T = TypeVar("T")

CONNECT_TIMEOUT = "10s"


class Footprint(Protocol):
    """Which pixels of a source a tile needs, for sources that are not on the tile's own grid."""

    def __call__(self, tile: Tile) -> PixelWindow:
        """The window in the source, inside its bounds."""


@dataclass(frozen=True)
class Source:
    """A raster to be read for every tile."""

    path: str
    bands: tuple[int, ...]
    """1-based."""
    footprint: Footprint | None = None
    """None: the source lies on the tile's grid and its padded window is read."""
    mask_bands: tuple[int, ...] = ()
    """Mask and alpha bands to be read along, as in `Scene`; empty if none is wanted."""


@dataclass(frozen=True)
class TileJob:
    """A tile function with everything it needs except the tile; picklable."""

    function: TileFunction
    sources: Mapping[str, Source]
    params: Any

    def __call__(self, tile: Tile) -> TileOutput:
        """Read the sources for one tile and run the function. Runs in a worker."""
        windows = {}
        for name, source in self.sources.items():
            window = tile.padded if source.footprint is None else source.footprint(tile)
            pixels = read_window(source.path, source.bands, window)
            mask = read_mask(source.path, source.mask_bands, window) if source.mask_bands else None
            windows[name] = RasterWindow(pixels, window.row0, window.col0, mask)
        return self.function(tile, windows, self.params)


class Dispatcher(Protocol):
    """Runs a function over items, giving results back in the order of the items."""

    workers: int

    def map(self, function: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
        """Results in the order of the items."""


class ThreadDispatcher:
    """Threads in this process; kernels and GDAL release the interpreter lock."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="tile")

    def map(self, function: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
        """Results in order; at most a few items are in flight, so memory stays bounded."""
        return _in_order(self._pool.submit, function, items, in_flight=self.workers + 2)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class ClusterDispatcher:
    """dask.distributed workers that see the same file system."""

    def __init__(self, address: str) -> None:
        from distributed import Client  # costs a second and belongs to an optional extra

        try:
            self._client = Client(address, set_as_default=False, timeout=CONNECT_TIMEOUT)
        except (OSError, ValueError) as problem:
            raise UsageError(
                Finding(
                    "E-USAGE",
                    "连不上计算集群的调度器。",
                    where="--scheduler",
                    value=address,
                    allowed="正在运行的 dask 调度器地址，如 tcp://127.0.0.1:8786",
                    advice="先启动 dask scheduler 和 dask worker，或去掉 --scheduler 在本机计算。",
                )
            ) from problem
        self.workers = max(1, sum(self._client.nthreads().values()))

    def map(self, function: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
        """Results in order; the same bound on what is in flight as on threads."""

        def submit(call: Callable[[Any], T], item: Any) -> Any:
            return self._client.submit(call, item, pure=False)

        return _in_order(submit, function, items, in_flight=2 * self.workers + 2)

    def close(self) -> None:
        """Leave the cluster; it keeps running for others."""
        self._client.close()


@contextmanager
def dispatcher(
    workers: int, scheduler: str | None
) -> Iterator[ThreadDispatcher | ClusterDispatcher]:
    """Threads, or the cluster at `scheduler` (`tcp://…`) if one is given."""
    chosen = ThreadDispatcher(workers) if scheduler is None else ClusterDispatcher(scheduler)
    try:
        yield chosen
    finally:
        chosen.close()


def _in_order(
    submit: Callable[..., Future[T]],
    function: Callable[[Any], T],
    items: Iterable[Any],
    in_flight: int,
) -> Iterator[T]:
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(submit(function, item))
            if len(waiting) >= in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def run_tiles(
    job: TileJob,
    tiles: Sequence[Tile],
    through: Dispatcher,
    progress: Callable[[int, int], None],
) -> Iterator[tuple[Tile, TileOutput]]:
    """Every tile with its output, in row-major order; `progress(done, total)` after each."""
    for done, (tile, output) in enumerate(
        zip(tiles, through.map(job, tiles), strict=True), start=1
    ):
        yield tile, output
        progress(done, len(tiles))


def merge_partials(partials: Iterable[tuple[int, T]], merge: Callable[[T, T], T]) -> T | None:
    """Fold per-block statistics in block order; None if there are none."""
    ordered = sorted(partials, key=lambda pair: pair[0])
    result: T | None = None
    for _, value in ordered:
        result = value if result is None else merge(result, value)
    return result
