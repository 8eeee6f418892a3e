"""Claims about records: machines that agree compare equal, and no change to a file goes unseen."""

from __future__ import annotations

import base64
import copy
import json
import random
import sys
import tracemalloc
import zlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import planted
import pytest

from roi_accel.checks.record_run import compare_files, make_record
from roi_accel.errors import BackendUnavailable, InputError, ParityError
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.options.parity import ParityOptions
from roi_accel.parity import record as record_module
from roi_accel.parity.calibration import Calibration
from roi_accel.parity.machines import compare_records
from roi_accel.parity.record import (
    MAX_BYTES,
    golden_maps,
    map_shapes,
    pack_map,
    read_record,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roi_accel.parity.cells import Cell, Report

    Damage = Callable[[dict[str, Any]], object]


@cache
def text(backend: str) -> str:
    """Return a record of `backend` and of the CPU provider, made once for all tests."""
    return write_record(make_record(ParityOptions(backends=(backend,), eps=("cpu",))))


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, content: str | bytes | dict[str, Any]) -> Path:
        if isinstance(content, dict):
            content = json.dumps(content)
        path = tmp_path / f"{name}.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def failures(report: Report) -> list[Cell]:
    return report.with_status("FAIL")


def a_key() -> str:
    return next(key for key in json.loads(text("numpy"))["entries"][0]["digests"] if "422" in key)


def test_two_backends_records_compare_equal_with_each_other_and_the_golden_one(
    node: Callable[..., Path],
) -> None:
    paths = [node("one", text("numpy")), node("two", text("numba"))]
    report = compare_files(paths, None)
    assert report.exit_code == 0
    pairs = {(cell.wanted, cell.got) for cell in report.with_status("OK")}
    assert pairs == {
        ("golden maps", "one: cpu"),
        ("golden maps", "two: cpu"),
        ("golden", "one: numpy"),
        ("golden", "two: numba"),
        ("one: numpy", "two: numba"),
        ("one: cpu", "two: cpu"),
    }
    assert len(report.cells) == 12 * (3 * 3 + 3)


def test_one_record_alone_is_verified_against_the_golden_one(node: Callable[..., Path]) -> None:
    report = compare_files([node("one", text("numba"))], None)
    assert report.exit_code == 0
    compared = {(cell.wanted, cell.got) for cell in report.with_status("OK")}
    assert compared == {("golden", "one: numba"), ("golden maps", "one: cpu")}
    maps = [cell.format for cell in report.with_status("OK") if cell.stage == "saliency"]
    assert maps == ["yuv420p", "yuv422p10le", "yuv444p16le"]
    skipped = {cell.explanation for cell in report.with_status("SKIP")}
    assert skipped == {"no golden map is of this format"}


@pytest.mark.parametrize(("by", "code"), [(4e-5, 0), (6e-5, 1)])
def test_one_records_maps_are_held_to_the_golden_ones_within_the_tolerance(
    node: Callable[..., Path], by: float, code: int
) -> None:
    content = json.loads(text("numpy"))
    ((key, golden), *_) = next(iter(golden_maps().values())).items()
    off = golden.copy()
    off[3, 4] += np.float32(by if off[3, 4] < 0.5 else -by)
    content["entries"][1]["maps"][key] = pack_map(off)
    report = compare_files([node("one", reseal(content))], None)
    assert report.exit_code == code
    found = [(cell.wanted, cell.stage, cell.case) for cell in failures(report)]
    assert found == [("golden maps", "saliency", key)] * code


def test_maps_that_nothing_can_be_compared_with_are_skipped_and_say_so(
    node: Callable[..., Path],
) -> None:
    content = json.loads(text("numba"))
    content["entries"][1]["network"] = "0" * 64
    report = compare_files([node("one", reseal(content))], None)
    skipped = report.with_status("SKIP")
    assert {(cell.stage, cell.wanted) for cell in skipped} == {("saliency", "one: cpu")}
    assert len(skipped) == 12
    assert all("no other record ran this network" in cell.explanation for cell in skipped)


