"""What tests share: a loopback package index, a tiny model of a real architecture, small rows."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import random
import shlex
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from bench.core.variables import set_variables

set_variables()  # before torch is imported: the tests' own process computes as the command's do

ROOT = Path(__file__).parent.parent
STARTED = time.monotonic()


def pytest_addoption(parser):
    """`--whole` includes the tests marked `whole`; `--record FILE` keeps how the tests ended."""
    parser.addoption("--whole", action="store_true", help="include the tests marked whole")
    parser.addoption("--record", metavar="FILE", type=Path, help="write the results to FILE")


def pytest_collection_modifyitems(config, items):
    """Leave out the tests marked `whole`, whatever `-m` selects, unless `--whole` is given."""
    if config.getoption("whole"):
        return
    whole = [item for item in items if item.get_closest_marker("whole")]
    config.hook.pytest_deselected(items=whole)
    items[:] = [item for item in items if item not in whole]


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """Write what `--record` asks for, once all tests are over."""
    if file := config.getoption("record"):
        file.write_text(json.dumps(_results(terminalreporter, exitstatus, config), indent=1) + "\n")


def _results(reporter, exitstatus, config):
    """How many tests passed, failed and were skipped, in how many seconds, on what."""
    from bench.record.environment import environment

    ran_on = environment(())
    ended = reporter.stats
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["pytest", *config.invocation_params.args]),
        "exit_code": int(exitstatus),
        **{how: len(ended.get(how, ())) for how in ("passed", "failed", "error", "skipped")},
        "not_passed": sorted(
            {test.nodeid for how in ("failed", "error") for test in ended.get(how, ())}
        ),
        "seconds": round(time.monotonic() - STARTED, 1),
        "processor": ran_on["processor"],
        "cores": ran_on["cores"],
        "memory_bytes": ran_on["memory_bytes"],
        "python": ran_on["python"],
        "torch": ran_on["versions"]["torch"],
        "commit": ran_on["git"],
    }


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TUNE_OR_PROMPT_CACHE", str(folder))
    return folder


class Index:
    """A package index on loopback; `files` maps a project to its files.

    Downloads end after `cut_after` bytes: immediately, or, where `stalls` is set, only when that is over.
    """

    def __init__(self):
        self.files: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.cut_after: int | None = None
        self.stalls: threading.Event | None = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                parts = self.path.strip("/").split("/")
                if parts[0] == "simple" and parts[1] in outer.files:
                    links = "".join(
                        f'<a href="/files/{parts[1]}/{name}">{name}</a>'
                        for name in outer.files[parts[1]]
                    )
                    self.reply(f"<html><body>{links}</body></html>".encode(), "text/html")
                elif parts[0] == "files":
                    self.reply(outer.files[parts[1]][parts[2]], "application/octet-stream")
                else:
                    self.send_error(404)

            def reply(self, body, kind):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                cut = outer.cut_after if kind != "text/html" else None
                self.wfile.write(body if cut is None else body[:cut])
                if cut is not None and outer.stalls is not None:
                    self.wfile.flush()
                    outer.stalls.wait(30)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def index(monkeypatch):
    """A loopback package index that the user's settings point to."""
    found = Index()
    monkeypatch.setenv("PIP_INDEX_URL", found.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield found
    found.server.shutdown()
    found.server.server_close()


def wheel_with(member: str, content: bytes) -> bytes:
    """A zip archive with one member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, content)
    return out.getvalue()


def tar_with(member: str, content: bytes) -> bytes:
    """A gzipped tar archive with one member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def sha256(content: bytes) -> str:
    """The hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer(chat_template: str | None = CHAT_TEMPLATE):
    """A byte-level tokenizer of 300 entries, with ChatML's marks as special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(["good bad good bad good bad user assistant " * 20], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=chat_template,
    )


def make_lm(kind: str = "llama", **more):
    """A random causal model of a real architecture, small enough for a test."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    shape = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 320,
        "sliding_window": None,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    if kind == "smollm3":
        shape["layer_types"] = ["full_attention"] * 2
    config = AutoConfig.for_model(kind, **(shape | more))
    return AutoModelForCausalLM.from_config(config).float().eval()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A folder with a tiny llama and its tokenizer, as `save_pretrained` leaves them."""
    folder = tmp_path_factory.mktemp("tiny-model")
    make_lm().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def small_scenario(tmp_path) -> Path:
    """A scenario file of two labels over 160 generated rows, its rows next to it."""
    return write_small_scenario(tmp_path)


def write_small_scenario(folder: Path) -> Path:
    """The file of `small_scenario` and its rows, in a folder."""
    rng = random.Random(0)
    words = {
        "good": ["fine", "great", "lovely", "superb"],
        "bad": ["awful", "poor", "broken", "dire"],
    }
    filler = [f"{a}{b}" for a in "bcdfghjklm" for b in ("ale", "ome", "uri", "ing")]
    with open(folder / "rows.jsonl", "w") as file:
        for i in range(160):
            label = ("good", "bad")[i % 2]
            text = " ".join([rng.choice(words[label]), *rng.sample(filler, 6)])
            row = {"id": f"r{i // 2}_{i % 2}", "text": text, "label": label}
            file.write(json.dumps(row) + "\n")
    path = folder / "small.toml"
    path.write_text(
        """
title = "Small"
[profile]
task_type = "classification"
[task]
instruction = "Is it good or bad?"
labels = ["good", "bad"]
test_rows = 40
validation_rows = 20
[task.rows]
path = "rows.jsonl"
format = "jsonl"
id = "id"
label = "label"
group = '^(r\\d+)_'
"""
    )
    return path


def run_command(*arguments, cwd=None, **environment):
    """Run `bench` or `advisor` as a user does; the finished process with its output as text."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )
