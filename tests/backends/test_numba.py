"""What is numba's own: its cache, its threads, its absence, and memory laid out in any way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import random_frame

from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.numba.backend import NumbaBackend
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roi_accel.backends.protocol import Session

with_numba = pytest.mark.skipif(
    NumbaBackend.probe()[0].state != "ready", reason=NumbaBackend.probe()[0].description
)

# Large enough for several bands per thread; odd, so that bands end anywhere.
WIDTH, HEIGHT = 1001, 701


def a_plan(pixel_format: PixelFormat, width: int = WIDTH, height: int = HEIGHT) -> Plan:
    return Plan(
        pixel_format=pixel_format,
        width=width,
        height=height,
        mask_width=24,
        mask_height=16,
        model=ModelSize(61, 43, 64, 48),
    )


def a_mask(rng: np.random.Generator) -> np.ndarray:
    mask = rng.integers(0, 65536, (16, 24), dtype=np.uint16)
    mask[:3], mask[-3:] = 0, 65535  # bands that are copied, too
    return mask


def everything(session: Session, pair: list[Frame], mask: np.ndarray) -> list[np.ndarray]:
    """Return all that a session can compute of `pair`."""
    return [
        *session.substitute(*pair, mask).planes,
        *session.upsample(mask),
        session.preprocess(pair[0]),
    ]


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return len(found) == len(wanted) and all(map(np.array_equal, found, wanted))


@pytest.mark.parametrize("kind", [pytest.param(NumbaBackend, marks=with_numba), NumpyBackend])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p16le"])
def test_bytes_do_not_depend_on_the_number_of_threads(
    kind: type[NumbaBackend | NumpyBackend], name: str, threads: int
) -> None:
    rng = np.random.default_rng(threads)
    plan = a_plan(PixelFormat.from_name(name))
    pair = [random_frame(rng, plan.pixel_format, WIDTH, HEIGHT) for _ in range(2)]
    mask = a_mask(rng)
    with kind(threads=threads).open(plan) as session, NumpyBackend(threads=1).open(plan) as numpy:
        wanted = everything(numpy, pair, mask)
        assert all(same(everything(session, pair, mask), wanted) for _ in range(3))


@with_numba
def test_sessions_in_several_python_threads_do_not_disturb_one_another() -> None:
    backend = NumbaBackend(threads=3)
    plans = [a_plan(PixelFormat.from_name(n)) for n in ("yuv420p", "yuv420p10le")] * 2

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        plan = plans[seed]
        pair = [random_frame(rng, plan.pixel_format, WIDTH, HEIGHT) for _ in range(2)]
        mask = a_mask(rng)
        with NumpyBackend().open(plan) as session:
            wanted = everything(session, pair, mask)
        with backend.open(plan) as session:
            return all(same(everything(session, pair, mask), wanted) for _ in range(10))

    with ThreadPoolExecutor(len(plans)) as pool:
        assert all(pool.map(work, range(len(plans))))


@with_numba
def test_a_closed_session_leaves_no_thread() -> None:
    def ours() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if t.name.startswith("roi-accel-rows")}

    before = ours()
    plan = a_plan(PixelFormat("420", 8))
    frame = random_frame(np.random.default_rng(0), plan.pixel_format, WIDTH, HEIGHT)
    with NumbaBackend(threads=3).open(plan) as session:
        session.substitute(frame, frame, np.zeros((16, 24), np.uint16))
        assert 1 <= len(ours() - before) <= 2
    assert not ours() - before


def _padded(plane: np.ndarray) -> np.ndarray:
    wide = np.full((plane.shape[0], plane.shape[1] + 13), 7, plane.dtype)
    wide[:, : plane.shape[1]] = plane
    return wide[:, : plane.shape[1]]


def _spaced(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane, 2, axis=1)[:, ::2]


def _upside_down(plane: np.ndarray) -> np.ndarray:
    return plane[::-1].copy()[::-1]


def _unaligned(plane: np.ndarray) -> np.ndarray:
    data = bytearray(1) + plane.tobytes()
    return np.frombuffer(data, plane.dtype, offset=1).reshape(plane.shape)


def _odd_pitch(plane: np.ndarray) -> np.ndarray:
    """Rows an odd number of bytes apart."""
    pitch = plane.shape[1] * plane.itemsize + 5
    data = np.zeros(plane.shape[0] * pitch, np.uint8)
    view = np.ndarray(plane.shape, plane.dtype, data.data, 0, (pitch, plane.itemsize))
    view[...] = plane
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "padded": _padded,
    "spaced": _spaced,
    "upside down": _upside_down,
    "fortran": np.asfortranarray,
    "unaligned": _unaligned,
    "odd pitch": _odd_pitch,
    "mirrored": lambda plane: plane[:, ::-1].copy()[:, ::-1],
    "one row for all": lambda plane: np.broadcast_to(plane[0], plane.shape),
    "one sample for all": lambda plane: np.broadcast_to(plane[0, 0], plane.shape),
}


@with_numba
@pytest.mark.parametrize("size", [(97, 61), (1, 61), (97, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_planes_and_masks_may_lie_in_memory_in_any_way(
    layout: str, bit_depth: int, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    plan = a_plan(PixelFormat("420", bit_depth), *size)
    lay = LAYOUTS[layout]
    laid, dense = [], []
    for _ in range(2):
        frame = random_frame(rng, plan.pixel_format, *size)
        y, u, v = (lay(plane) for plane in frame.planes)
        laid.append(Frame((y, u, v), frame.pixel_format))
        dense.append(Frame((y.copy("C"), u.copy("C"), v.copy("C")), frame.pixel_format))
    mask = lay(a_mask(rng))
    for plane in (*laid[0].planes, *laid[1].planes, mask):
        plane.flags.writeable = False
    with NumbaBackend().open(plan) as session, NumpyBackend().open(plan) as numpy:
        wanted = everything(numpy, dense, mask.copy("C"))
        for pair in (laid, [laid[0], dense[1]], [dense[0], laid[1]]):
            assert same(everything(session, pair, mask), wanted)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that numba caches in, which is empty."""
    config = pytest.importorskip("numba.core.config")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "numba"))
    return tmp_path / "numba"


