"""The cuda backend: on a GPU where there is one, and always on an emulation of CuPy."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import exact
import numpy as np
import pytest
from covering import pairwise
from emulated_cuda import EmulatedCuda
from support import ALL_FORMATS, random_frame

import roi_accel
from roi_accel.backends import kernel_calls
from roi_accel.backends.cuda.backend import CudaBackend
from roi_accel.backends.cuda.session import SLOTS
from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.devices.dispatch import choose_backend, probe
from roi_accel.errors import BackendUnavailable, ModelError
from roi_accel.parity.cases import SeededCase, cases, digests, golden_digests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.backends.protocol import DeviceTensor

P8, P10 = PixelFormat("420", 8), PixelFormat("420", 10)
MODEL = ModelSize(22, 15, 24, 16)


def plan_of(pixel_format: PixelFormat, width: int = 67, height: int = 35, **more: Any) -> Plan:
    settings = {"mask_width": 24, "mask_height": 16} | more
    return Plan(pixel_format=pixel_format, width=width, height=height, **settings)


def inputs(plan: Plan, seed: int = 0) -> tuple[Frame, Frame, np.ndarray]:
    rng = np.random.default_rng(seed)
    reference, distorted = (
        random_frame(rng, plan.pixel_format, plan.width, plan.height) for _ in range(2)
    )
    mask = rng.integers(0, 65536, (plan.mask_height, plan.mask_width), dtype=np.uint16)
    mask[: plan.mask_height // 2, :8], mask[: plan.mask_height // 2, 16:] = 0, 65535
    return reference, distorted, mask


def read_only(frame: Frame) -> Frame:
    for plane in frame.planes:
        plane.flags.writeable = False
    return frame


def is_exact(
    masked: Frame, reference: Frame, distorted: Frame, mask: np.ndarray, plan: Plan
) -> bool:
    wanted = exact.substitute(reference, distorted, mask, plan)
    return all(map(np.array_equal, masked.planes, wanted))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("emulated-cuda")


def emulate(monkeypatch: pytest.MonkeyPatch, folder: Path, *, is_late: bool) -> EmulatedCuda:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("emulating CUDA needs g++ or clang++")
    cuda = EmulatedCuda(compiler, folder, is_late=is_late)
    monkeypatch.setitem(sys.modules, "cupy", cuda.cupy)
    monkeypatch.setitem(sys.modules, "cupyx", cuda.cupyx)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: cuda if name == "cupy" else found(name)
    )
    return cuda


@pytest.fixture(params=["late", "early"])
def emulated(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, compiled: Path
) -> Iterator[EmulatedCuda]:
    """Return CuPy on the host, whose streams run as late as is allowed, or at once."""
    cuda = emulate(monkeypatch, compiled, is_late=request.param == "late")
    yield cuda
    cuda.check_guards()


@pytest.fixture(params=["late", "early", "gpu"])
def cupy(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, compiled: Path
) -> Iterator[Any]:
    """Return CuPy, emulated in two ways, and the real one where there is a GPU."""
    if request.param == "gpu":
        (status, *_) = CudaBackend.probe()
        if status.state != "ready":
            if "cuda" in request.config.getoption("--require-backend"):
                pytest.fail(status.description)
            pytest.skip(status.description)
        yield importlib.import_module("cupy")
        return
    cuda = emulate(monkeypatch, compiled, is_late=request.param == "late")
    yield cuda.cupy
    cuda.check_guards()


def to_host(array: Any) -> np.ndarray:
    return np.array(array.memory) if hasattr(array, "memory") else np.asarray(array.get())


def exact_cases() -> Iterator[tuple[str, PixelFormat, tuple[float, float], tuple[int, int]]]:
    """Yield a way of running, a format, threshold and fade, and a size.

    The kernels' text is the same in all ways: one has the full product, the others
    every two values of them together.
    """
    ends = [(0.3, 0.1), (0.5, 0.0), (0.0, 1.0)]
    sizes = [(67, 35), (1, 1), (64, 3), (130, 48)]
    for case in product(ALL_FORMATS, ends, sizes):
        yield ("late", *case)
    for way in ("early", "gpu"):
        for case in pairwise(ALL_FORMATS, ends, sizes):
            yield (way, *case)


class TestBytes:
    @pytest.mark.parametrize(
        ("cupy", "pixel_format", "ends", "size"), list(exact_cases()), indirect=["cupy"], ids=str
    )
    def test_every_stage_is_exact(
        self,
        cupy: Any,
        pixel_format: PixelFormat,
        ends: tuple[float, float],
        size: tuple[int, int],
    ) -> None:
        assert cupy
        threshold, fade = ends
        plan = plan_of(pixel_format, *size, threshold=threshold, fade=fade, model=MODEL)
        reference, distorted, mask = inputs(plan)
        with CudaBackend().open(plan) as session:
            masked = session.substitute(reference, distorted, mask)
            network_input = session.preprocess(reference)
            alphas = session.upsample(mask)
        assert is_exact(masked, reference, distorted, mask, plan)
        assert np.array_equal(network_input, exact.preprocess(reference, plan))
        for alpha, shape in zip(alphas, plan.plane_shapes, strict=True):
            assert np.array_equal(alpha, exact.alpha(exact.upsample(mask, *shape), plan))

    @pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
    def test_it_gives_the_golden_bytes(self, cupy: Any, case: SeededCase) -> None:
        assert cupy
        with CudaBackend().open(case.plan) as session:
            first = digests(session, next(case.samples()))
        assert first == golden_digests()[case.name]

    def test_inputs_are_never_written(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P10, model=MODEL)
        reference, distorted, mask = inputs(plan)
        before = [array.copy() for array in (*reference.planes, *distorted.planes, mask)]
        with CudaBackend().open(plan) as session:
            session.substitute(reference, distorted, mask)
            session.preprocess(reference)
        after = (*reference.planes, *distorted.planes, mask)
        assert all(map(np.array_equal, before, after))


class TestManyFrames:
    def test_many_threads_get_their_own_frames(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P8, model=MODEL)
        work = [inputs(plan, seed) for seed in range(24)]
        with CudaBackend().open(plan) as session, ThreadPoolExecutor(2 * SLOTS) as pool:
            masked = list(pool.map(lambda each: session.substitute(*each), work))
        assert all(is_exact(frame, *each, plan) for frame, each in zip(masked, work, strict=True))

    def test_as_many_frames_are_under_way_as_there_are_slots(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P8, mask_width=22, mask_height=15, model=MODEL)
        reference, _, _ = inputs(plan)
        together = threading.Barrier(SLOTS, timeout=30)

        def wait(*_: DeviceTensor) -> None:
            together.wait()

        def infer() -> None:
            with pytest.raises(ValueError, match="not in"):
                # Nothing is ever written to the output: it holds whatever was there.
                session.infer(reference, wait)

        with CudaBackend().open(plan) as session:
            assert session.slots == SLOTS
            poison(session)
            with ThreadPoolExecutor(SLOTS) as pool:
                for future in [pool.submit(infer) for _ in range(SLOTS)]:
                    future.result()

    def test_a_read_only_reference_is_sent_once(self, emulated: EmulatedCuda) -> None:
        plan = plan_of(P8, model=MODEL)
        reference, distorted, mask = inputs(plan)
        reference = read_only(reference)
        with CudaBackend().open(plan) as session:
            session.preprocess(reference)
            sent = emulated.uploads
            for _ in range(2):
                masked = session.substitute(reference, distorted, mask)
                assert is_exact(masked, reference, distorted, mask, plan)
        # Mask and distorted luma and chroma, twice.
        assert emulated.uploads - sent == 6

    def test_a_read_only_mask_is_sent_once(self, emulated: EmulatedCuda) -> None:
        plan = plan_of(P8)
        reference, distorted, mask = inputs(plan)
        mask.flags.writeable = False
        with CudaBackend().open(plan) as session:
            session.substitute(read_only(reference), distorted, mask)
            sent = emulated.uploads
            masked = session.substitute(reference, distorted, mask)
        assert emulated.uploads - sent == 2
        assert is_exact(masked, reference, distorted, mask, plan)

    def test_what_may_have_changed_is_sent_again(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P8)
        reference, distorted, mask = inputs(plan)
        with CudaBackend().open(plan) as session:
            session.substitute(reference, distorted, mask)
            reference.planes[0][:] ^= 255
            mask ^= 65535
            masked = session.substitute(reference, distorted, mask)
        assert is_exact(masked, reference, distorted, mask, plan)

    def test_a_frame_that_is_refused_leaves_nothing_behind(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P8)
        reference, distorted, mask = inputs(plan)
        wrong = random_frame(np.random.default_rng(0), P8, 66, 35)
        with CudaBackend().open(plan) as session:
            for _ in range(2 * SLOTS):
                with pytest.raises(ValueError, match="plane Y is uint8"):
                    session.substitute(read_only(reference), wrong, mask)
            masked = session.substitute(reference, distorted, mask)
        assert is_exact(masked, reference, distorted, mask, plan)

    def test_seconds_of_every_kind_of_work_are_counted(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P8, model=MODEL)
        reference, distorted, mask = inputs(plan)
        with CudaBackend().open(plan) as session:
            session.preprocess(reference)
            session.substitute(reference, distorted, mask)
            seconds = session.event_seconds
        assert set(seconds) >= {"upload", "preprocess", "substitute", "download"}
        assert all(value > 0 for value in seconds.values())

    def test_profilers_see_named_ranges(self, emulated: EmulatedCuda) -> None:
        plan = plan_of(P8)
        with CudaBackend().open(plan) as session:
            session.substitute(*inputs(plan))
        assert emulated.ranges == ["roi-accel: substitute"]

    def test_a_closed_session_refuses_work(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P8)
        session = CudaBackend().open(plan)
        session.close()
        session.close()
        with pytest.raises(ValueError, match="closed"):
            session.substitute(*inputs(plan))


class Foreign:
    """What another library's array shows of itself: CUDA's array interface, or DLPack alone."""

    def __init__(self, array: Any, protocol: str) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        if protocol == "interface":
            self.__cuda_array_interface__ = array.__cuda_array_interface__
        else:
            self.__dlpack__ = lambda **_: (
                array.__dlpack__() if hasattr(array, "__dlpack__") else array
            )
            self.__dlpack_device__ = lambda: (2, 0)


class TestFramesOnTheDevice:
    @staticmethod
    def send(cupy: Any, frame: Frame, *, pitch: int | None = None) -> Frame:
        planes = []
        for plane in frame.planes:
            width = plane.shape[1]
            padded = np.zeros((plane.shape[0], pitch or width), plane.dtype)
            padded[:, :width] = plane
            planes.append(cupy.asarray(padded)[:, :width])
        return Frame((planes[0], planes[1], planes[2]), frame.pixel_format)

    @pytest.mark.parametrize("pixel_format", [P8, P10, PixelFormat("444", 8)], ids=lambda f: f.name)
    @pytest.mark.parametrize(
        ("size", "pitch"),
        [((64, 48), None), ((67, 35), 72), ((67, 35), 128), ((67, 35), None), ((66, 34), 67)],
        ids=["dense", "padded", "wide", "odd", "unaligned"],
    )
    def test_they_are_masked_where_they_are(
        self, cupy: Any, pixel_format: PixelFormat, size: tuple[int, int], pitch: int | None
    ) -> None:
        plan = plan_of(pixel_format, *size, model=MODEL)
        reference, distorted, mask = inputs(plan)
        on_device = [self.send(cupy, frame, pitch=pitch) for frame in (reference, distorted)]
        with CudaBackend().open(plan) as session:
            network_input = session.preprocess(on_device[0])
            masked = session.substitute(on_device[0], on_device[1], mask)
            planes = tuple(map(to_host, masked.planes))
        assert all(isinstance(plane, cupy.ndarray) for plane in masked.planes)
        assert all(map(np.array_equal, planes, exact.substitute(reference, distorted, mask, plan)))
        assert np.array_equal(network_input, exact.preprocess(reference, plan))

    def test_aligned_ones_are_not_copied(
        self, emulated: EmulatedCuda, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = plan_of(P8, 64, 48)
        reference, distorted, mask = inputs(plan)
        frames = [self.send(emulated.cupy, frame) for frame in (reference, distorted)]
        with CudaBackend().open(plan) as session:
            sent = emulated.uploads
            monkeypatch.delattr(emulated.cupy.cuda.runtime, "memcpy2DAsync")
            masked = session.substitute(*frames, mask)
        assert emulated.uploads - sent == 1  # the mask
        wanted = exact.substitute(reference, distorted, mask, plan)
        assert all(map(np.array_equal, map(to_host, masked.planes), wanted))

    def test_one_of_the_two_may_be_in_the_hosts_memory(self, cupy: Any) -> None:
        plan = plan_of(P10)
        reference, distorted, mask = inputs(plan)
        wanted = exact.substitute(reference, distorted, mask, plan)
        with CudaBackend().open(plan) as session:
            to_device = session.substitute(reference, self.send(cupy, distorted), mask)
            back = session.substitute(self.send(cupy, reference), distorted, mask)
            planes = tuple(map(to_host, to_device.planes))
        assert all(map(np.array_equal, planes, wanted))
        assert all(map(np.array_equal, back.planes, wanted))

    @pytest.mark.parametrize("protocol", ["interface", "dlpack"])
    def test_other_libraries_arrays_are_taken(self, cupy: Any, protocol: str) -> None:
        plan = plan_of(P8, 64, 48)
        reference, distorted, mask = inputs(plan)
        frames = [
            Frame(tuple(Foreign(p, protocol) for p in self.send(cupy, frame).planes), P8)  # type: ignore[arg-type]
            for frame in (reference, distorted)
        ]
        with CudaBackend().open(plan) as session:
            masked = session.substitute(*frames, mask)
            planes = tuple(map(to_host, masked.planes))
        assert all(map(np.array_equal, planes, exact.substitute(reference, distorted, mask, plan)))

    def test_what_the_callers_stream_still_has_to_do_comes_first(
        self, emulated: EmulatedCuda
    ) -> None:
        plan = plan_of(P8, 64, 48)
        reference, distorted, mask = inputs(plan)
        with CudaBackend().open(plan) as session:
            with emulated.cupy.cuda.Stream(non_blocking=True):
                frames = [self.send(emulated.cupy, frame) for frame in (reference, distorted)]
                masked = session.substitute(*frames, mask)
            planes = tuple(map(to_host, masked.planes))
        assert all(map(np.array_equal, planes, exact.substitute(reference, distorted, mask, plan)))

    def test_a_frame_in_two_places_is_refused(self, cupy: Any) -> None:
        plan = plan_of(P8, 64, 48)
        reference, distorted, mask = inputs(plan)
        y, _, v = self.send(cupy, reference).planes
        mixed = Frame((y, reference.planes[1], v), P8)
        with (
            CudaBackend().open(plan) as session,
            pytest.raises(ValueError, match="some in the host's memory"),
        ):
            session.substitute(mixed, distorted, mask)

    def test_a_frame_on_another_device_is_refused(self, emulated: EmulatedCuda) -> None:
        plan = plan_of(P8, 64, 48)
        reference, distorted, mask = inputs(plan)
        with emulated.cupy.cuda.Device(1):
            elsewhere = self.send(emulated.cupy, reference)
        with (
            CudaBackend().open(plan) as session,
            pytest.raises(ValueError, match="is on cuda:1, but the session on cuda:0"),
        ):
            session.substitute(elsewhere, distorted, mask)


def poison(session: Any) -> None:
    """Fill the network's outputs with what is no number, as unwritten memory may hold it."""
    for slot in session._slots:  # noqa: SLF001 - there is no other way to it
        output = slot._network.output  # noqa: SLF001
        output.host.fill(0x7FC00000)
        output.send(slot._stream)  # noqa: SLF001
        slot._stream.synchronize()  # noqa: SLF001


def memory_at(tensor: DeviceTensor, cupy: Any) -> Any:
    """Return the float32 memory of `tensor`, as a library that is bound to it would see it."""
    import ctypes  # noqa: PLC0415

    count = int(np.prod(tensor.shape))
    if cupy.__version__ == "emulated":
        words = ctypes.cast(tensor.pointer, ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(words, (count,)).reshape(tensor.shape)
    memory = cupy.cuda.UnownedMemory(tensor.pointer, 4 * count, None)
    pointer = cupy.cuda.MemoryPointer(memory, 0)
    return cupy.ndarray(tensor.shape, np.float32, pointer)


class TestNetworkOnTheDevice:
    PLAN = plan_of(P10, mask_width=22, mask_height=15, model=MODEL)

    def test_the_mask_never_leaves_it_before_it_is_used(self, emulated: EmulatedCuda) -> None:
        reference, distorted, _ = inputs(self.PLAN)
        reference = read_only(reference)
        values = np.random.default_rng(3).random((1, 1, 16, 24), np.float32)

        def run(network_input: DeviceTensor, output: DeviceTensor) -> None:
            found = memory_at(network_input, emulated.cupy)
            assert np.array_equal(found, exact.preprocess(reference, self.PLAN))
            memory_at(output, emulated.cupy)[:] = values

        with CudaBackend().open(self.PLAN) as session:
            mask = session.infer(reference, run)
            sent = emulated.uploads
            masked = session.substitute(reference, distorted, mask)
        assert emulated.uploads - sent == 2  # distorted luma and chroma
        wanted = np.floor(values[0, 0, :15, :22].astype(np.float64) * 65535 + 0.5)
        assert np.array_equal(mask, wanted)
        assert not mask.flags.writeable
        assert is_exact(masked, reference, distorted, mask, self.PLAN)

    def test_it_gives_the_hosts_mask(self, cupy: Any) -> None:
        reference, _, _ = inputs(self.PLAN)

        def run(network_input: DeviceTensor, output: DeviceTensor) -> None:
            memory_at(output, cupy)[:] = memory_at(network_input, cupy)[:, :1] % 1.0
            if cupy.__version__ != "emulated":
                cupy.cuda.get_current_stream().synchronize()

        with CudaBackend().open(self.PLAN) as session:
            mask = session.infer(reference, run)
        saliency = exact.preprocess(reference, self.PLAN)[0, 0, :15, :22] % np.float32(1.0)
        assert np.array_equal(mask, np.floor(saliency.astype(np.float64) * 65535 + 0.5))

    def test_an_output_that_is_no_mask_is_refused_with_its_place(
        self, emulated: EmulatedCuda
    ) -> None:
        reference, _, _ = inputs(self.PLAN)

        def run(_: DeviceTensor, output: DeviceTensor) -> None:
            memory = memory_at(output, emulated.cupy)
            memory[:] = 0.5
            memory[0, 0, 9, 21] = 1.1

        with (
            CudaBackend().open(self.PLAN) as session,
            pytest.raises(ValueError, match=r"1\.1\d* at y=9, x=21"),
        ):
            session.infer(reference, run)

    def test_padding_may_hold_anything(self, emulated: EmulatedCuda) -> None:
        reference, _, _ = inputs(self.PLAN)

        def run(_: DeviceTensor, output: DeviceTensor) -> None:
            memory = memory_at(output, emulated.cupy)
            memory[:] = np.nan
            memory[0, 0, :15, :22] = 0.5

        with CudaBackend().open(self.PLAN) as session:
            assert (session.infer(reference, run) == 32768).all()

    def test_a_mask_of_another_size_is_refused(self, cupy: Any) -> None:
        assert cupy
        plan = plan_of(P8, model=MODEL)
        with (
            CudaBackend().open(plan) as session,
            pytest.raises(ValueError, match="the plan's masks are"),
        ):
            session.infer(inputs(plan)[0], lambda *_: None)


class TestScoring:
    """Whole runs with the emulation; ONNX Runtime's processor is bound to its memory by address."""

    @pytest.fixture
    def on_processor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("roi_accel.backends.cuda.slot.DEVICE_TYPE", "cpu")

    @pytest.mark.usefixtures("on_processor")
    def test_scores_are_those_of_the_reference_backend(
        self, emulated: EmulatedCuda, tiny_pair: Any, tiny_network: Path
    ) -> None:
        assert emulated
        pair = (tiny_pair.reference, tiny_pair.distorted)
        options = {"saliency_model": tiny_network, "ep": "cpu", "threads": 1}
        wanted = roi_accel.score(*pair, backend="numpy", **options)
        found = roi_accel.score(*pair, backend="cuda", **options)
        assert found.provenance["backend"]["device"] == "cuda:0"
        assert found.provenance["mask"]["tensors"] == "device"
        assert wanted.provenance["mask"]["tensors"] == "host"
        assert found.frames == wanted.frames

    @pytest.mark.usefixtures("on_processor")
    def test_a_map_that_is_no_mask_is_an_error_that_names_its_frame(
        self, emulated: EmulatedCuda, tiny_pair: Any, tmp_path: Path
    ) -> None:
        assert emulated
        networks = pytest.importorskip("networks", reason="writing a network needs onnx")
        network = networks.write_network_of_nan(tmp_path / "infinite.onnx")
        with pytest.raises(
            ModelError, match=r"frame 0: .* gave a map that is not a mask: saliency"
        ):
            roi_accel.score(
                tiny_pair.reference,
                tiny_pair.distorted,
                saliency_model=network,
                backend="cuda",
                ep="cpu",
            )

    @pytest.mark.usefixtures("on_processor")
    def test_a_map_of_another_size_is_an_error(
        self, emulated: EmulatedCuda, tiny_pair: Any, tmp_path: Path
    ) -> None:
        assert emulated
        networks = pytest.importorskip("networks", reason="writing a network needs onnx")
        halving = networks.Contract(stride=2)
        with pytest.raises(ModelError, match=r"frame 0: network \S+halving.onnx failed"):
            roi_accel.score(
                tiny_pair.reference,
                tiny_pair.distorted,
                saliency_model=networks.write_network(tmp_path / "halving.onnx", halving),
                backend="cuda",
                ep="cpu",
            )

    def test_a_network_elsewhere_goes_through_the_host(
        self, emulated: EmulatedCuda, tiny_pair: Any, tiny_network: Path
    ) -> None:
        assert emulated
        result = roi_accel.score(
            tiny_pair.reference,
            tiny_pair.distorted,
            saliency_model=tiny_network,
            backend="cuda",
            ep="cpu",
        )
        assert result.provenance["mask"]["tensors"] == "host"


class TestDevices:
    def test_each_is_listed_with_what_decides_its_provider(self, emulated: EmulatedCuda) -> None:
        first, second = CudaBackend.probe()
        assert (first.state, first.device, first.kind) == ("ready", "cuda:0", "gpu")
        assert first.vendor_id == 0x10DE
        assert first.memory_bytes == emulated.capacity
        assert first.driver == "CUDA 13.0"
        assert "Emulated A, compute capability 9.0" in first.description
        assert second.device == "cuda:1"

    @pytest.mark.parametrize(
        ("asked", "got"),
        [(None, "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cuda:lated b", "cuda:1")],
    )
    def test_one_is_chosen_by_number_or_name(
        self, emulated: EmulatedCuda, asked: str | None, got: str
    ) -> None:
        assert emulated.device_count == 2
        backend = CudaBackend(device=asked)
        assert backend.device == got
        plan = plan_of(P8)
        with backend.open(plan) as session:
            masked = session.substitute(*inputs(plan))
        assert is_exact(masked, *inputs(plan), plan)

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            (
                "cuda:7",
                "'cuda:7' does not match any CUDA device: cuda:0 is Emulated A; cuda:1 is Emu",
            ),
            ("cuda:emulated", "'cuda:emulated' means several CUDA devices"),
        ],
    )
    def test_none_is_guessed(self, emulated: EmulatedCuda, asked: str, message: str) -> None:
        assert emulated
        with pytest.raises(BackendUnavailable, match=message):
            CudaBackend(device=asked)

    def test_auto_takes_it_first(self, emulated: EmulatedCuda) -> None:
        assert emulated
        assert choose_backend("auto").backend.device == "cuda:0"

    @pytest.mark.parametrize(
        ("facts", "state", "words", "remedy"),
        [
            ({"driver": 0}, "no device", "driver is not installed", "install NVIDIA's driver"),
            ({"driver": 12040}, "broken", "speaks CUDA 12.4, but this CuPy is for", "cuda extra"),
            ({"count": 0}, "no device", "the driver shows no device", "CUDA_VISIBLE_DEVICES"),
            ({"error": "cudaErrorUnknown"}, "broken", "cudaErrorUnknown", "nvidia-smi"),
            ({"hip": True}, "broken", "built for AMD's ROCm", "nvidia-smi"),
            ({"major": 6}, "broken", "older than compute capability 7.5", "opencl"),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "",
    )
    def test_what_is_missing_is_named_with_its_remedy(
        self,
        emulated: EmulatedCuda,
        monkeypatch: pytest.MonkeyPatch,
        facts: dict[str, Any],
        state: str,
        words: str,
        remedy: str,
    ) -> None:
        runtime = emulated.cupy.cuda.runtime
        properties = runtime.getDeviceProperties

        def count() -> int:
            if "error" in facts or "driver" in facts:
                raise runtime.CUDARuntimeError(facts.get("error", "cudaErrorInsufficientDriver"))
            return int(facts.get("count", 1))

        monkeypatch.setattr(runtime, "getDeviceCount", count)
        monkeypatch.setattr(runtime, "driverGetVersion", lambda: facts.get("driver", 13000))
        monkeypatch.setattr(runtime, "is_hip", facts.get("hip", False))
        major = {"major": facts.get("major", 9)}
        monkeypatch.setattr(runtime, "getDeviceProperties", lambda n: properties(n) | major)
        status = probe("cuda")[0]
        assert status.state == state
        assert words in status.description
        assert remedy in status.remedy
        with pytest.raises(BackendUnavailable, match=words):
            CudaBackend()

    def test_without_cupy_the_remedy_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "cupy" else found(name)
        )
        status = probe("cuda")[0]
        assert status.state == "not installed"
        assert 'pip install "roi-accel[cuda13]"' in status.remedy

    def test_a_cupy_that_does_not_load_is_broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = importlib.util.find_spec
        monkeypatch.setitem(sys.modules, "cupy", None)
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: name if name == "cupy" else found(name)
        )
        assert probe("cuda")[0].state == "broken"


