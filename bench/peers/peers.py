#!/usr/bin/env python3
"""Measures sambay beside llama.cpp and ik_llama.cpp, in turn on the same cores, and prints the ratios with their spread.

Their programs (llama-bench, llama-batched-bench) and models are given by path; nothing of theirs is here. Python's standard library only.
See README.md beside this file.
"""
import argparse, json, os, platform, shlex, statistics, subprocess, sys, tempfile, threading, time


class Failed(Exception):
    """What to tell the user, in one line."""


# ---- one run of one program ------------------------------------------------------------------------------------------


def busy_seconds():
    """Of all cores since the system began."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, soft_irq, steal = map(float, f.readline().split()[1:9])
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")


def run(command, cores, timeout):
    """Returns (stdout, share of the machine that others took)."""
    env = {**os.environ, "OMP_NUM_THREADS": str(len(cores)), "OMP_PROC_BIND": "true", "GOMP_CPU_AFFINITY": " ".join(map(str, cores))}
    before, started = busy_seconds(), time.monotonic()
    with tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, env=env,
                                     preexec_fn=lambda: os.sched_setaffinity(0, cores))
        except OSError as e:
            raise Failed(f"{command[0]}: {e.strerror}") from None
        limit = threading.Timer(timeout, child.kill)
        limit.start()
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        timed_out = not limit.is_alive()
        limit.cancel()
        err.seek(0)
        lines = err.read().decode("utf-8", "replace").strip().splitlines()
    if timed_out and child.returncode != 0:
        raise Failed(f"{shlex.join(command)}: not done after {timeout} s")
    if child.returncode != 0:
        raise Failed(f"{shlex.join(command)}: status {child.returncode}: {lines[-1] if lines else 'no message'}")
    elapsed = time.monotonic() - started
    others = busy_seconds() - before - usage.ru_utime - usage.ru_stime
    return out.decode("utf-8", "replace"), min(1, max(0, others / (elapsed * os.cpu_count())))


def json_lines(text):
    found = []
    for line in text.splitlines():
        if line.lstrip().startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
    return found


class Sambay:
    name = "sambay"

    def __init__(self, options):
        self.base = [options.sambay, "bench", "--json", "-r", "1", "-t", str(options.threads), "--kv", options.kv]
        self.base += ["--synthetic", options.synthetic, "--type", options.type] if options.synthetic else ["-m", options.model]
        self.base += shlex.split(options.sambay_args)

    def can(self, test):
        return True

    def command(self, test):
        lengths = ["-p", str(test.prompt), "-n", "0"] if test.prompt else ["-p", "0", "-n", str(test.tokens), "--batch", str(test.batch)]
        return self.base + lengths + ["-d", str(test.depth)]

    def rate(self, out, test):
        for result in json_lines(out):
            if (result["prompt"], result["depth"], result["batch"]) == (test.prompt, test.depth, test.batch):
                return result["tokens_per_s"]["median"]
        return None


class LlamaBench:
    """llama-bench of either project. Context before a test: -d where it is known (llama.cpp), else -gp (ik_llama.cpp, decoding only)."""

    def __init__(self, name, program, model, extra, options):
        self.name, self.options = name, options
        self.base = [program, "-m", model, "-o", "json", "-r", "1", "-t", str(options.threads)]
        if options.kv != "f16":
            self.base += ["-ctk", options.kv, "-ctv", options.kv]
        self.base += extra
        try:
            asked = subprocess.run([program, "--help"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Failed(f"{name}: {program} --help: {e}") from None
        text = (asked.stdout + asked.stderr).decode("utf-8", "replace")
        self.knows_depth, self.knows_gp = "--n-depth" in text, "-gp" in text.split()

    def can(self, test):
        return test.batch == 1 and (test.depth == 0 or self.knows_depth or (self.knows_gp and not test.prompt))

    def command(self, test):
        if test.prompt:
            lengths = ["-p", str(test.prompt), "-n", "0"]
        elif test.depth and not self.knows_depth:
            return self.base + ["-p", "0", "-n", "0", "-gp", f"{test.depth},{test.tokens}"]
        else:
            lengths = ["-p", "0", "-n", str(test.tokens)]
        return self.base + lengths + (["-d", str(test.depth)] if test.depth else [])

    def rate(self, out, test):
        try:
            results = json.loads(out[out.index("["):])
        except ValueError:
            raise Failed(f"{self.name}: no JSON in the output of {self.base[0]}") from None
        for result in results:
            if (result["n_gen"] if test.tokens else result["n_prompt"]) == (test.tokens or test.prompt):
                return statistics.median(result.get("samples_ts") or [result["avg_ts"]])
        return None


class BatchedBench:
    """llama-batched-bench: the prompts are really computed, only decoding is compared."""

    def __init__(self, name, program, model, extra, options):
        self.name = name
        self.base = [program, "-m", model, "--output-format", "jsonl", "-t", str(options.threads)]
        if options.kv != "f16":
            self.base += ["-ctk", options.kv, "-ctv", options.kv]
        self.base += extra

    def can(self, test):
        return not test.prompt

    def command(self, test):
        before = max(1, test.depth)
        room = test.batch * (before + test.tokens) + 64
        return self.base + ["-c", str(room), "-npp", str(before), "-ntg", str(test.tokens), "-npl", str(test.batch)]

    def rate(self, out, test):
        for result in json_lines(out):
            if result.get("pl") == test.batch and result.get("tg") == test.tokens:
                return result["speed_tg"]
        return None


# ---- tests and their results ------------------------------------------------------------------------------------------


class Test:
    def __init__(self, prompt=0, tokens=0, depth=0, batch=1):
        self.prompt, self.tokens, self.depth, self.batch = prompt, tokens, depth, batch

    def __str__(self):
        what = f"prefill {self.prompt}" if self.prompt else f"decode {self.tokens}"
        return what + (f" at {self.depth}" if self.depth else "") + (f" x {self.batch}" if self.batch > 1 else "")


def all_tests(o):
    tests = [Test(prompt=p, depth=d) for d in o.depths for p in o.prompts if p > 0]
    return tests + [Test(tokens=n, depth=d, batch=b) for d in o.depths for b in o.batches for n in o.generate if n > 0]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "samples": values}


def measure(test, programs, options):
    """A B C A B C ...: each round's ratios are of neighbours in time."""
    able = [p for p in programs if p.can(test)]
    rates, others = {p.name: [] for p in able}, {p.name: [] for p in able}
    for round_ in range(options.rounds):
        for program in able:
            print(f"{test}, round {round_ + 1} of {options.rounds}: {program.name}", file=sys.stderr, flush=True)
            out, other = run(program.command(test), options.cores, options.timeout)
            rate = program.rate(out, test)
            if not rate or rate <= 0:
                raise Failed(f"{program.name}: no speed for '{test}' in the output of {shlex.join(program.command(test))}")
            rates[program.name].append(rate)
            others[program.name].append(other)
    own = rates["sambay"]
    return {
        "test": "prefill" if test.prompt else "decode", "prompt": test.prompt, "tokens": test.tokens, "depth": test.depth, "batch": test.batch,
        "tokens_per_s": {name: spread(values) for name, values in rates.items()},
        "ratios": {name: spread([a / b for a, b in zip(own, values)]) for name, values in rates.items() if name != "sambay"},
        "other_cpu": {name: max(values) for name, values in others.items()},
    }


