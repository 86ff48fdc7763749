"""Checks of `sambay bench`, its limits and its pictures, and of the script that measures peers; run_test.py runs them."""
import csv, io, itertools, json, os, signal, subprocess, sys, time
import xml.etree.ElementTree as xml

from harness import PROGRAM, ROOT, SCRATCH, check, pocket_gguf, refuses, run

FIELDS = ["model", "type", "kv", "threads", "isa", "test", "prompt", "depth", "batch", "tokens_per_s", "ttft_ms", "peak_bytes",
          "bandwidth_share", "arithmetic_share"]
SMALL = ["--synthetic", "small", "--type", "q4_0", "-r", "1"]


def bench(*args):
    """The results of a run as JSON objects."""
    status, out, err = run("bench", *args, "--json")
    assert status == 0 and err == "", (args, err)
    return [json.loads(line) for line in out.splitlines()]


def bench_csv(*args):
    status, out, err = run("bench", *args, "--csv")
    assert status == 0 and err == "", (args, err)
    return list(csv.DictReader(io.StringIO(out))), out


@check
def bench_reports_the_documented_fields():
    results = bench("-p", "32", "-n", "4", "-r", "3")
    assert [r["test"] for r in results] == ["prefill", "decode"]
    for r in results:
        assert list(r) == FIELDS, list(r)
        rate = r["tokens_per_s"]
        assert list(rate) == ["median", "min", "max"] and 0 < rate["min"] <= rate["median"] <= rate["max"], rate
        assert r["model"] == "embedded" and r["type"] == "q8_0" and r["kv"] == "f16" and r["batch"] == 1
        assert r["peak_bytes"] > 4 << 20 and r["bandwidth_share"] > 0 and r["arithmetic_share"] > 0
    prefill, decode = results
    assert prefill["prompt"] == 32 and decode["ttft_ms"] is None
    assert abs(prefill["ttft_ms"] * prefill["tokens_per_s"]["median"] / 1000 - 32) < 1, prefill
    files = bench("-m", pocket_gguf("f32"), "-p", "0", "-n", "2", "-r", "1")
    assert files[0]["type"] == "f32" and files[0]["model"] == pocket_gguf("f32")


@check
def bench_runs_every_combination_in_a_stable_order():
    results = bench(*SMALL, "-p", "0,4,8", "-n", "2", "-d", "0,70", "--batch", "1,3", "-t", "1,2", "--kv", "f16,q8_0")
    expected = []
    for threads, kv in itertools.product((1, 2), ("f16", "q8_0")):
        expected += [(threads, kv, "prefill", p, d, 1) for d in (0, 70) for p in (4, 8)]
        expected += [(threads, kv, "decode", 0, d, b) for d in (0, 70) for b in (1, 3)]
    found = [(r["threads"], r["kv"], r["test"], r["prompt"], r["depth"], r["batch"]) for r in results]
    assert found == expected, found


@check
def bench_makes_weights_of_every_type():
    types = ["f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q4_k_m", "q4_k_s", "q4_1", "q4_0", "iq4_nl",
             "q3_k_m", "q2_k"]
    sizes = {}
    for type_ in types:
        results = bench("--synthetic", "small", "--type", type_, "-p", "2", "-n", "0", "-r", "1")
        assert results[0]["type"] == type_, results
        sizes[type_] = results[0]["peak_bytes"]
    assert sizes["f32"] > sizes["bf16"] > sizes["q8_0"] > sizes["q6_k"] > sizes["q4_0"] > sizes["q2_k"], sizes
    for command in (["plan", "--synthetic", "small"], ["compare", "--text", os.path.join(ROOT, "README.md"), "--limit", "40"]):
        option = "--type" if command[0] == "plan" else "--type-b"
        status, out, err = run(*command, option, "q4_k_m", "--json")
        assert status == 0, err
        assert command[0] == "plan" or json.loads(out)["b"]["type"] == "q4_k_m", out
        refuses(2, *command, option, "q4_x", says=option)