BAD_VALUES = pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])


@BAD_VALUES
@pytest.mark.parametrize("count", [1, 2])
def test_a_map_that_is_no_mask_fails_alone_and_beside_its_equal(
    node: Callable[..., Path], value: float, count: int
) -> None:
    content = json.loads(text("numpy"))
    maps, key = first_map(content)
    bad = np.full(map_shapes()[key], 0.5, dtype=np.float32)
    bad[3, 4] = value
    maps[key] = pack_map(bad)
    content["entries"][1]["network"] = "0" * 64
    paths = [node(f"bad{number}", reseal(content)) for number in range(count)]
    report = compare_files(paths, None)
    assert report.exit_code == 1
    alone = [cell for cell in failures(report) if cell.is_repetition]
    assert [(cell.stage, cell.case) for cell in alone] == [("saliency", key)] * count
    assert all("at y=3, x=4 is not in [0, 1]" in cell.explanation for cell in alone)


@BAD_VALUES
def test_a_map_that_is_no_mask_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    real = SaliencyNetwork.infer

    def infer(self: SaliencyNetwork, model_input: Any) -> Any:
        found = np.array(real(self, model_input))
        found[3, 4] = value
        return found

    monkeypatch.setattr(SaliencyNetwork, "infer", infer)
    match = r"cpu gave a map of 'yuv420p .* is not a mask: .*y=3, x=4"
    with pytest.raises(ParityError, match=match):
        make_record(ParityOptions(backends=("numpy",), eps=("cpu",)))


def test_a_changed_digest_is_named_with_its_case_and_stage(node: Callable[..., Path]) -> None:
    key = a_key()
    good = text("numpy")
    digest = json.loads(good)["entries"][0]["digests"][key]["upsample"]
    flipped = ("0" if digest[5] != "0" else "1").join((digest[:5], digest[6:]))
    report = compare_files([node("one", good.replace(digest, flipped, 1))], None)
    (cell,) = failures(report)
    assert report.exit_code == 1
    assert (cell.stage, cell.wanted, cell.got) == ("upsample", "golden", "one: numpy")
    assert cell.case == key
    assert flipped[:12] in cell.explanation
    assert "the file is not what was written" in report.errors[0]


def test_no_flipped_bit_anywhere_in_a_record_goes_unseen(node: Callable[..., Path]) -> None:
    good = bytearray(text("numpy").encode())
    spaces = {ord(" "), ord("\n")}
    places = [place for place, byte in enumerate(good) if byte not in spaces]
    for place in random.Random(1).sample(places, 60):  # noqa: S311 - a repeatable choice
        bad = bytearray(good)
        bad[place] ^= 1
        path = node("bad", bytes(bad))
        around = (place, good[place - 30 : place + 30])
        assert refusal(path), around


def refusal(path: Path) -> str:
    """Return what is said against the record in `path`, which must name it."""
    try:
        report = compare_files([path], None)
    except InputError as error:
        return str(error) if str(path) in str(error) else ""
    return report.errors[0] if report.exit_code and path.stem in report.errors[0] else ""


def test_an_untouched_record_is_not_refused(node: Callable[..., Path]) -> None:
    report = compare_files([node("good", text("numpy"))], None)
    assert (report.exit_code, report.errors) == (0, ())


def test_a_changed_map_names_its_case(node: Callable[..., Path]) -> None:
    content = json.loads(text("numpy"))
    key, packed = next(iter(content["entries"][1]["maps"].items()))
    middle = len(packed) // 2
    other = "A" if packed[middle] != "A" else "B"
    bad = text("numpy").replace(packed, packed[:middle] + other + packed[middle + 1 :], 1)
    with pytest.raises(InputError, match=r"the map (cannot be unpacked|is not the)") as caught:
        compare_files([node("one", bad)], None)
    assert key in str(caught.value)


