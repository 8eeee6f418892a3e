"""What comes before the first frame: inputs opened, masks' source found, the device verified.

`score` and `mask` share it, so that their options mean the same.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from roi_accel.backends.plan import Plan
from roi_accel.backends.protocol import TellsEvents, slots_of, unwrapped
from roi_accel.backends.serial_session import serial
from roi_accel.devices.dispatch import choose_backend
from roi_accel.errors import InputError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.inference.providers import CPU_PROVIDER, SHORT_NAMES, ProviderPlan, plan_provider
from roi_accel.masks import MaskSource, open_mask_source
from roi_accel.masks.network import NetworkSource
from roi_accel.masks.over_time import OverTime, Smoothing
from roi_accel.parity.calibration import Calibration, read_calibration
from roi_accel.parity.gate import Gate
from roi_accel.run.dump import EvidenceFolder
from roi_accel.run.frame_sync import check_known_counts
from roi_accel.run.inputs import frame_rate, prepare_inputs
from roi_accel.video import check_scorable, open_video

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roi_accel._util.threads import ThreadShares
    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.protocol import Session
    from roi_accel.devices.dispatch import Choice
    from roi_accel.options import ScoreOptions
    from roi_accel.run.inputs import Inputs
    from roi_accel.video import VideoInfo


@dataclass(frozen=True, kw_only=True)
class Masking:
    """What finds masks and masks frames, verified as far as it can be before the first of them.

    Attributes
    ----------
    choice : Choice
        The backend, and why it.
    source : MaskSource
    session : Session
        For as many threads as it has slots, and at least two.
    gate : Gate
    """

    choice: Choice
    source: MaskSource
    session: Session
    gate: Gate


def open_inputs(
    paths: Sequence[Path], options: ScoreOptions, shares: ThreadShares, resources: ExitStack
) -> Inputs:
    """Return what the options make of the reference and the distorted videos, in this order.

    They are closed with `resources`.

    Raises
    ------
    InputError
        What opening and preparing them may raise; or they cannot be scored.
    """
    opened = [
        resources.enter_context(open_video(path, raw=options.raw, threads=shares.decode))
        for path in paths
    ]
    inputs = prepare_inputs(opened, options)
    _check_readers(inputs, options)
    return inputs


def find_over_time(inputs: Inputs, options: ScoreOptions) -> OverTime:
    """Return how the options let masks hang together in time.

    Raises
    ------
    InputError
        Smoothing needs a frame rate that nobody says.
    """
    smoothing = None
    if options.mask_smooth:
        rate = frame_rate(inputs.file, options, "--mask-smooth")
        smoothing = Smoothing(options.mask_smooth, rate)
    return OverTime(stride=options.saliency_stride, smoothing=smoothing)


def find_calibration(options: ScoreOptions) -> Calibration:
    """Return the tolerances that the options name, else the built-in ones; InputError if bad."""
    return read_calibration(options.calibration) if options.calibration else Calibration()


def open_given_source(
    inputs: Inputs, options: ScoreOptions, resources: ExitStack
) -> MaskSource | None:
    """Return the mask source that the options name; None where a network is to find the mask.

    It is closed with `resources`.

    Raises
    ------
    InputError
        It cannot be used, or is to be smoothed though its masks have been already.
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
        return None
    source = resources.enter_context(closing(inputs.masks_of(source)))
    if options.mask_smooth and source.origin:
        source.origin.check_smooth(source.label)
    return source


