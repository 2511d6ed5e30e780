"""A program that behaves as its first argument says; stands for geocloud."""

import json
import os
import sys
import time


def say(**event):
    print(json.dumps(event), flush=True)


def main(mode):
    say(event="start", protocol=1 if mode == "other-protocol" else 2, pid=os.getpid())
    say(event="progress", percent=10, stage="load")
    if mode == "good":
        say(event="unheard-of")
        say(event="progress", percent=50, stage="inference")
        say(event="log", level="warning", text="mind the --bands and --nothing", options=["bands", "nothing"])
        say(event="result", mask="m.tif", cloud_percent=12.5)
    elif mode == "error":
        print("noise", file=sys.stderr)
        say(
            event="error",
            code="input",
            text="scene.tif is empty; fetch it again, or try --allow-external",
            options=["allow-external"],
        )
        return 1
    elif mode == "worse":
        say(event="result", worse="recall falls by 9 points")
        return 1
    elif mode == "usage":
        print("Usage: geocloud\nError: no such option --x", file=sys.stderr)
        return 2
    elif mode == "traceback":
        raise ValueError("a bug")
    elif mode == "garbage":
        print("not json\n[1]\n{}\n", flush=True)
        sys.stdout.buffer.write(b"\xff\xfe broken\n")
        say(event="result", mask="m.tif")
    elif mode == "dying":
        os.abort()
    elif mode == "cancellable":
        while os.read(0, 99):
            pass
        say(event="cancelled")
        return 130
    elif mode == "deaf":
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
    elif mode == "too-late":
        while os.read(0, 99):
            pass
        say(event="result", mask="m.tif")
    return 0


sys.exit(main(sys.argv[1]))