def fresh(name: str, *args: object) -> Any:
    """Return a kernel as a new process would get it."""
    kernels = pytest.importorskip("roi_accel.backends.numba.kernels")
    return getattr(kernels, name).__wrapped__(*args)


@pytest.mark.usefixtures("cache")
def test_arithmetic_stays_in_vectors_of_32_bits() -> None:
    (llvm,) = fresh("substitute_kernel", np.dtype("u1")).inspect_llvm().values()
    assert re.search(r"mul (\w+ )*<\d+ x i32>", llvm)
    assert not re.search(r"mul (\w+ )*<\d+ x i64>", llvm)


def load_kernel() -> int:
    """Load the alpha kernel anew, check that it works, and return how often the cache served it."""
    kernel = fresh("alpha_kernel")
    words = np.zeros(1, np.uint32)
    mask, out = np.full(1, 65535, np.uint16), np.zeros(1, np.uint32)
    mask.flags.writeable = False
    table = (words, words, words)
    kernel((mask, 1, table, table, (0, 0, 65535, 0)), out, 0, 1)
    assert out[0] == 65536
    return sum(kernel.stats.cache_hits.values())


def test_a_second_start_compiles_nothing_and_says_nothing(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_kernel() == 0
    assert list(cache.rglob("*.nbc"))
    assert load_kernel() == 1
    assert not caplog.records


@pytest.mark.slow
def test_a_new_process_computes_with_what_the_cache_holds(tmp_path: Path) -> None:
    # In this process numba has been made ready for compiling, which no kernel may need.
    program = (
        "from roi_accel.backends.numba import kernels\n"
        "from roi_accel.backends.frame import PixelFormat\n"
        "from roi_accel.backends.numba.backend import NumbaBackend\n"
        "from roi_accel.parity.selftest import run_self_test\n"
        "run_self_test(NumbaBackend(), PixelFormat('420', 8), save=None)\n"
        "kernels = kernels.substitute_kernel, kernels.preprocess_kernel\n"
        "print([sum(kernel(PixelFormat('420', 8).dtype).stats.cache_hits.values())"
        " for kernel in kernels])"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for hits in ("[0, 0]", "[1, 1]"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.strip()) == (0, hits), done.stderr


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_cache_is_made_anew_with_a_warning(
    cache: Path, caplog: pytest.LogCaptureFixture, suffix: str, share: float
) -> None:
    load_kernel()
    (file,) = cache.rglob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    assert load_kernel() == 0
    (record,) = caplog.records
    assert record.name == "roi_accel"
    assert record.levelname == "WARNING"
    assert "cache of alpha_rows is damaged" in record.message
    assert load_kernel() == 1
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    "call", ["_CacheLocator.ensure_cache_path", "IndexDataCacheFile._save_index"]
)
def test_without_a_place_to_write_it_goes_on_uncached_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"numba.core.caching.{call}", refuse)
    assert load_kernel() == 0
    assert load_kernel() == 0
    assert "numba cannot cache alpha_rows" in caplog.text


def test_neither_roi_accel_nor_the_backends_module_loads_numba() -> None:
    program = (
        "import sys, roi_accel, roi_accel.backends.numba.backend; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_numba_not_installed_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    (status,) = NumbaBackend.probe()
    assert (status.state, status.device) == ("not installed", "")
    assert status.remedy == 'pip install "roi-accel[cpu]"'
    with pytest.raises(BackendUnavailable, match=r"numba is not installed; pip install"):
        NumbaBackend()


def test_numba_that_does_not_load_is_said_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "numba"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('Numba needs\\n another NumPy')")
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (status,) = NumbaBackend.probe()
    assert status.state == "broken"
    assert status.description.endswith("does not work: ImportError: Numba needs another NumPy")
    with pytest.raises(BackendUnavailable, match="another NumPy"):
        NumbaBackend()


@with_numba
def test_a_ready_probe_names_the_processor_and_the_version() -> None:
    (status,) = NumbaBackend.probe()
    assert (status.state, status.device) == ("ready", "cpu")
    assert re.search(r", numba \d+\.\d+", status.description)


@pytest.mark.parametrize("backend_class", [NumpyBackend, NumbaBackend])
def test_a_device_that_is_not_the_host_is_refused(
    backend_class: type[NumpyBackend | NumbaBackend],
) -> None:
    with pytest.raises(BackendUnavailable, match=r"no device 'cuda:0'.*--device cpu"):
        backend_class(device="cuda:0")


@pytest.mark.parametrize("backend_class", [NumpyBackend, NumbaBackend])
def test_fewer_than_one_thread_is_refused(
    backend_class: type[NumpyBackend | NumbaBackend],
) -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, not 0"):
        backend_class(threads=0)
