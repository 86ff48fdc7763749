#!/usr/bin/env python3
"""Writes the seeds of the format fuzzers to tests/fuzz/corpus/: small files, most valid, some wrong in one way each.

Deterministic: running it again changes nothing. Needs nothing but Python. Seeds of other fuzzers lie there as they are.
"""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fuzz" / "corpus"


def write(folder, seeds):
    path = CORPUS / folder
    path.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (path / name).write_bytes(content)
    print(f"{folder}: {len(seeds)} seeds")


# safetensors


def safetensors(header, data=b"", pad=0):
    text = header.encode() if isinstance(header, str) else json.dumps(header, separators=(",", ":")).encode()
    text += b" " * pad
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    model = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, dtype, shape, width in (
        ("model.embed_tokens.weight", "BF16", [4, 2], 2),
        ("model.layers.0.attn.A_log", "F32", [2, 3], 4),
        ("model.layers.0.attn.conv1d.weight", "F16", [2, 1, 4], 2),
        ("ids", "I32", [1], 4),
    ):
        count = 1
        for d in shape:
            count *= d
        model[name] = tensor(dtype, shape, at, at + count * width)
        at += count * width
    good = safetensors(model, bytes(range(at)), pad=3)
    one = lambda *fields: safetensors({"t": tensor(*fields)}, b"01234567")
    pair = lambda a, b: safetensors({"x": tensor("F32", [1], *a), "y": tensor("F32", [1], *b)}, b"01234567")
    broken = '{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]%s}}'
    return {
        "model": good,
        "model_cut": good[:-5],
        "header_cut": good[:60],
        "no_tensors": safetensors({}),
        "empty_tensor": safetensors({"e": tensor("F32", [0, 7], 0, 0), "t": tensor("F16", [], 0, 2)}, b"ab"),
        "too_short": b"\x02\0\0",
        "length_huge": b"\xff" * 8 + b"{}",
        "length_beyond": struct.pack("<Q", 99) + b"{}",
        "no_brace": safetensors("[]"),
        "zero_byte": safetensors("{}\0"),
        "not_json": safetensors("{,}"),
        "type_i64": one("I64", [1], 0, 8),
        "offsets_reversed": one("F32", [2], 8, 0),
        "offsets_beyond": one("F32", [4], 0, 16),
        "offsets_three": safetensors({"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}}, b"01234567"),
        "size_wrong": one("F32", [3], 0, 8),
        "shape_overflow": one("F32", [2**62, 4], 0, 8),
        "shape_overflow_bytes": one("F32", [2**61, 2], 0, 8),
        "shape_huge": one("F32", [2**63], 0, 8),
        "shape_negative": one("F32", [-2], 0, 8),
        "shape_fraction": one("F32", [2.5], 0, 8),
        "shape_nine": one("F32", [1] * 9, 0, 8),
        "overlap": pair((0, 4), (0, 4)),
        "hole": pair((0, 2), (4, 8)),
        "hole_between": safetensors({"x": tensor("F16", [1], 0, 2), "y": tensor("F32", [1], 4, 8)}, b"01234567"),
        "rest": safetensors({"t": tensor("F32", [1], 0, 4)}, b"01234567"),
        "twice": safetensors(
            '{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
            b"01234567",
        ),
        "field_twice": safetensors(broken % ',"dtype":"F32"', b"01234567"),
        "field_unknown": safetensors(broken % ',"other":1', b"01234567"),
        "field_missing": safetensors('{"t":{"dtype":"F32","shape":[2]}}', b"01234567"),
        "field_null": safetensors('{"t":{"dtype":null}}'),
        "field_bool": safetensors('{"t":{"shape":true}}'),
        "field_object": safetensors('{"t":{"shape":{}}}'),
        "field_string": safetensors('{"t":{"shape":"2"}}'),
        "field_number": safetensors('{"t":{"dtype":2}}'),
        "field_list": safetensors('{"t":{"dtype":["F32"]}}'),
        "tensor_number": safetensors('{"t":2}'),
        "metadata_number": safetensors('{"__metadata__":{"a":2}}'),
        "name_long": safetensors({"n" * 1025: tensor("F32", [1], 0, 4)}, b"0123"),
        "name_escapes": safetensors('{"\\u001b[2J":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', b"0"),
    }


def index_seeds():
    shards = {f"model.layers.{i}.mlp.fc1.weight": f"model-0000{i % 2 + 1}-of-00002.safetensors" for i in range(4)}
    text = lambda value: json.dumps(value).encode()
    one = lambda shard: text({"weight_map": {"t": shard}})
    return {
        "index": text({"metadata": {"total_size": 64, "more": [None, True, -1, 0.5, {"weight_map": 1}]}, "weight_map": shards}),
        "cut": text({"weight_map": shards})[:-3],
        "empty": b"",
        "zero_byte": b'{"weight_map":{"a":"b"}}\0',
        "list": b"[]",
        "number": b"1",
        "no_map": b"{}",
        "map_empty": b'{"weight_map":{}}',
        "map_number": b'{"weight_map":-1}',
        "map_list": b'{"weight_map":["a"]}',
        "map_twice": b'{"weight_map":{"a":"b"},"weight_map":{"c":"d"}}',
        "name_twice": b'{"weight_map":{"a":"b","a":"c"}}',
        "name_long": text({"weight_map": {"n" * 1025: "a"}}),
        "shard_number": b'{"weight_map":{"a":1}}',
        "shard_object": b'{"weight_map":{"a":{}}}',
        "shard_up": one("../model.safetensors"),
        "shard_dots": one(".."),
        "shard_empty": one(""),
        "deep": b'{"a":' + b"[" * 70,
    }


# GGUF

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}


def text(value):
    value = value.encode()
    return struct.pack("<Q", len(value)) + value


def scalar(kind, value):
    return text(value) if kind == STRING else struct.pack("<" + SCALARS[kind], value)


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + scalar(kind, value)


def array(name, kind, values):
    return text(name) + struct.pack("<IIQ", ARRAY, kind, len(values)) + b"".join(scalar(kind, v) for v in values)


def line(name, dims, kind, offset):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def gguf(keys=(), lines=(), data=b"", version=3, align=32, counts=None):
    tensor_count, key_count = counts or (len(lines), len(keys))
    out = b"GGUF" + struct.pack("<IQQ", version, tensor_count, key_count) + b"".join(keys) + b"".join(lines)
    return out + b"\0" * (-len(out) % align) + data if lines else out + data


def gguf_seeds():
    every = [key(f"k{kind}", kind, 1) for kind in SCALARS] + [key("text", STRING, "phi4flash")]
    every += [array(f"a{kind}", kind, [1, 0]) for kind in SCALARS] + [array("words", STRING, ["a", "", "b c"])]
    every += [key("big", U64, 2**63), array("bigs", U64, [2**63]), key("odd", BOOL, 2), array("long", U8, range(20))]
    model = gguf(
        [
            key("general.architecture", STRING, "phi4flash"),
            key("phi4flash.layout", STRING, "hf"),
            key("phi4flash.block_count", U32, 2),
            key("phi4flash.attention.layer_norm_epsilon", F32, 1e-5),
            array("tokenizer.ggml.tokens", STRING, ["a", "b", "ab", "<|end|>"]),
            array("tokenizer.ggml.token_type", I32, [1, 1, 1, 3]),
            array("tokenizer.ggml.merges", STRING, ["a b"]),
        ],
        [line("token_embd.weight", [2, 4], 30, 0), line("blk.0.ssm_a", [2, 3], 0, 32), line("q", [32, 1], 8, 64)],
        bytes(16).ljust(32, b"\0") + bytes(24).ljust(32, b"\0") + bytes(34),
    )
    one = lambda *fields, data=16: gguf([], [line("t", *fields)], bytes(data))
    two = lambda a, b, data=68: gguf([], [line("t", [1], 0, a), line("u", [1], 0, b)], bytes(data))
    return {
        "model": model,
        "model_v2": model[:4] + b"\2" + model[5:],
        "model_padded": model + bytes(30),
        "model_cut": model[:-1],
        "values": gguf(every),
        "nothing": gguf(),
        "magic": b"GGML" + model[4:],
        "short": b"GGUF\3\0",
        "version_1": gguf(version=1),
        "big_endian": gguf(version=0x03000000),
        "counts": gguf(counts=(2**40, 2**40)),
        "key_long": gguf(counts=(0, 1)) + struct.pack("<Q", 2**16),
        "key_twice": gguf([key("k", U8, 1)] * 2),
        "type_unknown": gguf([text("k") + struct.pack("<I", 13)]),
        "array_nested": gguf([text("k") + struct.pack("<IIQ", ARRAY, ARRAY, 0)]),
        "array_beyond": gguf([text("k") + struct.pack("<IIQ", ARRAY, U64, 2**61)]),
        "strings_beyond": gguf([text("k") + struct.pack("<IIQ", ARRAY, STRING, 2**61)]),
        "string_beyond": gguf([text("k") + struct.pack("<IQ", STRING, 2**63)]),
        "alignment_8": gguf([key("general.alignment", U32, 8)], [line("t", [1], 0, 0)], bytes(4), align=8),
        "alignment_24": gguf([key("general.alignment", U32, 24)], [line("t", [1], 0, 0)], bytes(4), align=24),
        "alignment_text": gguf([key("general.alignment", STRING, "8")]),
        "no_dims": one([], 0, 0),
        "five_dims": one([1] * 5, 0, 0),
        "zero_dim": one([0], 0, 0),
        "dim_overflow": one([2**62, 4], 0, 0),
        "dim_bytes": one([2**62], 0, 0),
        "dim_huge": one([2**63], 0, 0),
        "type_q4_0": one([32], 2, 0),
        "rows_of_33": one([33], 8, 0),
        "offset_odd": one([1], 0, 4),
        "offset_beyond": one([4], 0, 2**63),
        "data_missing": one([5], 0, 0),
        "overlap": gguf([], [line("t", [9], 0, 0), line("u", [9], 0, 32)], bytes(68)),
        "hole": two(0, 64),
        "rest": two(0, 32),
        "twice": gguf([], [line("t", [1], 0, 0), line("t", [1], 0, 32)], bytes(36)),
        "swapped": two(32, 0, data=36),
    }


def byte_alphabet():
    """GPT-2's 256 characters, by byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) if b in plain else chr(256 + rest.index(b)) for b in range(256)]


def gguf_model_seeds():
    config = [
        key("general.architecture", STRING, "phi4flash"), key("phi4flash.layout", STRING, "hf"),
        *(key("phi4flash." + name, U32, value) for name, value in {
            "vocab_size": 320, "context_length": 128, "embedding_length": 64, "block_count": 8, "feed_forward_length": 128,
            "attention.head_count": 8, "attention.head_count_kv": 4, "attention.sliding_window": 8, "ssm.conv_kernel": 4,
            "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.time_step_rank": 4}.items()),
        key("phi4flash.attention.layer_norm_epsilon", F32, 1e-5),
    ]
    tokens = [*byte_alphabet(), "ab", "abc", "<|end|>", "<think>", "[PAD260]"]
    kinds = [1] * 258 + [3, 4, 5]
    tokenizer = {
        "tokenizer.ggml.model": key("tokenizer.ggml.model", STRING, "gpt2"),
        "tokens": array("tokenizer.ggml.tokens", STRING, tokens),
        "types": array("tokenizer.ggml.token_type", I32, kinds),
        "merges": array("tokenizer.ggml.merges", STRING, ["a b", "ab c"]),
        "merge_ids": array("sambay.tokenizer.merge_ids", I32, [97 - 33, 98 - 33, 256, 256, 99 - 33, 257]),
        "pattern": key("sambay.tokenizer.pattern", STRING, "\\p{L}+|\\p{N}|[^\\s]+|\\s+"),
        "rstrip": array("sambay.tokenizer.rstrip_ids", I32, [258]),
        "lstrip": array("sambay.tokenizer.lstrip_ids", I32, [259]),
        "stop": array("sambay.tokenizer.stop_ids", I32, [258]),
        "eos": key("tokenizer.ggml.eos_token_id", U32, 258),
        "eot": key("tokenizer.ggml.eot_token_id", U32, 258),
        "template": key("tokenizer.chat_template", STRING, "{{ messages }}"),
        "temp": key("general.sampling.temp", F32, 0.6), "top_k": key("general.sampling.top_k", I32, 40),
    }

    def model(without=(), **changed):
        parts = {**tokenizer, **changed}
        return gguf([*config, *(value for name, value in parts.items() if name not in without)])

    return {
        "model": model(),
        "merges_by_text": model(without=["merge_ids"]),
        "pattern_by_name": model(without=["pattern"], pre=key("tokenizer.ggml.pre", STRING, "gpt-4o")),
        "pattern_unknown": model(without=["pattern"], pre=key("tokenizer.ggml.pre", STRING, "other")),
        "pattern_broken": model(pattern=key("sambay.tokenizer.pattern", STRING, "(")),
        "ignore_merges": model(ignore=key("sambay.tokenizer.ignore_merges", BOOL, 1)),
        "add_bos": model(bos=key("tokenizer.ggml.add_bos_token", BOOL, 1)),
        "stop_by_eot": model(without=["stop"]),
        "stop_beyond": model(stop=array("sambay.tokenizer.stop_ids", I32, [999])),
        "types_short": model(types=array("tokenizer.ggml.token_type", I32, kinds[:-1])),
        "type_unknown": model(types=array("tokenizer.ggml.token_type", I32, [*kinds[:-1], 9])),
        "merge_nowhere": model(without=["merge_ids"], merges=array("tokenizer.ggml.merges", STRING, ["a z"])),
        "merge_ids_odd": model(merge_ids=array("sambay.tokenizer.merge_ids", I32, [1, 2])),
        "not_bpe": model(**{"tokenizer.ggml.model": key("tokenizer.ggml.model", STRING, "llama")}),
        "config_only": gguf(config),
        "no_layout": gguf([config[0], *config[2:]]),
    }


# the quality card, and files of problems


def card_seeds():
    family = {"problems": 200, "answer": 0.99, "work": 1, "both": 0.985}
    types = {"bf16": {"accuracy": 0.99}, "q8_0": {"accuracy": 0.98, "kl_mean": 2e-5, "top1_agreement": 0.999, "families": {"add": 0.9}}}
    good = {"made_by": "sambay eval pocket", "problems_seed": 7, "families_of": "bf16", "families": {"add": family}, "types": types}
    changed = lambda **members: json.dumps({**good, **members}).encode()
    return {
        "card": json.dumps(good, indent=2).encode(),
        "empty": b"{}",
        "list": b"[]",
        "not_json": b"{",
        "no_types": changed(types={}),
        "seed_negative": changed(problems_seed=-1),
        "share_large": changed(families={"add": {**family, "work": 1.5}}),
        "share_text": changed(families={"add": {**family, "work": "all"}}),
        "count_fraction": changed(families={"add": {**family, "problems": 1.5}}),
        "family_number": changed(families={"add": 1}),
        "family_name": changed(families={"\u001b": family}),
        "type_families": changed(types={"f32": {"accuracy": 1, "families": [1]}}),
        "kl_negative": changed(types={"f32": {"accuracy": 1, "kl_mean": -1}}),
        "made_by_long": changed(made_by="x" * 200),
    }


def problem_seeds():
    columns = "347+589\n7+9=16->6\n4+8+1=13->36\n3+5+1=9->936"
    borrow = "503-78\n3<8,13-8=5->5\n0-1<0,10-1=9,9-7=2->25\n5-1=4,4-0=4->425"
    times = "168*26\n168*6\n8*6=48->8\n6*6+4=40->08\n1*6+4=10->1008\n168*20\n8*2=16->60\n6*2+1=13->360\n1*2+1=3->3360\n1008+3360"
    long = "7654/24\n76:24*3=72,76-72=4->3\n45:24*1=24,45-24=21->31\n214:24*8=192,214-192=22->318\n=318 r 22"
    decimal = " decimal 9/4\n9:4*2=8,9-8=1->2\n10:4*2=8,10-8=2->2.2\n20:4*5=20,20-20=0->2.25\n=2.25"
    turned = "78-503=-(503-78)\n3<8,13-8=5->5\n0-1<0,10-1=9,9-7=2->25\n5-1=4,4-0=4->425\n=-425"

    def problem(thinking="3+4=7", answer="7", messages=({"role": "user", "content": "3+4"},), **members):
        return {"family": "add", "messages": list(messages), "thinking": thinking, "answer": answer, "key": "k", **members}

    lines = lambda *objects: "\n".join(json.dumps(o) for o in objects).encode()
    talk = (
        {"role": "system", "content": "", "tools": '[{"name": "clock"}]'},
        {"role": "user", "content": "Time?"},
        {"role": "assistant", "content": "<|tool_call|>[]<|/tool_call|>", "thinking": " clock"},
        {"role": "tool", "content": "12:00"},
    )
    return {
        "header": lines({"seed": 1, "split": "test", "count": 1}, problem()),
        "header_only": lines({"seed": 1}),
        "header_bad": lines({"seed": "one"}, problem()),
        "talk": lines(problem(messages=talk)),
        "tools_of_user": lines(problem(messages=[{"role": "user", "content": "", "tools": "[{}]"}])),
        "tools_bad": lines(problem(messages=[{"role": "system", "content": "", "tools": "[1]"}, talk[1]])),
        "thinking_of_user": lines(problem(messages=[{"role": "user", "content": "", "thinking": ""}])),
        "role_unknown": lines(problem(messages=[{"role": "wizard", "content": ""}])),
        "last_assistant": lines(problem(messages=talk[:3])),
        "no_messages": lines(problem(messages=[])),
        "message_number": lines(problem(messages=[3])),
        "answer_empty": lines(problem(answer="")),
        "answer_number": lines(problem(answer=7)),
        "family_empty": lines(problem(family="")),
        "array": b"[1]",
        "cut": lines(problem())[:-9],
        "sum": lines(problem(columns, "936")),
        "difference": lines(problem(borrow, "425")),
        "product": lines(problem(times, "4368")),
        "division": lines(problem(long, "318 remainder 22"), problem(decimal, "2.25")),
        "turned": lines(problem(turned, "-425")),
        "statements": lines(problem("1/2+1/3=5/6\n17%5=2\n2<3,3<4\n -(3-5)=2\ngcd=1\n=5/6", "5/6")),
        "large": lines(problem("9" * 30 + "+1\n" + "(" * 60 + "1" + ")" * 60 + "=1", "1")),
    }


def bench_csv_seeds():
    columns = ("model type kv threads isa test prompt depth batch tokens tokens_per_s_median ttft_ms bytes_per_token "
               "multiply_adds_per_token read_bytes_per_s int8_per_s other_cpu").split()
    usual = dict(model="m.gguf", type="q4_0", kv="f16", threads=2, isa="avx2", test="decode", prompt=0, depth=0, batch=1, tokens=8,
                 tokens_per_s_median=7.5, ttft_ms="", bytes_per_token=2.3e9, multiply_adds_per_token=3.8e9, read_bytes_per_s=3e10,
                 int8_per_s=3e11, other_cpu=0.1)

    def lines(*rows, head=columns):
        text = [",".join(head)] + [",".join(str({**usual, **row}[c]) for c in head) for row in rows]
        return ("\n".join(text) + "\n").encode()

    prefill = dict(test="prefill", prompt=512, tokens=512, tokens_per_s_median=120, ttft_ms=4200, bytes_per_token=1e7)
    samples = [dict(prompt=64, depth=64 + d, batch=4) for d in (0, 500, 1000)]
    whole = dict(test="long-sampled", prompt=64, depth=1064, batch=4, tokens=1000, ttft_ms=900)
    return {
        "depths": lines(prefill, {}, dict(depth=4096), dict(depth=32768, kv="q8_0")),
        "long": lines(dict(prefill, prompt=64), *samples, whole),
        "long_open": lines(*samples),
        "two_files": lines({}) + lines(dict(threads=1)),
        "quoted": lines(dict(model='"a, ""b""\nc"')),
        "turned": lines({}, head=columns[::-1]),
        "far": lines(dict(depth=2**30, batch=2**30, tokens_per_s_median=1e-12), dict(depth=1, tokens_per_s_median=1e18)),
        "column_missing": lines({}, head=columns[1:]),
        "field_missing": lines({})[:-5] + b"\n",
        "field_negative": lines(dict(depth=-1)),
        "field_nan": lines(dict(tokens_per_s_median="nan")),
        "quote_open": lines(dict(model='"a')),
        "head_only": lines(),
        "blank": lines({}) + b"\r\n\n",
    }


if __name__ == "__main__":
    write("bench_csv", bench_csv_seeds())
    write("card", card_seeds())
    write("problems", problem_seeds())
    write("gguf_model", gguf_model_seeds())
    write("safetensors", safetensors_seeds())
    write("safetensors_index", index_seeds())
    write("gguf", gguf_seeds())
