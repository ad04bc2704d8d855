"""What is built once is complete or absent."""

import threading

import pytest

from scenarios.cache import build_once, cache_folder, write_atomically


def test_the_variable_moves_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TUNE_OR_PROMPT_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"


def test_a_build_that_fails_leaves_no_folder_and_the_next_one_starts_clean(tmp_path):
    def fails(partial):
        (partial / "half").write_text("half")
        raise RuntimeError("no")

    def works(partial):
        assert not list(partial.iterdir())
        (partial / "whole").write_text("whole")

    with pytest.raises(RuntimeError):
        build_once(tmp_path / "x", fails, "x")
    assert not (tmp_path / "x").exists()
    assert [f.name for f in build_once(tmp_path / "x", works, "x").iterdir()] == ["whole"]


def test_threads_that_want_the_same_thing_build_it_once(tmp_path):
    built = []

    def build(partial):
        built.append(1)
        (partial / "file").write_text("x")

    threads = [
        threading.Thread(target=build_once, args=(tmp_path / "x", build, "x")) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_a_text_is_written_completely_or_stays_as_it_was(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, "one")
    write_atomically(path, "zwei ü\n")
    assert path.read_bytes() == "zwei ü\n".encode()
    assert [f.name for f in tmp_path.iterdir()] == ["a.json"]
