"""Run LocalStack while holding a lock:  python -m tidemill_localstack LOCK_FILE"""

from __future__ import annotations

import os
import sys

from tidemill_cli.local import lock
from tidemill_localstack import expectations


def main() -> None:
    """Hold the lock, check what is needed, and serve until SIGTERM."""
    lock.hold(sys.argv.pop(1))
    try:
        expectations.check_version()
    except expectations.Unexpected as error:
        sys.exit(str(error))

    from localstack.runtime.main import main as serve

    try:
        serve()
    except SystemExit as end:
        # Threads of LocalStack go on asking its closed gateway for half a minute, and nothing is to be kept.
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


if __name__ == "__main__":
    main()
