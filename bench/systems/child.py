"""The child's side of the protocol in bench/lib/child.js, for adapters in Python."""
import json
import sys
import time
import traceback


def timed(step, steps):
    ms = []
    before = time.perf_counter()
    for _ in range(steps):
        last = step()
        now = time.perf_counter()
        ms.append((now - before) * 1e3)
        before = now
    return {"ms": ms} if last is None else {"ms": ms, "loss": last.item()}


def emit(**event):
    print(json.dumps(event, separators=(",", ":")), flush=True)


def serve(prepare, version):
    """`prepare(item, threads)` returns the function of one step, which returns the loss or None, and notes."""
    step = None
    for line in iter(sys.stdin.readline, ""):
        message = json.loads(line)
        try:
            if message["command"] == "prepare":
                step, notes = prepare(message["item"], message["threads"])
                emit(event="ready", version=version, notes=notes)
            else:
                emit(event="times", **timed(step, message["steps"]))
        except Exception as error:
            # The report shows the first line.
            reason = f"{type(error).__name__}: {error}".strip()
            emit(event="error", message=f"{reason}\n{traceback.format_exc(limit=-2)}")
