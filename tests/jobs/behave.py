"""A small Ray job without Ray: it behaves as its arguments say, so that the operator's answers can be seen."""

import json
import sys
import time
from pathlib import Path


def finish(lines: int) -> int:
    print("REPORT " + json.dumps({"pipeline": "behave", "listed": lines}), flush=True)
    return 0


def main(mode: str, *words: str) -> int:
    if mode == "ok":
        lines = int(words[0]) if words else 3
        for number in range(lines):
            print(f"line {number} of the job", flush=True)
        return finish(lines)
    if mode == "exit":
        print("about to fail", flush=True)
        print(f"ERROR: {words[1]}", flush=True)
        return int(words[0])
    if mode == "raise":
        raise RuntimeError("something nobody foresaw")
    if mode == "once":
        # Fails on its first call and succeeds afterwards: a dependency that comes back.
        marker = Path(words[0])
        if marker.exists():
            return main("ok")
        marker.touch()
        return main("exit", "4", "the store is away")
    if mode == "long":
        print("x" * 300_000, flush=True)
        return main("ok")
    if mode == "many":
        # More than a watcher shows while the job runs: lines of a length, printed at once.
        for number in range(int(words[0])):
            print(f"line {number} ".ljust(int(words[1]), "x"))
        return finish(int(words[0]))
    if mode == "report":
        print(f"REPORT {words[0]}", flush=True)
        return 0
    if mode == "odd":
        # What Ray's Jobs API cannot give: a line beyond its limit for a message, or a byte that is not UTF-8.
        print("\n".join(f"line {number} of the job" for number in range(30)), flush=True)
        sys.stdout.buffer.write(b"latin \xe9 and nul \x00" if words[0] == "bytes" else b"x" * 6_000_000)
        print("\nline 30 of the job")
        return finish(31)
    if mode == "until":
        # Prints numbered lines until a file appears, so that a test decides how long the job lives.
        number = 0
        while not Path(words[0]).exists():
            print(f"line {number} of the job", flush=True)
            number += 1
            time.sleep(float(words[1]) if len(words) > 1 else 0.2)
        return finish(number)
    if mode == "sleep":
        print("the job sleeps", flush=True)
        time.sleep(float(words[0]))
        return main("ok")
    raise ValueError(mode)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
