"""What a download leaves is what was published, or the command says what is wrong and what to do."""

import hashlib
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from ecgtrace.errors import DataError
from ecgtrace.records import download

CONTENT = {
    "ptbxl_database.csv": b"ecg_id,filename_hr\n1,records500/00000/00001_hr\n",
    "records500/00000/00001_hr.dat": bytes(range(256)) * 40,
    "records100/00000/00001_lr.dat": b"low",
}


class _Server(BaseHTTPRequestHandler):
    """Serves `files` with ranges; closes after `cut` bytes of a body where that is set."""

    files: dict[str, bytes]
    requests: list[tuple[str, str | None]]
    cut: int | None
    ranges: bool

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.requests.append((self.path, wanted))
        body = self.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.cut])

    def log_message(self, *args):
        """Keep the tests' output clean."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a tiny PTB-XL with its checksums, and let the downloader take it for PhysioNet."""
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in CONTENT.items():
            file.writestr(f"ptb-xl-of-version/{name}", content)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in CONTENT.items())
    sums += f"{'0' * 64} not_needed.txt\n"

    class Handler(_Server):
        files = {"/sums": sums.encode(), "/a.zip": archive.read_bytes()}  # noqa: RUF012
        requests = []  # noqa: RUF012
        cut = None
        ranges = True

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    base = f"http://127.0.0.1:{httpd.server_port}"
    for name, known in download.DATA_SETS.items():
        local = replace(known, sums_url=f"{base}/sums", archive_url=f"{base}/a.zip")
        monkeypatch.setitem(download.DATA_SETS, name, local)
    yield Handler
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def in_folder(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_download_unpacks_and_checks(server, tmp_path, capsys):
    root = tmp_path / "new" / "ptb-xl"
    assert download.main([f"root={root}"]) == 0
    assert in_folder(root) == CONTENT
    assert f"signals.root={root}" in capsys.readouterr().out


def test_ludb_is_fetched_without_its_annotations_elsewhere(server, tmp_path, capsys):
    """Annotations lie beside the signals and come along; what stands outside of data/ does not."""
    content = {"data/1.hea": b"1 12 500", "data/1.i": b"waves", "RECORDS": b"data/1"}
    archive = tmp_path / "ludb.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, body in content.items():
            file.writestr(f"lobachevsky-of-version/{name}", body)
    sums = "".join(f"{hashlib.sha256(body).hexdigest()} {name}\n" for name, body in content.items())
    server.files |= {"/sums": sums.encode(), "/a.zip": archive.read_bytes()}
    root = tmp_path / "ludb"
    assert download.main([f"root={root}", "dataset=ludb"]) == 0
    assert in_folder(root) == {"data/1.hea": b"1 12 500", "data/1.i": b"waves"}
    assert f"signals=ludb signals.root={root}" in capsys.readouterr().out


def test_a_list_of_another_data_set_is_refused(server, tmp_path, capsys):
    assert download.main([f"root={tmp_path / 'ludb'}", "dataset=ludb"]) == 1
    assert "does not list data/1.hea" in capsys.readouterr().err


def test_a_second_download_only_checks(server, tmp_path):
    root = tmp_path / "ptb-xl"
    assert download.main([f"root={root}"]) == 0
    assert download.main([f"root={root}"]) == 0
    assert [path for path, _ in server.requests] == ["/sums", "/a.zip", "/sums"]
    (root / "records100/00000/00001_lr.dat").write_bytes(b"bad")
    assert download.main([f"root={root}"]) == 0
    assert in_folder(root) == CONTENT


def test_a_broken_connection_is_resumed(server, tmp_path, capsys, monkeypatch):
    """What came in whole chunks is kept."""
    monkeypatch.setattr(download, "_CHUNK_BYTES", 100)
    root = tmp_path / "ptb-xl"
    (root / "a.zip.part").parent.mkdir()
    (root / "a.zip.part").write_bytes(server.files["/a.zip"][:300])
    server.cut = 400
    assert download.main([f"root={root}"]) == 1
    assert "closed after 700 bytes of" in capsys.readouterr().err
    server.cut = None
    assert download.main([f"root={root}"]) == 0
    assert server.requests[-1] == ("/a.zip", "bytes=700-")
    assert in_folder(root) == CONTENT


@pytest.mark.parametrize(("ranges", "length"), [(False, 700), (False, 10**6), (True, 10**6)])
def test_a_part_that_cannot_be_continued_is_fetched_anew(server, tmp_path, ranges, length):
    """A server without ranges sends everything; one with ranges refuses to go on past the end."""
    server.ranges = ranges
    (tmp_path / "a.zip.part").write_bytes(bytes(length))
    download.fetch(download.DATA_SETS["ptbxl"].archive_url, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == server.files["/a.zip"]
    assert not (tmp_path / "a.zip.part").exists()


def test_a_wrong_archive_is_removed(server, tmp_path, capsys):
    """700 wrong bytes at the front, continued by the right rest."""
    root = tmp_path / "ptb-xl"
    root.mkdir()
    (root / "a.zip.part").write_bytes(bytes(700))
    assert download.main([f"root={root}"]) == 1
    assert "the archive was removed" in capsys.readouterr().err
    assert not (root / "a.zip").exists()
    assert download.main([f"root={root}"]) == 0
    assert in_folder(root) == CONTENT


def test_a_file_that_differs_from_its_checksum_is_not_kept(server, tmp_path, capsys):
    wrong = hashlib.sha256(CONTENT["records100/00000/00001_lr.dat"]).hexdigest().encode()
    server.files["/sums"] = server.files["/sums"].replace(wrong, b"f" * 64)
    root = tmp_path / "ptb-xl"
    assert download.main([f"root={root}"]) == 1
    assert "00001_lr.dat differs from its published checksum" in capsys.readouterr().err
    assert "records100/00000/00001_lr.dat" not in in_folder(root)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", ""])
def test_a_name_that_leaves_the_folder_is_refused(name):
    with pytest.raises(DataError, match="unexpected line"):
        download.read_sums(f"{'0' * 64}  {name}\n")


def test_without_network_the_message_says_what_to_do(tmp_path, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise requests.ConnectionError("Name or service\nnot known")

    monkeypatch.setattr(requests, "get", refuse)
    root = tmp_path / "ptb-xl"
    assert download.main([f"root={root}"]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for part in (
        "Name or service not known",
        download.DATA_SETS["ptbxl"].page_url,
        str(root / "ptbxl_database.csv"),
        "signals=sample",
    ):
        assert part in message


@pytest.mark.parametrize(
    "arguments", [[], ["/some/where"], ["root="], ["dir=x"], ["dataset=ludb"], ["root=x", "dataset=no"]]
)
def test_wrong_usage_exits_with_2(arguments):
    with pytest.raises(SystemExit) as caught:
        download.main(arguments)
    assert caught.value.code == 2