def table(results):
    names = list(dict.fromkeys(name for r in results for name in r["ratios"]))
    head = ["test", "sambay tokens/s"]
    for name in names:
        head += [f"{name} tokens/s", "ratio"]
    rows = [head + ["others"]]
    show = lambda s: f"{s['median']:.2f} ({s['min']:.2f} to {s['max']:.2f})"
    for r in results:
        row = [str(Test(r["prompt"], r["tokens"], r["depth"], r["batch"])), show(r["tokens_per_s"]["sambay"])]
        for name in names:
            row += [show(r["tokens_per_s"][name]), show(r["ratios"][name])] if name in r["ratios"] else ["-", "-"]
        rows.append(row + [f"{100 * max(r['other_cpu'].values()):.0f} %"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows) + "\n"


def cpu_name():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


# ---- the command line -------------------------------------------------------------------------------------------------


def counts(text):
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': whole numbers with commas between, as in 0,4096") from None
    if min(values) < 0:
        raise argparse.ArgumentTypeError(f"'{text}': negative")
    return values


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="README.md beside this file explains what is comparable.")
    parser.add_argument("--sambay", required=True, help="the program")
    own = parser.add_mutually_exclusive_group(required=True)
    own.add_argument("--model", help="for sambay: a GGUF or folder")
    own.add_argument("--synthetic", help="for sambay: random weights at these shapes (phi4-mini-flash)")
    parser.add_argument("--type", default="q4_0", help="of synthetic weights (q4_0)")
    parser.add_argument("--peer", nargs=3, action="append", default=[], metavar=("NAME", "LLAMA_BENCH", "GGUF"), help="repeatable")
    parser.add_argument("--peer-batched", nargs=3, action="append", default=[], metavar=("NAME", "LLAMA_BATCHED_BENCH", "GGUF"), help="repeatable")
    parser.add_argument("--peer-args", nargs=2, action="append", default=[], metavar=("NAME", "ARGS"), help='more options of a peer, as in ik "-rtr 1 -fa 1"')
    parser.add_argument("--sambay-args", default="", help="more options of sambay bench")
    parser.add_argument("-p", dest="prompts", type=counts, default=[512], help="prompt tokens; 0 = no prefill (512)")
    parser.add_argument("-n", dest="generate", type=counts, default=[32], help="generated tokens; 0 = no decoding (32)")
    parser.add_argument("-d", dest="depths", type=counts, default=[0], help="tokens of context before (0)")
    parser.add_argument("--batch", dest="batches", type=counts, default=[1], help="sequences in a step; more than one: by --peer-batched (1)")
    parser.add_argument("-t", dest="threads", type=int, default=0, help="threads, each on a core of its own (all cores)")
    parser.add_argument("--kv", default="f16", help="type of the KV cache (f16)")
    parser.add_argument("--rounds", type=int, default=3, help="each round runs every program once (3)")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds that one run may take (3600)")
    parser.add_argument("--autogroup", type=int, help="write this to /proc/self/autogroup: -19 keeps other sessions' work away (root)")
    parser.add_argument("--json", help="also write everything here")
    o = parser.parse_args(arguments)
    free = sorted(os.sched_getaffinity(0))
    o.threads = o.threads or len(free)
    if not 1 <= o.threads <= len(free):
        parser.error(f"-t {o.threads}: this process may use {len(free)} cores")
    if o.rounds < 1:
        parser.error("--rounds: at least 1")
    if min(o.batches) < 1:
        parser.error("--batch: at least 1")
    o.cores = free[:o.threads]
    return parser, o


