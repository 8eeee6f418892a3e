"""CuPy without a GPU: as much of it as the cuda backend uses, on the host's memory.

The kernels are the very CUDA text, compiled as C++ and run one thread after the other. Streams are
queues, which run either at once or as late as the rules of CUDA allow: only when somebody waits.
So a wait that is missing, or pinned memory that is written too early, gives wrong bytes here too.
"""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import threading
from collections import deque
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ALIGNMENT = 512
_GUARD_BYTES = 256
_POISON = 0xA5
_MAX_ARGUMENTS = 24

_SHIM = """
#include <cstdint>
#define __global__
#define __device__
#define __forceinline__ inline
struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
struct dim3 { unsigned x, y, z; };
static dim3 blockIdx, blockDim, threadIdx;
#line 1 "kernels.cu"
"""

_LAUNCHER = f"""
// A calling convention passes pointers and 32-bit integers alike, each in a word of its own.
typedef void (*Kernel)({", ".join(["uint64_t"] * _MAX_ARGUMENTS)});
extern "C" void launch(Kernel kernel, unsigned gx, unsigned gy, unsigned bx, unsigned by,
                       const uint64_t *a)
{{
    blockDim = {{bx, by, 1}};
    for (unsigned j = 0; j < gy * by; ++j)
        for (unsigned i = 0; i < gx * bx; ++i) {{
            blockIdx = {{i / bx, j / by, 0}};
            threadIdx = {{i % bx, j % by, 0}};
            kernel({", ".join(f"a[{i}]" for i in range(_MAX_ARGUMENTS))});
        }}
}}
"""


class OutOfMemoryError(MemoryError): ...


class CUDARuntimeError(RuntimeError): ...


class CUDADriverError(RuntimeError): ...


class CompileException(Exception): ...  # noqa: N818 - CuPy's name


class EmulatedCuda:
    """The modules ``cupy`` and ``cupyx``, and levers to make them fail.

    Parameters
    ----------
    compiler : str
        A C++ compiler with g++'s options.
    folder : Path
        For compiled kernels.
    is_late : bool
        Whether streams run as late as possible; else at once.
    devices : int

    Attributes
    ----------
    capacity : int
        Bytes of memory per device.
    failure : str
        What every wait raises from now on, as after an error of a kernel; empty for none.
    uploads : int
        Copies from the host so far.
    """

    def __init__(self, compiler: str, folder: Path, *, is_late: bool, devices: int = 2) -> None:
        self.compiler, self.folder = compiler, folder
        self.is_late = is_late
        self.has_compiler = True
        self.device_count = devices
        self.capacity = 1 << 34
        self.used = 0
        self.failure = ""
        self.uploads = 0
        self.waited: list[Event] = []
        self.ranges: list[str] = []
        self.lock = threading.RLock()
        self.local = threading.local()
        self.by_pointer: dict[int, Stream] = {}
        self.null = Stream(self)
        self.pinned: dict[int, int] = {}
        self.guards: list[np.ndarray] = []
        self.cupy, self.cupyx = self._modules()

    @property
    def device(self) -> int:
        return getattr(self.local, "devices", [0])[-1]

    @property
    def stream(self) -> Stream:
        streams: list[Stream] = getattr(self.local, "streams", [])
        return streams[-1] if streams else self.null

    def check(self) -> None:
        if self.failure:
            raise CUDARuntimeError(self.failure)

    def empty(self, shape: Any, dtype: Any) -> Array:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self.used + size > self.capacity:
            msg = f"Out of memory allocating {size:,} bytes (allocated so far: {self.used:,} bytes)"
            raise OutOfMemoryError(msg)
        self.used += size
        pool = getattr(self.local, "pool", None)
        if pool is not None:
            pool.sizes.append((self.device, size))
        whole = np.full(size + _ALIGNMENT + _GUARD_BYTES, _POISON, np.uint8)
        start = -whole.ctypes.data % _ALIGNMENT
        self.guards += [whole[:start], whole[start + size :]]
        memory = whole[start : start + size].view(dtype).reshape(shape)
        return Array(self, memory, self.device)

    def check_guards(self) -> None:
        """Fail if anything was written beside an array."""
        assert all((guard == _POISON).all() for guard in self.guards)

    def empty_pinned(self, shape: Any, dtype: Any) -> np.ndarray:
        memory = np.empty(shape, dtype)
        memory.reshape(-1).view(np.uint8).fill(_POISON)
        self.pinned[memory.ctypes.data] = memory.nbytes
        return memory

    def is_pinned(self, array: np.ndarray) -> bool:
        return array.nbytes <= self.pinned.get(array.ctypes.data, -1)

    def asarray(self, array: Any) -> Array:
        if isinstance(array, Array):
            return array
        if hasattr(array, "__cuda_array_interface__"):
            found: Array = array.array
            return found
        result = self.empty(array.shape, array.dtype)
        source = array.copy()  # Pageable memory is read before the call returns.
        self.stream.add(lambda: np.copyto(result.memory, source))
        return result

    def _modules(self) -> tuple[ModuleType, ModuleType]:
        cupy, cupyx = ModuleType("cupy"), ModuleType("cupyx")
        vars(cupy).update(
            __version__="emulated",
            ndarray=Array,
            empty=self.empty,
            empty_like=lambda array: self.empty(array.shape, array.dtype),
            asarray=self.asarray,
            from_dlpack=lambda array: array.__dlpack__(),
            RawModule=lambda *, code, options: Module(self, code, options),
            cuda=SimpleNamespace(
                Device=lambda number: Device(self, number),
                Stream=lambda *, non_blocking: Stream(self, non_blocking=non_blocking),
                Event=lambda *, block=False: Event(block=block),
                get_current_stream=lambda: self.stream,
                get_elapsed_time=elapsed,
                MemoryPool=lambda: Pool(self),
                using_allocator=lambda malloc: malloc.__self__,
                nvrtc=SimpleNamespace(getVersion=self._compiler_version),
                memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
                driver=SimpleNamespace(CUDADriverError=CUDADriverError),
                compiler=SimpleNamespace(CompileException=CompileException),
                nvtx=SimpleNamespace(
                    available=True, RangePush=self.ranges.append, RangePop=lambda: None
                ),
                runtime=SimpleNamespace(
                    CUDARuntimeError=CUDARuntimeError,
                    is_hip=False,
                    getDeviceCount=lambda: self.device_count,
                    getDeviceProperties=self._properties,
                    driverGetVersion=lambda: 13000,
                    runtimeGetVersion=lambda: 13000,
                    memcpyDeviceToDevice=3,
                    memcpy2DAsync=self._memcpy2d,
                    memGetInfo=lambda: (self.capacity - self.used, self.capacity),
                ),
            ),
        )
        vars(cupyx).update(empty_pinned=self.empty_pinned)
        return cupy, cupyx

    def _compiler_version(self) -> tuple[int, int]:
        if not self.has_compiler:
            msg = "libnvrtc.so.13: cannot open shared object file"
            raise ImportError(msg)
        return 13, 0

    def _memcpy2d(self, *numbers: int) -> None:
        target, target_pitch, source, source_pitch, width, height, kind, stream = numbers
        assert kind == 3, "only on the device"

        def copy() -> None:
            for row in range(height):
                ctypes.memmove(target + row * target_pitch, source + row * source_pitch, width)

        self.by_pointer[stream].add(copy)

    def _properties(self, number: int) -> dict[str, Any]:
        name = f"Emulated {'AB'[number]}".encode()
        return {"name": name, "major": 9, "minor": 0, "totalGlobalMem": self.capacity}


