"""Claims about fetching: the right file comes whole, or one line says why not and nothing stays."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import roi_accel.cli.models as cli
from roi_accel.errors import ModelError
from roi_accel.inference.download import Limits
from roi_accel.inference.models import KnownModel, cache_dir, fetch, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[["Handler"], None]

pooch = pytest.importorskip("pooch", reason="pooch is not installed: pip install roi-accel[cpu]")

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TOY = KnownModel("toy", "A toy.", "MIT", DIGEST, "https://home.invalid/nets/tiny_toy.onnx", ())
REGISTRY = (TOY,)
BOUNDED = Limits(silence_seconds=20, total_seconds=20)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.answer(self)

    def log_message(self, *_arguments: object) -> None:
        pass  # The tests' output is no server log.

    def start(self, length: int | None = len(CONTENT)) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()


class Server(ThreadingHTTPServer):
    """A loopback server that gives every request the same answer and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.ended = threading.Event()
        self.answer: Answer = whole

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_arguments: object) -> None:
        pass  # A client that hangs up is what many of these tests are about.


def whole(handler: Handler) -> None:
    handler.start()
    handler.wfile.write(CONTENT)


def other_content(handler: Handler) -> None:
    handler.start(5)
    handler.wfile.write(b"other")


def half(handler: Handler) -> None:
    handler.start()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])


def half_then_silence(handler: Handler) -> None:
    half(handler)
    handler.server.ended.wait()


def silence(handler: Handler) -> None:
    handler.server.ended.wait()


