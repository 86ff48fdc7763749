#!/usr/bin/env python3
"""Runs llama.cpp's own tests of its server (tools/server/tests) against `sambay serve`.

Usage: build/venv/bin/python tools/llama_server_tests.py LLAMA_CPP [--sambay PROGRAM] [-k EXPRESSION]

LLAMA_CPP is a checkout of llama.cpp, of which nothing is changed. Its tests are copied to build/llama-server-tests and start there, in
place of llama-server, a program that turns the command line into one of `sambay serve` (LAUNCHER below). The model inside the program
answers; the tests were written for a model of 260,000 parameters that tells stories. Expectations that only that model can meet are
replaced in the copies (PATCHES), cases about what is not here are left out (LEFT_OUT), each with its reason. A patch that does not fit
stops everything: llama.cpp has changed. The last line counts: "N passed, N failed, N left out".

Needs pytest, requests and openai: `./check server` leaves a Python that has them in build/venv.
"""
import argparse, os, re, shutil, socket, sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "build", "llama-server-tests")
FILES = ["basic", "chat_completion", "completion", "tokenize", "security", "ctx_shift", "slot_save", "ignore_eos", "embedding"]

# In place of llama-server. What it changes in the command line:
#   - the model to download becomes the file that the build made of the model inside the program;
#   - llama-server divides --ctx-size by --parallel, unless --kv-unified; here it is the context of each conversation;
#   - llama-server allows any origin unless told otherwise, sambay those of this machine;
#   - the stories' model never ends by itself within these tests and does not think.
LAUNCHER = '''#!{python}
import os, sys

arguments, unified = [], "--kv-unified" in sys.argv
values = {{}}
rest = iter(sys.argv[1:])
for argument in rest:
    if argument in ("--hf-repo", "--hf-file", "--ctx-size", "--parallel"):
        values[argument] = next(rest)
    else:
        arguments.append(argument)
context, parallel = int(values.get("--ctx-size", 4096)), int(values.get("--parallel", 1))
arguments += ["--parallel", str(parallel), "--ctx-size", str(context if unified else context // parallel)]
if "--cors-origins" not in arguments:
    arguments += ["--cors-origins", "*"]
if "--reasoning-format" not in arguments:
    arguments += ["--reasoning-format", "none"]
program = {program!r}
os.execv(program, [program, "serve", "--model", {model!r}, "--threads", "1", "--ignore-eos"] + arguments)
'''

# What the copies of the tests find in utils.py besides their own.
HELPERS = '''

def match_regex(regex: str, text: str) -> bool:
    """The texts that the tests expect are those of another model: here it is only looked at that there is one."""
    return isinstance(text, str) and len(text) > 0


def count_tokens(server, content) -> int:
    """What /tokenize makes of a text: the tests state the numbers of another tokenizer."""
    return len(server.make_request("POST", "/tokenize", data={"content": content}).body["tokens"])


def count_chat_tokens(server, messages) -> int:
    prompt = server.make_request("POST", "/apply-template", data={"messages": messages}).body["prompt"]
    return count_tokens(server, prompt)
'''

