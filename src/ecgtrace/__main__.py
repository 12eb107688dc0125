"""`python -m ecgtrace`: the command `ecgtrace`."""

import sys

from ecgtrace.command import main

if __name__ == "__main__":
    sys.exit(main())
