"""`python -m benchmarks.measured LOG NAME COMMAND ...` runs a command and appends what it took to LOG, as a JSON line.

name, seconds of wall clock, cpu_seconds of the command and all that it started, peak_mib of the largest process among
them (resident memory: what it mapped of a file counts as far as it was read). Exits with the command's status.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """Run the command line's command."""
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
