"""What comes before the first frame: threads shared out, inputs opened, the device verified.

`score` and `mask` share it, so that their options mean the same.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from roi_accel._util.files import write_atomically
from roi_accel.backends.plan import Plan
from roi_accel.backends.protocol import TellsEvents
from roi_accel.devices.dispatch import choose_backend
from roi_accel.errors import InputError, OutputError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.inference.providers import CPU_PROVIDER, SHORT_NAMES, ProviderPlan, plan_provider
from roi_accel.masks import MaskSource, open_mask_source
from roi_accel.masks.network import NetworkSource
from roi_accel.masks.over_time import OverTime, Smoothing
from roi_accel.parity.calibration import Calibration, read_calibration
from roi_accel.parity.gate import Gate
from roi_accel.run.inputs import check_known_counts, frame_rate, prepare_inputs
from roi_accel.video import check_scorable, open_video

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.protocol import Session
    from roi_accel.devices.dispatch import Choice
    from roi_accel.options import ScoreOptions
    from roi_accel.run.inputs import Inputs
    from roi_accel.video import VideoInfo

_VMAF_PER_HELPER = 4
"""VMAF gets all threads: it is what a run waits for. Decoders, network and kernels work only until
its queues are full and then wait, so each of them gets one for so many of VMAF's."""


class DumpFolder:
    """A folder, in one that exists, that is created once something is saved."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            if path.exists() or path.is_symlink():
                msg = f"{path} is not a folder"
                raise OutputError(msg, remedy="name another folder with --dump")
            if not path.parent.is_dir():
                msg = f"the folder {path} cannot be created: there is no folder {path.parent}"
                raise OutputError(msg, remedy="create it first, or name another with --dump")
        self._path = path

    def save(self, name: str, content: bytes) -> Path:
        """Write `content` to a new file `name`, all or nothing, and return its path."""
        path = self._path / name
        try:
            self._path.mkdir(exist_ok=True)
        except OSError as error:
            msg = f"the folder {self._path} cannot be created: {error.strerror or error}"
            raise OutputError(msg, remedy="name another with --dump") from error
        write_atomically(path, content, overwrite=False)
        return path


@dataclass(frozen=True, kw_only=True)
class OpenInputs:
    """A run whose videos are open, before a device is chosen.

    `given` is the source of masks that the options name, None where a network finds them, and
    `helpers` the number of threads of a decoder, the network and the kernels.
    """

    options: ScoreOptions
    stopwatch: Stopwatch
    helpers: int
    calibration: Calibration
    inputs: Inputs
    over_time: OverTime
    given: MaskSource | None

    @property
    def info(self) -> VideoInfo:
        """The reference's frames as they are scored."""
        return self.inputs.readers[0].info


@dataclass(frozen=True, kw_only=True)
class Run(OpenInputs):
    """A run that is ready for its frames: the device is verified as far as it can be before them.

    `lock` is held while a session that serves one thread at a time is called.
    """

    choice: Choice
    source: MaskSource
    session: Session
    lock: threading.Lock
    gate: Gate

    def finish(self, frame_count: int, *, whole: bool) -> None:
        """Check gate and source once the last of `frame_count` frames is done.

        ParityError or InputError if what they gave cannot be trusted after all. The videos were
        read to their end if `whole`.
        """
        self.gate.finish()
        self.source.finish(frame_count, whole=whole)


