"""Claims about `inference.ep_plugins`, with ONNX Runtime's real interface where available."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import onnxruntime
import pytest
from support import console_script

from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.inference.ort import Plugin
from roi_accel.inference.providers import plan_provider

if TYPE_CHECKING:
    from conftest import Pair

REAL = pytest.mark.skipif(
    not hasattr(onnxruntime, "register_execution_provider_library"),
    reason=f"onnxruntime {onnxruntime.__version__} takes no plugins",
)


def load(requested: str) -> SaliencyNetwork:
    plan = plan_provider("numpy", requested=requested)
    return SaliencyNetwork(resolve("center-surround"), plan, threads=1)


# The real interface


@REAL
@pytest.mark.parametrize("name", ["absent.so", "."])
def test_library_that_is_absent_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    library = tmp_path / name
    with pytest.raises(BackendUnavailable, match="there is no provider library at") as caught:
        load(f"plugin:mine={library}")
    assert caught.value.exit_code == 4
    assert str(library) in caught.value.message


@REAL
def test_file_that_is_no_library_is_an_error_with_the_loaders_reason(tmp_path: Path) -> None:
    library = tmp_path / "text.so"
    library.write_text("not a library")
    with pytest.raises(BackendUnavailable, match=r"cannot be used as a provider plugin: .*load"):
        load(f"plugin:mine={library}")


@REAL
def test_library_that_is_no_plugin_is_an_error_that_says_what_it_lacks() -> None:
    library = next(Path(onnxruntime.__file__).parent.glob("capi/onnxruntime_pybind11_state*"))
    with pytest.raises(BackendUnavailable, match="CreateEpFactories"):
        load(f"plugin:mine={library}")


@REAL
def test_plugin_error_is_an_exit_code_even_where_not_strict(
    tiny_pair: Pair, tiny_network: Path
) -> None:
    command = [console_script(), "score", "-r", tiny_pair.reference, "-d", tiny_pair.distorted]
    done = subprocess.run(
        [*command, "--saliency-model", tiny_network, "--ep", "plugin:mine=/nowhere/libmine.so"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, "")
    (line,) = done.stderr.splitlines()
    assert "there is no provider library at /nowhere/libmine.so" in line


# A real plugin, where one is installed: onnxruntime-ep-openvino, whose devices are Intel's


@REAL
def test_openvinos_plugin_runs_the_network_or_says_that_it_has_no_device() -> None:
    package = pytest.importorskip("onnxruntime_ep_openvino", reason="its package is not installed")
    code = (
        "import sys, json\n"
        "from roi_accel.inference.models import resolve\n"
        "from roi_accel.inference.providers import plan_provider\n"
        "from roi_accel.inference.network import SaliencyNetwork\n"
        "plan = plan_provider('numpy', requested=sys.argv[1])\n"
        "network = SaliencyNetwork(resolve('center-surround'), plan, threads=1, strict_ep=True)\n"
        "print(json.dumps(network.providers.nodes))\n"
        "network.close()\n"
    )
    library = package.get_library_path()
    intel = any(device.device.vendor_id == 0x8086 for device in onnxruntime.get_ep_devices())
    done = subprocess.run(
        [sys.executable, "-c", code, f"plugin:openvino={library}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if intel:
        assert list(json.loads(done.stdout)) == ["OpenVINOExecutionProvider"], done.stderr
    else:
        assert "offers no device of OpenVINOExecutionProvider on this machine" in done.stderr


# A stand-in, for devices that this machine has not


def device(name: str, kind: str, vendor: int) -> Any:
    hardware = SimpleNamespace(type=SimpleNamespace(name=kind), vendor_id=vendor)
    return SimpleNamespace(ep_name=name, device=hardware)


class Registry:
    """ONNX Runtime's registry of plugins."""

    __version__ = "1.24.0"

    def __init__(self, *brought: Any) -> None:
        self.brought = brought
        self.names: list[str] = []

    def register_execution_provider_library(self, name: str, _library: str) -> None:
        if name in self.names:
            msg = f"EP library is already registered under {name}"
            raise RuntimeError(msg)
        self.names.append(name)

    def unregister_execution_provider_library(self, name: str) -> None:
        self.names.remove(name)

    def get_ep_devices(self) -> list[Any]:
        host = device("CPUExecutionProvider", "CPU", 0x1022)
        return [host, *self.brought] if self.names else [host]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "libmine.so"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DeviceStatus("ready", "cpu"), ("CPU", 0x8086)),
        (DeviceStatus("ready", "opencl:0.0", kind="gpu", vendor_id=0x8086), ("GPU", 0x8086)),
        (DeviceStatus("ready", "cuda:0", kind="gpu", vendor_id=0x10DE), ("GPU", 0x10DE)),
        (DeviceStatus("ready", "opencl:0.0", kind="accelerator"), ("NPU", 0x8086)),
    ],
)
def test_plugin_runs_on_the_device_that_is_most_like_the_backends(
    library: Path, wanted: DeviceStatus, expected: tuple[str, int]
) -> None:
    kinds = [("NPU", 0x8086), ("GPU", 0x8086), ("GPU", 0x10DE), ("CPU", 0x8086)]
    plugin = Plugin(Registry(*(device("Mine", *kind) for kind in kinds)), "Mine", library)
    found = plugin.device_like(wanted).device
    plugin.close()
    assert (found.type.name, found.vendor_id) == expected