def test_maps_are_compared_within_the_tolerance(node: Callable[..., Path]) -> None:
    for by, code in ((4e-5, 0), (6e-5, 1)):
        record = read_record(node("one", text("numpy")), name="one")
        other = read_record(node("two", text("numba")), name="two")
        key = list(map_shapes())[4]
        maps = dict(other.entries[1].maps)
        maps[key] = np.full_like(maps[key], 0.5)
        base = dict(record.entries[1].maps)
        base[key] = np.full_like(maps[key], 0.5)
        maps[key][7, 9] += np.float32(by)
        changes = [
            record_module.Entry(
                participant=each.entries[1].participant,
                maps=found,
                network=each.entries[1].network,
            )
            for each, found in ((record, base), (other, maps))
        ]
        report = compare_records(
            [
                record_module.Record(name=name, entries=(entry,), provenance={})
                for name, entry in zip(("one", "two"), changes, strict=True)
            ],
            Calibration(),
            provenance={},
        )
        assert report.exit_code == code
        if code:
            (cell,) = failures(report)
            assert cell.case == key
            assert cell.comparison.first is not None
            assert cell.comparison.first.index == (7, 9)


def test_maps_of_different_networks_are_not_compared(node: Callable[..., Path]) -> None:
    content = json.loads(text("numba"))
    content["entries"][1]["network"] = "0" * 64
    report = compare_files([node("one", text("numpy")), node("two", reseal(content))], None)
    skipped = report.with_status("SKIP")
    assert report.exit_code == 0
    assert {cell.stage for cell in skipped} == {"saliency"}
    why = {cell.pair: cell.explanation for cell in skipped}
    assert why["one: cpu = two: cpu"] == "they ran different networks"
    assert "no other record ran this network" in why["two: cpu twice"]


def test_a_record_read_back_is_the_record(node: Callable[..., Path]) -> None:
    made = make_record(ParityOptions(backends=("numpy",), eps=("cpu",)))
    found = read_record(node("one", write_record(made)), name="one")
    assert found.intact
    assert found.provenance == made.provenance
    assert found.entries[0].digests == made.entries[0].digests
    for key, array in made.entries[1].maps.items():
        assert np.array_equal(array, found.entries[1].maps[key])
    facts = found.entries[0].participant.facts
    assert facts["device"]


