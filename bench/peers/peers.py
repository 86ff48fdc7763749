#!/usr/bin/env python3
"""Measures sambay beside llama.cpp and ik_llama.cpp, in turn on the same cores, and prints the ratios with their spread.

Their programs (llama-bench, llama-batched-bench) and models are given by path; nothing of theirs is here. Python's standard library only.
See README.md beside this file.
"""
import argparse, json, os, platform, re, shlex, shutil, statistics, subprocess, sys, tempfile, threading, time


class Failed(Exception):
    """What to tell the user, in one line."""


# ---- one run of one program ------------------------------------------------------------------------------------------


class Run:
    """What a program printed, and what it took."""

    def __init__(self, out, err, peak_bytes, seconds, others):
        self.out, self.err, self.peak_bytes, self.seconds, self.others = out, err, peak_bytes, seconds, others


def busy_seconds():
    """Of all cores since the system began."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, soft_irq, steal = map(float, f.readline().split()[1:9])
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")


def run(command, env, options):
    """In an empty folder, since ik_llama.cpp leaves a log where it runs."""
    cores = options.cores
    env = {**os.environ, "OMP_NUM_THREADS": str(len(cores)), "OMP_PROC_BIND": "true", "GOMP_CPU_AFFINITY": " ".join(map(str, cores)), **env}
    before, started = busy_seconds(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, env=env, cwd=folder,
                                     preexec_fn=lambda: os.sched_setaffinity(0, cores))
        except OSError as e:
            raise Failed(f"{command[0]}: {e.strerror}") from None
        limit = threading.Timer(options.timeout, child.kill)
        limit.start()
        try:
            out = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # Ctrl-C
            child.kill()
            raise
        finally:
            timed_out = not limit.is_alive()
            limit.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        messages = err.read().decode("utf-8", "replace")
    if timed_out and child.returncode != 0:
        raise Failed(f"{shlex.join(command)}: not done after {options.timeout} s")
    if child.returncode != 0:
        raise Failed(f"{shlex.join(command)}: status {child.returncode}: {(messages.strip() or 'no message').splitlines()[-1]}")
    elapsed = time.monotonic() - started
    others = busy_seconds() - before - usage.ru_utime - usage.ru_stime
    return Run(out.decode("utf-8", "replace"), messages, 1024 * usage.ru_maxrss, elapsed, min(1, max(0, others / (elapsed * os.cpu_count()))))


def help_of(name, program):
    try:
        asked = subprocess.run([*program, "--help"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Failed(f"{name}: {program[0]} --help: {e}") from None
    text = (asked.stdout + asked.stderr).decode("utf-8", "replace")
    if asked.returncode < 0 or asked.returncode in (126, 127):  # killed, or a library is missing; 1 is a --help of some
        raise Failed(f"{name}: {program[0]} --help: status {asked.returncode}: {(text.strip() or 'no message').splitlines()[-1]}")
    return text


def program_and_options(text):
    """The program by its whole path, since it runs in another folder; a path that exists may hold spaces."""
    parts = [text] if os.path.exists(text) else shlex.split(text)
    return [os.path.abspath(shutil.which(parts[0]) or parts[0]), *parts[1:]] if parts else [""]


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
    name, env = "sambay", {}

    def __init__(self, options):
        self.base = [*program_and_options(options.sambay), "bench", "--json", "-r", "1", "-t", str(options.threads)]
        self.base += ["--synthetic", options.synthetic, "--type", options.type] if options.synthetic else ["-m", os.path.abspath(options.model)]
        self.base += shlex.split(options.sambay_args)

    def can(self, test):
        return True

    def command(self, test):
        lengths = ["-p", str(test.prompt), "-n", "0"] if test.prompt else ["-p", "0", "-n", str(test.tokens), "--batch", str(test.batch)]
        return self.base + lengths + ["-d", str(test.depth), "--kv", test.kv]

    def result(self, done, test):
        """(tokens per second, bytes at the peak)"""
        for result in json_lines(done.out):
            if (result["prompt"], result["depth"], result["batch"]) == (test.prompt, test.depth, test.batch):
                return result["tokens_per_s"]["median"], result["peak_bytes"]
        return None, 0


def kv_options(test):
    return ["-ctk", test.kv, "-ctv", test.kv] if test.kv != "f16" else []


class LlamaBench:
    """llama-bench of either project. Context before a test: -d where it is known (llama.cpp), else -gp (ik_llama.cpp, decoding only)."""

    def __init__(self, name, program, model, options):
        program = program_and_options(program)
        text = help_of(name, program)
        self.knows_depth, self.knows_gp = "--n-depth" in text, "-gp" in text.split()
        self.base = [*program, "-m", os.path.abspath(model), "-o", "json", "-r", "1", "-t", str(options.threads)]

    def can(self, test):
        return test.batch == 1 and (test.depth == 0 or self.knows_depth or (self.knows_gp and not test.prompt))

    def command(self, test):
        base = self.base + kv_options(test)
        if test.depth and not self.knows_depth:
            return base + ["-p", "0", "-n", "0", "-gp", f"{test.depth},{test.tokens}"]
        return base + ["-p", str(test.prompt), "-n", str(test.tokens)] + (["-d", str(test.depth)] if test.depth else [])

    def rate(self, done, test):
        try:
            results = json.loads(done.out[done.out.index("["):])
        except ValueError:
            raise Failed(f"no JSON in the output of {self.base[0]}") from None
        for result in results:
            if (result["n_gen"] if test.tokens else result["n_prompt"]) == (test.tokens or test.prompt):
                return statistics.median(result.get("samples_ts") or [result["avg_ts"]])
        return None


class BatchedBench:
    """llama-batched-bench of either project: only decoding is compared. llama.cpp prints JSON Lines, ik_llama.cpp a table on stderr."""

    def __init__(self, name, program, model, options):
        program = program_and_options(program)
        self.base = [*program, "-m", os.path.abspath(model), "-t", str(options.threads)]
        if "jsonl" in help_of(name, program):
            self.base += ["--output-format", "jsonl"]

    def can(self, test):
        return not test.prompt

    def command(self, test):
        before = max(1, test.depth)
        room = test.batch * (before + test.tokens) + 64
        return self.base + kv_options(test) + ["-c", str(room), "-npp", str(before), "-ntg", str(test.tokens), "-npl", str(test.batch)]

    def rate(self, done, test):
        for result in json_lines(done.out):
            if (result.get("pl"), result.get("tg")) == (test.batch, test.tokens):
                return result["speed_tg"]
        for line in (done.out + done.err).splitlines():  # | PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s | ...
            cells = line.replace("|", " ").split()
            if line.startswith("|") and len(cells) == 10 and cells[1:3] == [str(test.tokens), str(test.batch)]:
                return float(cells[7])
        return None


class Peer:
    """The programs of one project; a test is run by the first that can."""

    def __init__(self, name, programs, env):
        self.name, self.programs, self.env = name, programs, env

    def of(self, test):
        return next((p for p in self.programs if p.can(test)), None)

    def can(self, test):
        return self.of(test) is not None

    def command(self, test):
        return self.of(test).command(test)

    def result(self, done, test):
        return self.of(test).rate(done, test), done.peak_bytes


def all_programs(o):
    kinds = [(LlamaBench, *p) for p in o.peer] + [(BatchedBench, *p) for p in o.peer_batched]
    names = dict.fromkeys(p[0] for p in o.peer + o.peer_batched)
    return [Sambay(o)] + [Peer(name, [kind(name, *rest, o) for kind, n, *rest in kinds if n == name], dict(o.peer_env)) for name in names]


# ---- tests and their results ------------------------------------------------------------------------------------------


class Test:
    """p512: prefill of 512 tokens; n8@2048x16:q8_0: decoding 8 tokens behind 2048 others in 16 sequences with a q8_0 cache."""

    def __init__(self, text):
        parts = re.fullmatch(r"([pn])([1-9]\d{0,8})(?:@(\d{1,9}))?(?:x([1-9]\d{0,4}))?(?::(\w+))?", text)
        if not parts or (parts[1] == "p" and parts[4]):
            raise argparse.ArgumentTypeError(f"'{text}': as in p512, p512@4096, n32, n8@2048x16, n8@32768:q8_0")
        self.prompt, self.tokens = (int(parts[2]), 0) if parts[1] == "p" else (0, int(parts[2]))
        self.depth, self.batch, self.kv = int(parts[3] or 0), int(parts[4] or 1), parts[5] or "f16"

    def __str__(self):
        what = f"prefill {self.prompt}" if self.prompt else f"decode {self.tokens}"
        return what + (f" at {self.depth}" if self.depth else "") + (f" x {self.batch}" if self.batch > 1 else "") + (f" {self.kv}" if self.kv != "f16" else "")


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "samples": values}


class Measurement:
    """One test by all programs that can run it."""

    def __init__(self, test, programs):
        self.test, self.able = test, [p for p in programs if p.can(test)]
        self.rates, self.runs, self.peaks = ({p.name: [] for p in self.able} for _ in range(3))
        self.failed = {}

    def round(self, number, options):
        """A B C: a round's ratios are of neighbours in time. A peer that fails is left out from then on; without sambay there is no ratio."""
        for program in list(self.able):
            print(f"{self.test}, round {number} of {options.rounds}: {program.name}", file=sys.stderr, flush=True)
            try:
                command = program.command(self.test)
                done = run(command, program.env, options)
                rate, peak = program.result(done, self.test)
                if not rate or rate <= 0:
                    raise Failed(f"no speed for '{self.test}' in the output of {shlex.join(command)}")
            except Failed as e:
                if program.name == "sambay":
                    raise Failed(f"sambay: {e}") from None
                print(f"peers.py: error: {program.name}: {e}", file=sys.stderr, flush=True)
                self.failed[program.name] = str(e)
                self.able.remove(program)
                continue
            self.rates[program.name].append(rate)
            self.runs[program.name].append(done)
            self.peaks[program.name].append(peak)

    def result(self):
        test, own = self.test, self.rates["sambay"]
        whole = {name: values for name, values in self.rates.items() if values and name not in self.failed}
        return {
            "test": "prefill" if test.prompt else "decode", "prompt": test.prompt, "tokens": test.tokens, "depth": test.depth, "batch": test.batch,
            "kv": test.kv, "name": str(test), "tokens_per_s": {name: spread(values) for name, values in whole.items()},
            "ratios": {name: spread([a / b for a, b in zip(own, values)]) for name, values in whole.items() if name != "sambay"},
            "peak_bytes": {name: max(self.peaks[name]) for name in whole}, "other_cpu": {name: max(r.others for r in self.runs[name]) for name in whole},
            "seconds": {name: statistics.median(r.seconds for r in self.runs[name]) for name in whole}, "failed": self.failed,
        }


