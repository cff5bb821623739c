"""Runs `python -m minicache` as a user does, in a process of its own."""

import os
import subprocess
import sys


def cli(*arguments, text=True, **environment):
    env = {**os.environ, "COLUMNS": "80", **environment}
    return subprocess.run(
        [sys.executable, "-m", "minicache", *arguments], capture_output=True, text=text, env=env
    )
