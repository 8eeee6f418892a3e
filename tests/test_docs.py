"""Every command and every piece of Python in README and docs/ does what it is shown doing."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import av
import numpy as np
import pytest
from clips import run_ffmpeg
from support import DATA_VARIABLE, ROOT, console_script, data_folder

from roi_accel.checks.record_run import make_record
from roi_accel.cli.demo import make_pair
from roi_accel.options.parity import ParityOptions
from roi_accel.parity.record import write_record

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = sorted((ROOT / "docs" / "images").iterdir())
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:roi-accel) [^`\n]+)`")
EXTRAS = re.compile(r'pip install "(?:roi-accel|\.)\[([\w,]+)\]"')
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
ANCHOR = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
PICTURE = re.compile(r'\bsrc(?:set)?="([^"]+)"')

# Without the real networks such a command must fail as documented, not as a mistake in the command.
STUDENT = "student_v"


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for kind, text in FENCE.findall(page.read_text("utf-8")):
            if kind in language.split():
                found.append((str(page.relative_to(ROOT)), text))
    return found


def commands() -> list[tuple[str, str]]:
    """Return (page, command) for every roi-accel line of every shell block."""
    lines = []
    for page, text in blocks("bash sh"):
        joined = text.replace("\\\n", " ")
        for line in joined.splitlines():
            command = re.sub(r"\s+#.*$", "", line).strip()
            if command.startswith("roi-accel "):
                lines.append((page, command))
    return lines


def placeholders() -> list[tuple[str, str]]:
    """Return (page, command) for every inline mention of a command, and those of CI jobs."""
    inline = [
        (str(page.relative_to(ROOT)), command)
        for page in PAGES
        for command in INLINE.findall(page.read_text("utf-8"))
    ]
    jobs = [
        (page, command)
        for page, text in blocks("yaml")
        for command in re.findall(r"\broi-accel [^\n]+", text)
    ]
    return inline + jobs


def with_ids(pairs: list[tuple[str, str]]) -> list[object]:
    return [pytest.param(*pair, id=f"{pair[0]}: {pair[1][:50]}") for pair in pairs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every file that the documents name."""
    folder = tmp_path_factory.mktemp("docs")
    reference, distorted = make_pair(folder)
    reference.rename(folder / "ref.mp4")
    distorted.rename(folder / "dist.mp4")
    for name in ("dist2.mp4", "dist3.mp4"):
        shutil.copy(folder / "dist.mp4", folder / name)
    for name in ("ref", "dist"):
        with av.open(str(folder / f"{name}.mp4")) as container:
            planes = [
                np.concatenate([np.asarray(p).reshape(-1, p.line_size)[:, : p.width].ravel()
                                for p in frame.planes])
                for frame in container.decode(video=0)
            ]  # fmt: skip
        (folder / f"{name}.yuv").write_bytes(np.concatenate(planes).tobytes())
        header = b"YUV4MPEG2 W640 H360 F24:1 Ip C420mpeg2\n"
        frames = b"".join(b"FRAME\n" + frame.tobytes() for frame in planes)
        (folder / f"{name}.y4m").write_bytes(header + frames)
    run_ffmpeg("-i", folder / "dist.mp4", "-vf", "scale=320:180", folder / "small.mp4")
    face = np.zeros((360, 640), np.uint8)
    face[100:260, 240:400] = 255
    write_pictures(folder / "face.png", "png", "gray", [face])
    write_pictures(folder / "masks.mkv", "ffv1", "gray", [face] * 48)
    looked = [console_script(), "mask", "-r", "ref.mp4", "-o", "masks.npz", "--quiet"]
    subprocess.run(looked, cwd=folder, check=True)
    shutil.copy(ROOT / "roi_accel" / "data" / "center_surround.onnx", folder / "mine.onnx")
    for number, backend in ((1, "numpy"), (2, "numba")):
        node = make_record(ParityOptions(backends=(backend,), eps=("cpu",)))
        (folder / f"node{number}.json").write_text(write_record(node))
    (calibration,) = (text for page, text in blocks("toml") if page == "docs/parity.md")
    (folder / "fleet.toml").write_text(calibration)
    (pairs,) = (text for page, text in blocks("csv") if page == "docs/batch.md")
    (folder / "pairs.csv").write_text(pairs)
    (pairs, *_) = (text for page, text in blocks("json") if page == "docs/batch.md")
    (folder / "pairs.jsonl").write_text(pairs)
    (folder / "defaults.json").write_text('{"saliency_size": 256}')
    for path in (folder / "encodes" / "ref", folder / "masters"):
        path.mkdir(parents=True)
    shutil.copy(folder / "dist.mp4", folder / "encodes" / "ref")
    shutil.copy(folder / "ref.mp4", folder / "masters")
    done = subprocess.run(
        [console_script(), "batch", "pairs.csv", "-o", "results.ndjson", "--no-records"],
        cwd=folder, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [f"{n},240,100,160,160,face" for n in range(48)]
    (folder / "boxes.csv").write_text("frame,x,y,w,h,name\n" + "\n".join(rows) + "\n")
    return folder


def place_students() -> bool:
    """Put the real networks into the cache, as if fetched; return whether they are at hand."""
    cache = Path(os.environ["ROI_ACCEL_CACHE"]) / "models"
    cache.mkdir(parents=True)
    students = sorted((data_folder() / "models").glob("saliency_student_v*.onnx"))
    for student in students:
        shutil.copy(student, cache)
    return bool(students)


def write_pictures(path: Path, codec: str, layout: str, pictures: list[np.ndarray]) -> None:
    with av.open(str(path), "w", format="image2" if codec == "png" else None) as container:
        stream = container.add_stream(codec, rate=24)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = layout
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=layout)))
        container.mux(stream.encode())


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), with_ids(commands()))
def test_every_command_of_a_block_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, page: str, command: str
) -> None:
    monkeypatch.setenv("ROI_ACCEL_MODEL_URL", "http://127.0.0.1:9/")
    students = place_students()
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [console_script(), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    expected = 3 if STUDENT in command and not students else 0
    assert done.returncode == expected, f"{page}: {command}\n{done.stderr}"


@functools.cache
def help_of(*path: str) -> str | None:
    """Return the help of the command of that path, or None where there is no such command."""
    done = subprocess.run(
        [console_script(), *path, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200", "NO_COLOR": "1"},
    )
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize(("page", "command"), with_ids(placeholders()))
def test_every_mentioned_command_and_option_exists(page: str, command: str) -> None:
    words = command.split()[1:]
    path = [w for w in words[:2] if re.fullmatch(r"[a-z]+", w)]
    for length in range(len(path), -1, -1):
        help_text = help_of(*path[:length])
        if help_text is not None:
            break
    else:
        pytest.fail(f"{page}: {command}: no such command")
    assert length or not path, f"{page}: {command}: no such command"
    for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", command):
        assert option in help_text, f"{page}: {command}: {option} is no option"


@pytest.mark.slow
@pytest.mark.parametrize(("page", "code"), with_ids(blocks("python")))
def test_every_piece_of_python_runs(folder: Path, page: str, code: str) -> None:
    if not place_students() and STUDENT in code:
        pytest.skip(f"{data_folder()} has no networks; set {DATA_VARIABLE}")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{page}:\n{code}\n{done.stderr}"


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= set(LINK.findall(index))


def test_readme_leads_to_the_index_and_to_where_to_start() -> None:
    links = LINK.findall((ROOT / "README.md").read_text("utf-8"))
    assert {"docs/README.md", "docs/getting-started.md"} <= set(links)


def test_every_extra_that_is_to_be_installed_exists() -> None:
    known = set(metadata("roi-accel").get_all("Provides-Extra"))
    asked = {
        extra
        for page in PAGES
        for extras in EXTRAS.findall(page.read_text("utf-8"))
        for extra in extras.split(",")
    }
    assert {"cpu", "pandas"} <= asked <= known


def test_what_is_written_from_declarations_and_docstrings_is_as_they_are(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "write_reference.py"
    done = subprocess.run(
        [sys.executable, script, "--check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in LINK.findall(text) + PICTURE.findall(text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_link_to_a_heading_has_one(page: Path) -> None:
    for target, anchor in ANCHOR.findall(page.read_text("utf-8")):
        other = page.parent / target if target else page
        text = FENCE.sub("", other.read_text("utf-8"))
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        known = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert anchor in known, f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize(
    "picture", sorted((ROOT / "docs" / "images").iterdir()), ids=lambda path: path.name
)
def test_every_picture_is_shown_and_a_drawing_fetches_nothing(picture: Path) -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for text in [page.read_text("utf-8")]
        for target in LINK.findall(text) + PICTURE.findall(text)
    }
    assert picture in shown
    if picture.suffix == ".svg":
        drawing = picture.read_text("utf-8")
        assert not re.search(r"@import|url\((?!#)|(?:href|src)=.(?!#)", drawing)