def test_library_is_unregistered_with_its_last_user(library: Path) -> None:
    registry = Registry(device("Mine", "GPU", 0x8086))
    first, second = Plugin(registry, "Mine", library), Plugin(registry, "Mine", library)
    assert registry.names == ["Mine"]
    first.close()
    first.close()
    assert registry.names == ["Mine"]
    second.close()
    assert registry.names == []


def test_library_that_somebody_else_registered_is_never_taken_for_this_one(library: Path) -> None:
    registry = Registry(device("Mine", "GPU", 0x8086))
    registry.register_execution_provider_library("Mine", "")
    with pytest.raises(BackendUnavailable, match="registered as Mine already; --ep Mine takes"):
        Plugin(registry, "Mine", library)
    assert registry.names == ["Mine"]


def test_second_library_of_a_provider_in_use_is_refused(library: Path) -> None:
    other = library.with_name("libother.so")
    other.touch()
    registry = Registry(device("Mine", "GPU", 0x8086))
    first = Plugin(registry, "Mine", library)
    with pytest.raises(BackendUnavailable, match=r"is in use from .*libmine\.so, not .*libother"):
        Plugin(registry, "Mine", other)
    first.close()
    Plugin(registry, "Mine", other).close()
    assert registry.names == []


@pytest.mark.parametrize(("number", "expected"), [(0, "first"), (1, "second"), (7, "second")])
def test_of_several_like_devices_the_plugin_takes_the_one_with_the_backends_number(
    library: Path, number: int, expected: str
) -> None:
    alike = [device("Mine", "GPU", 0x10DE) for _ in range(2)]
    alike[0].label, alike[1].label = "first", "second"
    plugin = Plugin(Registry(device("Mine", "CPU", 1), *alike), "Mine", library)
    wanted = DeviceStatus("ready", f"cuda:{number}", kind="gpu", vendor_id=0x10DE)
    assert plugin.device_like(wanted).label == expected
    plugin.close()


@pytest.mark.parametrize(
    ("brought", "match"),
    [
        ((), "offers no device of Mine on this machine; check that its hardware"),
        ((device("Theirs", "GPU", 1),), "but of Theirs; --ep plugin:Theirs="),
    ],
)
def test_library_without_a_device_of_the_provider_is_an_error_and_unregistered(
    library: Path, brought: tuple[Any, ...], match: str
) -> None:
    registry = Registry(*brought)
    with pytest.raises(BackendUnavailable, match=match):
        Plugin(registry, "Mine", library)
    assert registry.names == []


def test_onnx_runtime_without_plugins_is_an_error_that_names_the_version(library: Path) -> None:
    old = SimpleNamespace(__version__="1.20.1")
    with pytest.raises(BackendUnavailable, match=r"onnxruntime 1\.20\.1 takes no provider plugins"):
        Plugin(old, "Mine", library)
