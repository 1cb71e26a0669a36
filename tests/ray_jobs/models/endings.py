"""Models on which the process ends, for a child that imports these module-level functions."""

import os
import signal


def divided_by_zero(path, threads, precision, inputs):
    os.kill(os.getpid(), signal.SIGFPE)


def killed(path, threads, precision, inputs):
    os.kill(os.getpid(), signal.SIGKILL)
