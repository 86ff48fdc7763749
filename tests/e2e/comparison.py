"""Checks of `sambay compare`; run_test.py runs them."""
import json, os

from harness import GOLDEN, POCKET, SCRATCH, check, folder, pocket_gguf, refuses, run


def text_file(text="What is 347 + 589? 347 + 589 = 936, so 936 - 589 = 347.\n" * 20):
    path = os.path.join(SCRATCH, "compared.txt")
    with open(path, "w") as f:
        f.write(text)
    return path


def compared(*args):
    status, out, err = run("compare", *args, "--json")
    assert status == 0 and err == "" and out.count("\n") == 1, (status, err)
    return json.loads(out)


@check
def compare_of_a_model_with_itself_is_exactly_nothing():
    text = text_file()
    for models in ([POCKET], [POCKET, POCKET], [POCKET, pocket_gguf()], []):  # of another file: the same weights
        report = compared(*models, "--text", text)
        assert set(report["kl"].values()) == {0}, report
        assert report["top1_agreement"] == report["top5_agreement"] == 1 and report["a"]["perplexity"] == report["b"]["perplexity"]


@check
def compare_sees_quantization_and_kv_types():
    text = text_file()
    report = compared(POCKET, pocket_gguf("q8_0"), "--text", text)
    kl = report["kl"]
    # Eight bits change little: another model would be nats away.
    assert 0 < kl["median"] <= kl["p99"] <= kl["max"] and 0 < kl["mean"] < 0.05, kl
    assert 0.9 < report["top1_agreement"] <= 1 and 0.9 < report["top5_agreement"] < 1, report
    assert (report["a"]["type"], report["b"]["type"]) == ("bf16", "q8_0")
    converted = compared(POCKET, "--text", text, "--type-b", "q8_0")
    assert converted["kl"] == kl, "converted on the way or before, it is the same model"
    pieces = compared(POCKET, "--text", text, "--kv-b", "q8_0", "-c", "64", "--limit", "640")
    assert pieces["tokens"] == 640 and pieces["predicted"] == 630 and pieces["kl"]["mean"] > 0, pieces
    status, out, err = run("compare", POCKET, "--text", text, "--isa-b", "scalar")
    assert status == 0 and "scalar" in out and "same likeliest token" in out, (out, err)


@check
def compare_refuses_what_cannot_be_compared():
    text = text_file()
    with open(os.path.join(POCKET, "tokenizer.json"), encoding="utf-8") as f:
        other = folder(tokenizer_json=f.read().replace("<|user|>", "<|User|>").encode())
    refuses(3, "compare", POCKET, other, "--text", text, says=["same tokenizer", '"<|user|>"', '"<|User|>"'])
    refuses(3, "compare", POCKET, os.path.join(GOLDEN, "a_f32"), "--text", text, says="no tokenizer")
    refuses(3, "compare", POCKET, "--text", os.path.join(SCRATCH, "missing"), says="missing")
    refuses(2, "compare", POCKET, "--text", text_file(""), says="0 tokens")
    text = text_file()
    for args in (["-c", "1"], ["-c", "x"], ["--limit", "-1"], ["--limit", "1"], ["--kv-a", "q3"], ["--isa-b", "mmx"], ["--type-b", "q"]):
        refuses(2, "compare", POCKET, "--text", text, *args, says=args[0] if args[0] != "--isa-b" else "mmx")
    refuses(2, "compare", POCKET, says="--text")
