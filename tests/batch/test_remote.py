"""Claims about videos and masks that are named by URL."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from manifests import batch, records, result_in, single, write_csv

from roi_accel.batch.identity import Identifier
from roi_accel.batch.jobs import Failure, Scored
from roi_accel.batch.locks import scratch_folder, temporary_files_in
from roi_accel.batch.rows import Pair
from roi_accel.batch.worker import Slot, score_pairs
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Bench

fsspec = pytest.importorskip("fsspec", reason="URLs need fsspec, the extra 'remote'")

SLOT = Slot(number=0, backend="numpy", device=None, threads=1)


@pytest.fixture
def store(bench: Bench) -> Iterator[Any]:
    """Return a store in memory that has the videos of `bench` in bucket ``clips``."""
    store = fsspec.filesystem("memory")
    for name in {name for pair in bench.pairs for name in pair}:
        store.pipe_file(f"/clips/{name}", (bench.folder / name).read_bytes())
    yield store
    store.rm("/clips", recursive=True)


def pair(reference: str, distorted: str, **keywords: object) -> Pair:
    filled = {"synthetic_mask": 0.6, **keywords}
    return Pair(
        line=1, row="", reference=reference, distorted=distorted, ladder=None, keywords=filled
    )


def test_objects_score_as_their_files_do(
    bench: Bench, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reference, distorted = bench.pairs[0]
    (found,) = score_pairs(
        [pair(f"memory://clips/{reference}", f"memory://clips/{distorted}")], SLOT
    )
    assert isinstance(found, Scored)
    wanted = single(bench.folder, reference, distorted, synthetic_mask=0.6, backend="numpy")
    wanted |= {name: f"memory://clips/{wanted[name]}" for name in ("reference", "distorted")}
    assert result_in(json.loads(json.dumps(found.result))) == wanted
    assert not list(tmp_path.iterdir())


def test_a_mask_may_be_an_object(bench: Bench, store: Any, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "mask.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "gray"
        picture = av.VideoFrame.from_ndarray(np.full((64, 96), 255, np.uint8), format="gray")
        container.mux([*stream.encode(picture), *stream.encode()])
    store.put_file(str(tmp_path / "mask.png"), "/clips/mask.png")
    reference, distorted = (str(bench.folder / each) for each in bench.pairs[0])
    asked = pair(reference, distorted, synthetic_mask=None, mask="memory://clips/mask.png")
    (found,) = score_pairs([asked], SLOT)
    assert isinstance(found, Scored), found
    # Everything is salient, so nothing is replaced.
    assert found.result["vmaf_masked"] == found.result["vmaf_full"]


def test_what_is_wrong_with_an_object_is_said_by_its_url(
    bench: Bench, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reference, distorted = bench.pairs[0]
    whole = (bench.folder / distorted).read_bytes()
    store.pipe_file("/clips/short.y4m", whole[:-9])
    urls = (f"memory://clips/{reference}", "memory://clips/short.y4m")
    (found,) = score_pairs([pair(*urls)], SLOT)
    assert isinstance(found, Failure)
    assert found.message.startswith("memory://clips/short.y4m: ")
    assert not list(tmp_path.iterdir())


def test_an_object_has_the_identity_of_its_file(bench: Bench, store: Any) -> None:
    assert store
    here = [str(bench.folder / each) for each in bench.pairs[0]]
    there = [f"memory://clips/{each}" for each in bench.pairs[0]]
    identifier = Identifier()
    assert identifier.identify(pair(*here))[0] == identifier.identify(pair(*there))[0]


def test_an_object_that_changes_meanwhile_is_noticed(bench: Bench, store: Any) -> None:
    urls = [f"memory://clips/{each}" for each in bench.pairs[0]]
    identity, contents = Identifier().identify(pair(*urls))
    contents.check()
    store.pipe_file(f"/clips/{bench.pairs[0][1]}", b"something else")
    with pytest.raises(InputError, match="changed while it was being scored"):
        contents.check()
    assert Identifier().identify(pair(*urls))[0] != identity


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://clips/none.y4m", "there is no such object"),
        ("nonsense://clips/none.y4m", "nonsense"),
    ],
)
def test_a_url_that_leads_nowhere_fails_its_row_alone(
    bench: Bench, tmp_path: Path, url: str, said: str
) -> None:
    rows = [bench.pairs[0], (bench.pairs[0][0], url)]
    write_csv(bench.folder / "urls.csv", rows)
    output = tmp_path / "out.ndjson"
    done = batch(
        *("urls.csv", "-o", output, "--synthetic-mask", "0.6", "--worker", "numpy"),
        cwd=bench.folder,
    )
    assert done.returncode == 2
    assert len(records(output)) == 2
    (failed,) = [each for each in records(output) if "error" in each]
    assert failed["error"]["message"].startswith(f"{url}: cannot be read: ")
    assert said in failed["error"]["message"]


def test_without_fsspec_the_command_that_installs_it_is_said(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "fsspec.py").write_text("raise ImportError('no such thing')\n")
    write_csv(bench.folder / "url.csv", [("s3://bucket/ref.mp4", "s3://bucket/dist.mp4")])
    done = batch(
        *("url.csv", "-o", tmp_path / "o", "--synthetic-mask", "0.6"),
        cwd=bench.folder,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert 'pip install "roi-accel[remote]"' in done.stderr


def test_work_tidies_up_after_itself_and_after_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "roi-accel-scratch-dead"
    dead.mkdir()
    (dead / "left.mp4").touch()
    with scratch_folder() as mine:
        with temporary_files_in(mine):
            assert tempfile.gettempdir() == str(mine)
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [mine.name]
        with scratch_folder() as other:
            assert mine.exists()
            assert other != mine
    assert not list(tmp_path.iterdir())
