"""Masks in NumPy's archives: read exactly, one at a time, and refused in one line when they lie."""

from __future__ import annotations

import io
import resource
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.lib import format as npy

from roi_accel.errors import InputError
from roi_accel.masks.archive import MaskArchive
from roi_accel.masks.media import ClipSource
from roi_accel.masks.origin import MOST_TEXT, MaskOrigin, origin_text
from roi_accel.masks.source import CROP, FIRST_FRAME, MaskPlace
from roi_accel.masks.writing import open_mask_writer

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (36, 64)


def noise(frames: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 65536, (frames, *size), dtype=np.uint16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "masks.npz"


def about(**facts: object) -> np.ndarray[Any, Any]:
    return np.array(origin_text(facts))


def header(shape: tuple[int, ...], **changes: object) -> bytes:
    """Return what NumPy writes before the samples."""
    file = io.BytesIO()
    facts = {"descr": "<u2", "fortran_order": False, "shape": shape} | changes
    npy.write_array_header_1_0(file, facts)
    return file.getvalue()


def with_member(path: Path, content: bytes, name: str = "masks", method: int = 8) -> Path:
    """Write an archive whose array `name` is `content`, whatever that is."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_every_mask_comes_back_as_it_was_saved(
    path: Path, open_source: Any, ask: Any, save: Any, order: str
) -> None:
    masks = noise()
    save(path, masks=masks.astype(order))
    source = open_source(mask=path)
    assert type(source) is ClipSource
    assert source.size == SIZE
    for index, mask in enumerate(masks):
        (read,) = ask(source, index)
        np.testing.assert_array_equal(read, mask)
    source.finish(3, whole=True)
    facts = source.provenance()
    assert (facts["codec"], facts["width"], facts["height"]) == ("npz", 64, 36)


def test_content_tells_an_archive_whatever_its_name(tmp_path: Path, open_source: Any) -> None:
    np.savez(tmp_path / "masks.npz", masks=noise())
    (tmp_path / "masks.npz").rename(tmp_path / "masks.bin")
    assert open_source(mask=tmp_path / "masks.bin").size == SIZE


def test_an_archive_that_ends_or_goes_on_is_refused(path: Path, open_source: Any, ask: Any) -> None:
    np.savez(path, masks=noise(2))
    source = open_source(mask=path)
    ask(source, 0)
    with pytest.raises(InputError, match="goes on after frame 0"):
        source.finish(1, whole=True)
    source = open_source(mask=path)
    ask(source, 0)
    ask(source, 1)
    with pytest.raises(InputError, match="ends after 2 frames; frame 2 has no mask"):
        ask(source, 2)


def test_a_closed_archive_has_no_masks(path: Path, open_source: Any, ask: Any) -> None:
    np.savez(path, masks=noise())
    source = open_source(mask=path)
    ask(source, 0)
    source.close()
    with pytest.raises(InputError, match="ends after 1 frames"):
        ask(source, 1)


@pytest.mark.parametrize("first", [0, 2])
def test_masks_begin_where_the_archive_says(
    path: Path, open_source: Any, ask: Any, first: int
) -> None:
    masks = noise(5)
    np.savez(path, masks=masks, roi_accel=about(**{FIRST_FRAME: "2"}))
    if first < 2:
        with pytest.raises(
            InputError, match=r"frame 2, but frame 0 .*--frame-skip-ref 2"
        ) as caught:
            open_source(mask=path, first_frame=first)
        assert caught.value.remedy.startswith("give --start as when it was made")
        return
    source = open_source(mask=path, first_frame=first + 1)
    np.testing.assert_array_equal(ask(source, 0)[0], masks[1])


def test_masks_of_a_part_have_the_shape_of_that_part(path: Path, open_source: Any) -> None:
    np.savez(path, masks=noise(1, (10, 60)), roi_accel=about(**{CROP: "60:10:2:4"}))
    source = open_source(mask=path)
    assert str(source.covers) == "60:10:2:4"
    np.savez(path, masks=noise(1, (10, 60)))
    with pytest.raises(InputError, match="another shape"):
        open_source(mask=path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mask": noise()}, "has no array 'masks'; found 'mask'"),
        ({"masks": noise().astype(np.float32) / 65535}, "is float32; expected uint16"),
        ({"masks": noise().astype(np.int16)}, "is int16; expected uint16"),
        ({"masks": noise()[0]}, "has shape (36, 64)"),
        ({"masks": noise()[:0]}, "has shape (0, 36, 64)"),
        ({"masks": np.asfortranarray(noise())}, "in Fortran order"),
        ({"masks": noise(1, (64, 36))}, "another shape"),
        ({"masks": noise(), "roi_accel": about(version=9)}, "version '9', where 1 is known"),
        ({"masks": noise(), "roi_accel": np.array("{")}, "its 'roi_accel' is damaged"),
        ({"masks": noise(), "roi_accel": np.zeros(3)}, "it is not text"),
        ({"masks": noise(), "roi_accel": about(**{FIRST_FRAME: "-1"})}, "not a frame number"),
        ({"masks": noise(), "roi_accel": about(**{CROP: "1:0:0:0"})}, "not a rectangle"),
        ({"masks": noise(), "roi_accel": np.array("x" * 70_000)}, "longer than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_array_of_masks_is_refused(
    path: Path, open_source: Any, arrays: dict[str, Any], words: str
) -> None:
    np.savez_compressed(path, **arrays)
    with pytest.raises(InputError) as caught:
        open_source(mask=path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pickled_objects_are_never_loaded(path: Path, open_source: Any, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (tmp_path.joinpath("sprung").touch, ())

    trap = np.empty((1, 36, 64), object)
    trap[:] = Trap()
    np.savez(path, masks=trap, allow_pickle=True)
    with pytest.raises(InputError, match="is object; expected uint16"):
        open_source(mask=path)
    np.savez(path, masks=noise(), roi_accel=np.array(Trap(), object))
    with pytest.raises(InputError, match="it is not text"):
        open_source(mask=path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("size", [3, 30, 100, -30, -1])
def test_a_file_that_is_cut_off_is_refused(path: Path, open_source: Any, size: int) -> None:
    np.savez_compressed(path, masks=noise())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match="is not a NumPy archive, or cut off"):
        open_source(mask=path)


def test_damaged_samples_are_refused_at_their_frame(path: Path, open_source: Any, ask: Any) -> None:
    np.savez(path, masks=noise())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    source = open_source(mask=path)
    ask(source, 0)
    ask(source, 1)
    with pytest.raises(InputError, match="frame 2 is damaged: Bad CRC-32"):
        ask(source, 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header((10**9, *SIZE)) + bytes(100), "which shape (1000000000, 36, 64) does not"),
        (header((3, *SIZE)) + bytes(100), "which shape (3, 36, 64) does not"),
        (header((1, 10**9, 10**9)), "larger than a mask may be"),
        (header((-1, -1, -1)), "has shape (-1, -1, -1)"),
        (header((1, *SIZE), descr="<u2,<u2") + bytes(9), "expected uint16"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 99, "version (2, 0)"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b" " * 99, "is damaged"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"-" * 16, "is damaged"),
        (b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000, "is damaged"),
        (b"\x93NUMPY\x01\x00\x10\x27" + b"-" * 9_999 + b"1", "is damaged"),
        (b"", "is damaged"),
        (b"PK", "is damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_array_that_lies_about_itself_is_refused_before_memory_is_taken(
    path: Path, open_source: Any, content: bytes, words: str
) -> None:
    with_member(path, content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as caught:
        open_source(mask=path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_numpy_does_not_write_are_refused(
    path: Path, open_source: Any, method: int
) -> None:
    with_member(path, header((1, *SIZE)) + noise(1).tobytes(), method=method)
    with pytest.raises(InputError, match="is not one that NumPy writes"):
        open_source(mask=path)


def test_a_list_of_members_that_is_too_long_is_not_read(path: Path, open_source: Any) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number}", b"")
    with pytest.raises(InputError, match="list of members is longer"):
        open_source(mask=path)


@pytest.mark.slow
def test_a_bomb_takes_no_more_memory_than_a_mask(path: Path) -> None:
    frames, height, width = 64, 2304, 4096
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("masks.npy", "w", force_zip64=True) as member,
    ):
        member.write(header((frames, height, width)))
        for _ in range(frames):
            member.write(bytes(height * width * 2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    archive_of_zeros = MaskArchive(path, width=64, height=36)
    for number, mask in enumerate(archive_of_zeros.masks()):
        assert mask.shape == (height, width)
        if number == 9:
            break
    archive_of_zeros.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_a_place_is_what_its_tags_say_in_any_case() -> None:
    tags = {FIRST_FRAME.upper(): "7", CROP.upper(): "4:3:2:1", "ENCODER": "x"}
    place = MaskPlace.from_tags(tags, "file")
    assert place.tags() == {FIRST_FRAME: "7", CROP: "4:3:2:1"}
    assert MaskPlace.from_tags(place.tags(), "file") == place
    assert MaskPlace().tags() == {}


def test_archives_of_others_and_of_earlier_versions_have_what_they_say(
    path: Path, open_source: Any
) -> None:
    np.savez(path, masks=noise(1))
    assert open_source(mask=path).origin is None
    assert open_source(mask=path).provenance()["origin"] is None
    np.savez(path, masks=noise(1), roi_accel=about(reference={"path": "a.mp4"}, smoothing=None))
    assert open_source(mask=path).origin == MaskOrigin(reference="a.mp4")


WRONG: list[dict[str, object]] = [
    {"saliency_model": 7},
    {"mask": []},
    {"mask": {"sha256": "A" * 64}},
    {"mask": {"sha256": "a" * 63}},
    {"saliency_stride": True},
    {"saliency_stride": 10**400},
    {"smoothing": "yes"},
    {"smoothing": {"seconds": float("nan")}},
    {"smoothing": {"seconds": float("inf")}},
    {"smoothing": {"seconds": -1}},
    {"smoothing": {"seconds": 10**400}},
    {"reference": {"path": ["a"]}},
    {"reference": {"bytes": -1}},
    {"reference": {"bytes": 1.0}},
    {"version": 2},
    {"long": "x" * MOST_TEXT},
]


@pytest.mark.parametrize("facts", WRONG, ids=lambda facts: str(facts)[:40])
@pytest.mark.parametrize("suffix", [".npz", ".mkv"])
def test_a_text_of_what_made_them_that_is_malformed_is_refused(
    tmp_path: Path, open_source: Any, suffix: str, facts: dict[str, object]
) -> None:
    path = tmp_path / f"masks{suffix}"
    if suffix == ".npz":
        np.savez(path, masks=noise(1), roi_accel=about(**facts))
    else:
        with (
            path.open("wb") as file,
            open_mask_writer(
                path, file, size=SIZE, rate=None, place=MaskPlace(), origin=facts
            ) as writer,
        ):
            writer.write(noise(1)[0])
            writer.finish({})
    with pytest.raises(InputError, match="'roi_accel' is damaged") as caught:
        open_source(mask=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "[[1, 2]]", "{", "[" * 100_000], ids=lambda it: it[:9])
def test_what_is_no_such_text_is_refused(path: Path, open_source: Any, text: str) -> None:
    np.savez(path, masks=noise(1), roi_accel=np.array(text))
    with pytest.raises(InputError, match="'roi_accel' is damaged"):
        open_source(mask=path)


def test_a_long_or_unprintable_name_is_told_short_and_on_one_line(
    path: Path, open_source: Any
) -> None:
    name = "x" * 9_000 + "\n\x1b[31m.mp4"
    np.savez(path, masks=noise(1), roi_accel=about(reference={"path": name}))
    told = open_source(mask=path).origin.reference
    assert told.isprintable()
    assert len(told) < 250
    assert told.endswith(".mp4")
