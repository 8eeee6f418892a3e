"""OpenCL where something fails: kernels that do not build, no room, a lost device, a bad cache."""

from __future__ import annotations

import importlib
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import random_frame

from roi_accel.backends import kernel_calls
from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.gpu import cache_folder
from roi_accel.backends.opencl.backend import OpenclBackend
from roi_accel.backends.plan import Plan
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

pytestmark = pytest.mark.parametrize("backend", ["opencl"], indirect=True)

PROGRAM = "roi_accel.backends.opencl.program"
PLAN = Plan(pixel_format=PixelFormat("420", 8), width=64, height=48, mask_width=8, mask_height=6)
FRAME = random_frame(np.random.default_rng(0), PLAN.pixel_format, PLAN.width, PLAN.height)
MASK = np.full((6, 8), 30000, np.uint16)


def use(backend: Backend) -> None:
    with backend.open(PLAN) as session:
        masked = session.substitute(FRAME, FRAME, MASK)
    assert all(map(np.array_equal, masked.planes, FRAME.planes))


def an_error(code: int) -> Exception:
    """Return what pyopencl raises where the driver answers with `code`."""
    cl = importlib.import_module("pyopencl")
    record = vars(importlib.import_module("pyopencl._cl"))["_ErrorRecord"]
    error: Exception = cl.LogicError(record(msg="", code=code, routine="clSomething"))
    return error


def test_kernels_that_do_not_compile_leave_their_log(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = kernel_calls.read_kernel_file("upsample_rows.ker").replace("u32 left", "u33 left")
    read = kernel_calls.read_kernel_file
    monkeypatch.setattr(
        kernel_calls, "read_kernel_file", lambda n: broken if n == "upsample_rows.ker" else read(n)
    )
    with pytest.raises(BackendUnavailable, match="do not compile") as caught:
        OpenclBackend(device=backend.device).open(PLAN)
    (path,) = re.findall(r"log is (\S+\.log)", str(caught.value))
    text = Path(path).read_text("utf-8")
    assert caught.value.exit_code == 4
    assert re.search(r"upsample_rows\.ker:\d+", text)
    assert "u33" in text


def test_a_driver_that_forgets_kernels_gets_a_second_text(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # PoCL was seen to do so after its process had been killed while it wrote its cache.
    answers = iter([False, True])
    monkeypatch.setattr(f"{PROGRAM}._is_whole", lambda _: next(answers))
    with caplog.at_level(logging.WARNING, "roi_accel"):
        use(OpenclBackend(device=backend.device))
    assert "kernel cache is damaged" in caplog.text


def test_a_session_without_room_says_the_sizes(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    cl = importlib.import_module("pyopencl")
    buffer = cl.Buffer
    sizes: list[int] = []

    def no_room(context: Any, flags: int, size: int) -> Any:
        sizes.append(size)
        return buffer(context, flags, 1 << 60 if len(sizes) == 4 else size)

    monkeypatch.setattr(cl, "Buffer", no_room)
    with pytest.raises(BackendUnavailable, match="is out of memory") as caught:
        backend.open(PLAN)
    assert re.search(r"wanted \d+\.\d MiB more; the device has \d+\.\d MiB", str(caught.value))
    assert caught.value.exit_code == 4
    monkeypatch.undo()
    use(backend)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-2, "was lost"),
        (-36, "was lost"),
        (-1121, "was lost"),
        (-5, "ran out of resources or was reset: the session holds"),
        (-4, "is out of memory: the session holds"),
        (-52, "failed"),
    ],
)
def test_a_device_that_fails_ends_the_session(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    session = backend.open(PLAN)

    def fail(*_: object, **__: object) -> None:
        raise an_error(code)

    monkeypatch.setattr("pyopencl.enqueue_nd_range_kernel", fail)
    with pytest.raises(BackendUnavailable, match=rf"^opencl:.* {words}"):
        session.substitute(FRAME, FRAME, MASK)
    monkeypatch.undo()
    with pytest.raises(BackendUnavailable, match=words):
        session.substitute(FRAME, FRAME, MASK)
    session.close()


class TestOurCache:
    """For drivers without a cache of their own; here every driver is taken for such."""

    @pytest.fixture(autouse=True)
    def driver_without_a_cache(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        assert backend.name == "opencl"
        monkeypatch.setattr(f"{PROGRAM}.has_src_build_cache", lambda _: None)

    @pytest.fixture
    def folder(self) -> Path:
        return cache_folder()

    def test_compiled_kernels_are_kept_and_used_again(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        use(backend)
        (kept,) = folder.iterdir()
        assert kept.suffix == ".bin"
        monkeypatch.delattr(f"{PROGRAM}._compile")
        use(OpenclBackend(device=backend.device))

    @pytest.mark.parametrize("damage", [b"", b"x" * 100], ids=["empty", "other bytes"])
    def test_damaged_kernels_are_made_anew_with_a_warning(
        self, backend: Backend, caplog: pytest.LogCaptureFixture, folder: Path, damage: bytes
    ) -> None:
        use(backend)
        (kept,) = folder.iterdir()
        kept.write_bytes(damage)
        with caplog.at_level(logging.WARNING, "roi_accel"):
            use(OpenclBackend(device=backend.device))
        assert "damaged" in caplog.text
        # Not the same bytes: PoCL adds to a program what it has run since.
        caplog.clear()
        with caplog.at_level(logging.WARNING, "roi_accel"):
            use(OpenclBackend(device=backend.device))
        assert not caplog.text

    def test_a_folder_that_cannot_be_written_is_a_warning(
        self,
        backend: Backend,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        (tmp_path / "a file").write_text("")
        monkeypatch.setenv("ROI_ACCEL_CACHE", str(tmp_path / "a file"))
        with caplog.at_level(logging.WARNING, "roi_accel"):
            use(backend)
        assert "not kept" in caplog.text
