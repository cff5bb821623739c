"""Models on the hub: their names, and a download from a hub on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from functools import partial

import pytest

from minicache.model.hub import ALIASES, is_name
from tests.checkpoints import write_checkpoint


@pytest.fixture
def folder(tmp_path):
    return partial(write_checkpoint, tmp_path / "model")


class Hub(http.server.BaseHTTPRequestHandler):
    """The three requests of the hub's file interface that a download makes."""

    folder, token, commit = None, None, "0123456789abcdef0123456789abcdef01234567"
    revisions = ("main", "v1")

    def do_GET(self, body=True):
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            return self.say(401, b'{"error": "Invalid credentials"}')
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:4] == ["api", "models", "owner", "name"]:
            if len(parts) > 5 and parts[5] not in (*self.revisions, self.commit):
                return self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            files = [{"rfilename": file.name} for file in sorted(self.folder.iterdir())]
            info = {"id": "owner/name", "sha": self.commit, "siblings": files, "private": False,
                    "downloads": 0, "likes": 0, "tags": []}  # fmt: skip
            if len(parts) > 4 and parts[4] == "tree":
                info = [
                    {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": digest(f)}
                    for f in sorted(self.folder.iterdir())
                ]
            return self.say(200, json.dumps(info).encode())
        if parts[:3] == ["owner", "name", "resolve"]:
            file = self.folder / parts[4]
            if file.is_file():
                headers = {"ETag": f'"{digest(file)}"', "X-Repo-Commit": self.commit}
                return self.say(200, file.read_bytes(), headers, body)
        return self.say(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def do_HEAD(self):
        return self.do_GET(body=False)

    def say(self, status, content, headers=None, body=True):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args):
        """Nothing: a test's output is the test's."""


def digest(file):
    return hashlib.sha1(file.read_bytes()).hexdigest()


@pytest.fixture
def hub(folder, tmp_path):
    """Runs code in a process of its own that believes a server on loopback to be the hub."""
    handler = type("OneHub", (Hub,), {"folder": folder(tokenizer=True)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def run(code, **environment):
        env = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            **environment,
        }
        code = "from minicache import HookedTransformer as H\n" + code
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)

    run.handler = handler
    yield run
    server.shutdown()


LOAD = "m = H.from_pretrained('owner/name'{}); print(m('b c').shape)"


def test_a_model_comes_from_the_hub_and_then_from_its_cache(hub):
    first = hub(LOAD.format(", revision='v1'"))
    assert first.stdout == "torch.Size([1, 3, 11])\n", first.stderr
    assert hub(LOAD.format("")).returncode == 0
    offline = hub(LOAD.format(""), HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9")
    assert offline.stdout == "torch.Size([1, 3, 11])\n", offline.stderr


def test_a_model_on_the_hub_that_has_only_a_torch_file_is_fetched(hub, folder):
    (hub.handler.folder / "model.safetensors").unlink()
    folder(form="torch", tokenizer=True)
    assert sorted(file.name for file in hub.handler.folder.iterdir()) == [
        "config.json", "pytorch_model.bin", "tokenizer.json",
    ]  # fmt: skip
    done = hub(LOAD.format(""))
    assert done.stdout == "torch.Size([1, 3, 11])\n", done.stderr


def test_the_token_of_the_environment_is_sent(hub):
    hub.handler.token = "secret"
    told = "try: H.from_pretrained('owner/name')\nexcept OSError as error: print(error)"
    refused = hub(told)
    assert "could not be fetched from the hub" in refused.stdout, refused.stderr
    assert hub(LOAD.format(""), HF_TOKEN="secret").returncode == 0


@pytest.mark.parametrize("call", ["'owner/other'", "'owner/name', revision='v9'"])
def test_what_the_hub_does_not_have_is_told(hub, call):
    done = hub(f"try: H.from_pretrained({call})\nexcept OSError as error: print(error)")
    assert "could not be fetched from the hub" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_what_could_be_a_name_on_the_hub():
    assert all(is_name(name) for name in [*ALIASES, "owner/name", "a-b/c.d-1"])
    assert not any(is_name(name) for name in ("folder", "./a", "/a/b", "a/b/c", "../a", "~/a", ""))
    for known in ("gpt2", "gpt2-small", "distilgpt2", "tiny-stories-1M", "tiny-stories-33M"):
        assert known in ALIASES