class TestFaults:
    def test_no_room_is_said_with_sizes(self, emulated: EmulatedCuda) -> None:
        emulated.capacity = 100_000
        with pytest.raises(BackendUnavailable, match=r"cuda:0 .* is out of memory: .*MiB are free"):
            CudaBackend().open(plan_of(P8, 640, 480))

    def test_with_little_room_one_frame_at_a_time_is_tried(
        self, emulated: EmulatedCuda, caplog: pytest.LogCaptureFixture
    ) -> None:
        plan = plan_of(P8, 640, 480)
        emulated.capacity = 2_500_000
        with caplog.at_level(logging.WARNING, "roi_accel"), CudaBackend().open(plan) as session:
            assert session.slots == 1
            masked = session.substitute(*inputs(plan))
        assert "out of memory" in caplog.text
        assert "one frame at a time" in caplog.text
        assert is_exact(masked, *inputs(plan), plan)

    def test_where_there_was_no_room_there_may_be_again(self, emulated: EmulatedCuda) -> None:
        plan = plan_of(P8)
        with CudaBackend().open(plan) as session:
            capacity, emulated.capacity = emulated.capacity, 0
            with pytest.raises(BackendUnavailable, match="out of memory"):
                session.upsample(inputs(plan)[2])
            emulated.capacity = capacity
            masked = session.substitute(*inputs(plan))
        assert is_exact(masked, *inputs(plan), plan)

    def test_after_an_error_of_the_device_all_work_is_refused(self, emulated: EmulatedCuda) -> None:
        plan = plan_of(P8)
        with CudaBackend().open(plan) as session:
            session.substitute(*inputs(plan))
            emulated.failure = "cudaErrorIllegalAddress: an illegal memory access"
            with pytest.raises(
                BackendUnavailable, match="failed: cudaErrorIllegalAddress"
            ) as caught:
                session.substitute(*inputs(plan))
            emulated.failure = ""
            with pytest.raises(BackendUnavailable, match="cudaErrorIllegalAddress") as again:
                session.substitute(*inputs(plan))
            assert again.value is not caught.value
        assert caught.value.exit_code == 4

    def test_kernels_that_do_not_compile_leave_the_compilers_words(
        self, emulated: EmulatedCuda, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert emulated
        whole = kernel_calls.read_kernel_file
        monkeypatch.setattr(
            kernel_calls,
            "read_kernel_file",
            lambda name: whole(name) + ("nonsense;" if name == "upsample_rows.ker" else ""),
        )
        with pytest.raises(BackendUnavailable, match="do not compile for cuda:0") as caught:
            CudaBackend().open(plan_of(P8))
        (path,) = [word for word in str(caught.value).split() if ".log" in word]
        assert "upsample_rows.ker" in Path(path.rstrip(";")).read_text()

    def test_a_missing_compiler_is_named_and_auto_goes_on(self, emulated: EmulatedCuda) -> None:
        emulated.has_compiler = False
        status = probe("cuda")[0]
        assert status.state == "broken"
        assert "NVRTC, does not load" in status.description
        assert "cuda13" in status.remedy
        assert choose_backend("auto").backend.name != "cuda"
        with pytest.raises(BackendUnavailable, match="libnvrtc"):
            CudaBackend()

    def test_a_kernel_that_cannot_start_leaves_no_half_frame(
        self, emulated: EmulatedCuda, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = plan_of(P8)
        reference, distorted, mask = inputs(plan)
        reference = read_only(reference)
        with CudaBackend().open(plan) as session:

            def refuse(*_: object) -> None:
                raise KeyboardInterrupt

            for slot in session._slots:  # noqa: SLF001 - to fail in its middle
                monkeypatch.setattr(slot, "_launch", refuse)
            with pytest.raises(KeyboardInterrupt):
                session.substitute(reference, distorted, mask)
            monkeypatch.undo()
            assert not any(slot.holds(reference) for slot in session._slots)  # noqa: SLF001
            assert all(slot._stream.given == slot._stream.done for slot in session._slots)  # noqa: SLF001
        assert emulated.uploads

    def test_a_stray_that_the_host_does_not_find_is_the_devices_fault(
        self, emulated: EmulatedCuda, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = TestNetworkOnTheDevice.PLAN

        def run(_: DeviceTensor, output: DeviceTensor) -> None:
            memory_at(output, emulated.cupy)[:] = 0.5

        with CudaBackend().open(plan) as session:
            for slot in session._slots:  # noqa: SLF001 - its flag is never cleared then
                monkeypatch.setattr(
                    slot._network.strays.device.data,  # noqa: SLF001
                    "memset_async",
                    lambda *_: None,
                )
            with pytest.raises(BackendUnavailable, match="a saliency value that the host accepts"):
                session.infer(inputs(plan)[0], run)

    def test_without_a_folder_for_its_cache_the_real_cupy_still_loads(self, tmp_path: Path) -> None:
        pytest.importorskip("cupy", reason="needs CuPy")
        (tmp_path / "a file").write_text("")
        code = "from roi_accel.devices.dispatch import probe; print(probe('cuda')[0].description)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"CUPY_CACHE_DIR": str(tmp_path / "a file" / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "does not load" not in done.stdout
        assert "are not kept" in done.stderr


class TestSlots:
    def test_they_do_not_wait_for_the_callers_null_stream_and_do_not_spin(
        self, emulated: EmulatedCuda
    ) -> None:
        assert emulated
        with CudaBackend().open(plan_of(P8)) as session:
            session.substitute(*inputs(plan_of(P8)))
            for slot in session._slots:  # noqa: SLF001 - settings without an effect on bytes
                assert slot._stream.non_blocking  # noqa: SLF001
        assert emulated.waited
        assert all(event.block for event in emulated.waited)

    def test_they_are_on_the_sessions_device_whatever_thread_calls(
        self, emulated: EmulatedCuda
    ) -> None:
        plan = plan_of(P8)
        with CudaBackend(device="cuda:1").open(plan) as session, ThreadPoolExecutor(1) as pool:
            assert {slot._mask.device.device.id for slot in session._slots} == {1}  # noqa: SLF001
            masked = pool.submit(session.substitute, *inputs(plan)).result()
        assert is_exact(masked, *inputs(plan), plan)
        assert emulated.used == 0, "the session's memory is not given back"

    def test_closing_waits_for_frames_under_way(self, emulated: EmulatedCuda) -> None:
        assert emulated
        plan = TestNetworkOnTheDevice.PLAN
        begun, go_on = threading.Event(), threading.Event()
        session = CudaBackend().open(plan)

        def run(_: DeviceTensor, output: DeviceTensor) -> None:
            begun.set()
            assert go_on.wait(30)
            memory_at(output, emulated.cupy)[:] = 0.5

        with ThreadPoolExecutor(2) as pool:
            mask = pool.submit(session.infer, inputs(plan)[0], run)
            assert begun.wait(30)
            closing = pool.submit(session.close)
            assert not closing.done()
            with pytest.raises(TimeoutError):
                closing.result(timeout=0.2)
            go_on.set()
            assert (mask.result() == 32768).all()
            closing.result(timeout=30)
        assert session.event_seconds["quantise"] > 0