@contextmanager
def open_inputs(
    paths: Sequence[Path], options: ScoreOptions, stopwatch: Stopwatch
) -> Iterator[OpenInputs]:
    """Open the reference and the distorted videos of `paths`, in this order, and the masks given.

    InputError if one of them cannot be used, or they do not belong together.
    """
    helpers = max(1, options.threads // _VMAF_PER_HELPER)
    calibration = read_calibration(options.calibration) if options.calibration else Calibration()
    with ExitStack() as resources:
        opened = [
            resources.enter_context(open_video(path, raw=options.raw, threads=helpers))
            for path in paths
        ]
        inputs = prepare_inputs(opened, options)
        readers = inputs.readers
        check_scorable(readers[0].info)  # guard: small-side-before-start
        if not options.shortest and inputs.frame_count is None:
            check_known_counts(readers)  # guard: unequal-lengths-raw
        smoothing = None
        if options.mask_smooth:
            rate = frame_rate(inputs.file, options, "--mask-smooth")
            smoothing = Smoothing(options.mask_smooth, rate)
        over_time = OverTime(stride=options.saliency_stride, smoothing=smoothing)
        yield OpenInputs(
            options=options,
            stopwatch=stopwatch,
            helpers=helpers,
            calibration=calibration,
            inputs=inputs,
            over_time=over_time,
            given=resources.enter_context(open_given_source(inputs, options)),
        )


@contextmanager
def open_given_source(inputs: Inputs, options: ScoreOptions) -> Iterator[MaskSource | None]:
    """Open the mask source that the options name; None where a network is to find the mask.

    InputError if it cannot be used, or is to be smoothed though its masks have been already.
    """
    source = open_mask_source(
        mask=options.mask,
        roi=options.roi,
        roi_track=options.roi_track,
        synthetic_mask=options.synthetic_mask,
        width=inputs.file.width,
        height=inputs.file.height,
        scaled=(inputs.whole_size[1], inputs.whole_size[0]),
        first_frame=inputs.readers[0].info.skipped,
    )
    if source is None:
        yield None
        return
    with closing(inputs.masks_of(source)) as source:
        if options.mask_smooth and source.origin:
            source.origin.check_smooth(source.label)
        yield source


@contextmanager
def open_run(opened: OpenInputs) -> Iterator[Run]:
    """Choose the backend, load the network unless masks are given, and pass the self-test."""
    options, stopwatch = opened.options, opened.stopwatch
    choice = choose_backend(options.backend, device=options.device, threads=opened.helpers)
    gate = Gate(
        options.gate,
        choice.backend,
        timed=partial(stopwatch.stage, "gate"),
        save=DumpFolder(options.dump).save if options.dump else None,
    )
    lock = threading.Lock()
    with ExitStack() as resources:
        source = opened.given
        if source is None:
            network = _open_network(opened, choice, gate, lock)
            source = resources.enter_context(closing(network))
            if options.gate != "off":
                resources.enter_context(_reference_network(network.network, opened, choice, gate))
        session = resources.enter_context(choice.backend.open(_plan(opened, source)))
        # After it, so that compiling kernels, needed anyway, does not count as the gate's time.
        gate.start(
            session.plan,
            videos=[str(reader.info.path) for reader in opened.inputs.readers[1:]],
            regions=source.region_names,
        )
        if stopwatch.is_traced and isinstance(session, TellsEvents):
            session.tell_events(
                lambda name, start, stop: stopwatch.device_span(
                    name, choice.backend.device, start, stop
                )
            )
        yield Run(
            **vars(opened), choice=choice, source=source, session=session, lock=lock, gate=gate
        )


def _open_network(
    opened: OpenInputs, choice: Choice, gate: Gate, lock: threading.Lock
) -> NetworkSource:
    options = opened.options
    network = SaliencyNetwork(
        resolve(options.saliency_model),
        plan_provider(
            choice.backend.name,
            choice.status,
            requested=options.ep,
            threads=opened.helpers,
        ),
        threads=opened.helpers,
        strict_ep=options.strict_ep,
    )
    return NetworkSource(
        network,
        options.saliency_size,
        batch=options.saliency_batch,
        stride=options.saliency_stride,
        width=opened.info.width,
        height=opened.info.height,
        stopwatch=opened.stopwatch,
        gate=gate,
        lock=lock,
    )


@contextmanager
def _reference_network(
    network: SaliencyNetwork, opened: OpenInputs, choice: Choice, gate: Gate
) -> Iterator[None]:
    """Have the gate compare maps with the same network on the CPU, unless it runs there anyway."""
    if network.providers.attached == (CPU_PROVIDER,):
        gate.note(f"the network runs on {CPU_PROVIDER}, with which its maps would be compared")
        yield
        return
    provider, device = network.providers.attached[0], choice.backend.device
    short = [name for name, full in SHORT_NAMES.items() if full == provider]
    asked = [opened.options.ep] if opened.options.ep else []
    names = (*asked, *short, provider, device, f"{device} {choice.status.description}")
    plan = ProviderPlan(CPU_PROVIDER, "the gate compares with it")
    with closing(SaliencyNetwork(network.model, plan, threads=opened.helpers)) as reference:
        tolerance = opened.calibration.tolerance("saliency", names)
        gate.compare_network(reference.infer, CPU_PROVIDER, tolerance)
        yield


def _plan(opened: OpenInputs, source: MaskSource) -> Plan:
    mask_height, mask_width = source.size
    info = opened.info
    try:
        return Plan(
            pixel_format=info.pixel_format,
            width=info.width,
            height=info.height,
            mask_width=mask_width,
            mask_height=mask_height,
            threshold=opened.options.threshold,
            fade=opened.options.fade,
            colour_matrix=info.colour_matrix,
            colour_range=info.colour_range,
            model=source.model_size if isinstance(source, NetworkSource) else None,
        )
    except ValueError as error:
        raise InputError(str(error), remedy="choose a larger --saliency-size") from error
