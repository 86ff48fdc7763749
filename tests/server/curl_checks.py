"""curl: the commands of docs/server.md as somebody types them, and what curl does by itself."""
import json, os, re, subprocess, tempfile

from server_harness import HERE, QUESTION, Server, check, server
from wiretap import Wiretap

DOCUMENT = os.path.join(HERE, "..", "..", "docs", "server.md")


@check
def curl_commands_of_the_documentation_work():
    with open(DOCUMENT, encoding="utf-8") as f:
        commands = [line for block in re.findall(r"^```\n(.*?)^```", f.read(), re.M | re.S) for line in block.splitlines() if line.startswith("curl ")]
    assert len(commands) >= 9, commands
    with tempfile.TemporaryDirectory(prefix="sambay-curl-") as folder:
        s = Server("--slot-save-path", folder, "--parallel", "2", "--api-key", "sesame")
        tap = Wiretap(s.port)
        try:
            for command in commands:
                typed = command.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{tap.port}")
                typed = typed.replace("curl ", 'curl -sS --fail-with-body -H "X-Api-Key: sesame" ', 1)  # the page has the commands without a key
                done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, env={**os.environ, "KEY": "sesame"}, timeout=120)
                assert done.returncode == 0, (command, done.stdout, done.stderr)
                if " -N " in command:
                    assert done.stdout.endswith("data: [DONE]\n\n"), (command, done.stdout[-200:])
                elif "/metrics" not in command:
                    assert isinstance(json.loads(done.stdout), dict), (command, done.stdout)
            assert os.listdir(folder) == ["talk.bin"]
            assert len(tap.audit()) == len(commands)
        finally:
            s.stop()


@check
def curl_posts_large_bodies():
    s = server("--max-queue", "256")
    large = json.dumps({"content": "a" * 3_000_000})  # curl asks with Expect: 100-continue
    done = subprocess.run(["curl", "-sS", f"http://localhost:{s.port}/tokenize", "-d", "@-"], input=large, capture_output=True, text=True)
    assert '"tokens"' in done.stdout[:20], done.stdout[:200] + done.stderr


@check
def curl_that_is_cut_off_frees_the_slot():
    s = server("--max-queue", "256")
    body = json.dumps({"messages": QUESTION, "ignore_eos": True, "stream": True})
    done = subprocess.run(["curl", "-sSN", "--max-time", "0.5", f"http://localhost:{s.port}/v1/chat/completions", "-d", body], capture_output=True, text=True)
    assert done.returncode == 28 and done.stdout.startswith("data: {"), done
    s.wait_until_idle()