@check
def bench_refuses_what_cannot_be_measured():
    for args, says in ((["-p", "x"], "-p x"), (["-p", "1,,2"], "-p 1,,2"), (["--n-prompt="], "-p"), (["-n", "1,-3"], "-n 1,-3"), (["-d", "1.5"], "-d 1.5"),
                       (["-t", "0"], "-t 0"), (["-t", "1,5000"], "5000"), (["-t", "two"], "-t two"), (["--batch", "0"], "--batch 0"),
                       (["--kv", "f16,q9"], "'q9'"), (["-r", "0"], "-r 0"), (["--chunk", "0"], "--chunk 0"), (["-p", "0", "-n", "0"], "nothing to measure"),
                       (["-p", ",".join(["1"] * 65)], "65 entries"), (["-d", "4096"], ["-p 512 at -d 4096", "4096"]),
                       (["-p", "0", "-n", "100", "-d", "4000"], "-n 100 at -d 4000"), (["--synthetic", "small", "-d", "262144"], "262144"),
                       (["--long", "12"], "--long 12"), (["--long", "0:5"], "--long 0:5"), (["--long", "100:300000"], "context is 4096"),
                       (["--long", "8:8", "-p", "4"], "--long"), (["--concurrency", "4"], "--long"), (["--json", "--csv"], "--"),
                       (["--type", "q4_0"], "--synthetic"), (["--synthetic", "small", "--type", "q9"], "--type"), (["--isa", "mmx"], "mmx")):
        try:
            refuses(2, "bench", *args, says=says)
        except AssertionError as e:
            raise AssertionError(f"{args}: {e}") from None
    refuses(3, "bench", "/no/such/model", says="/no/such/model")
    for command in (["run", "-m", "", "hello"], ["eval", "pocket", "-m", ""], ["bench", "serve", "-m", ""]):
        refuses(2, *command, says=["--model", "empty"])  # a script's variable that was not set
    for name, models in (("A", ["", ""]), ("A", [""]), ("B", ["pocket", ""])):
        refuses(2, "compare", *models, "--text", "README.md", says=[f"{name}: ", "empty"])
    for command in ("imatrix", "compare"):
        refuses(2, command, "--text", "README.md", "--limit", "99999999999999999999", says="--limit")


@check
def bench_obeys_memory_before_anything_is_made():
    flash = ["bench", "--synthetic", "phi4-mini-flash", "--type", "q4_0", "--memory"]
    started = time.monotonic()
    refuses(4, *flash, "2G", says=["--memory", "needs 2."])
    refuses(4, *flash, "6G", "-p", "0", "--batch", "1,64", "-d", "8192", says=["fits with", "--batch "])
    refuses(4, *flash, "8G", "--long", "2048:32768", "--concurrency", "64", says=["fits with", "--concurrency "])
    assert time.monotonic() - started < 5, "gigabytes of weights were made for nothing"
    assert run("bench", *SMALL, "-p", "4", "-n", "2", "--memory", "400M")[0] == 0


@check
def decoding_at_depth_keeps_to_the_plan_of_its_memory():
    rows, _ = bench_csv(*SMALL, "-p", "0", "-n", "1", "--batch", "4", "-d", "4000", "--kv", "f32")
    planned, peak = int(rows[0]["planned_bytes"]), int(rows[0]["peak_bytes"])
    assert abs(planned - peak) <= 0.03 * peak, (planned, peak)  # caches filled, and not with pages that are one


@check
def a_long_run_is_sampled_and_says_so():
    results = bench(*SMALL, "--long", "64:2000", "--concurrency", "3")
    assert [r["test"] for r in results] == ["prefill"] + ["decode"] * 5 + ["long-sampled"]
    samples, whole = results[1:-1], results[-1]
    assert samples[0]["depth"] == 64 and 64 + 1990 < samples[-1]["depth"] < 64 + 2000
    assert all(r["batch"] == 3 and r["prompt"] == 64 for r in samples)
    assert whole["depth"] == 2064 and whole["batch"] == 3 and list(whole) == FIELDS
    rates = [r["tokens_per_s"]["median"] for r in samples]
    assert 0.3 * min(rates) < whole["tokens_per_s"]["median"] < max(rates), (rates, whole)
    assert abs(whole["ttft_ms"] - 3 * results[0]["ttft_ms"]) < 0.01 * whole["ttft_ms"]
    status, out, _ = run("bench", *SMALL, "--long", "8:4")
    assert status == 0 and "long-sampled: not run in full" in out, out


@check
def the_table_is_for_people_and_the_csv_for_pictures():
    status, out, _ = run("bench", *SMALL, "-p", "8", "-n", "2")
    assert status == 0 and "tokens/s" in out and "memory read" in out and "q4_0" in out, out
    rows, _ = bench_csv(*SMALL, "-p", "8", "-n", "2,3")
    assert [(r["test"], r["tokens"]) for r in rows] == [("prefill", "8"), ("decode", "2"), ("decode", "3")]
    assert all(float(r["read_bytes_per_s"]) > 1e8 and float(r["bytes_per_token"]) > 1e4 for r in rows)