def reseal(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with a seal that fits, as a hostile writer would make it."""
    content = {key: value for key, value in content.items() if key != "seal"}
    return {**content, "seal": record_module._seal(content)}  # noqa: SLF001 - to forge one


def bomb() -> str:
    return base64.b64encode(zlib.compress(bytes(300 << 20), 9)).decode()


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def first_map(content: dict[str, Any]) -> tuple[dict[str, Any], str]:
    maps = content["entries"][1]["maps"]
    return maps, next(iter(maps))


def set_map(value: object) -> Damage:
    def damage(content: dict[str, Any]) -> None:
        maps, key = first_map(content)
        maps[key] = value() if callable(value) else value

    return damage


UNENCODABLE = "parse raw data as a unicode string"


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda r: r.update(kind="holiday photos"), "not a parity record: its kind is 'holiday"),
        (lambda r: r.pop("kind"), "not a parity record: its kind is None"),
        (lambda r: r.update(schema_version=2), "schema version 2, this program reads 1; update"),
        (lambda r: r.update(schema_version=True), "schema version True"),
        (lambda r: r.update(extra=1), "unknown key 'extra'"),
        (lambda r: r.update(provenance=[]), r"'provenance' is \[\]; expected a valid dict"),
        (lambda r: r.update(entries=[]), r"'entries' is \[\]; List should have at least 1 item"),
        (
            lambda r: r.update(entries=[{}] * 300),
            "List should have at most 256 items",
        ),
        (lambda r: r["entries"].append(3), r"'entries\[2\]' is 3"),
        (lambda r: r["entries"][0].update(kind="oracle"), r"'entries\[0\]' is .* 'kind'"),
        (lambda r: r["entries"][0].pop("facts"), r"'entries\[0\].backend.facts' is missing"),
        (lambda r: r["entries"][0].update(name=3), "name' is 3; expected a valid string"),
        (lambda r: r["entries"][0].update(kind=[]), r"'entries\[0\]' is .* 'kind'"),
        (lambda r: r["entries"][0].update(aliases="abc"), "aliases' is 'abc'"),
        (lambda r: r["entries"][0].update(name="x" * (2 << 20)), "String should have at most 512"),
        (lambda r: r["entries"][0].update(aliases=["x" * 5000]), "should have at most 4096"),
        (lambda r: r["entries"][0].update(facts={"x" * 5000: ""}), "should have at most 4096"),
        (lambda r: r["entries"][0].update(aliases=["x"] * 65), "List should have at most 64 items"),
        (lambda r: r["entries"][0].update({str(n): 0 for n in range(9999)}), "more than 8 keys"),
        (lambda r: r["entries"][0].update(name="bad \ud800"), UNENCODABLE),
        (
            lambda r: r["entries"][0].update(facts={"\ud800": ""}),
            UNENCODABLE,
        ),
        (lambda r: r["provenance"].update(host="\udcff"), UNENCODABLE),
        (lambda r: r["provenance"].update(host="x" * 5000), r"host.* should have at most 4096"),
        (lambda r: r["provenance"].update(host=["x"]), r"host.* is \['x'\]; expected a valid"),
        (lambda r: r["provenance"].update({str(n): 0 for n in range(99)}), "more than 64 keys"),
        (lambda r: r["provenance"].update(deep=nested(200)), r"deep.* is \[.*; expected a valid"),
        (
            lambda r: r["entries"][1].update(float16="no"),
            "is 'no'; expected a valid boolean",
        ),
        (
            lambda r: r["entries"][1].update(network="x"),
            "network' is 'x'; String should match",
        ),
        (lambda r: r["entries"][0].update(digests=[]), r"digests' is \[\]; expected a valid dict"),
        (lambda r: r["entries"][0]["digests"].pop(a_key()), f"case {a_key()!r} .*missing"),
        (lambda r: r["entries"][0]["digests"].update(more={}), "case 'more' is not in this"),
        (
            lambda r: r["entries"][0]["digests"][a_key()].pop("upsample"),
            "should have at least 3 items",
        ),
        (
            lambda r: r["entries"][0]["digests"][a_key()].update(upsample="XY"),
            "'upsample' is 'XY'; String should match pattern",
        ),
        (set_map(3), "the map is not a text"),
        (set_map("%%%"), "cannot be unpacked"),
        (set_map(base64.b64encode(b"not zlib").decode()), "cannot be unpacked"),
        (set_map(base64.b64encode(zlib.compress(bytes(64))).decode()), "is not the 24576 bytes"),
        (
            set_map(base64.b64encode(zlib.compress(bytes(24576)) + b"more").decode()),
            "is not the 24576 bytes",
        ),
    ],
)
def test_a_damaged_or_hostile_record_is_refused_with_the_place(
    node: Callable[..., Path], damage: Damage, match: str
) -> None:
    content = copy.deepcopy(json.loads(text("numpy")))
    damage(content)
    path = node("bad", reseal(content))
    with pytest.raises(InputError, match=match) as caught:
        read_record(path, name="bad")
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_decompression_bomb_is_never_unpacked(node: Callable[..., Path]) -> None:
    content = json.loads(text("numpy"))
    set_map(bomb)(content)
    path = node("bomb", reseal(content))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="is not the 24576 bytes"):
            read_record(path, name="bomb")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 << 20  # It would be 300 MiB.


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is not the JSON of a parity record"),
        (b"\xff\xfe", "is not the JSON"),
        (b"[1]", "expected an object, found"),
        (b"[" * 200_000, "is not the JSON"),
        (b'{"kind": NaN}', "NaN is not a JSON number"),
        (b'{"provenance": {"load": 1e999}}', "the number 1e999 is too large"),
        (b'{"provenance": ' + b"9" * 5000 + b"}", "is not the JSON"),
        (b'{"kind": ' + b"[" * 300 + b"]" * 300 + b"}", "its kind is"),
        (b'{"kind": 1, "kind": 2}', "duplicate key 'kind'"),
    ],
)
def test_what_is_no_json_of_a_record_is_refused(
    node: Callable[..., Path], content: bytes, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        read_record(node("bad", content), name="bad")


def test_a_file_larger_than_any_record_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES * 20)
    with pytest.raises(InputError, match="larger than 32 MiB"):
        read_record(path, name="huge")


def test_a_record_named_twice_is_refused(node: Callable[..., Path]) -> None:
    path = node("one", text("numpy"))
    with pytest.raises(InputError, match="is named twice"):
        compare_files([path, path.parent / "." / path.name], None)


def test_a_record_that_could_not_be_read_back_is_not_written() -> None:
    made = make_record(ParityOptions(backends=("numpy",), eps=("cpu",)))
    entry = made.entries[0]
    for facts in ({"network": "b\udcff.onnx"}, {"network": "x" * 5000}):
        participant = replace(entry.participant, facts=facts)
        bad = replace(made, entries=(replace(entry, participant=participant),))
        with pytest.raises(InputError, match="the record cannot be written"):
            write_record(bad)


def test_an_entry_cannot_hide_another_of_its_name(node: Callable[..., Path]) -> None:
    content = json.loads(text("numpy"))
    wrong = copy.deepcopy(content["entries"][0])
    wrong["digests"][a_key()]["upsample"] = "0" * 64
    content["entries"].insert(0, wrong)
    with pytest.raises(InputError, match="two entries 'one: numpy'"):
        compare_files([node("one", reseal(content))], None)


def test_records_of_one_file_name_are_told_apart(node: Callable[..., Path]) -> None:
    path = node("node", text("numpy"))
    (folder := path.parent / "other").mkdir()
    other = folder / "node.json"
    other.write_text(text("numba"))
    report = compare_files([path, other], None)
    assert report.exit_code == 0
    assert len({each.name for each in report.participants}) == 6


def use_planted(monkeypatch: pytest.MonkeyPatch, folder: Path, fault: str) -> None:
    planted.install(folder, fault)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "planted_backend", raising=False)


def test_a_backend_that_answers_in_two_ways_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_planted(monkeypatch, tmp_path, "random")
    with pytest.raises(ParityError, match=r"planted gave two answers for substitute of 'yuv420p"):
        make_record(ParityOptions(backends=("planted",), eps=("cpu",)))


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("absent", "planted cannot be recorded: no device, no such card; buy one"),
        ("raises", "planted failed on 'yuv420p .*RuntimeError: the queue is lost"),
    ],
)
def test_a_backend_that_cannot_answer_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, match: str
) -> None:
    use_planted(monkeypatch, tmp_path, fault)
    with pytest.raises(BackendUnavailable, match=match):
        make_record(ParityOptions(backends=("planted",), eps=("cpu",)))


def test_a_wrong_backends_record_differs_from_the_golden_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, node: Callable[..., Path]
) -> None:
    use_planted(monkeypatch, tmp_path, "second frame")
    made = write_record(make_record(ParityOptions(backends=("planted",), eps=("cpu",))))
    report = compare_files([node("one", made)], None)
    assert report.exit_code == 1
    assert {cell.stage for cell in failures(report)} == {"substitute"}
    assert all(cell.case.endswith("frame 1") for cell in failures(report))
    assert not report.errors
