"""Checks of `sambay plan` and --memory; run_test.py runs them."""
import contextlib, csv, io, json, os, re, shutil, struct, subprocess, tempfile, threading, urllib.request

from harness import CONFIG, POCKET, PROGRAM, SCRATCH, check, pocket_gguf, refuses, run


def plan(*args):
    status, out, err = run("plan", *args, "--json")
    assert status == 0 and err == "", err
    report = json.loads(out)
    assert sum(c["bytes"] for c in report["components"]) == report["total_bytes"], report
    return report


def peak_of(*args):
    """Runs the program; returns the most memory that was resident, in bytes."""
    pid = os.posix_spawn(PROGRAM, [PROGRAM, *args], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, (args, status)
    return usage.ru_maxrss * 1024


class Serving:
    """`sambay serve` with these options, once it listens."""

    def __init__(self, process):
        self.process, self.port = process, None
        for line in process.stderr:
            with contextlib.suppress(ValueError, KeyError):
                self.port = self.port or json.loads(line)["port"]
            if self.port:
                break

    def read(self, prompt, answer):
        """A prompt of these ids and an answer of so many tokens."""
        body = json.dumps({"prompt": prompt, "n_predict": answer, "ignore_eos": True}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/completion", body, timeout=300) as answered:
            assert json.load(answered)["tokens_predicted"] == answer

    def peak(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) * 1024


@contextlib.contextmanager
def serving(*args):
    with subprocess.Popen([PROGRAM, "serve", "--port", "0", *args], stderr=subprocess.PIPE, text=True) as process:
        served = Serving(process)
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        try:
            assert served.port, f"it did not start: {args}"
            yield served
        finally:
            process.terminate()
            status = process.wait(60)
            drain.join()
    assert status == 0, (args, status)


def model_of_zeros():
    """A model large enough that weights and caches are most of the memory: half of it each, with the pocket model's tokenizer. Its
    weights are a hole in the file, which reads as zeros."""
    to = tempfile.mkdtemp(dir=SCRATCH)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(os.path.join(POCKET, name), to)
    hidden, inner, layers, wide, state, rank, head = 1024, 2048, 4, 256, 16, 64, 64
    config = {**CONFIG, "hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": wide, "num_attention_heads": 16,
              "num_key_value_heads": 16, "sliding_window": 512, "mamba_dt_rank": rank, "max_position_embeddings": 65536}
    with open(os.path.join(to, "config.json"), "w") as f:
        json.dump(config, f)
    shapes = {"embed_tokens.weight": [CONFIG["vocab_size"], hidden], "final_layernorm.weight": [hidden], "final_layernorm.bias": [hidden]}
    for i in range(layers):
        own = {f"{norm}_layernorm.{part}": [hidden] for norm in ("input", "post_attention") for part in ("weight", "bias")}
        own |= {"mlp.fc1.weight": [2 * wide, hidden], "mlp.fc2.weight": [hidden, wide]}
        if i % 2 == 0:
            own |= {"attn.in_proj.weight": [2 * inner, hidden], "attn.conv1d.weight": [inner, 1, 4], "attn.conv1d.bias": [inner],
                    "attn.x_proj.weight": [rank + 2 * state, inner], "attn.dt_proj.weight": [inner, rank], "attn.dt_proj.bias": [inner],
                    "attn.A_log": [inner, state], "attn.D": [inner], "attn.out_proj.weight": [hidden, inner]}
        else:
            own |= {"attn.Wqkv.weight": [3 * hidden, hidden], "attn.Wqkv.bias": [3 * hidden], "attn.out_proj.weight": [hidden, hidden],
                    "attn.out_proj.bias": [hidden], "attn.inner_cross_attn.subln.weight": [2 * head]}
            own |= {f"attn.inner_cross_attn.lambda_{v}": [head] for v in ("q1", "k1", "q2", "k2")}
        shapes |= {f"layers.{i}.{name}": shape for name, shape in own.items()}
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2
        for d in shape:
            size *= d
        header["model." + name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(to, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
    return to


def close(planned, peak):
    """Three in a hundred, of sizes where the program itself (its libraries, what malloc keeps: a megabyte more or less) is a few."""
    assert abs(planned - peak) <= 0.03 * peak, f"planned {planned / 2**20:.1f} MiB, {peak / 2**20:.1f} MiB were resident"


@check
def a_plan_of_synthetic_shapes_is_what_bench_then_uses():
    for args in (["--kv", "f32", "-p", "2048"], ["--kv", "q8_0", "-p", "512", "--type", "bf16"], ["-p", "512", "--type", "q4_k_m"]):
        status, out, err = run("bench", "--synthetic", "small", "-n", "0", "-r", "1", "--csv", *args)
        assert status == 0, err
        (result,) = csv.DictReader(io.StringIO(out))
        close(int(result["planned_bytes"]), int(result["peak_bytes"]))


@check
def a_plan_of_a_model_is_what_run_then_uses_with_its_context_full():
    model = model_of_zeros()
    context = 4096
    for kv in ("f32", "f16"):
        report = plan(model, "-c", str(context), "--kv", kv)
        own = sum(c["bytes"] for c in report["components"] if c["component"] != "program")
        assert own > 0.85 * report["total_bytes"], "the case says little about the plan"
        question = os.path.join(SCRATCH, "long.txt")
        with open(question, "w") as f:  # digits are a token each
            f.write("0123456789" * (context // 10 - 1))
        args = ["run", "-m", model, "--raw", "--ignore-eos", "-n", "3", "-c", str(context), "--kv", kv, "-f", question]
        close(report["total_bytes"], peak_of(*args))


@check
def a_plan_knows_the_file_and_the_shapes():
    report = plan(pocket_gguf("q8_0"), "--parallel", "3", "-c", "1000", "--chunk", "10")
    by_name = {}
    for c in report["components"]:
        by_name[c["component"]] = by_name.get(c["component"], 0) + c["bytes"]
    # The file's bytes, but for rows that fill up panels of 16.
    held, stored = sum(by_name[n] for n in ("weights", "embedding", "header")), os.path.getsize(pocket_gguf("q8_0"))
    assert stored <= held <= 1.01 * stored, (held, stored)
    with open(os.path.join(POCKET, "config.json")) as f:
        c = json.load(f)
    head, window_layers = c["hidden_size"] // c["num_attention_heads"], c["num_hidden_layers"] // 4
    page = 2 * c["num_key_value_heads"] * head * 2 * 64  # keys and values of 2 bytes in 64 positions
    window = next(w for w in c["sliding_window"] if w) if isinstance(c["sliding_window"], list) else c["sliding_window"]
    assert by_name["kv_shared"] == 3 * 16 * page, by_name
    assert by_name["kv_window"] == 3 * window_layers * ((window + 10) // 64 + 2) * page, by_name
    assert {(f["kv"], f["context"]) for f in report["contexts"]} == {(kv, 4096) for kv in ("f32", "f16", "q8_0")}
    status, out, err = run("plan", "--synthetic", "phi4-mini-flash", "--memory", "5G")
    assert status == 0 and "fit in --memory 5.00 GiB" in out and "KV of the shared layer" in out, out
    limited = plan("--synthetic", "phi4-mini-flash", "--memory", "4.4G", "-c", "262144")
    longest = {f["kv"]: f["context"] for f in limited["longest_contexts"]}
    assert not limited["fits"] and 0 < longest["f32"] < longest["f16"] < longest["q8_0"] < 262144, limited
    for args in (["-c", "1"], ["-c", "5000"], ["--parallel", "0"], ["--chunk", "0"], ["--kv", "q4"], ["--synthetic", "none"]):
        refuses(2, "plan", *args, says=args[0] if args[0] != "--synthetic" else "none")
    refuses(2, "plan", POCKET, "--synthetic", "small", says="--synthetic")
    refuses(3, "plan", "/no/such/model", says="/no/such/model")


@check
def memory_is_obeyed_or_refused_with_advice_that_holds():
    total = plan(POCKET)["total_bytes"]
    assert run("run", "-m", POCKET, "--memory", str(total), "-n", "1", "hi")[0] == 0
    refused = run("run", "-m", POCKET, "--memory", str(total - 1), "hi")
    refuses(4, "run", "-m", POCKET, "--memory", str(total - 1), "hi", says=["--memory", "needs", "weights", "; fits with -c ", "--kv q8_0"])
    context = re.search(r"fits with -c (\d+)", refused[2]).group(1)
    assert run("run", "-m", POCKET, "--memory", str(total - 1), "-c", context, "-n", "1", "hi")[0] == 0
    assert run("run", "-m", POCKET, "--memory", str(total - 1), "--kv", "q8_0", "-n", "1", "hi")[0] == 0
    refuses(4, "run", "-m", POCKET, "--memory", "1M", "hi", says="only smaller weights would fit")


@check
def a_plan_is_what_serve_holds_against_memory_to_the_byte():
    for args in (["--parallel", "8", "--prefix-cache", "0"],
                 ["--parallel", "3", "-c", "1000", "--chunk", "10", "--prefix-cache", "20M"],
                 ["--parallel", "20", "--total-context", "5000", "--prefix-cache", "32M", "--kv", "q8_0"],
                 ["--parallel", "2", "--total-context", "1", "--prefix-cache", "0", "-t", "1"]):
        total = plan(POCKET, *args)["total_bytes"]
        with serving("-m", POCKET, *args, "--memory", str(total)):
            pass
        refuses(4, "serve", "-m", POCKET, "--port", "0", *args, "--memory", str(total - 1), says=["--memory", "needs", "weights"])


@check
def a_total_context_of_auto_is_as_much_as_memory_allows():
    args = ["--parallel", "16", "--prefix-cache", "16M"]
    least, most = (plan(POCKET, *args, "--total-context", n)["total_bytes"] for n in ("1", "auto"))
    assert most == plan(POCKET, *args)["total_bytes"] > 1.2 * least, (least, most)
    memory = ["--memory", str((least + most) // 2)]
    fitting = plan(POCKET, *args, "--total-context", "auto", *memory)
    total = fitting["total_context"]
    assert fitting["fits"] and 4096 < total < 16 * 4096, fitting
    for n in ("auto", str(total)):
        with serving("-m", POCKET, *args, "--total-context", n, *memory):
            pass
    refuses(4, "serve", "-m", POCKET, "--port", "0", *args, "--total-context", str(total + 64), *memory, says="--memory")
    assert not plan(POCKET, *args, "--total-context", "auto", "--memory", str(least - 1))["fits"]
    refuses(4, "serve", "-m", POCKET, "--port", "0", *args, "--total-context", "auto", "--memory", str(least - 1), says="--memory")
    for command in (["plan", POCKET], ["serve", "-m", POCKET]):
        for wrong in ("0", "-1", "1.5", "1K", "", "many", "99999999999999999999"):
            refuses(2, *command, f"--total-context={wrong}", says="--total-context")
        for wrong in ("-1", "x", "1e3", ""):
            refuses(2, *command, f"--prefix-cache={wrong}", says="--prefix-cache")
        refuses(2, *command, "--prefix-cache", "1K", says="too few for one state")


@check
def a_plan_of_serve_is_what_it_uses_with_contexts_and_prefix_cache_full():
    model = model_of_zeros()
    args = ["-c", "2048", "--parallel", "2", "--prefix-cache", "32M"]
    report = plan(model, *args)
    cached = sum(c["bytes"] for c in report["components"] if c["component"] == "prefix_cache")
    assert cached > 0.1 * report["total_bytes"], "the case says little about the prefix cache"
    with serving("-m", model, *args) as served:
        prompts = [[(salt + 31 * i) % 2000 for i in range(2000)] for salt in range(6)]
        for prompt in prompts[:4]:
            served.read(prompt, 1)
        both = [threading.Thread(target=served.read, args=(prompt, 40)) for prompt in prompts[4:]]
        for t in both:
            t.start()
        for t in both:
            t.join()
        close(report["total_bytes"], served.peak())


@check
def every_command_that_loads_a_model_knows_memory():
    ids, text = os.path.join(SCRATCH, "ids.txt"), os.path.join(SCRATCH, "some.txt")
    for path, content in ((ids, "1 2 3\n".replace(" ", "\n")), (text, "What is 3 + 4?")):
        with open(path, "w") as f:
            f.write(content)
    out = os.path.join(SCRATCH, "out.safetensors")
    commands = (["run", "hi"], ["eval", "pocket", "--limit", "1"], ["bench", "-p", "8", "-n", "2", "-r", "1"],
                ["logits", "--ids", ids, "--out", out], ["compare", "--text", text],
                ["imatrix", "--text", text, "-o", out])
    for command in commands:
        refuses(4, *command, "--memory", "2M", says=["--memory", "needs", "weights"])
        assert run(*command, "--memory", "1G")[0] == 0, command
        for wrong in ("0", "0K", "-1G", "12X", "G", "3..5G", "", "1e3", "9999999999999T", "nan"):
            refuses(2, *command, f"--memory={wrong}", says="--memory")
    sparse = os.path.join(SCRATCH, "a-large-text.txt")  # counted before it is read
    with open(sparse, "wb") as f:
        f.truncate(1 << 30)
    for command in (["compare"], ["imatrix", "-o", out]):
        assert "fits with -c " in run(*command, "--text", text, "-c", "1048576", "--memory", "200M")[2], command
        refuses(4, *command, "--text", sparse, "--memory", "1G", says="what the command keeps 4.00 GiB")
    assert "--parallel" in run("eval", "pocket", "--parallel", "500", "--memory", "100M")[2]
    refuses(4, "bench", "--synthetic", "phi4-mini-flash", "--memory", "3G", says=["--memory", "needs 4."])
    huge = ["--synthetic", "phi4-mini-flash", "--type", "q4_0", "-d", "65536", "--batch", "1024"]  # without a limit: no machine has that
    refuses(4, "bench", *huge, says=["this machine has no more to give", "needs", "--batch"])
