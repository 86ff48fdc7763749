#!/usr/bin/env python3
"""Uses the web page as people do, in headless Chromium: page_test.py [--serve PROGRAM] [--url URL [--key KEY]] [--shots FOLDER] [NAME...]

It talks to mock_server.py, whose answers are scripted, and with --serve after that to `PROGRAM serve` (page_served.py). With --url it talks to
a running server alone, and the checks that need a script are skipped. Needs Debian's chromium and chromium-driver. Python's standard library only; the last line counts.
"""
import argparse, os, sys, time, traceback

import browser as browsers
from mock_server import MockServer
from page_harness import CHECKS, Page

import page_answers, page_text, page_kept, page_errors, page_served, page_looks  # noqa: F401, each adds its checks in this order


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--serve", metavar="PROGRAM")
    parser.add_argument("--key")
    parser.add_argument("--shots", help="a folder for screenshots")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    lacking = browsers.missing()
    if lacking:
        raise SystemExit(f"page_test.py needs Debian's packages {' '.join(lacking)}")
    if arguments.shots:
        os.makedirs(arguments.shots, exist_ok=True)
    server = None if arguments.url else MockServer().start()
    url = (arguments.url or server.url).rstrip("/") + "/"
    passed = failed = skipped = 0
    browser, program = browsers.Browser(), None
    try:
        program = page_served.Served(arguments.serve) if arguments.serve else None
        page = Page(browser, url, server, program, arguments.key, arguments.shots)
        for function in CHECKS:
            name = function.__name__
            if arguments.names and name not in arguments.names:
                continue
            if function.scripted and server is None or function.served and program is None:
                skipped += 1
                print(f"SKIPPED {name}: needs {'--serve' if function.served else 'the answers of the mock server'}", flush=True)
                continue
            page.url = program.url if function.served else url
            started = time.monotonic()
            try:
                page.fresh()
                function(page)
                page.watch()
                assert page.problems == [], page.problems
                passed += 1
                print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
                page.shot(f"failed-{name}")
                page.problems.clear()
    finally:
        browser.close()
        if program:
            program.stop()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
