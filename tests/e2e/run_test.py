#!/usr/bin/env python3
"""Tries the program as a user would: answers, streams, exit statuses, broken input. Usage: run_test.py PROGRAM [NAME...]

Python's standard library only. Each check is a function; the last line counts them.
"""
import json, os, pty, random, re, resource, select, shutil, signal, struct, subprocess, sys, tempfile, time, traceback

from harness import CHECKS, CONFIG, GOLDEN, POCKET, PROGRAM, ROOT, SCRATCH, TOKEN_IDS, check, folder, pocket_gguf, refuses, run

# ---- answers ------------------------------------------------------------------------------------------------------


@check
def answers_sums_made_up_on_the_spot():
    rng = random.Random()
    for _ in range(10):
        a, b = rng.randint(1, 9999), rng.randint(1, 9999)
        status, out, err = run("run", f"What is {a} + {b}?")
        assert status == 0 and out.strip() == str(a + b), f"{a} + {b}: {out!r} {err!r}"


@check
def answers_the_question_of_the_readme():
    assert run("run", "What is 347 + 589?")[1] == "936\n"


@check
def prompt_comes_from_argument_flag_file_or_standard_input():
    question = "What is 12 + 30?"
    path = os.path.join(SCRATCH, "question.txt")
    with open(path, "w") as f:
        f.write(question + "\n")
    for args, stdin in ((("run", question), b""), (("run", "-p", question), b""), (("run", "-f", path), b""),
                        (("run",), question.encode()), (("run", "-f", "-"), question.encode())):
        status, out, err = run(*args, stdin=stdin)
        assert (status, out) == (0, "42\n"), (args, out, err)


@check
def the_same_from_folder_safetensors_gguf_and_embedded():
    def answers(*models):
        found = {(answer["text"], answer["reasoning"]) for answer in
                 (json.loads(run("run", *model, "--json", "What is 88 + 77?")[1]) for model in models)}
        assert len(found) == 1 and found.pop()[0] == "165", found

    answers(("-m", POCKET), ("-m", os.path.join(POCKET, "model.safetensors")), ("-m", pocket_gguf()))
    answers((), ("-m", pocket_gguf("q8_0")))  # the program carries this type


@check
def json_has_the_documented_members():
    status, out, err = run("run", "--json", "What is 347 + 589?")
    answer = json.loads(out)
    assert status == 0 and out.count("\n") == 1
    assert answer["text"] == "936" and answer["finish_reason"] == "stop"
    assert answer["reasoning"].endswith("->936") and "<think>" not in answer["reasoning"]
    usage, timings = answer["usage"], answer["timings"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]
    assert timings["prompt_n"] == usage["prompt_tokens"] and timings["predicted_n"] == usage["completion_tokens"]
    for name in ("prompt_ms", "prompt_per_token_ms", "prompt_per_second", "predicted_ms", "predicted_per_token_ms",
                 "predicted_per_second"):
        assert timings[name] > 0, name


@check
def not_a_terminal_gets_clean_text():
    status, out, err = run("run", "What is 3 + 4?")
    assert (status, out, err) == (0, "7\n", "")
    status, out, err = run("run", "--show-thinking", "What is 3 + 4?")
    assert re.fullmatch(r"<think>[^\x1b]*</think>\n7\n", out), out