def hang_up(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def trickle(handler: Handler) -> None:
    handler.start()
    for byte in CONTENT:
        handler.wfile.write(bytes([byte]))
        if handler.server.ended.wait(0.02):
            break


def not_found(handler: Handler) -> None:
    handler.send_error(404, "\x1b[31mforeign text")


def no_content(handler: Handler) -> None:
    handler.send_response(204)
    handler.end_headers()


def redirect_to(place: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", place)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.ended.set()
        made.shutdown()
        thread.join()


def files() -> list[str]:
    return sorted(entry.name for entry in cache_dir().glob("*"))


def fail(server: Server | str, *, limits: Limits = BOUNDED) -> ModelError:
    """Return the error of a fetch that must fail, after checking what holds for all of them."""
    base = server if isinstance(server, str) else server.url
    before = files()
    with pytest.raises(ModelError) as caught:
        fetch("toy", base_url=base, registry=REGISTRY, limits=limits)
    assert files() == before
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert TOY.url is not None
    assert TOY.url in caught.value.remedy
    assert str(cache_dir() / "toy.onnx") in caught.value.remedy
    assert "--saliency-model" in caught.value.remedy
    return caught.value


def test_good_file_arrives_whole_under_its_name(server: Server) -> None:
    path = fetch("toy", base_url=server.url, registry=REGISTRY)
    assert path == cache_dir() / "toy.onnx"
    assert path.read_bytes() == CONTENT
    assert files() == ["toy.onnx"]
    assert server.asked == ["/tiny_toy.onnx"]


def test_permissions_follow_the_umask_so_that_a_cache_can_be_shared(server: Server) -> None:
    before = os.umask(0o022)
    try:
        path = fetch("toy", base_url=server.url, registry=REGISTRY)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("base", ["{}/mirror", "{}/mirror/"])
def test_mirror_is_a_folder_with_or_without_a_final_slash(server: Server, base: str) -> None:
    fetch("toy", base_url=base.format(server.url), registry=REGISTRY)
    assert server.asked == ["/mirror/tiny_toy.onnx"]


def test_mirror_may_come_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROI_ACCEL_MODEL_URL", server.url + "/env")
    fetch("toy", registry=REGISTRY)
    assert server.asked == ["/env/tiny_toy.onnx"]


def test_argument_goes_before_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROI_ACCEL_MODEL_URL", server.url + "/env")
    fetch("toy", base_url=server.url + "/argument", registry=REGISTRY)
    assert server.asked == ["/argument/tiny_toy.onnx"]


def test_without_a_mirror_the_public_home_is_asked(server: Server) -> None:
    home = KnownModel("toy", "A toy.", "MIT", DIGEST, server.url + "/home/tiny_toy.onnx", ())
    fetch("toy", registry=[home])
    assert server.asked == ["/home/tiny_toy.onnx"]


def test_redirect_is_followed(server: Server) -> None:
    def answer(handler: Handler) -> None:
        (whole if handler.path == "/moved" else redirect_to("/moved"))(handler)

    server.answer = answer
    assert fetch("toy", base_url=server.url, registry=REGISTRY).read_bytes() == CONTENT
    assert server.asked == ["/tiny_toy.onnx", "/moved"]


def test_redirects_end(server: Server) -> None:
    server.answer = redirect_to("/again")
    assert "redirects more than 5 times" in fail(server).message
    assert len(server.asked) == 6


def test_redirect_to_a_local_file_is_not_followed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "net").write_bytes(CONTENT)
    server.answer = redirect_to(f"file://{tmp_path}/net")
    assert "cannot be reached" in fail(server).message


def test_wrong_content_is_thrown_away_and_both_hashes_are_said(server: Server) -> None:
    server.answer = other_content
    message = fail(server).message
    assert f"served 5 bytes with SHA-256 {hashlib.sha256(b'other').hexdigest()}" in message
    assert f"expected {DIGEST}" in message


@pytest.mark.parametrize(("answer", "said"), [(not_found, "404"), (no_content, "204")])
def test_answer_without_the_file_is_named(server: Server, answer: Answer, said: str) -> None:
    server.answer = answer
    message = fail(server).message
    assert f"{server.url}/tiny_toy.onnx answered with HTTP status {said}" in message
    assert "foreign" not in message


def test_break_in_the_middle_says_after_how_much(server: Server) -> None:
    server.answer = half
    assert "broke off after 128,000 bytes" in fail(server).message


def test_server_that_hangs_up_is_named(server: Server) -> None:
    server.answer = hang_up
    assert "cannot be reached" in fail(server).message


def test_refused_connection_is_named() -> None:
    with socket.socket() as reserved:  # Bound, and so nobody else's, but not listening.
        reserved.bind(("127.0.0.1", 0))
        message = fail(f"http://127.0.0.1:{reserved.getsockname()[1]}").message
    assert "cannot be reached: Connection refused" in message


@pytest.mark.parametrize("answer", [silence, half_then_silence])
def test_silent_server_is_given_up(server: Server, answer: Answer) -> None:
    server.answer = answer
    start = time.monotonic()
    message = fail(server, limits=Limits(silence_seconds=0.4)).message
    assert "went silent for 0.4 s" in message
    assert time.monotonic() - start < 5


def test_trickle_is_given_up_though_it_is_never_silent(server: Server) -> None:
    server.answer = trickle
    start = time.monotonic()
    message = fail(server, limits=Limits(silence_seconds=10, total_seconds=0.5)).message
    assert "was too slow" in message
    assert time.monotonic() - start < 5


def test_too_large_a_file_is_refused_before_its_first_byte(server: Server) -> None:
    def announce(handler: Handler) -> None:
        handler.start(1_000_001)
        handler.server.ended.wait()

    server.answer = announce
    message = fail(server, limits=Limits(max_bytes=1_000_000)).message
    assert "serves more than the 1,000,000 bytes" in message


def test_endless_file_is_refused_where_it_passes_the_limit(server: Server) -> None:
    def pour(handler: Handler) -> None:
        handler.start(None)
        with contextlib.suppress(OSError):
            while not handler.server.ended.is_set():
                handler.wfile.write(CONTENT)

    server.answer = pour
    limits = Limits(max_bytes=1_000_000, total_seconds=10)
    assert "serves more than the 1,000,000 bytes" in fail(server, limits=limits).message


def test_file_of_exactly_the_limit_is_accepted(server: Server) -> None:
    fetch("toy", base_url=server.url, registry=REGISTRY, limits=Limits(max_bytes=len(CONTENT)))
    with pytest.raises(ModelError):
        fetch(
            "other",
            base_url=server.url,
            registry=[KnownModel("other", "", "", DIGEST, "https://home.invalid/o.onnx", ())],
            limits=Limits(max_bytes=len(CONTENT) - 1),
        )


@pytest.mark.parametrize("answer", [other_content, not_found, half, hang_up])
def test_nothing_is_tried_twice(server: Server, answer: Answer) -> None:
    server.answer = answer
    fail(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["toy.onnx", "tiny_toy.onnx"])
def test_file_that_is_there_and_right_needs_no_network(server: Server, name: str) -> None:
    cache_dir().mkdir(parents=True)
    (cache_dir() / name).write_bytes(CONTENT)
    assert fetch("toy", base_url=server.url, registry=REGISTRY) == cache_dir() / name
    assert server.asked == []


def test_spoilt_file_is_replaced_by_the_right_one(server: Server) -> None:
    cache_dir().mkdir(parents=True)
    (cache_dir() / "toy.onnx").write_bytes(b"spoilt")
    assert fetch("toy", base_url=server.url, registry=REGISTRY).read_bytes() == CONTENT
    assert files() == ["toy.onnx"]


def test_spoilt_file_stays_when_the_right_one_does_not_come(server: Server) -> None:
    cache_dir().mkdir(parents=True)
    (cache_dir() / "toy.onnx").write_bytes(b"spoilt")
    server.answer = half
    fail(server)
    assert (cache_dir() / "toy.onnx").read_bytes() == b"spoilt"


@pytest.mark.parametrize(
    "base",
    [
        "ftp://mirror.invalid/nets",
        "file:///nets",
        "mirror.invalid/nets",
        "/nets",
        "http://",
        "http://mirror.invalid:port/",
        "http://[::1/",
        "https://mirror.invalid/?token=1",
        "https://mirror.invalid/#part",
    ],
)
def test_address_that_is_no_http_folder_is_refused(base: str) -> None:
    with pytest.raises(ModelError, match=r"--url is .*, expected the http or https address"):
        fetch("toy", base_url=base, registry=REGISTRY)


def test_bad_address_in_the_environment_is_called_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROI_ACCEL_MODEL_URL", "ftp://mirror.invalid")
    with pytest.raises(ModelError, match="ROI_ACCEL_MODEL_URL is ftp"):
        fetch("toy", registry=REGISTRY)


def test_password_in_the_address_is_never_shown(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    pooch.get_logger().addHandler(caplog.handler)
    base = server.url.replace("//", "//user:secret@")
    for answer in (not_found, other_content, half, hang_up):
        server.answer = answer
        assert "secret" not in str(fail(base))
    with pytest.raises(ModelError) as caught:
        fetch("toy", base_url="ftp://user:secret@mirror.invalid", registry=REGISTRY)
    assert "secret" not in str(caught.value)
    server.answer = whole
    fetch("toy", base_url=base, registry=REGISTRY)
    pooch.get_logger().removeHandler(caplog.handler)
    assert "secret" not in caplog.text


def test_unknown_name_is_not_fetched() -> None:
    with pytest.raises(ModelError, match=r"did you mean toy\?"):
        fetch("toyy", registry=REGISTRY)


def test_missing_pooch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModelError) as caught:
        fetch("toy", registry=REGISTRY)
    assert caught.value.remedy == 'pip install "roi-accel[cpu]"'


def test_cache_that_cannot_be_made_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROI_ACCEL_CACHE", str(tmp_path / "file"))
    error = fail(server)
    assert f"cannot write {tmp_path}/file/models/toy.onnx" in error.message
    assert "ROI_ACCEL_CACHE" in error.remedy


def test_folder_in_the_place_of_the_file_is_named(server: Server) -> None:
    (cache_dir() / "toy.onnx").mkdir(parents=True)
    with pytest.raises(ModelError, match="is a folder"):
        fetch("toy", base_url=server.url, registry=REGISTRY)
    assert not list((cache_dir() / "toy.onnx").iterdir())


FETCH = f"""
import resource, sys
from roi_accel.errors import ModelError
from roi_accel.inference.models import KnownModel, fetch
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
toy = KnownModel("toy", "A toy.", "MIT", "{DIGEST}", "https://home.invalid/toy.onnx", ())
try:
    fetch("toy", base_url=sys.argv[1], registry=[toy])
except ModelError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def test_full_disk_is_named_and_leaves_nothing(server: Server) -> None:
    command = [sys.executable, "-c", FETCH, server.url, "100000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert f"cannot write {cache_dir() / 'toy.onnx'}: File too large" in done.stdout
    assert files() == []


def test_ctrl_c_leaves_nothing(server: Server) -> None:
    server.answer = half_then_silence
    command = [sys.executable, "-c", FETCH, server.url, "10000000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 20
        while not files() or not (cache_dir() / files()[0]).stat().st_size:
            assert time.monotonic() < deadline, "the download has not begun"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert b"KeyboardInterrupt" in stderr
    assert files() == []


@pytest.fixture
def toy_cli(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Run the commands with the toy registry."""
    monkeypatch.setattr(cli, "survey", partial(survey, REGISTRY))
    monkeypatch.setattr(cli, "fetch", partial(fetch, registry=REGISTRY))
    return CliRunner()


def test_command_prints_the_path_alone_and_tells_stderr_what_it_did(
    toy_cli: CliRunner, server: Server
) -> None:
    arguments = ["fetch", "toy", "--url", server.url]
    first = toy_cli.invoke(cli.app, arguments)
    assert (first.exit_code, first.stdout) == (0, f"{cache_dir() / 'toy.onnx'}\n")
    assert "fetched" in first.stderr
    second = toy_cli.invoke(cli.app, arguments)
    assert (second.exit_code, second.stdout) == (0, first.stdout)
    assert "already there" in second.stderr
    assert len(server.asked) == 1


def test_command_takes_the_mirror_from_the_environment(toy_cli: CliRunner, server: Server) -> None:
    done = toy_cli.invoke(cli.app, ["fetch", "toy"], env={"ROI_ACCEL_MODEL_URL": server.url})
    assert done.exit_code == 0
    assert len(server.asked) == 1


def test_command_leaves_the_error_to_the_main_program(toy_cli: CliRunner, server: Server) -> None:
    server.answer = not_found
    done = toy_cli.invoke(cli.app, ["fetch", "toy", "--url", server.url])
    assert isinstance(done.exception, ModelError)
    assert done.stdout == ""


def test_progress_is_drawn_on_stderr_alone(
    server: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # Makes Rich take stderr for a terminal.
    monkeypatch.setenv("TERM", "xterm")
    fetch("toy", base_url=server.url, registry=REGISTRY, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "toy.onnx" in err
