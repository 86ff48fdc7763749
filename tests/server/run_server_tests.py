#!/usr/bin/env python3
"""Tries `sambay serve` on loopback, with the model inside the program. Usage: run_server_tests.py PROGRAM [NAME...]

Needs the packages openai and jsonschema (tools/requirements.txt). Each check is a function; the last line counts them.
"""
import sys, time, traceback

import server_harness as harness
import api_checks, door_checks, client_checks, load_checks  # noqa: F401  (they register their checks)


def main():
    names = sys.argv[2:]
    passed = failed = 0
    for function in harness.CHECKS:
        if names and not any(n in function.__name__ for n in names):
            continue
        started = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok      {time.monotonic() - started:6.2f} s  {function.__name__.replace('_', ' ')}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {function.__name__}\n{traceback.format_exc()}", flush=True)
    for flags, status in harness.stop_all().items():
        if status != 0:
            failed += 1
            print(f"FAILED  the server with '{flags}' ended with status {status}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
