"""Checks of tools, `sambay eval` and the quality card; run_test.py runs them."""
import json, math, os, tempfile

from harness import GOLDEN, POCKET, SCRATCH, TOKEN_IDS, check, folder, refuses, run


@check
def tools_come_as_json_or_from_a_file():
    tools = json.dumps([{"name": "calculator", "description": "Calculates."}])
    path = os.path.join(SCRATCH, "tools.json")
    with open(path, "w") as f:
        f.write(f"\n {tools}\n")
    answers = [run("run", "--json", "--tools", given, "--system", "Help.", "What is 3 + 4?") for given in (tools, path)]
    assert all(status == 0 for status, _, _ in answers), answers
    counts = [json.loads(out)["usage"]["prompt_tokens"] for _, out, _ in answers]
    plain = json.loads(run("run", "--json", "--system", "Help.", "What is 3 + 4?")[1])["usage"]["prompt_tokens"]
    assert counts[0] == counts[1] > plain + 10, (counts, plain)
    raw = f"<|system|>Help.<|tool|>{tools}<|/tool|><|end|><|user|>What is 3 + 4?<|end|><|assistant|>"
    assert json.loads(run("run", "--json", "--raw", raw)[1])["usage"]["prompt_tokens"] == counts[0]
    refuses(2, "run", "--tools", "{}", "hi", says=["--tools", "array"])
    refuses(2, "run", "--tools", "[1]", "hi", says=["--tools", "element 0"])
    refuses(2, "run", "--tools", "[{", "hi", says=["--tools", "not JSON"])
    refuses(2, "run", "--raw", "--tools", "[{}]", "hi", says="--raw")
    refuses(3, "run", "--tools", "/no/such/tools", "hi", says="/no/such/tools")


@check
def tokens_of_a_tool_call_are_part_of_the_text():
    ids = [TOKEN_IDS["<|tool_call|>"], TOKEN_IDS["<|/tool_call|>"], TOKEN_IDS["<|end|>"]]
    bias = [word for id_ in ids[:2] for word in ("--logit-bias", f"{id_}+100")]
    out = run("run", "--raw", "-n", "1", *bias[:2], "hi")[1]
    assert out == "<|tool_call|>", out
    assert "<|/tool_call|>" in run("run", "-n", "4", "--show-thinking", *bias[2:], "hi")[1]