# (file, text, what it becomes, why). Each text must occur.
COUNT = "the number of tokens is another tokenizer's; /tokenize says ours"
TEMPLATE = "the families of templates that are known are phi's; their marks are expected"
RATIO = "our tokenizer needs fewer tokens for the text, and it shall not fit: more of it"
PATCHES = [
    ("conftest.py", "ServerPreset.load_all()", "pass", "there is no model to download"),
    # chat_completion
    ("chat_completion", """    assert res.body["usage"]["prompt_tokens"] == n_prompt
    assert res.body["usage"]["completion_tokens"] == n_predicted
""", """    assert res.body["usage"]["prompt_tokens"] == count_chat_tokens(
        server, [{"role": "system", "content": system_prompt}, {"role": "user", "content": user_prompt}])
    assert res.body["usage"]["completion_tokens"] == n_predicted
""", COUNT),
    ("chat_completion", """        assert res.body["usage"]["prompt_tokens"] == n_prompt
        assert res.body["usage"]["prompt_tokens_details"]["cached_tokens"] == n_cache
""", """        n_prompt = count_chat_tokens(server, [{"role": "system", "content": "Test"}, {"role": "user", "content": user_prompt}])
        n_cache = {0: 0, 76: n_prompt}.get(n_cache, count_tokens(server, "<|system|>Test<|end|>"))
        assert res.body["usage"]["prompt_tokens"] == n_prompt
        assert res.body["usage"]["prompt_tokens_details"]["cached_tokens"] == n_cache
""", COUNT + "; a recurrent state is found again where one was kept: at the end of the system message and of the prompt, its last token too"),
    ("chat_completion", """    assert total_batch_count == batch_count
""", """    assert total_batch_count == 1 if reuse_cache else 2 <= total_batch_count <= 1 + -(-last_progress["total"] // n_batch)
""", COUNT + "; a prompt that was read before is not read again, not even its last token; reports go together when the reader is slow"),
    ("chat_completion", """            assert data["usage"]["prompt_tokens"] == n_prompt
""", """            assert data["usage"]["prompt_tokens"] == count_chat_tokens(
                server, [{"role": "system", "content": system_prompt}, {"role": "user", "content": user_prompt}])
""", COUNT),
    ("chat_completion", """    server.chat_template = "llama3"
    server.debug""", """    server.chat_template = "phi"
    server.debug""", TEMPLATE),
    ("chat_completion", """"<s> <|start_header_id|>system<|end_header_id|>\\n\\nBook<|eot_id|><|start_header_id|>user<|end_header_id|>\\n\\nWhat is the best book<|eot_id|>\
<|start_header_id|>assistant<|end_header_id|>\\n\\n\"""", """"<|system|>Book<|end|><|user|>What is the best book<|end|><|assistant|>\"""", TEMPLATE),
    ("chat_completion", """    server.chat_template_file = "../../../models/templates/meta-llama-Llama-3.1-8B-Instruct.jinja"
""", """    server.chat_template = "phi"
""", TEMPLATE),
    ("chat_completion", """<|start_header_id|>user<|end_header_id|>\\n\\nWhat is the best book<|eot_id|><|start_header_id|>assistant<|end_header_id|>\\n\\n""",
     "<|user|>What is the best book<|end|><|assistant|>", TEMPLATE),
    ("chat_completion", """, "Wh\\n\\nill")""", """, "Whill")""", "parts of a message are put together as they are"),
    ("chat_completion", """    server.chat_template = "llama3"
    server.start()""", """    server.start()""", TEMPLATE),
    ("chat_completion", """    server.chat_template = "command-r"
""", "", TEMPLATE),
    ("chat_completion", """"<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>You are a test.<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi there<|END_OF_TURN_TOKEN|>\
<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>\"""", """"<|system|>You are a test.<|end|><|user|>Hi there<|end|><|assistant|>\"""", TEMPLATE),
    # completion
    ("completion", """["timings"]["prompt_n"] == n_prompt
""", """["timings"]["prompt_n"] == count_tokens(server, prompt)
""", COUNT),
    ("completion", """ == "<s> " + prompt""", " == prompt", "this model has no token for the beginning"),
    ("completion", """        n_prompt = (40 + r)*5 + 2
""", """        n_prompt = count_tokens(server, prompt)
""", COUNT),
    ("completion", """@pytest.mark.skip(reason="This test fails on linux, need to be fixed")
""", "", "here the case holds"),
    # security
    ("security", """["/", "/sw.js", "/manifest.webmanifest", "/_app/version.json"]""", """["/", "/ui/app.js", "/ui/style.css"]""",
     "our page has other files"),
    ("security", """make_request("POST", "/completions", """, """make_request("POST", "/completion", """,
     "/completions is OpenAI's form here, with or without /v1 before it; llama-server's own is /completion alone"),
    # ctx_shift
    ("ctx_shift", """    (-1, 248, True), # 8 tokens prompt + 248 tokens generated = 256 tokens total
""", """    (-1, None, True),
""", COUNT),
    ("ctx_shift", """    assert res.body["timings"]["predicted_n"] == n_token_output
""", """    assert res.body["timings"]["predicted_n"] == (n_token_output or 256 - count_tokens(server, "Hi how are you"))
""", COUNT),
    ("ctx_shift", """        "prompt": LONG_TEXT,
""", """        "prompt": LONG_TEXT * 2,
""", RATIO),
    # slot_save: of 21 tokens and 64 generated ones all but the last are in the state
    ("slot_save", "== 84", """== count_tokens(server, "What is the capital of France?") + 63""", COUNT),
    ("slot_save", """    assert res.body["timings"]["prompt_n"] == 6  # only different part is processed

    # Loading""", """    assert res.body["timings"]["prompt_n"] == count_tokens(server, "What is the capital of Germany?")

    # Loading""", COUNT + "; a recurrent state cannot be cut back to where two prompts part, so the second is read as a whole"),
    ("slot_save", """    assert res.body["timings"]["prompt_n"] == 6  # only different part is processed

    # For""", """    assert res.body["timings"]["prompt_n"] == 0

    # For""", "the prompt was read in slot 1, and all slots find what the prefix cache has"),
    ("slot_save", """    assert res.body["timings"]["prompt_n"] == 1
""", """    assert res.body["timings"]["prompt_n"] == 0
""", "a prompt that was read before is not read again, not even its last token"),
    ("slot_save", """    assert res.body["timings"]["prompt_n"] == 21  # all tokens are processed
""", """    assert res.body["timings"]["prompt_n"] == count_tokens(server, "What is the capital of France?")
""", COUNT),
    # embedding
    ("embedding", "server.pooling = 'last'", "server.pooling = 'mean'", "embeddings are the mean; --pooling last is refused"),
    ("embedding", "== n_tokens\n", "== count_tokens(server, content)\n", COUNT),
    ("embedding", "== 2 * 9\n", """== 2 * count_tokens(server, "I believe the meaning of life is")\n""", COUNT),
]