class Pool:
    """Counts what is allocated within it, per device, until it is freed on that device."""

    def __init__(self, cuda: EmulatedCuda) -> None:
        self._cuda = cuda
        self.sizes: list[tuple[int, int]] = []

    def malloc(self) -> None: ...

    def free_all_blocks(self) -> None:
        freed = [size for device, size in self.sizes if device == self._cuda.device]
        self.sizes = [each for each in self.sizes if each[0] != self._cuda.device]
        self._cuda.used -= sum(freed)

    def __enter__(self) -> None:
        self._cuda.local.pool = self

    def __exit__(self, *_: object) -> None:
        self._cuda.local.pool = None


class Device:
    def __init__(self, cuda: EmulatedCuda, number: int) -> None:
        self._cuda, self.id = cuda, number

    def __enter__(self) -> Self:
        local = self._cuda.local
        local.devices = [*getattr(local, "devices", [0]), self.id]
        return self

    def __exit__(self, *_: object) -> None:
        self._cuda.local.devices.pop()


class Stream:
    """Work in the order in which it was given, run when somebody waits for it."""

    def __init__(self, cuda: EmulatedCuda, *, non_blocking: bool = False) -> None:
        self.cuda, self.non_blocking = cuda, non_blocking
        self.given = self.done = 0
        self.ptr = id(self)
        cuda.by_pointer[self.ptr] = self
        self._work: deque[Callable[[], None]] = deque()

    def add(self, work: Callable[[], None]) -> None:
        with self.cuda.lock:
            self.cuda.check()
            self._work.append(work)
            self.given += 1
            if not self.cuda.is_late:
                self.drain(self.given)

    def drain(self, position: int) -> None:
        with self.cuda.lock:
            while self.done < position:
                self._work.popleft()()
                self.done += 1
            self.cuda.check()

    def synchronize(self) -> None:
        self.drain(self.given)

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        with self.cuda.lock:
            event.stream, event.position = self, self.given
        return event

    def wait_event(self, event: Event) -> None:
        stream, position = event.stream, event.position
        assert stream, "an event that nobody recorded"
        self.add(lambda: stream.drain(position))

    def __enter__(self) -> Self:
        local = self.cuda.local
        local.streams = [*getattr(local, "streams", []), self]
        return self

    def __exit__(self, *_: object) -> None:
        self.cuda.local.streams.pop()


