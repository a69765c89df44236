"""From Python to a component: `python3 build.py WORLD NAME`. Installs what that takes into `.venv`, beside this file."""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
VENV = HERE / ".venv"
WIT = os.environ.get("PUNCHCARD_WIT", "wit")
TOOL = VENV / "bin" / "componentize-py"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("such as `python3 build.py formatter presses`")
    world, name = sys.argv[1:]
    if not TOOL.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)])
        if made.returncode:
            sys.exit("Python's module venv is missing; on Debian `sudo apt install python3-venv` installs it")
        pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(HERE / "requirements.txt")], check=True)
    command = [str(TOOL), "-d", WIT, "-w", world, "componentize", "plugin", "-o", f"{name}.wasm"]
    subprocess.run(command, check=True, cwd=HERE)


main()