def open_masking(
    inputs: Inputs,
    given: MaskSource | None,
    distorted: Sequence[Path],
    options: ScoreOptions,
    shares: ThreadShares,
    calibration: Calibration,
    stopwatch: Stopwatch,
    resources: ExitStack,
) -> Masking:
    """Choose the backend, load the network unless a source is `given`, and pass the self-test.

    All of it is closed with `resources`.

    Raises
    ------
    RoiAccelError
        One of its subclasses.
    """
    info, source = inputs.readers[0].info, given
    choice = choose_backend(options.backend, device=options.device, threads=shares.kernels)
    gate = Gate(
        options.gate,
        choice.backend,
        timed=partial(stopwatch.stage, "gate"),
        save=EvidenceFolder(options.dump).save if options.dump else None,
    )
    if source is None:
        source = resources.enter_context(
            closing(_network_source(info, choice, options, shares, gate=gate, stopwatch=stopwatch))
        )
    if isinstance(source, NetworkSource) and options.gate != "off":
        resources.enter_context(
            _reference_network(source.network, choice, options, shares, calibration, gate)
        )
    session = resources.enter_context(
        gate.open(
            _plan(info, source, options),
            videos=[str(path) for path in distorted],
            regions=source.region_names,
        )
    )
    if stopwatch.is_traced:
        _trace_device(unwrapped(session), choice.backend.device, stopwatch)
    session = session if slots_of(session) > 1 else serial(session)
    return Masking(choice=choice, source=source, session=session, gate=gate)


def _trace_device(session: Session, device: str, stopwatch: Stopwatch) -> None:
    """Have the timeline show what the device itself did, if it tells."""
    if isinstance(session, TellsEvents):
        session.tell_events(
            lambda name, start, stop: stopwatch.device_span(name, device, start, stop)
        )


def _check_readers(inputs: Inputs, options: ScoreOptions) -> None:
    readers = inputs.readers
    check_scorable(readers[0].info)  # guard: small-side-before-start
    if not options.shortest and inputs.frame_count is None:
        check_known_counts(readers)  # guard: unequal-lengths-raw


def _network_source(
    info: VideoInfo,
    choice: Choice,
    options: ScoreOptions,
    shares: ThreadShares,
    *,
    gate: Gate,
    stopwatch: Stopwatch,
) -> NetworkSource:
    network = SaliencyNetwork(
        resolve(options.saliency_model),
        plan_provider(
            choice.backend.name, choice.status, requested=options.ep, threads=shares.network
        ),
        threads=shares.network,
        strict_ep=options.strict_ep,
    )
    return NetworkSource(
        network,
        options.saliency_size,
        batch=options.saliency_batch,
        stride=options.saliency_stride,
        width=info.width,
        height=info.height,
        stopwatch=stopwatch,
        check=gate.check_map,
    )


@contextmanager
def _reference_network(
    network: SaliencyNetwork,
    choice: Choice,
    options: ScoreOptions,
    shares: ThreadShares,
    calibration: Calibration,
    gate: Gate,
) -> Iterator[None]:
    """Let the gate compare maps with the same network on the CPU, unless it runs there anyway."""
    if network.providers.attached == (CPU_PROVIDER,):
        gate.note(f"the network runs on {CPU_PROVIDER}, with which its maps would be compared")
        yield
        return
    provider, device = network.providers.attached[0], choice.backend.device
    short = [name for name, full in SHORT_NAMES.items() if full == provider]
    asked = [options.ep] if options.ep else []
    names = (*asked, *short, provider, device, f"{device} {choice.status.description}")
    plan = ProviderPlan(CPU_PROVIDER, "the gate compares with it")
    with closing(SaliencyNetwork(network.model, plan, threads=shares.network)) as reference:
        tolerance = calibration.tolerance("saliency", names)
        gate.compare_network(reference.infer, CPU_PROVIDER, tolerance)
        yield


def _plan(info: VideoInfo, source: MaskSource, options: ScoreOptions) -> Plan:
    mask_height, mask_width = source.size
    try:
        return Plan(
            pixel_format=info.pixel_format,
            width=info.width,
            height=info.height,
            mask_width=mask_width,
            mask_height=mask_height,
            threshold=options.threshold,
            fade=options.fade,
            colour_matrix=info.colour_matrix,
            colour_range=info.colour_range,
            model=source.model_size if isinstance(source, NetworkSource) else None,
        )
    except ValueError as error:
        raise InputError(str(error), remedy="choose a larger --saliency-size") from error