def problems_file(*lines):
    handle, path = tempfile.mkstemp(suffix=".jsonl", dir=SCRATCH)
    with os.fdopen(handle, "w") as f:
        f.write("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def shipped_problems():
    with open(os.path.join(POCKET, "problems.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f][1:]


def sum_problem(a, b, answer=None, family="add"):
    return {"family": family, "messages": [{"role": "user", "content": f"What is {a} + {b}?"}], "thinking": f"{a}+{b}={a + b}",
            "answer": str(answer or a + b), "key": f"add:{a}+{b}"}


@check
def eval_pocket_scores_families_and_names_what_went_wrong():
    path = problems_file({"seed": 5, "split": "test", "count": 3}, sum_problem(3, 4), sum_problem(21, 15), sum_problem(12, 30, "5"),
                         sum_problem(7, 6, family="sum"))
    status, out, err = run("eval", "pocket", "--problems", path)
    assert status == 0 and err == "", err
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert list(rows) == ["family", "add", "sum", "all"], out
    assert "66.7 %" in rows["add"] and "100.0 %" in rows["sum"] and "75.0 %" in rows["all"], out
    report = json.loads(run("eval", "pocket", "--problems", path, "--family", "add", "--limit", "2", "--json", "--parallel", "1")[1])
    assert report["problems_seed"] == 5 and list(report["families"]) == ["add"], report
    assert report["total"]["problems"] == 2 and report["total"]["answer"] == report["total"]["both"] == 1, report
    _, out, _ = run("eval", "pocket", "--problems", path, "--failures", "-m", POCKET)
    assert out.count("add:12+30 (") == 1 and "expected: 5\n  came: 42" in out, out


@check
def eval_pocket_finds_what_the_card_in_the_program_says():
    """A twentieth of the card's problems, so four standard deviations of so small a sample are allowed."""
    card = json.loads(run("info", "--json")[1])["card"]
    report = json.loads(run("eval", "pocket", "--limit", "10", "--json")[1])
    assert report["split"] == "test" and report["problems_seed"] == card["problems_seed"], report
    assert set(report["families"]) == set(card["families"]), (report, card)
    for score in ("answer", "both"):
        chances = [family[score] for family in card["families"].values()]
        expected, deviation = 10 * sum(chances), math.sqrt(10 * sum(chance * (1 - chance) for chance in chances))
        right = report["total"]["problems"] * report["total"][score]
        assert right >= expected - 4 * deviation, f"{score}: {right} of {report['total']['problems']} right, {expected:.0f} expected"


TWENTY = (
    ("add", "What do 48213 and 9786 make together?", "57999"),
    ("sub", "How much is left of 70002 when 3458 is taken away?", "66544"),
    ("mul", "Multiply 3046 by 217, please.", "660982"),
    ("div", "Divide 5839 by 7, with remainder.", "834 remainder 1"),
    ("mixed", "(12 + 30) * 4 - 9", "159"),
    ("decimal", "What is 12.75 + 3.8?", "16.55"),
    ("compare", "Which is bigger, 70412 or 70421?", "70421"),
    ("sort", "Put these in order, smallest first: 512, 47, 905, 88", "47, 88, 512, 905"),
    ("unit", "How many millimetres are 3 metres?", "3000 mm"),
    ("fraction", "What is 3/4 + 1/6?", "11/12"),
    ("percent", "What is 15% of 240?", "36"),
    ("equation", "Solve 4x - 9 = 31 for x.", "x = 10"),
    ("system", "Solve x + y = 10 and x - y = 4.", "x = 7, y = 3"),
    ("word", "A farmer has 56 eggs and packs them into boxes of 8. How many boxes does she fill?", "7"),
    ("word", "Omar had 85 coins, gave 27 to his sister and found 14 more. How many coins does he have now?", "72"),
    ("order", "Mia is taller than Ben. Ben is taller than Zoe. Who is the shortest?", "Zoe"),
    ("truth", "If p is true and q is false, what is p and not q?", "true"),
    ("rule", "The fan starts when the temperature is above 75 and the door is closed. The temperature is 82 and the door is open. Does the fan start?", "no"),
    ("json", "Give 17 + 25 as JSON with the key \"sum\".", '{"sum": 42}'),
    ("refuse", "Who painted the ceiling of that famous chapel?", None),
)


@check
def twenty_questions_in_other_words_are_answered_with_right_work():
    refusal = next(problem["answer"] for problem in shipped_problems() if problem["family"] == "refuse")
    path = problems_file({"split": "own words"}, *({"family": family, "messages": [{"role": "user", "content": question}], "answer": answer or refusal,
                                                    "key": f"{family}:own {i}"} for i, (family, question, answer) in enumerate(TWENTY)))
    status, out, err = run("eval", "pocket", "--problems", path, "--failures")
    assert status == 0, err
    report = json.loads(run("eval", "pocket", "--problems", path, "--json")[1])
    assert report["total"]["problems"] == 20 and report["total"]["both"] == 1, out


@check
def eval_refuses_bad_input():
    refuses(2, "eval")
    refuses(2, "eval", "marathon")
    refuses(2, "eval", "pocket", "--family", "poetry", says=["poetry", "there are"])
    refuses(2, "eval", "pocket", "--limit", "-1", says="--limit")
    refuses(2, "eval", "pocket", "--parallel", "0", says="--parallel")
    refuses(2, "eval", "pocket", "--types", "q8_0")
    refuses(2, "eval", "pocket", "--card", os.path.join(SCRATCH, "c.json"), "--types", "q3")
    refuses(2, "eval", "pocket", "--card", os.path.join(SCRATCH, "c.json"), says="quantized")
    refuses(3, "eval", "pocket", "--problems", "/no/such/file", says="/no/such/file")
    refuses(3, "eval", "pocket", "--problems", problems_file(), says="no problems")
    refuses(3, "eval", "pocket", "--problems", problems_file(sum_problem(1, 2), "{"), says="line 2: not JSON")
    refuses(3, "eval", "pocket", "--problems", problems_file({**sum_problem(1, 2), "answer": 3}), says=["line 1", "answer"])
    refuses(3, "eval", "pocket", "-m", os.path.join(GOLDEN, "a_f32"), says="tokenizer")


@check
def a_quality_card_is_made_converted_and_shown():
    path = problems_file({"seed": 5, "split": "test"}, sum_problem(3, 4), sum_problem(21, 15))
    model = folder()
    card_path = os.path.join(model, "card.json")
    if os.path.exists(card_path):
        os.remove(card_path)
    status, out, err = run("eval", "pocket", "-m", model, "--problems", path, "--types", "bf16,q8_0", "--card", card_path)
    assert status == 0 and "q8_0" in out, (out, err)
    assert [name for name in os.listdir(model) if name.startswith(".")] == []
    with open(card_path) as f:
        card = json.load(f)
    assert card["families"]["add"]["problems"] == 2 and card["problems_seed"] == 5, card
    assert card["types"]["q8_0"]["top1_agreement"] > 0.5 and card["types"]["q8_0"]["kl_mean"] >= 0, card
    first, second = os.path.join(SCRATCH, "with-card.gguf"), os.path.join(SCRATCH, "with-card-2.gguf")
    assert run("convert", model, "-o", first, "--type", "bf16")[0] == 0
    assert run("convert", first, "-o", second, "--type", "q8_0")[0] == 0
    for name in (model, first, second):
        assert json.loads(run("info", "--json", name)[1])["card"] == card, name
        assert "KL divergence" in run("info", "--no-tensors", name)[1]
    with open(card_path, "w") as f:
        f.write('{"made_by": 1}')
    refuses(3, "convert", model, "-o", os.path.join(SCRATCH, "never.gguf"), says=["card.json", "made_by"])
    status, out, _ = run("info", model)
    assert status == 0 and "ignored" in out
    assert run("run", "-m", model, "What is 3 + 4?")[:2] == (0, "7\n")
