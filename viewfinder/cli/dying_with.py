"""`python -m viewfinder.cli.dying_with PID MODULE ...` runs a module that is told to end when the
process PID, its parent, dies: a killed backup or restore must not leave its helpers running."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def command(module: str, *arguments: str) -> Sequence[str]:
    """The command that runs a module as long as this process lives."""
    return (sys.executable, "-P", "-m", __name__, str(os.getpid()), module, *arguments)


def main() -> None:
    """See the module. Where the kernel cannot tell, the next start ends what is left."""
    _, parent, module, *arguments = sys.argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            return
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