# (test, what its parameters contain, reason)
STRUCTURED = "structured answers (response_format, json_schema, grammar) are not served yet"
OTHER_TEMPLATE = "only the phi family of chat templates is rendered"
SAMPLED = "only the model's own probabilities are given, not those after sampling"
PICTURES = "this model reads text alone"
CORS = "browsers are told what the endpoints need, not everything, and there are no cookies"
LEFT_OUT = [
    ("basic::test_load_split_model", "", "the model, in three files, is one to download"),
    ("chat_completion::test_chat_completion", "-chatml]", OTHER_TEMPLATE),
    ("chat_completion::test_chat_completion", "This is not a chat template", OTHER_TEMPLATE),
    ("chat_completion::test_completion_with_response_format", "[response_format0-", STRUCTURED),
    ("chat_completion::test_completion_with_response_format", "[response_format1-", STRUCTURED),
    ("chat_completion::test_completion_with_response_format", "[response_format2-", STRUCTURED),
    ("chat_completion::test_completion_with_response_format", "[response_format3-", STRUCTURED),
    ("chat_completion::test_completion_with_json_schema", "", STRUCTURED),
    ("chat_completion::test_completion_with_grammar", "", STRUCTURED),
    ("completion::test_completion_stream_with_openai_library_stops", "", "the model, Phi-3.5-mini, is one to download"),
    ("completion::test_n_probs_post_sampling", "", SAMPLED),
    ("completion::test_n_probs_post_backend_sampling", "", SAMPLED),
    ("tokenize::test_tokenize_with_bos", "", "this model has no token for the beginning of a text"),
    ("security::test_cors_options", "Access-Control-Allow-Credentials", CORS),
    ("security::test_cors_options", "Access-Control-Allow-Methods", CORS),
    ("security::test_cors_options", "Access-Control-Allow-Headers", CORS),
    ("security::test_cors_origins_defaults_to_localhost_with_tools_enabled", "", "this server runs no tools"),
    ("security::test_cors_proxy_only_forwards_explicit_proxy_headers", "", "this server is no proxy"),
    ("security::test_local_media_file", "../../../tools", PICTURES),
    ("ctx_shift::test_ctx_shift_enabled", "", "a recurrent state cannot forget its beginning: a full context ends the answer"),
    ("slot_save::test_slot_save_restore_text_only_on_multimodal", "", PICTURES),
    ("slot_save::test_slot_save_rejected_when_slot_holds_image", "", PICTURES),
    ("slot_save::test_slot_erase_text_only_on_multimodal", "", PICTURES),
    ("embedding::test_embedding_mixed_input", "[-False]", "an empty text has no tokens here, and no vector; OpenAI refuses it too"),
    ("embedding::test_embedding_pooling_none", "", "embeddings are the mean over the tokens; --pooling none is refused"),
    ("embedding::test_embedding_pooling_none_oai", "", "the server does not start with --pooling none"),
]


