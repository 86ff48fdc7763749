"""What the checks share: the program, models to break, and ways to run and to be refused. Python's standard library only."""
import json, os, shutil, subprocess, sys, tempfile

PROGRAM = os.path.abspath(sys.argv[1])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POCKET = os.path.join(ROOT, "models", "pocket")
GOLDEN = os.path.join(ROOT, "tests", "golden")
CHECKS = []
_folder = tempfile.TemporaryDirectory(prefix="sambay-e2e-")  # goes when the program ends
SCRATCH = _folder.name
with open(os.path.join(POCKET, "config.json")) as f:
    CONFIG = json.load(f)
with open(os.path.join(POCKET, "tokenizer.json"), encoding="utf-8") as f:
    TOKEN_IDS = {token["content"]: token["id"] for token in json.load(f)["added_tokens"]}


def check(function):
    CHECKS.append(function)
    return function


def run(*args, stdin=b"", env=None, cwd=None, limit=None, stdout=subprocess.PIPE, program=None):
    """Returns (status, stdout text, stderr text)."""
    done = subprocess.run([program or PROGRAM, *args], input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=120,
                          env={**os.environ, **(env or {})}, cwd=cwd, preexec_fn=limit)
    return done.returncode, (done.stdout or b"").decode("utf-8", "strict"), done.stderr.decode("utf-8", "replace")


def refuses(status, *args, says=(), **more):
    """The command fails with this status and one line on stderr that holds all of `says`."""
    got, out, err = run(*args, **more)
    assert got == status, f"status {got}, expected {status}: {err}"
    assert err.startswith("sambay: error: ") and err.count("\n") == 1, f"not one line: {err!r}"
    for part in [says] if isinstance(says, str) else says:
        assert part in err, f"{part!r} is not in {err!r}"
    assert got != 2 or out == "", out


def folder(**files):
    """A copy of the pocket model with files replaced (bytes), or removed (None)."""
    to = tempfile.mkdtemp(dir=SCRATCH)
    for name in os.listdir(POCKET):
        if files.get(name.replace(".", "_"), b"") is not None:
            shutil.copy(os.path.join(POCKET, name), to)
    for key, content in files.items():
        if content is not None:
            with open(os.path.join(to, key.replace("_json", ".json").replace("_safetensors", ".safetensors")), "wb") as f:
                f.write(content)
    return to


def pocket_gguf(type_="bf16"):
    path = os.path.join(SCRATCH, f"pocket-of-{type_}.gguf")
    if not os.path.exists(path):
        assert run("convert", POCKET, "-o", path, "--type", type_)[0] == 0
    return path
