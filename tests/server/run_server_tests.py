#!/usr/bin/env python3
"""Tries `sambay serve` on loopback, with the model inside the program. Usage: run_server_tests.py PROGRAM [NAME...]

Needs the packages of tools/requirements.txt and clients/package-lock.json (./check server installs them). Each check is a function; the last line counts them.
"""
import sys, time, traceback

import server_harness as harness
# They register their checks, in this order.
import api_checks, field_checks, abuse_checks, door_checks, state_checks, failure_checks  # noqa: F401
import client_checks, langchain_checks, node_checks, curl_checks, load_checks, audit_checks  # noqa: F401


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
