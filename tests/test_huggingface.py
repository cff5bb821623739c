"""Models in Hugging Face's format: folders, a hub on loopback, files that are not to be trusted.

That the numbers are those of `transformers` is shown in `tests/parity/test_real_weights.py`.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import pickle
import subprocess
import sys
import threading

import pytest
import torch
from safetensors.torch import save_file

from minicache import HookedTransformer
from minicache.errors import MissingPackageError, ModelFileError
from minicache.model.hub import ALIASES, is_name
from tests.checkpoints import GPT2, NEO, random_weights, write_tokenizer
from tests.worlds import tokens


@pytest.fixture
def folder(tmp_path):
    def make(config=GPT2, form="safetensors", tied=True, tokenizer=False):
        where = tmp_path / "model"
        where.mkdir(exist_ok=True)
        weights = random_weights(config)
        if not tied:
            weights["lm_head.weight"] = torch.ones(11, 12)
        (where / "config.json").write_text(json.dumps(config))
        if form == "safetensors":
            save_file(weights, where / "model.safetensors")
        elif form == "torch":
            torch.save(weights, where / "pytorch_model.bin")
        else:
            names = list(weights)
            halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
            for file, some in halves.items():
                save_file({name: weights[name] for name in some}, where / file)
            index = {name: file for file, some in halves.items() for name in some}
            (where / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
        if tokenizer:
            write_tokenizer(where / "tokenizer.json")
        return where

    return make


@pytest.mark.parametrize("config", [GPT2, NEO], ids=["gpt2", "neo"])
def test_every_form_of_the_weights_gives_the_same_model(folder, config):
    logits = []
    for form in ("safetensors", "sharded", "torch"):
        where = folder(config, form)
        logits.append(HookedTransformer.from_pretrained(where)(tokens(2, 5)))
        for file in where.iterdir():
            file.unlink()
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])


def test_an_untied_unembedding_is_taken_as_it_is(folder):
    tied = HookedTransformer.from_pretrained(folder())
    assert torch.equal(tied.W_U, tied.W_E.T)
    untied = HookedTransformer.from_pretrained(folder(tied=False))
    assert torch.equal(untied.W_U, torch.ones(12, 11))


def test_neo_has_local_layers_no_scale_and_no_q_k_v_biases(folder):
    model = HookedTransformer.from_pretrained(folder(NEO))
    assert model.cfg.attn_types == ["global", "local"]
    assert (model.cfg.window_size, model.cfg.use_attn_scale) == (4, False)
    assert not model.b_Q.any()
    assert not model.b_V.any()
    listed = {**NEO, "attention_layers": ["local", "local"]}
    assert HookedTransformer.from_pretrained(folder(listed)).cfg.attn_types == ["local", "local"]


@pytest.mark.parametrize(
    ("given", "bos"),
    [
        ({}, 1),
        ({"bos_token_id": None, "eos_token_id": 2}, 2),
        ({"bos_token_id": None, "eos_token_id": None}, None),
        ({"bos_token_id": None}, None),  # the default, 50256, is not in this vocabulary
    ],
)
def test_a_start_of_text_that_is_null_is_not_token_0(folder, given, bos):
    model = HookedTransformer.from_pretrained(folder({**GPT2, **given}, tokenizer=True))
    assert model.tokenizer.bos_token_id == bos


def test_a_special_token_that_is_no_int_is_refused(folder):
    with pytest.raises(ModelFileError, match="bos_token_id='1'"):
        HookedTransformer.from_pretrained(folder({**GPT2, "bos_token_id": "1"}, tokenizer=True))


def test_its_tokenizer_reads_and_writes_text(folder):
    model = HookedTransformer.from_pretrained(folder(tokenizer=True))
    assert model.to_tokens("b c j").tolist() == [[1, 2, 3, 10]]
    assert model.to_string([1, 2, 3, 10]) == "<|endoftext|> b c j"
    assert model.to_single_token("c") == 3
    assert model("b c j").shape == (1, 4, 11)
    without = HookedTransformer.from_pretrained(folder(GPT2, "sharded"))
    assert without(tokens(1, 3)).shape == (1, 3, 11)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: (f / "model.safetensors").write_bytes(b"xx"), "cannot be read"),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                (f / "model.safetensors").read_bytes()[:-100]
            ),
            "cannot be read",
        ),
        (
            lambda f: save_file({"x": torch.ones(1)}, f / "model.safetensors"),
            "n_layer=2, and the weights have 0",
        ),
        (lambda f: (f / "config.json").write_text('{"model_type": "llama"}'), "reads gpt2"),
        (lambda f: (f / "config.json").write_text('{"model_type": "gpt2"}'), "lacks 'n_layer'"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
        (
            lambda f: (f / "config.json").write_text(
                json.dumps({**GPT2, "scale_attn_by_inverse_layer_idx": True})
            ),
            "inverse_layer",
        ),
        (
            lambda f: (f / "config.json").write_text(json.dumps({**GPT2, "vocab_size": 12})),
            "do not fit together",
        ),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "is no tokenizer"),
    ],
)
def test_a_damaged_folder_is_told_plainly(folder, damage, words):
    where = folder()
    damage(where)
    with pytest.raises(ModelFileError, match=words):
        HookedTransformer.from_pretrained(where)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(folder, tmp_path):
    where = folder(form="torch")
    mark = tmp_path / "was_here"

    class Code:
        def __reduce__(self):
            return os.system, (f"touch {mark}",)

    for content in (pickle.dumps(Code(), protocol=2), b"not a pickle"):
        (where / "pytorch_model.bin").write_bytes(content)
        with pytest.raises(ModelFileError, match="not run"):
            HookedTransformer.from_pretrained(where)
    torch.save({"x": Code()}, where / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="not run"):
        HookedTransformer.from_pretrained(where)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("package", "call"), [("tokenizers", "folder"), ("huggingface_hub", "hub")]
)
def test_a_missing_package_names_the_command(folder, monkeypatch, package, call):
    monkeypatch.setitem(sys.modules, package, None)
    name = folder(tokenizer=True) if call == "folder" else "owner/name"
    with pytest.raises(MissingPackageError, match=r"\[hub\]"):
        HookedTransformer.from_pretrained(name)


# The hub


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
    assert "the hub does not give it" in refused.stdout, refused.stderr
    assert hub(LOAD.format(""), HF_TOKEN="secret").returncode == 0


@pytest.mark.parametrize("call", ["'owner/other'", "'owner/name', revision='v9'"])
def test_what_the_hub_does_not_have_is_told(hub, call):
    done = hub(f"try: H.from_pretrained({call})\nexcept OSError as error: print(error)")
    assert "the hub does not give it" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_what_could_be_a_name_on_the_hub():
    assert all(is_name(name) for name in [*ALIASES, "owner/name", "a-b/c.d-1"])
    assert not any(is_name(name) for name in ("folder", "./a", "/a/b", "a/b/c", "../a", "~/a", ""))
    for known in ("gpt2", "gpt2-small", "distilgpt2", "tiny-stories-1M", "tiny-stories-33M"):
        assert known in ALIASES
