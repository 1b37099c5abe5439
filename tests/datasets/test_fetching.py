"""Fetching from a server of our own: whole, cut and gone on from, wrong, a web page, no room, nowhere to write."""

import hashlib
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ssrl_core import stores
from ssrl_core.datasets.made import fetching
from ssrl_core.errors import SpecError
from tests.kit import no_network

CONTENT = bytes(range(256)) * 4096  # 1 MB
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT as its server's `how` says."""

    def do_GET(self):
        server = self.server
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        server.asked.append(start)
        if server.how == "html":
            return self._send(200, b"<html>Please log in</html>", "text/html; charset=utf-8")
        if start >= len(CONTENT):
            return self._send(416, b"")
        whole = server.how == "without ranges"
        body = server.content if whole else server.content[start:]
        return self._send(
            206 if start and not whole else 200, body, cut=server.how == "cut" and len(server.asked) <= server.cuts
        )

    def _send(self, code, body, kind="application/octet-stream", *, cut=False):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *_):
        return None


@pytest.fixture
def server():
    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.how, served.asked, served.content, served.cuts = "whole", [], CONTENT, 0
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{served.server_address[1]}/weights.pth"
    yield served
    served.shutdown()
    served.server_close()


def fetched(server, path, **more):
    return fetching.fetch([server.url], path, **({"sha256": SUM[:8]} | more))


def test_a_file_comes_whole_with_progress(server, tmp_path):
    told = []
    assert fetched(server, tmp_path / "w.pth", report=lambda *step: told.append(step)) is None
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT), "fetching w.pth")
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]


def test_a_cut_connection_is_gone_on_from_where_it_ended(server, tmp_path):
    server.how, server.cuts = "cut", 2
    assert fetched(server, tmp_path / "w.pth") is None
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert server.asked == [0, len(CONTENT) // 2, 3 * len(CONTENT) // 4]


def test_what_came_is_kept_for_another_day(server, tmp_path):
    server.how, server.cuts = "cut", 99
    why = fetched(server, tmp_path / "w.pth")
    assert "the connection was cut after" in why
    assert "kept in w.pth.part" in why
    there = (tmp_path / "w.pth.part").stat().st_size
    server.how, server.asked = "whole", []
    assert fetched(server, tmp_path / "w.pth") is None
    assert server.asked == [there]
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


@pytest.mark.parametrize("how", ["whole", "without ranges"])
def test_a_half_file_of_something_else_is_thrown_away(server, tmp_path, how):
    server.how = how
    (tmp_path / "w.pth.part").write_bytes(b"x" * 1000)
    assert fetched(server, tmp_path / "w.pth") is None
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_a_file_that_was_all_there_needs_only_its_checksum(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    assert fetched(server, tmp_path / "w.pth") is None
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_another_file_is_never_kept(server, tmp_path):
    server.content = CONTENT[::-1]
    assert "not the official file" in fetched(server, tmp_path / "w.pth")
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_said_however_often_its_connection_was_cut(server, tmp_path):
    server.content, server.how, server.cuts = CONTENT[::-1], "cut", 3
    assert "not the official file" in fetched(server, tmp_path / "w.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_that_answers_a_page_is_said(server, tmp_path):
    server.how = "html"
    why = fetched(server, tmp_path / "w.pth")
    assert "a web page came instead of the file" in why
    assert "HTTPS_PROXY" in why
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_said_before_anything_is_written(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage(10, 9, 1000))
    why = fetched(server, tmp_path / "w.pth")
    assert "needs 1 MB" in why
    assert "1 kB free" in why
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_and_a_folder_that_cannot_be_written_are_said(server, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "_copy", full)
    assert "is full. Make room" in fetched(server, tmp_path / "w.pth")
    monkeypatch.setattr(fetching, "_copy", lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
    assert "SSRL_MODELS" in fetched(server, tmp_path / "w.pth")


def test_weights_that_cannot_be_had_name_file_address_and_folder(monkeypatch):
    from ssrl_core.learning.backbones import weights

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(SpecError, match=r"Lay alexnet-owt-7be5be79\.pth \(from https://download") as refused:
        weights.fetch_imagenet("alexnet")
    assert str(stores.weights_root()) in refused.value.message


def test_weights_come_from_the_official_address_into_the_store(server, monkeypatch):
    from ssrl_core.learning.backbones import weights

    monkeypatch.setattr(weights, "_address", lambda _: server.url.replace("weights.pth", f"alexnet-{SUM[:8]}.pth"))
    assert weights.imagenet_file("alexnet") is None
    assert weights.fetch_imagenet("alexnet") == stores.weights_root() / f"alexnet-{SUM[:8]}.pth"
    assert weights.imagenet_file("alexnet") is not None
