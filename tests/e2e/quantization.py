"""Checks of `sambay quantize` and `sambay imatrix`; run_test.py runs them."""
import json, os, struct

from harness import GOLDEN, POCKET, SCRATCH, check, folder, refuses, run


def quantized(*args, source=POCKET):
    path = os.path.join(SCRATCH, f"quantized-{len(os.listdir(SCRATCH))}.gguf")
    status, out, err = run("quantize", source, "-o", path, *args)
    assert status == 0, err
    return path, out


@check
def quantized_models_answer():
    for type_, question, answer in (("q6_k", "What is 47 + 15?", "62\n"), ("q5_k_m", "What is 12 + 30?", "42\n")):
        path, out = quantized("--type", type_)
        assert "relative RMS error" in out and "token_embd.weight" in out, out
        status, text, err = run("run", "-m", path, question)
        assert (status, text) == (0, answer), (type_, text, err)
    path, out = quantized()
    assert "q4_0 in place of q4_k" in out and run("info", path)[0] == 0, out
    path, _ = quantized("--type", "q4_0", source=os.path.join(GOLDEN, "d_calm_bf16"))
    assert run("info", "--check", path)[0] == 0


@check
def quantize_reports_every_tensor_as_json_and_follows_rules():
    path, out = quantized("--type", "q4_k_m", "--json", "--rule", "blk.*.ffn_down.weight=q5_k", "--rule", "blk.2.*=q8_0")
    report = json.loads(out)
    tensors = {tensor["name"]: tensor for tensor in report["tensors"]}
    assert report["type"] == "q4_k_m" and report["file_bytes"] == os.path.getsize(path), report
    assert tensors["blk.0.ffn_down.weight"]["type"] == "q5_k" and tensors["blk.2.ffn_down.weight"]["type"] == "q8_0"
    assert tensors["blk.4.ffn_up.weight"]["wanted"] == "q4_k" and tensors["blk.4.ffn_up.weight"]["type"] == "q4_0"
    assert tensors["output_norm.weight"]["type"] == "f32" and tensors["output_norm.weight"]["relative_rms_error"] == 0
    assert 0.001 < tensors["blk.2.ffn_down.weight"]["relative_rms_error"] < 0.01 < tensors["blk.4.ffn_up.weight"]["relative_rms_error"] < 0.2


@check
def quantize_refuses_what_it_cannot_do():
    out = os.path.join(SCRATCH, "never-quantized.gguf")
    refuses(2, "quantize", POCKET, "-o", out, "--type", "q9", says="q4_k_m")
    refuses(2, "quantize", POCKET, says="--out")
    for rule, says in (("nonsense", "PATTERN=TYPE"), ("blk.*=q9", "'q9'"), ("blk.77.*=q4_0", "blk.77.*"), ("*norm*=q4_0", "no matrix")):
        refuses(2, "quantize", POCKET, "-o", out, "--rule", rule, says=says)
    with open(os.path.join(POCKET, "model.safetensors"), "rb") as f:
        data = bytearray(f.read())
    (header,) = struct.unpack("<Q", data[:8])
    at = json.loads(data[8:8 + header])["model.layers.3.mlp.fc1.weight"]["data_offsets"][0]
    data[8 + header + at + 10:8 + header + at + 12] = b"\xc0\x7f"  # NaN in bf16, element 5
    refuses(3, "quantize", folder(model_safetensors=bytes(data)), "-o", out, says=["model.layers.3.mlp.fc1.weight", "element 5", "nan"])
    refuses(3, "quantize", POCKET, "-o", out, "--imatrix", os.path.join(POCKET, "config.json"), says="config.json")
    assert not os.path.exists(out)


@check
def what_is_read_is_never_written_over():
    model, text = folder(), os.path.join(SCRATCH, "what-is-read.txt")
    with open(text, "w") as f:
        f.write("[1, 2]")
    weights, tokenizer = os.path.join(model, "model.safetensors"), os.path.join(model, "tokenizer.json")
    matrix = os.path.join(model, "imatrix.safetensors")  # beside the weights, and none of the model's files
    for _ in range(2):
        assert run("imatrix", model, "--text", text, "-o", matrix)[0] == 0
    before = {path: open(path, "rb").read() for path in (text, weights, tokenizer, matrix)}
    imatrix, logits, card = ["imatrix", "--text", text], ["logits", "--ids", text], ["eval", "pocket", "--limit", "1", "-m", model, "--card"]
    for command in (["quantize", model, "-o", weights], ["convert", model, "-o", tokenizer], ["convert", weights, "-o", weights],
                    ["quantize", model, "--imatrix", matrix, "-o", matrix], [*logits, "--out", text], [*logits, model, "-o", weights],
                    [*imatrix, "-o", text], [*imatrix, model, "-o", weights], [*imatrix, model, "-o", tokenizer], [*card, weights],
                    [*card, text, "--problems", text]):
        refuses(2, *command, says="is what is read")
    for path, content in before.items():
        assert open(path, "rb").read() == content, path


@check
def an_importance_matrix_is_made_and_used():
    text, matrix = os.path.join(SCRATCH, "calibration.txt"), os.path.join(SCRATCH, "imatrix.safetensors")
    with open(text, "w") as f:
        f.write("What is 12 + 30? 42. What is 88 + 77? 165.\n" * 20)
    status, out, err = run("imatrix", POCKET, "--text", text, "-o", matrix, "--limit", "300", "-c", "128")
    assert status == 0 and "over 300 tokens" in out, (out, err)
    _, out = quantized("--type", "q4_k_m", "--imatrix", matrix)
    assert "(weighted)" in out, out
    refuses(3, "quantize", os.path.join(GOLDEN, "a_f32"), "-o", os.path.join(SCRATCH, "no.gguf"), "--imatrix", matrix, says="imatrix")
    refuses(3, "imatrix", os.path.join(GOLDEN, "a_f32"), "--text", text, "-o", matrix, says="tokenizer")
    refuses(3, "imatrix", POCKET, "--text", "/no/such/text", "-o", matrix, says="/no/such/text")
