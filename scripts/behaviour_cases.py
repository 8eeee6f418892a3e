"""The commands that `compare_behaviour.py` runs with two versions; add a case to `CASES`.

A case's commands run one after the other in one folder, which holds the files of
`behaviour_inputs.py`. A command is what follows `roi-accel`, or Python code after `python:`, where
`show(value)` prints JSON and `fails(call)` prints which error a call raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PYTHON = "python:"
PREAMBLE = """
import json, roi_accel
def show(value):
    print(json.dumps(value, default=str))
def fails(call):
    try:
        call()
    except Exception as error:
        bases = [each.__name__ for each in type(error).__mro__]
        code = getattr(error, "exit_code", None)
        show({"bases": bases, "exit_code": code, "message": str(error)})
    else:
        show("no error")
"""


@dataclass(frozen=True)
class Case:
    """Commands that run in one folder.

    Attributes
    ----------
    name : str
        ``GROUP/WHAT``, also the name of a folder.
    commands : tuple of str
    keys_only : bool
        Whether values differ from run to run, so that only keys are compared.
    environment : dict
        Variables to set.
    """

    name: str
    commands: tuple[str, ...]
    keys_only: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def case(name: str, *commands: str, keys_only: bool = False, **environment: str) -> Case:
    """Return a case; keywords are variables of its environment."""
    return Case(name, commands, keys_only, environment)


PAIR = "-r ref.y4m -d dist.y4m"
SCORE = f"score {PAIR}"
FEW = f"{SCORE} --frame-count 2"
ENCODED = "score -r ref.mp4 -d dist.mp4"
RAW = "-w 96 --height 64 --pix-fmt"
NUMPY_ONLY = "--backends numpy --stages preprocess,substitute --formats yuv420p"
NUMBA_TOO = "--backends numpy,numba --stages preprocess,upsample,substitute --formats yuv420p"
COMMANDS = (
    "score",
    "mask",
    "demo",
    "batch",
    "batch run",
    "batch merge",
    "batch ladder",
    "parity",
    "parity record",
    "parity compare",
    "devices",
    "bench",
    "models",
    "models list",
    "models path",
    "models fetch",
)

INPUTS = [
    case("input/raw-8-bit", f"score -r ref.yuv -d dist.yuv {RAW} yuv420p"),
    case(
        "input/raw-8-bit-short-options",
        "score -r ref.yuv -d dist.yuv -w 96 --height 64 -p 420 -b 8",
    ),
    case("input/raw-10-bit", f"score -r ref10.yuv -d dist10.yuv {RAW} yuv420p10le"),
    case("input/raw-422-16-bit", f"score -r ref422p16.yuv -d dist422p16.yuv {RAW} yuv422p16le"),
    case("input/raw-444", f"score -r ref444.yuv -d dist444.yuv {RAW} yuv444p"),
    case(
        "input/raw-smooth", f"score -r ref.yuv -d dist.yuv {RAW} yuv420p --fps 25 --mask-smooth 0.1"
    ),
    case(
        "input/raw-part", f"score -r ref.yuv -d dist.yuv {RAW} yuv420p --fps 30000/1001 --start 0.1"
    ),
    case("input/y4m", SCORE),
    case("input/mp4", ENCODED),
    case("input/mkv", "score -r ref.mkv -d dist.mkv"),
    case("input/mixed", "score -r ref.yuv -d dist.y4m -w 96 --height 64 --pix-fmt yuv420p"),
    case("input/packed", "score -r ref-packed.avi -d dist-packed.avi"),
    case("input/hdr", "score -r hdr.mkv -d hdr.mkv"),
    case("input/another-rate", "score -r ref.mkv -d fast.mkv --shortest"),
    case("input/equal", "score -r ref.y4m -d ref.y4m"),
    case("input/scale", "score -r ref.mp4 -d small.mp4 --scale bicubic"),
    case("input/scale-lanczos", "score -r ref.mp4 -d small.mp4 --scale lanczos"),
    case("input/scale-to", f"{ENCODED} --scale-to 128x80"),
    case("input/scale-to-with-kernel", f"{ENCODED} --scale-to 64x64 --scale bilinear"),
    case("input/crop-auto", "score -r ref-bars.y4m -d dist-bars.y4m --crop auto"),
    case("input/bars-left-in", "score -r ref-bars.y4m -d dist-bars.y4m"),
    case("input/crop-rectangle", f"{SCORE} --crop 64:48:16:8"),
    case(
        "input/scale-and-crop", f"{SCORE} --scale-to 192x128 --crop 128:96:32:16 --roi 20,20,40,40"
    ),
    case("input/start-and-duration", f"{ENCODED} --start 0.08 --duration 0.16"),
    case("input/skips", f"{SCORE} --frame-skip-ref 2 --frame-skip-dist 1 --shortest"),
    case("input/late", "score -r ref.y4m -d late.y4m"),
    case("input/frame-count", f"{SCORE} --frame-count 3"),
    case("input/shortest", "score -r ref.y4m -d short.y4m --shortest"),
    case("input/subsample", f"{SCORE} --subsample 3"),
    case(
        "input/several",
        "score -r ref.mp4 -d dist.mp4 -d encodes/x264-36.mp4 -d encodes/mpeg4-24.mp4",
    ),
]

MASKS = [
    case("mask-source/native-size", f"{SCORE} --saliency-size native"),
    case("mask-source/size", f"{SCORE} --saliency-size 128"),
    case("mask-source/stride", f"{SCORE} --saliency-stride 3"),
    case("mask-source/batch", f"{SCORE} --saliency-batch 4"),
    case("mask-source/network-file", f"{SCORE} --saliency-model network.onnx"),
    case("mask-source/picture", f"{SCORE} --mask mask.png"),
    case("mask-source/archive", f"{SCORE} --mask masks.npz"),
    case("mask-source/video", f"{SCORE} --mask masks.mkv"),
    case("mask-source/y4m", f"{SCORE} --mask masks.y4m"),
    case(
        "mask-source/video-from-second-frame",
        f"{SCORE} --mask masks.mkv --frame-skip-ref 1 --frame-skip-dist 1",
    ),
    case("mask-source/box", f"{SCORE} --roi 16,8,40,32"),
    case("mask-source/boxes", f"{SCORE} --roi 16,8,40,32 --roi 70,40,40,40"),
    case(
        "mask-source/named-boxes",
        f"{SCORE} --roi face=16,8,40,32 --roi logo=70,0,20,20 --roi 0,50,96,14",
    ),
    case("mask-source/track-csv", f"{SCORE} --roi-track track.csv"),
    case("mask-source/track-json", f"{SCORE} --roi-track track.json"),
    case("mask-source/constant", f"{SCORE} --synthetic-mask 0.35"),
    case("mask-source/empty", f"{SCORE} --synthetic-mask 0"),
    case("mask-source/smooth", f"{ENCODED} --mask-smooth 0.08"),
    case("mask-source/smooth-boxes", f"{ENCODED} --mask-smooth 0.08 --roi-track track.csv"),
    case("mask-source/soft", f"{SCORE} --mask mask.png --threshold 0 --fade 1 --weight 0.8"),
    case("mask-source/hard", f"{SCORE} --threshold 0.5 --fade 0 --weight 0"),
    case(
        "mask-source/own-file",
        "mask -r ref.mp4 -o own.mkv",
        f"{ENCODED} --mask own.mkv",
        f"{ENCODED} --mask own.mkv --start 0.08",
        f"{ENCODED} --mask own.mkv --saliency-stride 2",
        "score -r ref.mkv -d dist.mkv --mask own.mkv",
    ),
    case(
        "mask-source/own-part",
        "mask -r ref.mp4 -o part.npz --start 0.08 --crop 64:48:16:8 --mask-smooth 0.1",
        f"{ENCODED} --mask part.npz --start 0.08 --crop 64:48:16:8",
        f"{ENCODED} --mask part.npz",
        f"{ENCODED} --mask part.npz --start 0.08 --crop 64:48:16:8 --mask-smooth 0.1",
    ),
]

COMPUTING = [
    case("backend/numpy", f"{ENCODED} --backend numpy"),
    case("backend/numba", f"{ENCODED} --backend numba --device cpu --threads 1"),
    case("backend/opencl", f"{ENCODED} --backend opencl"),
    case(
        "backend/opencl-named-boxes",
        f"{SCORE} --backend opencl --roi face=16,8,40,32 --roi 0,50,96,14",
    ),
    case(
        "backend/opencl-10-bit",
        f"score -r ref10.yuv -d dist10.yuv {RAW} yuv420p10le --backend opencl --subsample 2",
    ),
    case("backend/by-variable", f"{FEW}", ROI_ACCEL_BACKEND="numpy"),
    case("provider/cpu", f"{FEW} --ep cpu --strict-ep"),
    case("gate/off", f"{SCORE} --gate off"),
    case("gate/first", f"{SCORE} --gate first"),
    case("gate/all", f"{SCORE} --gate all --backend opencl"),
    case("gate/dump", f"{FEW} --dump arrays"),
    case("vmaf/ffmpeg-by-path", f"{SCORE} --vmaf tools/ffmpeg"),
    case("vmaf/by-variable", f"{FEW}", ROI_ACCEL_VMAF="tools/ffmpeg"),
    case(
        "vmaf/models",
        f"{SCORE} --model version=vmaf_v0.6.1 --model version=vmaf_v0.6.1neg:name=neg",
    ),
    case("vmaf/4k-model", f"{FEW} -m version=vmaf_4k_v0.6.1"),
    case("vmaf/disable-clip", f"{FEW} -m version=vmaf_v0.6.1:disable_clip"),
    case("vmaf/features", f"{SCORE} --feature psnr --feature float_ssim --roi face=8,8,32,32"),
]

OUTPUTS = [
    case("output/csv", f"{SCORE} --csv frames.csv --roi face=8,8,32,32"),
    case(
        "output/file",
        f"{SCORE} -o result.json",
        f"{SCORE} -o result.json",
        f"{SCORE} -o result.json --overwrite",
    ),
    case(
        "output/several",
        "score -r ref.mp4 -d dist.mp4 -d encodes/x264-36.mp4 -o all.json --csv all.csv",
    ),
    case("output/html", f"{ENCODED} --html page.html -o result.json"),
    case(
        "output/html-several",
        f"{ENCODED} -d encodes/x264-36.mp4 --html page.html --roi face=8,8,32,32 -o r.json",
    ),
    case("output/trace", f"{FEW} --trace trace.json -o result.json"),
    case("output/summary", f"{SCORE} --summary -o result.json"),
    case("output/quiet", "score -r ref.mp4 -d dist.mp4 --synthetic-mask 0 --quiet"),
    case("mask/png", "mask -r ref.mp4 -o mask-over.png"),
    case("mask/frame", "mask -r ref.mp4 -o mask-over.png --frame 2 --threshold 0.4"),
    case("mask/sheet", "mask -r ref.mp4 -o sheet.png --sheet 2x3"),
    case("mask/sheet-count", "mask -r ref.y4m -o sheet.png --sheet 4 --saliency-stride 2"),
    case("mask/npz", "mask -r ref.mp4 -o own.npz"),
    case("mask/mkv", "mask -r ref.mp4 -o own.mkv --frame-count 4"),
    case("mask/boxes", "mask -r ref.y4m -o own.npz --roi 16,8,40,32 --roi 60,30,20,20"),
    case("mask/track-smooth", "mask -r ref.y4m -o own.npz --roi-track track.csv --mask-smooth 0.1"),
    case("mask/raw", f"mask -r ref.yuv -o own.npz {RAW} yuv420p --backend opencl"),
    case("mask/scaled", "mask -r ref.y4m -o own.npz --scale-to 192x128 --crop 128:96:32:16"),
    case("mask/masked-y4m", f"mask {PAIR} --masked-yuv masked.y4m"),
    case("mask/masked-yuv", f"mask {PAIR} --masked-yuv masked.yuv -o own.mkv --shortest"),
    case("mask/exists", "mask -r ref.y4m -o mask.png", "mask -r ref.y4m -o mask.png --overwrite"),
]

BATCHES = [
    case(
        "batch/csv",
        "batch pairs.csv -o out.ndjson --no-records --csv table.csv --parquet table.parquet",
        "batch pairs.csv -o out.ndjson --no-records --csv table.csv",
        "batch pairs.csv -o out.ndjson --no-records --overwrite --no-frames",
    ),
    case("batch/records", "batch run pairs.csv -o out.ndjson --workers 1"),
    case("batch/jsonl", "batch pairs.jsonl --no-records --summary"),
    case("batch/pattern", "batch 'encodes/x264-*.mp4' -r ref.mp4 --no-records --frame-count 3"),
    case("batch/defaults", "batch pairs.csv --no-records --defaults defaults.json --no-frames"),
    case(
        "batch/options",
        "batch pairs.csv --no-records --weight 0.9 --gate first --synthetic-mask 0.5",
    ),
    case(
        "batch/reproducible",
        "batch pairs.csv --no-records --reproducible --together 1 --worker numpy",
    ),
    case(
        "batch/bad-rows",
        "batch bad-rows.jsonl -o out.ndjson --no-records --csv table.csv",
        "batch bad-rows.jsonl -o out.ndjson --no-records",
    ),
    case(
        "batch/shards",
        "batch pairs.csv -o part-0.ndjson --shard 0/2 --no-records --no-frames",
        "batch merge pairs.csv part-0.ndjson -o some.ndjson",
        "batch pairs.csv -o part-1.ndjson --shard 1/2 --no-records --no-frames",
        "batch merge pairs.csv part-0.ndjson part-1.ndjson -o all.ndjson --csv all.csv "
        "--parquet all.parquet",
        "batch merge pairs.csv part-0.ndjson part-1.ndjson -o all.ndjson",
        "batch merge pairs.csv part-1.ndjson absent.ndjson",
    ),
    case(
        "batch/ladder",
        "batch ladders.csv -o out.ndjson --no-records",
        "batch ladder out.ndjson --csv ladders-table.csv --html ladders.html -o ladders.json",
        "batch ladder out.ndjson --anchor mpeg4 --min-overlap 0.1 --summary",
        "batch ladder out.ndjson --anchor absent",
        "batch ladder out.ndjson --min-overlap 2",
        "batch ladder out.ndjson -o ladders.json",
    ),
    case(
        "batch/ladder-of-unlike-runs",
        "batch ladders.csv -o out.ndjson --no-records --frame-count 2 --threshold 0.4",
        "batch pairs.csv -o more.ndjson --no-records",
        "python: text = open('out.ndjson').read() + open('more.ndjson').read(); "
        "open('both.ndjson', 'w').write(text)",
        "batch ladder both.ndjson",
    ),
    case("batch/ladder-broken", "batch ladder broken.ndjson", "batch ladder absent.ndjson"),
    case("fault/batch-absent", "batch absent.csv"),
    case("fault/batch-suffix", "batch text.mp4"),
    case("fault/batch-column", "batch unknown-column.csv --no-records"),
    case("fault/batch-output-column", "batch output-column.csv --no-records"),
    case("fault/batch-quote", "batch open-quote.csv --no-records"),
    case("fault/batch-line", "batch broken-line.jsonl --no-records"),
    case("fault/batch-defaults", "batch pairs.csv --defaults unknown-defaults.json"),
    case("fault/batch-defaults-list", "batch pairs.csv --defaults list.json"),
    case("fault/batch-shard", "batch pairs.csv --shard 2/2"),
    case("fault/batch-worker", "batch pairs.csv --worker nonsense:1 --no-records"),
    case("fault/batch-folder", "batch pairs.csv -o absent/out.ndjson"),
    case("fault/batch-folder-without-records", "batch pairs.csv -o absent/out.ndjson --no-records"),
    case("fault/batch-table-exists", "batch pairs.csv -o out.ndjson --csv pairs.csv --no-records"),
    case("fault/batch-option", "batch pairs.csv --weight 2 --no-records"),
    case("fault/batch-pattern", "batch 'absent/*.mp4' -r ref.mp4"),
]

MACHINE = [
    case("machine/version", "--version"),
    case("machine/nothing", ""),
    case("machine/devices", "devices"),
    case("machine/devices-json", "devices --json"),
    case("machine/devices-ray", "devices --ray"),
    case("machine/models-list", "models list"),
    case("machine/models-list-json", "models list --json"),
    case("machine/models-path", "models path center-surround"),
    case("machine/models-not-fetched", "models path student_v2"),
    case("machine/models-unknown", "models path student_v9"),
    case("machine/demo", "demo --keep pair --quiet"),
    case(
        "machine/bench",
        "bench --quick --json - --backends numpy --kernels substitute",
        keys_only=True,
    ),
    case("machine/bench-kernel", "bench --quick --kernels nonsense"),
    case("parity/two-backends", f"parity {NUMBA_TOO} --json p.json --junit p.xml --markdown p.md"),
    case("parity/nothing-to-compare", f"parity {NUMPY_ONLY} --json -"),
    case("parity/providers", "parity --backends numpy --stages saliency --eps cpu --json -"),
    case("parity/pair", f"parity {NUMBA_TOO} -r ref.mp4 -d dist.mp4 --frames 2 --json -"),
    case("parity/required", f"parity {NUMBA_TOO} --require-backend cuda --json -"),
    case("parity/unknown-backend", "parity --backends nonsense"),
    case("parity/unknown-stage", "parity --stages nonsense"),
    case("parity/unknown-format", "parity --formats nonsense"),
    case(
        "parity/records",
        "parity record -o one.json --backends numpy",
        "parity record -o one.json --backends numpy",
        "parity compare one.json --json compared.json --junit compared.xml --markdown compared.md",
        "python: t = open('one.json').read(); i = t.index('\"preprocess\": \"') + 15; "
        "open('two.json', 'w').write(t[:i] + ('1' if t[i] == '0' else '0') + t[i + 1 :])",
        "parity compare one.json two.json --json -",
        "parity compare broken-track.json",
        "parity compare absent.json",
    ),
]

FAULTS = [
    case("fault/missing-file", "score -r absent.mp4 -d dist.mp4"),
    case("fault/missing-distorted", "score -r ref.mp4 -d absent.mp4"),
    case("fault/folder", "score -r encodes -d dist.mp4"),
    case("fault/empty", "score -r ref.mp4 -d empty.mp4"),
    case("fault/not-a-video", "score -r ref.mp4 -d text.mp4"),
    case("fault/cut-y4m", "score -r ref.y4m -d cut.y4m"),
    case("fault/cut-mp4", "score -r ref.mp4 -d cut.mp4"),
    case("fault/header-alone", "score -r ref.y4m -d header.y4m"),
    case("fault/negative-width", "score -r ref.y4m -d odd.y4m"),
    case("fault/interlaced", "score -r interlaced.y4m -d dist.y4m"),
    case("fault/rgb", "score -r rgb.mkv -d rgb.mkv"),
    case("fault/raw-size", f"score -r ref.yuv -d odd.yuv {RAW} yuv420p"),
    case("fault/raw-without-geometry", "score -r ref.yuv -d dist.yuv"),
    case("fault/raw-pixel-format", f"score -r ref.yuv -d dist.yuv {RAW} nonsense"),
    case("fault/raw-two-formats", f"score -r ref.yuv -d dist.yuv {RAW} yuv420p -p 422"),
    case("fault/raw-small", "score -r ref.yuv -d dist.yuv -w 16 --height 16 --pix-fmt yuv420p"),
    case("fault/raw-start-without-fps", f"score -r ref.yuv -d dist.yuv {RAW} yuv420p --start 0.1"),
    case("fault/lengths", "score -r ref.y4m -d short.y4m"),
    case("fault/lengths-encoded", "score -r ref.mp4 -d short.y4m"),
    case("fault/sizes", "score -r ref.mp4 -d small.mp4"),
    case("fault/depths", f"score -r ref.y4m -d dist10.yuv {RAW} yuv420p10le"),
    case("fault/start-after-the-end", f"{ENCODED} --start 10"),
    case("fault/skip-all", f"{SCORE} --frame-skip-ref 8 --frame-skip-dist 8"),
    case("fault/crop-outside", f"{SCORE} --crop 90:60:20:20"),
    case("fault/crop-odd", f"{SCORE} --crop 63:47:15:7"),
    case("fault/crop-words", f"{SCORE} --crop nonsense"),
    case("fault/scale-to", f"{SCORE} --scale-to 0x0"),
    case("fault/scale-kernel", f"{SCORE} --scale nonsense"),
    case("fault/threshold", f"{SCORE} --threshold 1.5"),
    case("fault/threshold-nan", f"{SCORE} --threshold nan"),
    case("fault/fade-infinite", f"{SCORE} --fade inf"),
    case("fault/weight-negative", f"{SCORE} --weight -0.5"),
    case("fault/weight-words", f"{SCORE} --weight heavy"),
    case("fault/threads", f"{SCORE} --threads 0"),
    case("fault/subsample", f"{SCORE} --subsample 0"),
    case("fault/frame-count", f"{SCORE} --frame-count 0"),
    case("fault/stride", f"{SCORE} --saliency-stride 33"),
    case("fault/batch-size", f"{SCORE} --saliency-batch 65"),
    case("fault/saliency-size", f"{SCORE} --saliency-size tiny"),
    case("fault/smooth", f"{SCORE} --mask-smooth 61"),
    case("fault/smooth-nan", f"{SCORE} --mask-smooth nan"),
    case("fault/duration", f"{ENCODED} --duration 0"),
    case("fault/fps", f"{SCORE} --fps 0"),
    case("fault/misspelt-option", f"{SCORE} --wieght 0.5"),
    case("fault/misspelt-command", "scroe"),
    case("fault/no-distorted", "score -r ref.mp4"),
    case("fault/value-missing", f"{SCORE} --weight"),
    case("fault/two-masks", f"{SCORE} --mask mask.png --roi 0,0,10,10"),
    case("fault/mask-and-network", f"{SCORE} --mask mask.png --saliency-size 128"),
    case("fault/mask-missing", f"{SCORE} --mask absent.png"),
    case("fault/mask-colour", f"{SCORE} --mask colour.png"),
    case("fault/mask-shape", f"{SCORE} --mask narrow.png"),
    case("fault/mask-floats", f"{SCORE} --mask floats.npz"),
    case("fault/mask-unnamed", f"{SCORE} --mask unnamed.npz"),
    case("fault/mask-short", f"{SCORE} --mask short.npz"),
    case("fault/mask-slim", f"{SCORE} --mask slim.npz"),
    case("fault/mask-cut", f"{SCORE} --mask cut.npz"),
    case("fault/mask-text", f"{SCORE} --mask text.mp4"),
    case("fault/box-words", f"{SCORE} --roi 1,2,3"),
    case("fault/box-outside", f"{SCORE} --roi 500,500,10,10"),
    case("fault/box-empty", f"{SCORE} --roi 0,0,0,10"),
    case("fault/box-name", f"{SCORE} --roi =1,2,3,4"),
    case("fault/track-missing", f"{SCORE} --roi-track absent.csv"),
    case("fault/track-nan", f"{SCORE} --roi-track nan-track.csv"),
    case("fault/track-column", f"{SCORE} --roi-track column-track.csv"),
    case("fault/track-outside", f"{SCORE} --roi-track outside-track.csv"),
    case("fault/track-broken", f"{SCORE} --roi-track broken-track.json"),
    case("fault/constant", f"{SCORE} --synthetic-mask 2"),
    case("fault/network-missing", f"{SCORE} --saliency-model absent.onnx"),
    case("fault/network-name", f"{SCORE} --saliency-model center-suround"),
    case("fault/network-not-fetched", f"{SCORE} --saliency-model student_v2"),
    case("fault/network-cut", f"{SCORE} --saliency-model cut.onnx"),
    case("fault/network-text", f"{SCORE} --saliency-model text.onnx"),
    case("fault/backend", f"{SCORE} --backend nonsense"),
    case("fault/backend-missing", f"{SCORE} --backend cuda"),
    case("fault/backend-by-variable", SCORE, ROI_ACCEL_BACKEND="nonsense"),
    case("fault/device", f"{SCORE} --device opencl:9.9"),
    case("fault/device-of-another", f"{SCORE} --backend numpy --device opencl:0.0"),
    case("fault/provider", f"{SCORE} --ep nonsense"),
    case("fault/provider-missing", f"{SCORE} --ep cuda:1"),
    case("fault/provider-missing-strict", f"{SCORE} --ep cuda --strict-ep"),
    case("fault/vmaf-missing", f"{SCORE} --vmaf absent/ffmpeg"),
    case("fault/vmaf-fails", f"{SCORE} --vmaf tools/fails"),
    case("fault/vmaf-text", f"{SCORE} --vmaf tools/text"),
    case("fault/vmaf-model", f"{SCORE} --model version=nonsense"),
    case("fault/vmaf-model-file", f"{SCORE} --model path=absent.json"),
    case("fault/vmaf-model-words", f"{SCORE} --model nonsense"),
    case("fault/vmaf-feature", f"{SCORE} --feature nonsense"),
    case("fault/vmaf-infinite", f"{SCORE} --synthetic-mask 0 --feature ciede"),
    case("fault/calibration-missing", f"{SCORE} --calibration absent.toml"),
    case("fault/calibration-key", f"{SCORE} --calibration calibration.toml"),
    case("fault/calibration-broken", f"{SCORE} --calibration broken.toml"),
    case("fault/gate", f"{SCORE} --gate nonsense"),
    case("fault/dump-is-a-file", f"{SCORE} --dump mask.png"),
    case("fault/output-exists", f"{SCORE} -o defaults.json"),
    case("fault/output-folder", f"{SCORE} -o absent/result.json"),
    case("fault/output-twice", f"{SCORE} -o same.json --csv same.json"),
    case("fault/output-is-an-input", f"{SCORE} -o dist.y4m --overwrite"),
    case("fault/output-is-a-folder", f"{SCORE} -o encodes --overwrite"),
    case("fault/csv-exists", f"{SCORE} --csv pairs.csv"),
    case("fault/html-exists", f"{SCORE} --html track.csv"),
    case("fault/mask-output-missing", "mask -r ref.y4m"),
    case("fault/mask-output-suffix", "mask -r ref.y4m -o own.txt"),
    case("fault/mask-frame-after-the-end", "mask -r ref.y4m -o own.png --frame 8"),
    case("fault/mask-frame-and-sheet", "mask -r ref.y4m -o own.png --frame 1 --sheet 2x2"),
    case("fault/mask-sheet-words", "mask -r ref.y4m -o own.png --sheet many"),
    case("fault/mask-sheet-of-video", "mask -r ref.y4m -o own.mkv --sheet 2x2"),
    case("fault/mask-masked-without-distorted", "mask -r ref.y4m --masked-yuv masked.y4m"),
    case("fault/mask-distorted-for-nothing", f"mask {PAIR} -o own.npz"),
]

BOXES = "roi=['face=8,8,32,32', '50,8,20,20']"
RESULT = f"r = roi_accel.score('ref.y4m', 'dist.y4m', frame_count=3, {BOXES})"
API = [
    case(
        "python/names",
        "python: show([sorted(roi_accel.__all__), roi_accel.__version__.count('.')])",
    ),
    case("python/to-dict", f"python: {RESULT}; show(r.to_dict())"),
    case("python/to-json", f"python: {RESULT}; print(r.to_json(indent=None))"),
    case("python/to-row", f"python: {RESULT}; show([f.to_row() for f in r.frames])"),
    case(
        "python/to-frame", f"python: {RESULT}; show(r.to_frame().reset_index().to_dict('records'))"
    ),
    case(
        "python/attributes",
        f"python: {RESULT}; names = sorted(n for n in dir(r) if n[0] != '_'); show(names); "
        "show([r.vmaf_full, r.vmaf_masked, r.vmaf_roi, r.weight, r.model, r.saliency_model]); "
        "show([r.reference, r.distorted, repr(r)]); "
        "show([r.regions, r.pooled_metrics, list(r.warnings)]); "
        "show([r.frames[1].frame_number, r.frames[1].saliency_mean, r.frames[1].alpha_mean, "
        "r.frames[1].metrics, r.frames[1].regions, r.frames[1].to_dict()])",
    ),
    case(
        "python/several",
        "python: both = ['dist.mp4', 'encodes/x264-36.mp4']; "
        "rs = roi_accel.score('ref.mp4', both, threshold=0.2, "
        "fade=0.3, weight=0.7, subsample=2, backend='numpy', gate='first', "
        "feature='psnr', threads=1); "
        "show([r.to_dict() for r in rs])",
    ),
    case(
        "python/raw",
        "python: show(roi_accel.score('ref.yuv', 'dist.yuv', width=96, height=64, "
        "pix_fmt='yuv420p', fps=25, start='0.04', duration=0.2, mask_smooth=0.1, "
        "saliency_size='native', saliency_stride=2).to_dict())",
    ),
    case(
        "python/inputs",
        "python: show(roi_accel.score('ref.mp4', 'small.mp4', scale='bicubic', crop='64:48:16:8', "
        "frame_skip_ref=1, frame_skip_dist=1, mask='masks.npz', "
        "model='version=vmaf_v0.6.1neg').to_dict())",
    ),
    case(
        "python/none-is-default",
        "python: r = roi_accel.score('ref.y4m', 'dist.y4m', roi=None, weight=None); "
        "show(r.to_dict())",
    ),
    case(
        "python/progress",
        "python: seen = []; add = lambda *numbers: seen.append(numbers); "
        "roi_accel.score('ref.y4m', 'dist.y4m', progress=add); show(seen)",
    ),
    case(
        "python/html",
        "python: show(roi_accel.score('ref.y4m', 'dist.y4m', html='page.html').vmaf_roi)",
    ),
    case(
        "python/mask",
        "python: m = roi_accel.mask('ref.mp4', 'own.npz', mask_smooth=0.1); "
        "show([str(m.path), m.frames, m.height, m.width, m.saliency_model, list(m.warnings)])",
        "python: m = roi_accel.mask('ref.mp4', 'own.png', sheet='2x2', roi_track='track.csv', "
        "threshold=0.1); show([str(m.path), m.frames, m.height, m.width, m.saliency_model])",
        "python: fails(lambda: roi_accel.mask('ref.mp4', 'own.npz'))",
    ),
    case(
        "python/backend",
        "python: b = roi_accel.get_backend('numpy'); show(type(b).__name__); "
        "fails(lambda: roi_accel.get_backend('nonsense'))",
    ),
    *(
        case(f"python/error-{name}", f"python: fails(lambda: roi_accel.{call})")
        for name, call in {
            "misspelt": "score('ref.y4m', 'dist.y4m', wieght=0.5)",
            "type": "score('ref.y4m', 'dist.y4m', weight='heavy')",
            "boolean": "score('ref.y4m', 'dist.y4m', threads=True)",
            "range": "score('ref.y4m', 'dist.y4m', threshold=-1)",
            "nan": "score('ref.y4m', 'dist.y4m', fade=float('nan'))",
            "choice": "score('ref.y4m', 'dist.y4m', gate='some')",
            "command-line-only": "score('ref.y4m', 'dist.y4m', output='x.json')",
            "missing": "score('absent.y4m', 'dist.y4m')",
            "no-distorted": "score('ref.y4m', [])",
            "lengths": "score('ref.y4m', 'short.y4m')",
            "two-masks": "score('ref.y4m', 'dist.y4m', mask='mask.png', synthetic_mask=1)",
            "network": "score('ref.y4m', 'dist.y4m', saliency_model='cut.onnx')",
            "backend": "score('ref.y4m', 'dist.y4m', backend='cuda')",
            "vmaf": "score('ref.y4m', 'dist.y4m', vmaf='tools/fails')",
            "output": "score('ref.y4m', 'dist.y4m', html='absent/page.html')",
            "mask-suffix": "mask('ref.y4m', 'own.txt')",
            "mask-misspelt": "mask('ref.y4m', 'own.npz', weight=0.5)",
        }.items()
    ),
]

HELP = [
    case(f"help/{name.replace(' ', '-') or 'top'}", f"{name} --help") for name in ("", *COMMANDS)
]

CASES = [*INPUTS, *MASKS, *COMPUTING, *OUTPUTS, *BATCHES, *MACHINE, *FAULTS, *API, *HELP]