def on_terminal(args, env=None, interrupt_after_first=False):
    """Runs under a pseudo terminal; returns (status, everything shown)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(PROGRAM, [PROGRAM, *args], {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None})
    shown, started, sent = b"", time.time(), False
    while time.time() - started < 60:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        if interrupt_after_first and not sent and shown:
            os.kill(pid, signal.SIGINT)
            sent = True
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode("utf-8", "replace")


@check
def a_terminal_shows_dimmed_thinking_and_timings():
    status, shown = on_terminal(["run", "What is 347 + 589?"], {"NO_COLOR": None, "TERM": "xterm"})
    assert status == 0
    dimmed = re.search(r"\x1b\[2m(.*)\x1b\[0m\s*936\s", shown, re.S)
    assert dimmed and "->936" in dimmed.group(1), shown
    assert "tokens/s" in shown


@check
def no_color_is_respected():
    status, shown = on_terminal(["run", "What is 347 + 589?"], {"NO_COLOR": "1"})
    assert status == 0 and "\x1b" not in shown and "936" in shown, shown


@check
def ctrl_c_ends_the_answer_with_130_and_a_clean_terminal():
    # The scalar kernels need seconds for the 4,000 tokens of the context, so there is something to interrupt.
    status, shown = on_terminal(["run", "--ignore-eos", "--isa", "scalar", "-t", "1", "What is 347 + 589?"], {"NO_COLOR": None},
                                interrupt_after_first=True)
    assert status == 130, (status, shown[-200:])
    assert shown.count("\x1b[2m") <= shown.count("\x1b[0m")


@check
def thinking_can_be_hidden_on_a_terminal():
    status, shown = on_terminal(["run", "--hide-thinking", "--no-timings", "What is 3 + 4?"], {"NO_COLOR": None})
    assert status == 0 and shown.split() == ["7"], shown


@check
def stop_strings_length_and_seed():
    status, out, _ = run("run", "--json", "-n", "3", "What is 347 + 589?")
    answer = json.loads(out)
    assert answer["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 3
    answer = json.loads(run("run", "--json", "--stop", "->36", "What is 347 + 589?")[1])
    assert answer["finish_reason"] == "stop" and answer["reasoning"].endswith("4+8+1=13"), answer["reasoning"]
    hot = ("run", "--json", "--temp", "3", "--top-p", "1", "--seed", "11", "-n", "20", "Hello")
    first, second = json.loads(run(*hot)[1]), json.loads(run(*hot)[1])
    assert (first["text"], first["reasoning"]) == (second["text"], second["reasoning"]) and first["seed"] == 11


@check
def a_seed_of_minus_one_is_random_and_others_are_numbers():
    seeds = {json.loads(run("run", "--json", "--seed", "-1", "-n", "1", "hi")[1])["seed"] for _ in range(3)}
    assert len(seeds) > 1, seeds
    largest = str(2**64 - 1)
    assert json.loads(run("run", "--json", "--seed", largest, "-n", "1", "hi")[1])["seed"] == int(largest)
    for seed in ("-5", "1.5", str(2**64), ""):
        refuses(2, "run", "--seed", seed, "hi", says="--seed")


@check
def thinking_tokens_are_all_but_the_answer_and_the_stop_token():
    answer = json.loads(run("run", "--json", "What is 347 + 589?")[1])
    usage = answer["usage"]
    text_tokens = len(run("tokenize", stdin=answer["text"].encode())[1].split())
    assert usage["completion_tokens_details"]["reasoning_tokens"] == usage["completion_tokens"] - text_tokens - 1, answer


@check
def no_tokens_is_an_empty_answer():
    assert run("run", "-n", "0", "What is 3 + 4?")[:2] == (0, "\n")
    answer = json.loads(run("run", "-n", "0", "--json", "What is 3 + 4?")[1])
    assert answer["text"] == "" and answer["finish_reason"] == "length" and answer["timings"]["predicted_per_second"] == 0


@check
def a_question_may_begin_with_a_dash():
    assert run("run", "-n", "3", "-p", "-5 + 3 = ?")[0] == 0 and run("run", "-n", "3", "--", "-5 + 3 = ?")[0] == 0


@check
def ctrl_c_while_waiting_for_the_question_is_130():
    child = subprocess.Popen([PROGRAM, "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdin.write(b"What is")
    child.stdin.flush()
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 130


@check
def a_reader_that_goes_away_is_an_output_error():
    child = subprocess.Popen([PROGRAM, "run", "--raw", "--ignore-eos", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(1)
    child.stdout.close()
    err = child.stderr.read()
    assert child.wait(timeout=60) == 5 and err.count(b"\n") == 1, err


@check
def context_limit_ends_clearly():
    status, out, err = run("run", "-c", "40", "--ignore-eos", "--timings", "What is 347 + 589?")
    assert status == 0 and "the context is full" in err, err
    refuses(2, "run", "-c", "4", "What is 347 + 589?", says="context")
    refuses(2, "run", "-c", "100000", "hi", says=["100000", str(CONFIG["max_position_embeddings"])])


@check
def the_program_alone_in_an_empty_folder_answers():
    to = tempfile.mkdtemp(dir=SCRATCH)
    shutil.copy(PROGRAM, os.path.join(to, "sambay"))
    assert run("run", "What is 20 + 22?", program=os.path.join(to, "sambay"), cwd=to)[1] == "42\n"


# ---- logits and convert --------------------------------------------------------------------------------------------


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    return {name: (entry["dtype"], entry["shape"], data[8 + length + entry["data_offsets"][0]:8 + length + entry["data_offsets"][1]])
            for name, entry in header.items() if name != "__metadata__"}


def logits(*args):
    out = os.path.join(SCRATCH, "out.safetensors")
    status, _, err = run("logits", *args, "-o", out)
    assert status == 0, err
    return read_safetensors(out)


def ids_file(ids):
    handle, path = tempfile.mkstemp(suffix=".json", dir=SCRATCH)
    with os.fdopen(handle, "w") as f:
        json.dump(ids, f)
    return path


@check
def logits_has_the_arrays_of_the_contract():
    ids = list(range(5, 25))
    model = os.path.join(GOLDEN, "a_f32")
    arrays = logits(model, "--ids", ids_file(ids), "--greedy", "4", "--hidden")
    assert arrays["logits"][:2] == ("F32", [20, 320]) and arrays["greedy_logits"][:2] == ("F32", [4, 320])
    assert arrays["greedy_ids"][:2] == ("I32", [4])
    assert arrays["greedy_logits"][2][:1280] == arrays["logits"][2][-1280:]
    golden = read_safetensors(os.path.join(model, "expected.safetensors"))
    expected = {name[3:] for name in golden if name.startswith("p0.")} - {"input_ids"}
    assert set(arrays) == expected, set(arrays) ^ expected
    for name in expected - {"logits", "greedy_ids", "greedy_logits"}:
        assert arrays[name][1][1:] == golden["p0." + name][1][1:], name
    last = logits("-m", model, "--ids", ids_file(ids), "--last", "--chunk", "7", "-t", "2")
    assert last["logits"][:2] == ("F32", [1, 320]) and last["logits"][2] == arrays["logits"][2][-1280:]


@check
def converted_model_gives_the_same_bits_as_its_folder():
    ids = ids_file([i * 7 % 300 for i in range(70)])
    for name, type_ in (("c_bf16", "bf16"), ("c_bf16", "f32"), ("d_calm_bf16", "f32"), ("a_f32", "f32")):
        source = os.path.join(GOLDEN, name)
        gguf = os.path.join(SCRATCH, f"{name}-{type_}.gguf")
        assert run("convert", source, "-o", gguf, "--type", type_)[0] == 0
        assert logits(source, "--ids", ids)["logits"] == logits(gguf, "--ids", ids)["logits"], (name, type_)


@check
def every_conversion_type_answers():
    for type_ in ("f32", "f16", "bf16", "q8_0"):
        gguf = os.path.join(SCRATCH, f"pocket-{type_}.gguf")
        status, _, err = run("convert", POCKET, "-o", gguf, "--type", type_)
        assert status == 0, err
        status, out, err = run("run", "-m", gguf, "What is 47 + 15?")
        assert (status, out) == (0, "62\n"), (type_, out, err)


@check
def convert_works_without_a_tokenizer_and_run_then_says_so():
    gguf = os.path.join(SCRATCH, "bare.gguf")
    assert run("convert", os.path.join(GOLDEN, "a_f32"), "-o", gguf, "--type", "f32")[0] == 0
    refuses(3, "run", "-m", gguf, "hi", says="tokenizer")


def members(value, free=("metadata", "kinds", "families", "types", "bytes_by_type", "card", "check", "config")):
    """The names of all members of a JSON value; those of an object whose names are data are left out."""
    if isinstance(value, list):
        return set().union(*map(members, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    inner = [members(list(v.values())) if k in ("kinds", "families") else set() if k in free else members(v) for k, v in value.items()]
    return set(value).union(*inner)


@check
def every_member_of_json_is_documented():
    with open(os.path.join(ROOT, "docs", "json.md"), encoding="utf-8") as f:
        parts = dict(part.split("\n", 1) for part in f.read().split("\n## ")[1:])
    gguf, text = os.path.join(SCRATCH, "documented.gguf"), os.path.join(SCRATCH, "documented.txt")
    with open(text, "w") as f:
        f.write("What is 12 + 30? What is 88 + 77? " * 9)
    for part, arguments in (
        ("run", ("run", "--json", "What is 3 + 4?")),
        ("info", ("info", "--json", "--check", pocket_gguf())),
        ("plan", ("plan", "--json", "--memory", "1G")),
        ("quantize", ("quantize", POCKET, "-o", gguf, "--type", "q8_0", "--json")),
        ("compare", ("compare", POCKET, gguf, "--text", text, "--json")),
        ("eval pocket", ("eval", "pocket", "--family", "add", "--limit", "1", "--json")),
        ("bench limits", ("bench", "limits", "-r", "1", "--json")),
    ):
        status, out, err = run(*arguments)
        assert status == 0 and (out.count("\n") == 1) == (part != "info"), (part, err)
        said = set(re.findall(r"`([\w.]+)`", parts[part]))
        said |= {f"predicted_{name[7:]}" for name in said if name.startswith("prompt_")}
        missing = members(json.loads(out)) - said
        assert not missing, f"docs/json.md, {part}: no word of {sorted(missing)}"


@check
def info_reports_and_checks():
    status, out, err = run("info", POCKET)
    assert status == 0 and "phi4flash" in out, (out, err)
    status, out, _ = run("info", "--json")
    assert status == 0 and isinstance(json.loads(out), dict)
    assert run("info", POCKET, "--check")[0] == 0
    with open(os.path.join(POCKET, "model.safetensors"), "rb") as f:
        weights = bytearray(f.read())
    weights[-2:] = b"\xc0\x7f"  # a bf16 NaN
    refuses(3, "info", folder(model_safetensors=bytes(weights)), "--check", says=["not finite", "nan"])


# ---- tokenizer ------------------------------------------------------------------------------------------------------


@check
def tokenize_and_detokenize_are_inverse_on_any_bytes():
    data = random.Random(5).randbytes(3000) + "Grüße, 数学 and 12345\n".encode()
    status, ids, err = run("tokenize", stdin=data)
    assert status == 0, err
    status, text, _ = run("detokenize", stdin=ids.encode())
    assert text == data.decode("utf-8", "replace"), "python replaces per maximal subpart too"
    line = json.dumps("What is <|end|>?") + "\n"
    plain = json.loads(run("tokenize", "--jsonl", stdin=line.encode())[1])
    special = json.loads(run("tokenize", "--jsonl", "--special", stdin=line.encode())[1])
    assert len(special) < len(plain) and TOKEN_IDS["<|end|>"] in special and TOKEN_IDS["<|end|>"] not in plain
    assert json.loads(run("detokenize", "--jsonl", stdin=(json.dumps(special) + "\n").encode())[1]) == "What is <|end|>?"
    assert run("tokenize", "-m", os.path.join(POCKET, "tokenizer.json"), stdin=b"abc")[1] == run("tokenize", stdin=b"abc")[1]


# ---- bad input -----------------------------------------------------------------------------------------------------


@check
def usage_errors_are_status_2():
    for args in (["run", "--no-such-flag"], ["fly"], ["run", "--temp", "warm", "hi"], ["run", "--temp", "-1", "hi"],
                 ["run", "--top-p", "0", "hi"], ["run", "--top-p", "1.5", "hi"], ["run", "--min-p", "2", "hi"],
                 ["run", "--top-k", "-4", "hi"], ["run", "-n", "-7", "hi"], ["run", "-t", "0", "hi"], ["run", ""],
                 ["run", "--isa", "mmx", "hi"], ["run", "--kv", "q9", "hi"], ["run", "--seed", "x", "hi"],
                 ["run", "--logit-bias", "5", "hi"], ["run", "--logit-bias", "99999+1", "hi"], ["run", "--chunk", "0", "hi"],
                 ["run", "--show-thinking", "--hide-thinking", "hi"], ["run", "--repeat-penalty", "0", "hi"],
                 ["convert", POCKET], ["convert", POCKET, "-o", os.path.join(SCRATCH, "x"), "--type", "q3"],
                 ["logits", "--ids", ids_file([1, CONFIG["vocab_size"]]), "-o", os.path.join(SCRATCH, "x")],
                 ["logits", "--ids", ids_file([1]), "-o", os.path.join(SCRATCH, "x"), "--last", "--hidden"],
                 ["bench", "--synthetic", "nothing"], ["bench", "-p", "0", "-n", "0"]):
        try:
            refuses(2, *args)
        except AssertionError as e:
            raise AssertionError(f"{args}: {e}") from None
    refuses(2, "detokenize", stdin=b"1\n900000\n", says=["line 2", "900000"])
    refuses(2, "runn", "hi", says=["runn", "did you mean 'run'"])
    refuses(2, "What is 3 + 4?", says="sambay run")
    refuses(2, "run", "-c", "-5", "hi", says="-c -5")
    assert run()[0] == 2 and run("--help")[0] == 0 and run("run", "--help")[0] == 0 and "sambay" in run("--version")[1]


@check
def broken_models_are_status_3_and_say_what_is_wrong():
    with open(os.path.join(POCKET, "model.safetensors"), "rb") as f:
        weights = f.read()
    with open(pocket_gguf(), "rb") as f:
        gguf = f.read()
    with open(os.path.join(POCKET, "config.json"), "rb") as f:
        config = json.load(f)
    refuses(3, "run", "-m", "/no/such/model", "hi", says="/no/such/model")
    refuses(3, "run", "-m", tempfile.mkdtemp(dir=SCRATCH), "hi", says="config.json")
    refuses(3, "run", "-m", folder(model_safetensors=None), "hi", says="model.safetensors")
    refuses(3, "run", "-m", folder(model_safetensors=weights[:-10]), "hi", says="model.safetensors")
    refuses(3, "run", "-m", folder(model_safetensors=weights[:100]), "hi")
    refuses(3, "run", "-m", folder(config_json=b"{"), "hi", says="config.json")
    refuses(3, "run", "-m", folder(config_json=json.dumps({**config, "hidden_size": "big"}).encode()), "hi", says="hidden_size")
    refuses(3, "run", "-m", folder(config_json=json.dumps({**config, "hidden_size": 2 * CONFIG["hidden_size"]}).encode()), "hi")
    refuses(3, "run", "-m", folder(config_json=json.dumps({**config, "model_type": "llama"}).encode()), "hi", says="llama")
    refuses(3, "run", "-m", folder(tokenizer_json=b"[]"), "hi", says="tokenizer.json")
    refuses(3, "run", "-f", os.path.join(SCRATCH, "nothing.txt"), says="nothing.txt")
    refuses(3, "run", "-f", SCRATCH, says=SCRATCH)
    for length in [0, 3, 4, 20, 100, 1000, len(gguf) // 2, len(gguf) - 1]:
        path = os.path.join(SCRATCH, "cut.gguf")
        with open(path, "wb") as f:
            f.write(gguf[:length])
        refuses(3, "run", "-m", path, "hi", says="cut.gguf")


@check
def a_tokenizer_that_disagrees_with_the_vocabulary_is_refused():
    with open(os.path.join(POCKET, "tokenizer.json"), "rb") as f:
        tokenizer = json.load(f)
    tokenizer["added_tokens"][-1]["id"] = 5000
    model = folder(tokenizer_json=json.dumps(tokenizer).encode())
    refuses(3, "run", "-m", model, "hi", says="5000")
    refuses(3, "convert", model, "-o", os.path.join(SCRATCH, "never.gguf"), says="5000")
    assert not os.path.exists(os.path.join(SCRATCH, "never.gguf"))


@check
def output_errors_are_status_5_and_leave_nothing():
    with open("/dev/full", "wb") as full:
        for args in (["run", "What is 1 + 1?"], ["run", "--json", "What is 1 + 1?"], ["info"], ["detokenize"]):
            got, _, err = run(*args, stdin=b"1 2 3", stdout=full)
            assert got == 5 and err.count("\n") == 1, (args, got, err)
    to = tempfile.mkdtemp(dir=SCRATCH)

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))

    refuses(5, "convert", POCKET, "-o", os.path.join(to, "x.gguf"), limit=small_files)
    refuses(5, "logits", "--ids", ids_file([1] * 100), "-o", os.path.join(to, "x.safetensors"), limit=small_files)
    assert os.listdir(to) == []


@check
def a_kill_in_the_middle_of_convert_leaves_nothing_half_written():
    to = tempfile.mkdtemp(dir=SCRATCH)
    target = os.path.join(to, "x.gguf")
    with open(target, "wb") as f:
        f.write(b"before")
    for delay in (0.0, 0.001, 0.003, 0.006, 0.01, 0.02):
        child = subprocess.Popen([PROGRAM, "convert", POCKET, "-o", target], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        child.kill()
        child.wait()
        with open(target, "rb") as f:
            content = f.read()
        assert content == b"before" or run("info", target, "--check")[0] == 0
        leftovers = [name for name in os.listdir(to) if name != "x.gguf"]
        assert leftovers == [] or os.uname().sysname != "Linux", leftovers


@check
def too_little_memory_is_status_4():
    def little():
        resource.setrlimit(resource.RLIMIT_AS, (100 << 20, 100 << 20))

    got, _, err = run("run", "-c", str(CONFIG["max_position_embeddings"]), "hi", limit=little)
    assert got in (0, 4), (got, err)  # the pocket model may just fit
    got, _, err = run("bench", "--synthetic", "phi4-mini-flash", "-p", "1", "-n", "0", limit=little)
    assert got == 4 and err.count("\n") == 1, (got, err)


@check
def a_model_that_shrinks_while_mapped_ends_with_a_message():
    path = os.path.join(SCRATCH, "shrinking.gguf")
    shutil.copy(pocket_gguf(), path)
    child = subprocess.Popen([PROGRAM, "run", "-m", path, "--ignore-eos", "--raw", "-n", "-1", "1"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    child.stdout.read(1)
    os.truncate(path, 4096)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 3 and b"shrinking.gguf" in err, (child.returncode, err)


import benchmarks, evaluation, comparison, load, memory, quantization  # the checks in them come after those above


def main():
    wanted = sys.argv[2:]
    failed = 0
    chosen = [c for c in CHECKS if not wanted or c.__name__ in wanted]
    for function in chosen:
        try:
            function()
            print("ok      ", function.__name__, flush=True)
        except Exception:
            failed += 1
            print("FAILED  ", function.__name__, flush=True)
            traceback.print_exc()
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
