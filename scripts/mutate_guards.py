"""Remove each guard that docs/reliability.md names, and see the test fail that stands for it.

    python scripts/mutate_guards.py [--row ROW]... [--list]

Every mutation is made alone, in a copy of the tree in a temporary folder; this tree is left as it
is. Run it with the Python of an environment in which roi-accel is installed with its test extra.
Exits with 1 if a test passes without its guard, and with 2 if a guard is not where the table says or
a test fails with all guards in place.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("roi_accel", "backends", "bench", "parity", "tests", "pyproject.toml", "README.md")
LIMIT_SECONDS = 300
TESTS_FAILED = 1  # pytest's own exit codes
TESTS_TIMED_OUT = -1

VIDEO = "tests/faults/test_video_faults.py::"
MASK = "tests/faults/test_mask_faults.py::"
MODEL = "tests/faults/test_model_faults.py::"
DEVICE = "tests/faults/test_device_faults.py::"
MIDWAY = "tests/faults/test_mid_run.py::"
PATHS = "tests/faults/test_path_scores.py::"

Y4M_BEFORE = VIDEO + "test_a_y4m_file_that_is_none_is_refused_before_vmaf_is_started"
Y4M_LATER = VIDEO + "test_a_y4m_file_that_is_damaged_further_on_is_refused_at_its_frame"
HOSTILE = VIDEO + "test_a_hostile_y4m_file_takes_little_memory"
PAIRS = VIDEO + "test_pairs_that_differ_are_refused_with_both_geometries"
NO_MASK = MASK + "test_a_map_that_is_no_mask_is_refused_at_its_frame"
MASK_FILE = MASK + "test_a_mask_file_of_another_shape_count_or_type_is_refused"
OUT_OF_RANGE = MASK + "test_a_number_out_of_range_is_refused"
CONTRACT = MODEL + "test_a_network_that_breaks_the_contract_is_refused"
LOST = DEVICE + "test_a_device_that_is_lost_ends_the_run_at_once"
MEMORY = MIDWAY + "test_memory_that_runs_out_in_any_stage_is_told_and_leaves_nothing"
CHANGED = MIDWAY + "test_an_input_that_changes_during_the_run_ends_it"
PLAIN = PATHS + "test_scores_are_those_of_plain_names"


@dataclass(frozen=True)
class Mutation:
    """A guard and the test that must fail without it.

    Parameters
    ----------
    row : str
        In docs/reliability.md.
    file : str
    find, put : str
        Text that stands in `file` once, and what takes its place.
    test : str
        A node id of pytest.
    """

    row: str
    file: str
    find: str
    put: str
    test: str


MUTATIONS = (
    # Videos
    Mutation(
        "1",
        "roi_accel/video/planes.py",
        'raise InputError(msg, remedy="copy or encode the file again")',
        "break",
        Y4M_LATER + "[last frame truncated]",
    ),
    Mutation(
        "1",
        "roi_accel/video/planes.py",
        'raise InputError(msg, remedy="copy or encode the file again")',
        "break",
        Y4M_LATER + "[last frame a marker]",
    ),
    Mutation(
        "1",
        "roi_accel/video/decoding.py",
        "        if missing:\n",
        "        if missing < 0:\n",
        VIDEO + "test_a_container_that_is_cut_off_is_refused_before_vmaf_is_started",
    ),
    Mutation(
        "2",
        "roi_accel/video/raw.py",
        "    if over:\n",
        "    if over < 0:\n",
        VIDEO + "test_raw_video_of_no_whole_number_of_frames_is_told_what_fits",
    ),
    Mutation(
        "2",
        "roi_accel/video/raw.py",
        "fitting = suggest_geometries(source, geometry.pixel_format)",
        'fitting = ""',
        VIDEO + "test_raw_video_of_no_whole_number_of_frames_is_told_what_fits",
    ),
    Mutation(
        "3",
        "backends/frame.py",
        "else (width + 1) // 2",
        "else width // 2",
        VIDEO + "test_odd_sizes_are_read_as_ffmpeg_reads_them",
    ),
    Mutation(
        "3",
        "backends/frame.py",
        "(height + 1) // 2 if",
        "height // 2 if",
        VIDEO + "test_odd_sizes_are_read_as_ffmpeg_reads_them",
    ),
    Mutation(
        "4",
        "roi_accel/video/info.py",
        "MIN_SCORABLE_SIDE = 32",
        "MIN_SCORABLE_SIDE = 31",
        VIDEO + "test_a_side_under_32_is_refused",
    ),
    Mutation(
        "4",
        "roi_accel/pipeline.py",
        "    check_scorable(readers[0].info)\n",
        "",
        VIDEO + "test_a_side_under_32_is_refused",
    ),
    Mutation(
        "5",
        "roi_accel/lockstep.py",
        "if present and not shortest:",
        "if False:",
        VIDEO + "test_unequal_lengths_are_refused_with_both",
    ),
    Mutation(
        "5",
        "roi_accel/pipeline.py",
        "        check_known_counts(readers)\n",
        "        pass\n",
        VIDEO + "test_unequal_lengths_of_raw_video_are_refused_before_vmaf_is_started",
    ),
    Mutation(
        "6",
        "roi_accel/video/y4m.py",
        "if source.size == header.length:",
        "if False:",
        Y4M_BEFORE + "[no frame]",
    ),
    Mutation(
        "6",
        "roi_accel/video/source.py",
        "if status.st_size == 0:",
        "if False:",
        Y4M_BEFORE + "[empty]",
    ),
    Mutation(
        "6",
        "roi_accel/video/reader.py",
        "if count == 0:",
        "if False:",
        "tests/video/test_damage.py::test_a_file_whose_frames_are_all_gone_is_refused",
    ),
    Mutation("7", "roi_accel/video/info.py", "    if not differing:\n", "    if True:\n", PAIRS),
    Mutation(
        "8",
        "roi_accel/video/y4m.py",
        "[0-9]{1,9}",
        "-?[0-9]{1,9}",
        Y4M_BEFORE + "[width negative]",
    ),
    Mutation(
        "8", "roi_accel/video/y4m.py", " or int(text) == 0", "", Y4M_BEFORE + "[height zero]"
    ),
    Mutation(
        "8",
        "roi_accel/video/y4m.py",
        "elif key in values:",
        "elif False:",
        Y4M_BEFORE + "[width repeated]",
    ),
    Mutation(
        "8",
        "roi_accel/video/y4m.py",
        "    if text is None:\n        raise _refusal(path, f\"lacks",
        "    text = text or '96'\n    if text is None:\n        raise _refusal(path, f\"lacks",
        Y4M_BEFORE + "[width missing]",
    ),
    Mutation(
        "9",
        "roi_accel/video/y4m.py",
        'head.find(b"\\n", 0, HEAD_BYTES)',
        'max(head.find(b"\\n"), 17)',
        Y4M_BEFORE + "[no newline]",
    ),
    Mutation(
        "9",
        "roi_accel/video/source.py",
        "stream.read(HEAD_BYTES)",
        "stream.read()",
        HOSTILE + "[1 GB header]",
    ),
    Mutation(
        "10",
        "roi_accel/video/y4m.py",
        '    _check_progressive(values.get("I"), path)\n',
        "",
        Y4M_BEFORE + "[interlaced, top first]",
    ),
    Mutation(
        "10",
        "roi_accel/video/y4m.py",
        "COLOUR_SPACES.get(text)",
        'COLOUR_SPACES.get(text, COLOUR_SPACES["420"])',
        Y4M_BEFORE + "[chroma 4:1:1]",
    ),
    Mutation(
        "10",
        "roi_accel/video/y4m.py",
        'if not parameter.startswith(b"X"):',
        "if False:",
        Y4M_LATER + "[interlaced marker]",
    ),
    Mutation(
        "11",
        "roi_accel/video/y4m.py",
        'if marker != _MARKER or not line.endswith(b"\\n"):',
        "if False:",
        Y4M_LATER + "[bad marker]",
    ),
    Mutation(
        "11",
        "roi_accel/video/y4m.py",
        "stream.readline(HEAD_BYTES)",
        "stream.readline()",
        HOSTILE + "[1 GB marker]",
    ),
    Mutation(
        "12",
        "roi_accel/video/info.py",
        "if width > MAX_SIDE or height > MAX_SIDE:",
        "if False:",
        Y4M_BEFORE + "[huge]",
    ),
    Mutation(
        "12",
        "roi_accel/video/info.py",
        "if width > MAX_SIDE or height > MAX_SIDE:",
        "if width > MAX_SIDE and height > MAX_SIDE:",
        Y4M_BEFORE + "[huge width]",
    ),
    Mutation(
        "12",
        "roi_accel/video/y4m.py",
        "    check_dimensions(path, width, height, pixel_format)\n",
        "",
        HOSTILE + "[70000x70000]",
    ),
    Mutation(
        "12",
        "roi_accel/video/container.py",
        "    check_dimensions(path, width, height, layout.pixel_format)\n",
        "",
        VIDEO + "test_a_huge_container_is_refused_before_vmaf_is_started",
    ),
    Mutation(
        "13",
        "roi_accel/video/container.py",
        "        if found != expected:\n",
        "        if False:\n",
        VIDEO + "test_a_change_midway_is_refused_at_its_frame",
    ),
    Mutation(
        "14",
        "roi_accel/video/reader.py",
        "                check_depth(frame, self._info.path, count)\n",
        "",
        Y4M_LATER + "[sample above 10 bits]",
    ),
    # Masks
    Mutation(
        "15",
        "backends/arithmetic.py",
        "    if not inside.all():\n",
        "    if not inside.all() and not np.isnan(saliency).any():\n",
        NO_MASK + "[NaN]",
    ),
    Mutation(
        "15",
        "backends/arithmetic.py",
        "    if not inside.all():\n",
        "    if not inside.all() and not np.isinf(saliency).any():\n",
        NO_MASK + "[infinite]",
    ),
    Mutation(
        "16",
        "backends/arithmetic.py",
        " & (saliency <= 1.0 + SLACK)",
        "",
        NO_MASK + "[above 1]",
    ),
    Mutation(
        "16",
        "backends/arithmetic.py",
        "(saliency >= -SLACK) & ",
        "",
        NO_MASK + "[below 0]",
    ),
    Mutation(
        "16",
        "backends/arithmetic.py",
        "SLACK = 1e-6",
        "SLACK = 1e-5",
        MASK + "test_a_map_may_miss_its_range_by_a_millionth_and_no_more",
    ),
    Mutation(
        "17",
        "roi_accel/masks/media.py",
        "            check_shape(self.size, (height, width), self._where)\n",
        "",
        MASK_FILE,
    ),
    Mutation(
        "17",
        "roi_accel/masks/clip.py",
        "if whole and next(self._stream, None) is not None:",
        "if False:",
        MASK_FILE,
    ),
    Mutation(
        "17",
        "roi_accel/masks/gray.py",
        "    _check_gray(picture, where)\n",
        "",
        MASK_FILE,
    ),
    Mutation(
        "17",
        "roi_accel/saliency.py",
        "if output.shape != expected or output.dtype != np.float32:",
        "if False:",
        MASK + "test_a_map_of_another_shape_is_refused",
    ),
    Mutation(
        "18",
        "roi_accel/options.py",
        "if not (math.isfinite(value) and 0.0 <= value <= 1.0):",
        "if False:",
        OUT_OF_RANGE,
    ),
    Mutation(
        "18",
        "roi_accel/options.py",
        'for name in ("threshold", "fade", "weight"):',
        'for name in ("threshold", "weight"):',
        OUT_OF_RANGE,
    ),
    Mutation(
        "18",
        "roi_accel/masks/constant.py",
        "if not (math.isfinite(fill) and 0.0 <= fill <= 1.0):",
        "if False:",
        MASK + "test_a_mask_option_out_of_range_is_refused",
    ),
    # Networks
    Mutation(
        "19",
        "roi_accel/saliency.py",
        "if [entry.name for entry in inputs] != [INPUT_NAME]:",
        "if False:",
        CONTRACT + "[two inputs]",
    ),
    Mutation(
        "19",
        "roi_accel/saliency.py",
        "if OUTPUT_NAME not in by_name:",
        "if False:",
        CONTRACT + "[output]",
    ),
    Mutation(
        "19",
        "roi_accel/saliency.py",
        'if entry.type != "tensor(float)":',
        "if False:",
        CONTRACT + "[type]",
    ),
    Mutation(
        "19",
        "roi_accel/saliency.py",
        "if not _shape_fits(entry.shape, channels):",
        "if False:",
        CONTRACT + "[two maps]",
    ),
    Mutation(
        "19",
        "roi_accel/saliency.py",
        "    if len(shape) != _RANK:\n        return False\n",
        "    if len(shape) != _RANK:\n        return True\n",
        CONTRACT + "[rank]",
    ),
    Mutation(
        "20",
        "roi_accel/attach.py",
        "InferenceSession(content, options, **keywords)",
        "InferenceSession(str(self._path), options, **keywords)",
        MODEL + "test_a_network_whose_weights_lie_in_another_file_is_refused",
    ),
    Mutation(
        "21",
        "roi_accel/attach.py",
        "raise self._no_network(error) from error\n                trouble",
        "raise\n                trouble",
        MODEL + "test_a_corrupt_network_is_refused",
    ),
    Mutation(
        "21",
        "roi_accel/saliency.py",
        "if hashlib.sha256(content).hexdigest() != model.sha256:",
        "if False:",
        MODEL + "test_a_network_that_is_replaced_while_it_is_opened_is_refused",
    ),
    Mutation(
        "21",
        "roi_accel/models.py",
        "if not stat.S_ISREG(mode):",
        "if False:",
        "tests/models/test_registry.py::test_pipe_is_refused_instead_of_read_for_ever",
    ),
    # Providers and devices
    Mutation(
        "22",
        "roi_accel/attach.py",
        "        if warnings and strict:\n",
        "        if False:\n",
        DEVICE + "test_a_provider_that_is_absent_is_an_error_where_strict_and_else_a_warning",
    ),
    Mutation(
        "22",
        "roi_accel/attach.py",
        "    if found.requested not in found.attached:\n",
        "    if False:\n",
        DEVICE + "test_a_provider_that_is_absent_is_an_error_where_strict_and_else_a_warning",
    ),
    Mutation(
        "23",
        "roi_accel/masks/network.py",
        'error.message = f"frame {index}: {error.message}"',
        "pass",
        MIDWAY + "test_a_provider_that_fails_midway_is_not_replaced",
    ),
    Mutation(
        "23",
        "roi_accel/saliency.py",
        "            if provider == CPU_PROVIDER:\n",
        "            if True:\n",
        MIDWAY + "test_a_provider_that_fails_midway_is_not_replaced",
    ),
    Mutation(
        "24",
        "backends/opencl_memory.py",
        "            raise translate(error, self._device, self.held, size) from error\n",
        "            raise\n",
        DEVICE + "test_a_device_without_room_is_refused_with_sizes",
    ),
    Mutation(
        "24",
        "roi_accel/cli/app.py",
        "    except MemoryError as error:\n",
        "    except ZeroDivisionError as error:\n",
        MEMORY,
    ),
    Mutation(
        "24",
        "roi_accel/vmaf/streams.py",
        "            self.error = error\n",
        "",
        MIDWAY + "test_memory_that_runs_out_beside_a_pipe_is_told_and_leaves_nothing",
    ),
    Mutation(
        "25",
        "backends/opencl_errors.py",
        "    if error.code in _LOST:\n",
        "    if False:\n",
        LOST,
    ),
    Mutation(
        "25",
        "parity/checked_session.py",
        "            raise BackendUnavailable(msg, remedy=\"choose another --device or --backend\")"
        " from error\n",
        "            raise\n",
        MIDWAY + "test_a_kernel_that_fails_midway_is_told_and_leaves_nothing",
    ),
    Mutation(
        "26",
        "backends/opencl_devices.py",
        "        if error.code == cl.status_code.PLATFORM_NOT_FOUND_KHR:\n            return []\n",
        "",
        DEVICE + "test_no_opencl_platform_is_told_with_what_brings_one",
    ),
    Mutation(
        "27",
        "parity/gate.py",
        "                self._self_test = run_self_test(\n"
        "                    self._backend, plan.pixel_format, save=self._ledger.save\n"
        "                )\n",
        "                pass\n",
        DEVICE + "test_a_device_that_fails_its_self_test_is_refused",
    ),
    Mutation(
        "28",
        "backends/opencl_program.py",
        "    path = write_build_log(text)\n",
        '    path = "none.log"\n',
        DEVICE + "test_kernels_that_do_not_compile_leave_their_log",
    ),
    Mutation(
        "29",
        "backends/numba_compile.py",
        "            kernel.recompile()  # of nothing yet: empties the cache\n",
        "",
        DEVICE + "test_a_damaged_cache_of_numba_is_made_anew_with_a_warning",
    ),
    Mutation(
        "29",
        "backends/numba_compile.py",
        "        kernel = _jit(function, cache=False)\n",
        "        raise\n",
        DEVICE + "test_a_cache_that_has_no_place_is_done_without",
    ),
    # Paths, changes, the gate, bombs
    Mutation(
        "42",
        "roi_accel/vmaf/starting.py",
        "            command,\n            cwd=folder,\n",
        '            " ".join(command),\n            shell=True,\n            cwd=folder,\n',
        "tests/faults/test_paths.py::test_no_name_reaches_the_scorers_command_line",
    ),
    Mutation(
        "43",
        "roi_accel/masks/media.py",
        "_open(self._file, self._where)",
        "_open(str(path), self._where)",
        PLAIN + "[mask-percent]",
    ),
    Mutation(
        "43",
        "roi_accel/masks/media.py",
        "_open(self._file, self._where)",
        "_open(str(path), self._where)",
        PLAIN + "[mask-colon]",
    ),
    Mutation(
        "43",
        "roi_accel/video/decoding.py",
        "                file,\n",
        "                str(path),\n",
        "tests/faults/test_paths.py::test_a_container_and_an_output_may_have_any_name",
    ),
    Mutation(
        "44",
        "roi_accel/cli/score.py",
        "to_csv(results).encode()",
        'to_csv(results).encode("ascii")',
        PLAIN + "[mask-non-ASCII]",
    ),
    Mutation(
        "44",
        "roi_accel/masks/files.py",
        "return text if text.isprintable() else ascii(text)[1:-1]",
        "return text",
        PLAIN + "[mask-not UTF-8]",
    ),
    Mutation(
        "45",
        "roi_accel/video/reader.py",
        "                self._source.check_unchanged()\n                if frame",
        "                if frame",
        CHANGED,
    ),
    Mutation(
        "45",
        "roi_accel/video/reader.py",
        "                    self._source.check_unchanged()  # the likelier",
        "                    pass  # the likelier",
        CHANGED + "[shorter-reference]",
    ),
    Mutation(
        "45",
        "roi_accel/masks/clip.py",
        "        self._media.require_unchanged()\n",
        "",
        MASK + "test_a_mask_clip_that_changes_during_the_run_is_refused",
    ),
    Mutation(
        "46",
        "parity/checked_session.py",
        "                    self._ledger.count(check, compared_with=NumpyBackend.name, video=video)\n",
        "                    pass\n",
        "tests/parity/test_gate.py::test_failed_gate_prints_no_score_and_leaves_nothing",
    ),
    Mutation(
        "47",
        "roi_accel/masks/media.py",
        "            _check_size(self._stream.width, self._stream.height, self._where)\n",
        "",
        MASK + "test_a_picture_that_is_none_is_refused",
    ),
    Mutation(
        "47",
        "roi_accel/masks/media.py",
        "MAX_SAMPLES = 1 << 27",
        "MAX_SAMPLES = 1 << 29",
        MASK + "test_a_decompression_bomb_is_never_decoded",
    ),
)


class Copy:
    """A copy of the tree, with an environment in which that copy is what ``roi_accel`` means."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.tree.mkdir()
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "results")
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.tree / name, ignore=ignored)
            else:
                shutil.copy(source, self.tree)
        for name in ("backends", "bench", "parity"):  # where the installed package has them
            (self.tree / "roi_accel" / name).symlink_to(self.tree / name)
        self.words = ""
        self._python = self._environment(folder / "environment")

    def _environment(self, folder: Path) -> Path:
        """Make one whose packages are this Python's, except that the copy comes first."""
        command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(command, check=True)
        variables = {"base": str(folder), "platbase": str(folder)}
        packages = Path(sysconfig.get_path("purelib", vars=variables))
        lines = (self.tree, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
        (packages / "mutated.pth").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        scripts = Path(sysconfig.get_path("scripts", vars=variables))
        python = scripts / Path(sys.executable).name
        main = "import sys\nfrom roi_accel.cli import main\nsys.exit(main())\n"
        script = scripts / "roi-accel"
        script.write_text(f"#!{python}\n{main}", "utf-8")
        script.chmod(0o755)
        return python

    def test(self, *nodes: str) -> int:
        """Run tests in the copy until one fails, and return pytest's exit code."""
        command = [str(self._python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes]
        try:
            done = subprocess.run(  # noqa: S603 - our own tests
                command,
                cwd=self.tree,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=LIMIT_SECONDS * len(nodes),
            )
        except subprocess.TimeoutExpired:
            return TESTS_TIMED_OUT
        self.words = done.stdout
        return done.returncode


def main() -> int:
    """Make the mutations that the command line names, or all, and say what became of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--row", action="append", help="only this row of the table; repeatable")
    parser.add_argument("--list", action="store_true", help="only see that every guard is there")
    arguments = parser.parse_args()
    chosen = [each for each in MUTATIONS if not arguments.row or each.row in arguments.row]
    missing = [each for each in chosen if (ROOT / each.file).read_text().count(each.find) != 1]
    for each in missing:
        print(f"{each.row}, NOT FOUND ONCE in {each.file}: {each.find!r}")
    if missing or arguments.list:
        print(f"{len(chosen) - len(missing)} of {len(chosen)} guards found")
        return 2 if missing else 0
    with tempfile.TemporaryDirectory(prefix="mutated-") as folder:
        copy = Copy(Path(folder))
        # A test that fails anyway would count every mutation as killed.
        if copy.test(*dict.fromkeys(each.test for each in chosen)):
            print(f"a test fails with every guard in place:\n{copy.words}")
            return 2
        failures = sum([not _is_killed(copy, each) for each in chosen])
    print(f"{len(chosen) - failures} of {len(chosen)} mutations killed")
    return 1 if failures else 0


def _is_killed(copy: Copy, mutation: Mutation) -> bool:
    """Make one mutation, run its test, take the mutation back, and say what happened."""
    path = copy.tree / mutation.file
    whole = path.read_text("utf-8")
    path.write_text(whole.replace(mutation.find, mutation.put), "utf-8")
    try:
        code = copy.test(mutation.test)
    finally:
        path.write_text(whole, "utf-8")
    outcomes = {0: "SURVIVED", TESTS_FAILED: "killed", TESTS_TIMED_OUT: "killed (it never ended)"}
    outcome = outcomes.get(code, f"NO TEST RAN (pytest ended with {code})")
    print(f"{mutation.row}, {outcome}, {mutation.file}, {mutation.test}", flush=True)
    return outcome.startswith("killed")


if __name__ == "__main__":
    sys.exit(main())
