"""`roi-accel score`: the main job, with options named after the `vmaf` tool and vmaf-roi-score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from roi_accel._util.timing import Stopwatch, trace_json
from roi_accel.cli import _options as shared
from roi_accel.cli._options import INPUT, OUTPUT, Outputs, option
from roi_accel.cli.console import frame_progress, is_terminal, print_summary, print_warning
from roi_accel.options import ScoreOptions
from roi_accel.report.run import Report
from roi_accel.results.result import to_csv, to_json
from roi_accel.run.score import score_all


@shared.with_options(ScoreOptions)
def score(
    reference: shared.Reference,
    distorted: Annotated[
        list[Path],
        option(
            INPUT,
            "A distorted video; repeat for several, which share one decode of the reference.",
            "-d",
            "--distorted",
        ),
    ],
    output: Annotated[
        Path | None, shared.output_option("Write the JSON result here, all or nothing.")
    ] = None,
    csv: Annotated[Path | None, option(OUTPUT, "Write a table with a row per frame here.")] = None,
    html: Annotated[
        Path | None,
        option(OUTPUT, "Write a page with curves and pictures of the run here, for people."),
    ] = None,
    trace: Annotated[
        Path | None, option(OUTPUT, "Write a timeline of the run here, which Perfetto opens.")
    ] = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
    summary: shared.Summary = None,
    progress: shared.Progress = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
    **options: Any,  # noqa: ANN401 - those of the model
) -> None:
    """Score distorted videos against their reference by where people look.

    Prints the result as JSON. Examples:

        roi-accel score -r ref.mp4 -d dist.mp4

        roi-accel score -r ref.mp4 -d dist.mp4 --roi face=100,40,200,200 -o result.json

        roi-accel score -r ref.yuv -d dist.yuv -w 1920 --height 1080 --pix-fmt yuv420p10le
    """
    video = shared.only_reference(reference)
    shared.check_named_once(distorted)
    chosen = ScoreOptions.typed("score", options, [video, *distorted])
    named = {"--output": output, "--csv": csv, "--html": html, "--trace": trace}
    inputs = [video, *distorted, *chosen.files()]
    outputs = Outputs(named, overwrite=overwrite, inputs=inputs)
    report = Report(html, videos=len(distorted)) if html is not None else None
    stopwatch = Stopwatch(is_traced=trace is not None)
    with frame_progress(show=False if quiet else progress) as advance:
        results = score_all(
            video,
            distorted,
            chosen,
            progress=advance,
            stopwatch=stopwatch,
            revisit=report.thumbnails if report else None,
        )
    for warning in dict.fromkeys(line for result in results for line in result.warnings):
        print_warning(warning)
    outputs.write(
        {
            "--output": lambda: to_json(results[0] if len(results) == 1 else results),
            "--csv": lambda: to_csv(results),
            "--html": lambda: report.page(results) if report else b"",
            "--trace": lambda: trace_json(stopwatch),
        }
    )
    if not quiet and (is_terminal() if summary is None else summary):
        print_summary(results, written=outputs.paths)