def main(arguments):
    parser, o = parse(arguments)
    names = [peer[0] for peer in o.peer + o.peer_batched]
    if len(set(names)) != len(names) or "sambay" in names or not names:
        parser.error("--peer, --peer-batched: at least one, each with a name of its own")
    if unknown := [name for name, _ in o.peer_args if name not in names]:
        parser.error(f"--peer-args {unknown[0]}: no such peer")
    more = {name: shlex.split(text) for name, text in o.peer_args}
    if not all_tests(o):
        parser.error("-p 0 -n 0: nothing to measure")
    try:
        if o.autogroup is not None:
            try:
                with open("/proc/self/autogroup", "w") as f:
                    f.write(str(o.autogroup))
            except OSError as e:
                raise Failed(f"--autogroup: {e.strerror}") from None
        programs = [Sambay(o)]
        programs += [LlamaBench(*peer, more.get(peer[0], []), o) for peer in o.peer]
        programs += [BatchedBench(*peer, more.get(peer[0], []), o) for peer in o.peer_batched]
        results = [measure(test, programs, o) for test in all_tests(o)]
    except Failed as e:
        print(f"peers.py: error: {e}", file=sys.stderr)
        return 1
    sys.stdout.write(f"{cpu_name()}, {o.threads} threads pinned, {o.kv} KV, {o.rounds} rounds in turn; median (least to most)\n\n" + table(results))
    if o.json:
        report = {"cpu": cpu_name(), "threads": o.threads, "kv": o.kv, "rounds": o.rounds, "command": shlex.join(sys.argv), "results": results}
        with open(o.json, "w") as f:
            json.dump(report, f, indent=1)
            f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
