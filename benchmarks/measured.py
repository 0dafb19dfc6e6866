"""`python -m benchmarks.measured LOG NAME COMMAND ...`: run a command and append its time and memory to LOG.

A line of LOG is a JSON object: name; seconds of wall clock; cpu_seconds of the command and all processes that it
started; peak_mib, the resident memory of the largest of these processes, in which the pages read of a memory map count.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Run the command, append the line, and return the command's exit status."""
    log, name, *command = sys.argv[1:]
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    line = {
        "name": name,
        "seconds": round(time.monotonic() - started, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }
    with Path(log).open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