@check
def plots_are_pictures_with_titles_axes_and_legends():
    _, depths = bench_csv(*SMALL, "-p", "8", "-n", "1", "-d", "0,500,1000", "--kv", "f16,q8_0")
    _, long_run = bench_csv(*SMALL, "--long", "32:500", "--concurrency", "2")
    source = os.path.join(SCRATCH, "bench.csv")
    with open(source, "w") as f:
        f.write(depths + long_run)  # two runs in one file
    for kind, words in (("depth", ["tokens/s", "tokens of context before", "q8_0 KV"]), ("latency", ["seconds since the prompt", "batch 2"]),
                        ("roofline", ["G multiply-adds/s", "ceiling of", "prefill"])):
        picture = os.path.join(SCRATCH, kind + ".svg")
        status, out, err = run("bench", "plot", source, "-o", picture, "--kind", kind)
        assert (status, out, err) == (0, "", ""), err
        root = xml.parse(picture).getroot()
        assert root.tag.endswith("svg") and root.find("{*}title").text
        text = " ".join("".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text"))
        for word in words:
            assert word in text, (kind, word, text)
        assert root.findall(".//{*}circle"), kind
        with open(picture) as f:
            assert "prefers-color-scheme:dark" in f.read()
    out = os.path.join(SCRATCH, "never.svg")
    broken = os.path.join(SCRATCH, "broken.csv")
    with open(broken, "w") as f:
        f.write(depths.replace("decode,0,500,1,1,", "decode,0,-500,1,1,"))
    only_one = os.path.join(SCRATCH, "one.csv")
    with open(only_one, "w") as f:
        f.write("\n".join(depths.splitlines()[:2]) + "\n")
    refuses(3, "bench", "plot", broken, "-o", out, says=["broken.csv", "line", "column depth"])
    refuses(3, "bench", "plot", os.path.join(SCRATCH, "nothing.csv"), "-o", out, says="nothing.csv")
    refuses(3, "bench", "plot", os.path.join(ROOT, "README.md"), "-o", out, says="no column")
    refuses(2, "bench", "plot", only_one, "-o", out, "--kind", "latency", says="two depths")
    before = open(only_one, "rb").read()
    refuses(2, "bench", "plot", only_one, "-o", only_one, says="another name")
    assert open(only_one, "rb").read() == before
    refuses(2, "bench", "plot", source, "-o", out, "--kind", "pie", says="--kind")
    refuses(2, "bench", "plot", source, says="-o")
    assert not os.path.exists(out)


@check
def limits_are_of_this_machine():
    status, out, err = run("bench", "limits", "-r", "1", "-t", "2", "--json")
    assert status == 0 and err == "", err
    report = json.loads(out)
    assert report["cores"] >= 1 and {l["threads"] for l in report["limits"]} == {1, 2}
    for limit in report["limits"]:
        assert 0 < limit["min"] <= limit["median"] <= limit["max"] and limit["unit"] in ("bytes/s", "multiply-adds/s"), limit
    what = {(l["what"], l["detail"]) for l in report["limits"]}
    assert {("memory_read", "4 KiB pages"), ("memory_read", "2 MiB pages")} <= what, what
    assert {l["isa"] for l in report["limits"] if l["what"] == "int8"} == {l["isa"] for l in report["limits"] if l["what"] == "f32"}
    status, out, _ = run("bench", "limits", "-r", "1", "-t", "1")
    assert status == 0 and "memory read, 2 MiB pages" in out and "2 threads" not in out, out
    for args in (["-t", "0"], ["-t", "9999"], ["-r", "0"], ["extra"]):
        refuses(2, "bench", "limits", *args)


@check
def ctrl_c_and_a_full_disk_end_a_benchmark_clearly():
    child = subprocess.Popen([PROGRAM, "bench", *SMALL, "-p", "0", "-n", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130 and err.count(b"\n") == 1, (child.returncode, err)
    with open("/dev/full", "wb") as full:
        for args in (["bench", "-p", "2", "-n", "0", "-r", "1", "--csv"], ["bench", "limits", "-r", "1", "-t", "1"]):
            got, _, err = run(*args, stdout=full)
            assert got == 5 and err.count("\n") == 1, (args, got, err)


# ---- peers ---------------------------------------------------------------------------------------------------------

PEERS = os.path.join(ROOT, "bench", "peers", "peers.py")
# What the programs of llama.cpp print; the speeds are made up from their arguments, so that ratios are known.
FAKE_LLAMA_BENCH = """#!{python}
import json, sys
a = sys.argv[1:]
if "--help" in a:
    print("usage: llama-bench [options]\\n  -p, --n-prompt <n>\\n  -n, --n-gen <n>\\n  {depth_help}\\n  -o, --output <csv|json|jsonl|md|sql>")
    sys.exit(0)
value = lambda flag, default: a[a.index(flag) + 1] if flag in a else default
prompt, gen, depth = int(value("-p", "512")), int(value("-n", "128")), int(value("-d", "0"))
if "-gp" in a:
    prompt, gen = map(int, a[a.index("-gp") + 1].split(","))
print("warning: asserts enabled, performance may be affected", file=sys.stderr)
assert value("-o", "") == "json" and value("-r", "") == "1" and "{wants}" in " ".join(a), a
speed = 1000.0 if gen == 0 else 100.0 / (1 + depth / 100)
print(json.dumps([{{"build_commit": "abc", "model_filename": value("-m", ""), "n_threads": int(value("-t", "1")), "type_k": "f16", "type_v": "f16",
    "n_prompt": prompt, "n_gen": gen, "n_depth": depth, "avg_ns": 1, "stddev_ns": 0, "avg_ts": speed, "stddev_ts": 0.0,
    "samples_ns": [1], "samples_ts": [speed]}}], indent=2))
"""
FAKE_BATCHED_BENCH = """#!{python}
import sys
a = sys.argv[1:]
if "--help" in a:
    print("usage: llama-batched-bench [options]\\n  --output-format {{md,jsonl}}")
    sys.exit(0)
value = lambda flag: int(a[a.index(flag) + 1])
assert "jsonl" in a
pp, tg, pl = value("-npp"), value("-ntg"), value("-npl")
assert value("-c") >= pl * (pp + tg)
print("\\nmain: n_kv_max = 1\\n")
print('{{"n_kv_max": 1, "n_batch": 2048, "pp": %d, "tg": %d, "pl": %d, "n_kv": 1, "t_pp": 1.0, "speed_pp": 9.0, "t_tg": 1.0, "speed_tg": %f}}' % (pp, tg, pl, 50.0 * pl))
"""
FAKE_BATCHED_BENCH_OF_IK = """#!{python}
import os, sys
a = sys.argv[1:]
if "--help" in a:
    sys.exit(1)
open("llama.0.log", "w").close()
value = lambda flag: int(a[a.index(flag) + 1])
pp, tg, pl = value("-npp"), value("-ntg"), value("-npl")
assert "jsonl" not in a and "-rtr" in a and os.environ["FILL"] == "yes=1"
row = "|%6d | %6d | %4d | %6d | %8.3f | %8.2f | %8.3f | %8.2f | %8.3f | %8.2f |\\n"
sys.stderr.write("\\n|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |\\n")
sys.stderr.write(row % (pp, tg, pl, pl * (pp + tg), 1.0, 9.0, 1.0, 25.0 * pl, 2.0, 30.0))
"""


def fake(name, text, **values):
    path = os.path.join(SCRATCH, name)
    with open(path, "w") as f:
        f.write(text.format(python=sys.executable, **values))
    os.chmod(path, 0o755)
    return path


def peers(*args):
    done = subprocess.run([sys.executable, "-B", PEERS, "--sambay", PROGRAM, *args], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@check
def peers_are_measured_in_turn_and_compared():
    new = fake("llama bench", FAKE_LLAMA_BENCH, depth_help="-d, --n-depth <n>", wants="")  # a path with a space
    old = fake("ik-bench", FAKE_LLAMA_BENCH, depth_help="-gp <pp,tg>", wants="-rtr 1") + " -rtr 1"
    batched, old_batched = fake("batched-bench", FAKE_BATCHED_BENCH), fake("ik-batched-bench", FAKE_BATCHED_BENCH_OF_IK) + " -rtr"
    report = os.path.join(SCRATCH, "peers.json")
    status, out, err = peers("--synthetic", "small", "--peer", "llama.cpp", new, "mini.gguf", "--peer", "ik", old, "mini.gguf", "--peer-batched", "ik",
                             old_batched, "mini.gguf", "--peer-batched", "batched", batched, "mini.gguf", "--peer-env", "FILL=yes=1", "--tests",
                             "p8,p8@50,n3,n3@50x2,n3@50:q8_0", "-t", "1", "--rounds", "2", "--json", report)
    assert status == 0, err
    order = [line.rsplit(": ", 1)[1] for line in err.splitlines() if line.startswith("prefill 8, ")]
    assert order == ["sambay", "llama.cpp", "ik"] * 2, order  # A B C A B C
    with open(report) as f:
        results = json.load(f)["results"]
    assert [(r["test"], r["depth"], r["batch"], r["kv"]) for r in results] == [("prefill", 0, 1, "f16"), ("prefill", 50, 1, "f16"), ("decode", 0, 1, "f16"),
                                                                               ("decode", 50, 2, "f16"), ("decode", 50, 1, "q8_0")]
    assert [sorted(r["ratios"]) for r in results] == [["ik", "llama.cpp"], ["llama.cpp"], ["batched", "ik", "llama.cpp"], ["batched", "ik"],
                                                      ["batched", "ik", "llama.cpp"]]
    assert results[4]["tokens_per_s"]["llama.cpp"]["median"] == 100.0 / 1.5  # by llama-bench
    assert {name: results[3]["tokens_per_s"][name]["median"] for name in ("batched", "ik")} == {"batched": 100.0, "ik": 50.0}
    for r in results:
        own = r["tokens_per_s"]["sambay"]["samples"]
        assert r["failed"] == {} and all(peak > 1 << 20 for peak in r["peak_bytes"].values()), r
        for name, ratio in r["ratios"].items():
            assert ratio["samples"] == [a / b for a, b in zip(own, r["tokens_per_s"][name]["samples"])]
            assert len(own) == 2 and ratio["min"] <= ratio["median"] <= ratio["max"]
    assert "decode 3 at 50 x 2" in out and "decode 3 at 50 q8_0" in out and "llama.cpp tokens/s" in out, out

    picture = os.path.join(SCRATCH, "peers.svg")
    draw = lambda *args: subprocess.run([sys.executable, "-B", os.path.join(os.path.dirname(PEERS), "picture.py"), *args], capture_output=True, text=True)
    assert draw(report, picture).returncode == 0
    drawn = xml.parse(picture).getroot()
    texts = ["".join(node.itertext()) for node in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "decode, 2 sequences at 50" in texts and "decode at 50, q8_0 cache" in texts and "prefill of 8" in texts, texts
    dots = sum(1 for _ in drawn.iter("{http://www.w3.org/2000/svg}circle"))
    assert dots == 3 + sum(len(r["ratios"]) for r in results), dots  # the legend's, and one for each ratio
    refused = draw(PROGRAM + ".none", picture)
    assert refused.returncode == 1 and "No such file" in refused.stderr, refused.stderr


@check
def peers_that_cannot_run_are_named():
    bench_, model = fake("llama-bench-2", FAKE_LLAMA_BENCH, depth_help="--n-depth", wants="--never"), "mini.gguf"
    small = ["--synthetic", "small", "--tests", "p4", "--rounds", "1"]
    for args, status, says in ((["--peer", "x", "/no/such/llama-bench", model], 1, "/no/such/llama-bench"), (["--peer", "x", bench_, model], 1, "AssertionError"),
                               (["--peer", "x", "/bin/echo", model], 1, "no JSON"), ([], 2, "at least one"), (["--peer", "sambay", bench_, model], 2, "name"),
                               (["--peer", "x", bench_, model, "-t", "5000"], 2, "-t 5000"), (["--peer", "x", bench_, model, "--tests", "p4x2"], 2, "'p4x2'"),
                               (["--peer", "x", bench_, model, "--tests", "n4@a"], 2, "'n4@a'"), (["--peer", "x", bench_, model, "--peer-env", "A"], 2, "'A'"),
                               (["--peer", "x", bench_, model, "--peer", "x", bench_, model], 2, "name")):
        got, _, err = peers(*small, *args)
        assert got == status and says in err and "Traceback (most" not in err, (args, got, err)
    assert peers("--model", "/no/such/model", "--peer", "x", bench_, model, "--tests", "p4")[0] == 1


@check
def a_peer_that_fails_does_not_cost_the_others_their_results():
    good, bad = (fake(name, FAKE_LLAMA_BENCH, depth_help="--n-depth", wants=wants) for name, wants in (("good", ""), ("bad", "-n 0")))
    report = os.path.join(SCRATCH, "partial.json")
    status, out, err = peers("--synthetic", "small", "--peer", "good", good, "a.gguf", "--peer", "bad", bad, "a.gguf", "--tests", "p4,n2", "--rounds", "2",
                             "--json", report)
    assert status == 1 and err.count("error: bad: ") == 1, err  # tried once, not in the second round
    with open(report) as f:
        prefill, decode = json.load(f)["results"]
    assert sorted(prefill["ratios"]) == ["bad", "good"] and sorted(decode["ratios"]) == ["good"] and list(decode["failed"]) == ["bad"]
    assert len(decode["ratios"]["good"]["samples"]) == 2 and "failed" in out, out