def measure(programs, options, results):
    """Appends to results test by test, so that what was measured is there when a later test fails."""
    for test in options.tests:
        m = Measurement(test, programs)
        try:
            for number in range(1, options.rounds + 1):
                m.round(number, options)
        finally:
            if m.rates["sambay"]:
                results.append(m.result())


def table(results):
    names = list(dict.fromkeys(name for r in results for name in (*r["ratios"], *r["failed"])))
    head = ["test", "sambay tokens/s", "GB"]
    for name in names:
        head += [f"{name} tokens/s", "GB", "ratio"]
    rows = [head + ["others"]]
    show = lambda s: f"{s['median']:.2f} ({s['min']:.2f} to {s['max']:.2f})"
    for r in results:
        peak = lambda name: f"{r['peak_bytes'][name] / 1e9:.2f}"
        row = [r["name"], show(r["tokens_per_s"]["sambay"]), peak("sambay")]
        for name in names:
            row += [show(r["tokens_per_s"][name]), peak(name), show(r["ratios"][name])] if name in r["ratios"] else ["failed" if name in r["failed"] else "-", "-", "-"]
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


def tests(text):
    return [Test(part) for part in text.split(",")]


def setting(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"'{text}': as in NAME=VALUE")
    return name, value


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="README.md beside this file explains what is comparable.")
    parser.add_argument("--sambay", required=True, help="the program")
    own = parser.add_mutually_exclusive_group(required=True)
    own.add_argument("--model", help="for sambay: a GGUF or folder")
    own.add_argument("--synthetic", help="for sambay: random weights at these shapes (phi4-mini-flash)")
    parser.add_argument("--type", default="q4_0", help="of synthetic weights (q4_0)")
    parser.add_argument("--sambay-args", default="", help="more options of sambay bench")
    parser.add_argument("--peer", nargs=3, action="append", default=[], metavar=("NAME", "LLAMA_BENCH", "GGUF"),
                        help='repeatable; the program may have options, as in "llama-bench -fa 1"')
    parser.add_argument("--peer-batched", nargs=3, action="append", default=[], metavar=("NAME", "LLAMA_BATCHED_BENCH", "GGUF"),
                        help="likewise; beside a --peer of the same name it runs the tests with several sequences")
    parser.add_argument("--peer-env", type=setting, action="append", default=[], metavar="NAME=VALUE", help="in the environment of the peers, repeatable")
    parser.add_argument("--tests", type=tests, default=tests("n32,p512,n8@2048x16,n16@4096"),
                        help="pPROMPT or nTOKENS, then @DEPTH, xSEQUENCES and :KV where wanted, with commas between (n32,p512,n8@2048x16,n16@4096)")
    parser.add_argument("-t", dest="threads", type=int, default=0, help="threads, each on a core of its own (all cores)")
    parser.add_argument("--rounds", type=int, default=3, help="each round runs every program once (3)")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds that one run may take (3600)")
    parser.add_argument("--autogroup", type=int, help="write this to /proc/self/autogroup: -19 keeps other logins' work away (root)")
    parser.add_argument("--json", help="also write everything here")
    o = parser.parse_args(arguments)
    free = sorted(os.sched_getaffinity(0))
    o.threads = o.threads or len(free)
    if not 1 <= o.threads <= len(free):
        parser.error(f"-t {o.threads}: this process may use {len(free)} cores")
    if o.rounds < 1:
        parser.error("--rounds: at least 1")
    for given in (o.peer, o.peer_batched):
        names = [peer[0] for peer in given]
        if len(set(names)) != len(names) or "sambay" in names:
            parser.error("--peer, --peer-batched: each with a name of its own")
    if not o.peer + o.peer_batched:
        parser.error("--peer, --peer-batched: at least one")
    o.cores = free[:o.threads]
    return o


def main(arguments):
    o = parse(arguments)
    results, started, status = [], time.monotonic(), 0
    try:
        if o.autogroup is not None:
            try:
                with open("/proc/self/autogroup", "w") as f:
                    f.write(str(o.autogroup))
            except OSError as e:
                raise Failed(f"--autogroup: {e.strerror}") from None
        measure(all_programs(o), o, results)
    except Failed as e:
        print(f"peers.py: error: {e}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    minutes = (time.monotonic() - started) / 60
    if results:
        sys.stdout.write(f"{cpu_name()}, {o.threads} threads pinned, {o.rounds} rounds in turn, {minutes:.1f} minutes; median (least to most)\n\n" + table(results))
    if o.json:
        report = {"cpu": cpu_name(), "threads": o.threads, "rounds": o.rounds, "minutes": minutes, "command": shlex.join(sys.argv), "results": results}
        with open(o.json, "w") as f:
            json.dump(report, f, indent=1)
            f.write("\n")
    return status or int(any(r["failed"] for r in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