def copy_tests(llama_cpp, program):
    source = os.path.join(llama_cpp, "tools", "server", "tests")
    if not os.path.isfile(os.path.join(source, "utils.py")):
        sys.exit(f"{llama_cpp}: no tools/server/tests/utils.py there; a checkout of llama.cpp is wanted")
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(os.path.join(FOLDER, "unit"))
    os.makedirs(os.path.join(FOLDER, "tmp"))
    texts = {name: read(os.path.join(source, name)) for name in ["conftest.py", "utils.py", "pytest.ini"] + [f"unit/test_{f}.py" for f in FILES]}
    texts["utils.py"] += HELPERS
    texts["wget.py"] = ""  # imported, for downloads that are not made
    for file, old, new, _ in PATCHES:
        name = file if file in texts else f"unit/test_{file}.py"
        if old not in texts[name]:
            sys.exit(f"{name} no longer has this, which a patch is about:\n{old}")
        texts[name] = texts[name].replace(old, new)
    launcher = os.path.join(FOLDER, "llama-server")
    texts["llama-server"] = LAUNCHER.format(python=sys.executable, program=program, model=os.path.join(ROOT, "build", "pocket.gguf"))
    for name, text in texts.items():
        with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as f:
            f.write(text)
    os.chmod(launcher, 0o755)
    return launcher


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Report:
    """A pytest plugin: leaves cases out, says what became of the others."""

    def __init__(self):
        self.outcomes, self.left_out, self.unused = {}, [], set(range(len(LEFT_OUT)))

    def pytest_collection_modifyitems(self, config, items):
        kept = []
        for item in items:
            name, parameters = re.fullmatch(r"(\w+)(.*)", item.name, re.S).groups()
            file = os.path.basename(item.fspath)[len("test_"):-len(".py")]
            for i, (test, part, reason) in enumerate(LEFT_OUT):
                if test == f"{file}::{name}" and part in parameters:
                    self.left_out.append((f"{file}::{item.name}", reason))
                    self.unused.discard(i)
                    break
            else:
                kept.append(item)
        items[:] = kept

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.replace("unit/test_", "").replace(".py", "")
        if report.failed or report.skipped:
            self.outcomes[name] = report.outcome
        elif report.when == "call":
            self.outcomes.setdefault(name, "passed")
        if report.failed:
            with open(os.path.join(FOLDER, "failures.log"), "a", encoding="utf-8") as f:
                f.write(f"{'=' * 100}\n{name}\n{report.longreprtext}\n{report.capstdout}\n")
        if report.when == "teardown":
            print(f"{self.outcomes.get(name, 'failed'):8} {name}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama_cpp", help="a checkout of llama.cpp")
    parser.add_argument("--sambay", default=os.path.join(ROOT, "build", "sambay"), help="the program (build/sambay)")
    parser.add_argument("-k", dest="expression", help="only the cases that pytest's -k picks")
    options = parser.parse_args()
    launcher = copy_tests(os.path.abspath(options.llama_cpp), os.path.abspath(options.sambay))
    os.environ.update(LLAMA_SERVER_BIN_PATH=launcher, PORT=str(free_port()), PYTHONDONTWRITEBYTECODE="1")
    os.chdir(FOLDER)
    sys.path.insert(0, FOLDER)
    report = Report()
    flags = ["-p", "no:terminal", "-p", "no:cacheprovider", "--rootdir", FOLDER]
    status = pytest.main(flags + (["-k", options.expression] if options.expression else []) + ["unit"], plugins=[report])
    for name, reason in report.left_out:
        print(f"left out {name}\n         {reason}")
    if report.unused:
        sys.exit(f"no such cases to leave out: {[LEFT_OUT[i] for i in report.unused]}")
    counts = [list(report.outcomes.values()).count(outcome) for outcome in ("passed", "failed", "skipped")]
    print(f"{counts[0]} passed, {counts[1]} failed, {len(report.left_out) + counts[2]} left out")
    return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
