"""Fetching against a server on this machine: mirrors, resuming, redirects and hashes."""

import contextlib
import gzip
import hashlib
import http.server
import logging
import re
import threading

import pytest

from cmivae.data import download as download_module
from cmivae.data import fetch as fetch_module
from cmivae.data.download import MirrorError, download
from cmivae.data.fetch import catalogue, fetch
from cmivae.errors import UserError

CONTENT = {"images": bytes(range(256)) * 40, "labels": b"0123456789" * 30}
PACKED = {name: gzip.compress(content, mtime=0) for name, content in CONTENT.items()}

local_server = pytest.mark.allow_hosts(["127.0.0.1"])


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files``; ``server.mode`` makes it misbehave."""

    def do_GET(self):
        mode, self.server.asked = self.server.mode, [*self.server.asked, self.headers.get("Range")]
        if mode == "redirect":
            self.send_response(302)
            self.send_header("Location", self.server.target)
            self.end_headers()
            return
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = self._start() if mode != "no-range" else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            shift = 1 if mode == "wrong-range" else 0
            self.send_header("Content-Range", f"bytes {start + shift}-{len(content) - 1}/{len(content)}")
        if mode != "endless":
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        sent = content[start:]
        self.wfile.write(sent[: len(sent) // 2] if mode == "drop" else sent)

    def _start(self) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked else 0

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(monkeypatch):
    """Start servers that live as long as the test: ``serve(files, mode) -> (base URL, server)``."""
    monkeypatch.setenv("no_proxy", "*")
    with contextlib.ExitStack() as stack:

        def start(files=PACKED, mode=""):
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            server.files = {f"/{name}.gz": content for name, content in files.items()}
            server.mode, server.asked = mode, []
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}/", server

        yield start


@pytest.fixture(autouse=True)
def pinned(monkeypatch):
    """A catalogue with one made-up data set of two files, beside the real ones."""
    files = {
        name: {"role": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in CONTENT.items()
    }
    entry = {"mirrors": [], "files": files}
    known = catalogue() | {"toy": entry}
    monkeypatch.setattr(fetch_module, "catalogue", lambda: known)


def whole(folder) -> bool:
    return {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


# --- mirrors ---


@local_server
def test_download_and_keep(tmp_path, serve):
    base, server = serve()
    assert fetch("toy", tmp_path, mirrors=[base]) == [tmp_path / "images", tmp_path / "labels"]
    assert whole(tmp_path)
    fetch("toy", tmp_path, mirrors=[base])
    assert len(server.asked) == 2  # nothing more is asked for what is there


@local_server
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "HTTP 404"),
        (PACKED | {"images": gzip.compress(b"other")}, "expected content of 10,240 bytes"),
        (PACKED | {"images": PACKED["images"][:-20]}, "damaged"),
        (PACKED | {"images": b"<html>not here</html>"}, "found 21 bytes"),
        (PACKED | {"images": gzip.compress(bytes(10**6))}, "too large"),
        (PACKED | {"images": b"\x1f\x8b" + bytes(100_000)}, "sends more than"),
    ],
)
def test_a_bad_mirror_is_logged_and_the_next_one_tried(tmp_path, serve, caplog, files, said):
    (bad, _), (good, _) = serve(files), serve()
    fetch("toy", tmp_path, mirrors=[bad, good])
    assert whole(tmp_path)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[0].startswith(f"{bad}images.gz: ")
    assert said in warnings[0]
    assert "\n" not in warnings[0]


@local_server
def test_an_endless_answer_is_cut_off(tmp_path, serve):
    base, _ = serve({"images": bytes(300_000)}, mode="endless")
    with pytest.raises(MirrorError, match="sends more than 5,000 bytes"):
        download(f"{base}images.gz", tmp_path / "part", 5000)
    assert not list(tmp_path.iterdir())


@local_server
def test_all_mirrors_failed(tmp_path, serve):
    (empty, _), (broken, _) = serve({}), serve(PACKED | {"images": b"junk"})
    with pytest.raises(UserError, match=r"no mirror gave images\.gz") as caught:
        fetch("toy", tmp_path, mirrors=[empty, broken])
    assert "404" in caught.value.why
    assert "found 4 bytes" in caught.value.why
    assert "cmivae fetch toy --from FOLDER" in caught.value.fix
    assert "`source`" in caught.value.fix
    assert not list(tmp_path.iterdir())


@local_server
def test_nobody_answers(tmp_path, serve):
    base, server = serve()
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="no mirror") as caught:
        fetch("toy", tmp_path, mirrors=[base])
    assert "refused" in caught.value.why


def test_without_a_network_the_user_is_told_how_to_bring_a_copy(tmp_path, monkeypatch):
    def unreachable(url, part, limit):
        raise MirrorError("Name or service not known")

    monkeypatch.setattr(fetch_module, "download", unreachable)
    with pytest.raises(UserError, match=r"no mirror gave train-images-idx3-ubyte\.gz") as caught:
        fetch("mnist", tmp_path)
    assert caught.value.why.count("Name or service not known") == 3
    assert str(tmp_path) in caught.value.fix


@pytest.mark.parametrize("mirror", ["file:///etc", "ftp://host/", "/folder"])
def test_only_http_mirrors(tmp_path, mirror):
    with pytest.raises(UserError, match="https or http"):
        fetch("toy", tmp_path, mirrors=[mirror])


@local_server
def test_a_redirect_is_followed_to_http_and_never_to_a_file(tmp_path, serve):
    (base, server), (good, _) = serve(mode="redirect"), serve()
    server.target = f"{good}images.gz"
    download(f"{base}images.gz", tmp_path / "part", 10**6)
    assert (tmp_path / "part").read_bytes() == PACKED["images"]
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    for target in (secret.as_uri(), f"ftp://127.0.0.1:{server.server_port}/x"):
        server.target = target
        with pytest.raises(MirrorError):
            download(f"{base}images.gz", tmp_path / "other", 10**6)
        assert not (tmp_path / "other").exists()


# --- resuming ---


def part(folder, content: bytes):
    path = folder / "images.gz.part"
    path.write_bytes(content)
    return path


@local_server
def test_a_part_is_resumed(tmp_path, serve):
    base, server = serve()
    half = len(PACKED["images"]) // 2
    part(tmp_path, PACKED["images"][:half])
    fetch("toy", tmp_path, mirrors=[base])
    assert server.asked == [f"bytes={half}-", None]
    assert whole(tmp_path)


@local_server
def test_a_broken_connection_is_resumed_at_the_next_mirror(tmp_path, serve, caplog):
    (bad, _), (good, server) = serve(mode="drop"), serve()
    fetch("toy", tmp_path, mirrors=[bad, good])
    assert server.asked[0] == f"bytes={len(PACKED['images']) // 2}-"
    assert "the connection ended after" in caplog.text
    assert whole(tmp_path)


@local_server
@pytest.mark.parametrize(
    ("mode", "before"),
    [("no-range", PACKED["images"][:9]), ("", PACKED["images"]), ("", b"other bytes")],
    ids=["server without ranges", "part already whole (416)", "part of another file"],
)
def test_what_cannot_be_resumed_starts_again_at_the_same_mirror(tmp_path, serve, mode, before):
    base, _ = serve(mode=mode)
    part(tmp_path, before)
    fetch("toy", tmp_path, mirrors=[base])
    assert whole(tmp_path)


@local_server
def test_another_range_than_the_one_asked_for(tmp_path, serve):
    base, _ = serve(mode="wrong-range")
    with pytest.raises(MirrorError, match="another range"):
        download(f"{base}images.gz", part(tmp_path, b"12345"), 10**6)
    assert not list(tmp_path.iterdir())


@local_server
def test_a_disk_that_cannot_be_written_is_not_the_mirrors_fault(tmp_path, serve):
    base, _ = serve()
    with pytest.raises(UserError, match="cannot write a download"):
        download(f"{base}images.gz", tmp_path / "missing" / "part", 10**6)


@local_server
def test_progress_is_log_lines_away_from_a_terminal(tmp_path, serve, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(download_module, "LOG_EVERY", -1.0)
    base, _ = serve()
    size = f"{len(PACKED['images']):,}"
    download(f"{base}images.gz", tmp_path / "images.gz.part", 10**6)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        f"images.gz: downloading, {size} bytes",
        f"images.gz: {size} of {size} bytes",
        f"images.gz: received {size} bytes",
    ]


@local_server
def test_progress_is_a_bar_on_a_terminal(tmp_path, serve, caplog, capsys, monkeypatch):
    caplog.set_level(logging.INFO)
    base, _ = serve()
    monkeypatch.setattr(download_module.sys.stderr, "isatty", lambda: True)
    download(f"{base}images.gz", tmp_path / "images.gz.part", 10**6)
    assert not caplog.records
    assert "images.gz: 100%" in capsys.readouterr().err