class Event:
    def __init__(self, *, block: bool = False) -> None:
        self.block = block
        self.stream: Stream | None = None
        self.position = 0

    def synchronize(self) -> None:
        assert self.stream
        self.stream.cuda.waited.append(self)
        self.stream.drain(self.position)


def elapsed(start: Event, stop: Event) -> float:
    for event in (start, stop):
        if event.stream is None or event.stream.done < event.position:
            msg = "cudaErrorNotReady: device not ready"
            raise CUDARuntimeError(msg)
    return 1.0


class Array:
    """A CuPy array: the host may look at it only through `get`."""

    def __init__(self, cuda: EmulatedCuda, memory: np.ndarray, device: int) -> None:
        self.cuda, self.memory = cuda, memory
        self.device = SimpleNamespace(id=device)
        self.shape, self.dtype, self.strides = memory.shape, memory.dtype, memory.strides
        self.itemsize, self.nbytes = memory.itemsize, memory.nbytes
        self.flags = SimpleNamespace(c_contiguous=memory.flags.c_contiguous)
        self.data = SimpleNamespace(ptr=memory.ctypes.data, memset_async=self._memset)
        self.__cuda_array_interface__ = {"version": 3, "data": (self.data.ptr, False)}
        self.__dlpack__ = lambda **_: self

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        msg = "Implicit conversion to a NumPy array is not allowed."
        raise TypeError(msg)

    def __len__(self) -> int:
        return len(self.memory)

    def __getitem__(self, key: Any) -> Array:
        return Array(self.cuda, self.memory[key], self.device.id)

    def __setitem__(self, key: Any, value: object) -> None:
        msg = "CuPy would compile a kernel for this"
        raise AssertionError(msg)

    def set(self, host: np.ndarray, stream: Stream) -> None:
        assert self.device.id == self.cuda.device, "another device is the current one"
        assert self.cuda.is_pinned(host), "from pageable memory the host would have to wait"
        assert (host.shape, host.dtype) == (self.shape, self.dtype)
        self.cuda.uploads += 1
        stream.add(lambda: np.copyto(self.memory, host))

    def get(self, stream: Stream, out: np.ndarray, *, blocking: bool) -> np.ndarray:
        assert self.cuda.is_pinned(out), "to pageable memory the host would have to wait"
        assert (out.shape, out.dtype) == (self.shape, self.dtype)
        stream.add(lambda: np.copyto(out, self.memory))
        if blocking:
            stream.synchronize()
        return out

    def _memset(self, value: int, size: int, stream: Stream) -> None:
        stream.add(lambda: self.memory.reshape(-1).view(np.uint8)[:size].fill(value))


class Module:
    """The CUDA text, compiled for the host."""

    def __init__(self, cuda: EmulatedCuda, code: str, options: tuple[str, ...]) -> None:
        assert options == ("--std=c++17",)
        self._cuda = cuda
        self._code = code
        self._library: ctypes.CDLL | None = None

    def get_function(self, name: str) -> Callable[..., None]:
        self._library = self._library or self._compile()
        kernel = ctypes.cast(getattr(self._library, name), ctypes.c_void_p)
        launch = self._library.launch

        def call(grid: tuple[int, int], block: tuple[int, int], arguments: tuple[Any, ...]) -> None:
            words = [
                argument.data.ptr if isinstance(argument, Array) else int(argument)
                for argument in arguments
            ]
            assert all(isinstance(each, Array | np.uint32) for each in arguments)
            devices = {each.device.id for each in arguments if isinstance(each, Array)}
            assert devices == {self._cuda.device}, "an illegal address on this device"
            padded = (ctypes.c_uint64 * _MAX_ARGUMENTS)(*words)
            # The arrays live as long as what is to be done with them.
            self._cuda.stream.add(lambda _=arguments: launch(kernel, *grid, *block, padded))

        return call

    def _compile(self) -> ctypes.CDLL:
        text = _SHIM + self._code + _LAUNCHER
        path = self._cuda.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.so"
        if not path.exists():
            source = path.with_suffix(".cpp")
            source.write_text(text)
            # Integers wrap, and bytes are read as vectors, as on a GPU.
            options = ["-std=c++17", "-O2", "-fwrapv", "-fno-strict-aliasing", "-w"]
            command = [self._cuda.compiler, *options, "-shared", "-fPIC", "-o", path, source]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                raise CompileException(done.stderr)
        return ctypes.CDLL(str(path))
