"""Make the virtual environment of this checkout: `python3 -m sparkcontrol.install requirements.txt .venv`.

Standard library only, and readable by any Python 3: it runs before anything is installed, and has to say so clearly
when this Python is too old. A stamp beside the packages makes the second start skip everything.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_PYTHON = (3, 11)


class CannotInstall(Exception):
    """The message is a sentence with the remedy."""


def main() -> int:
    lock, venv = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        install(lock, venv)
    except CannotInstall as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def install(lock: Path, venv: Path) -> None:
    """Bring `venv` to what `lock` says; does nothing when it is there already."""
    stamp = venv / f"installed-{lock.name}.sha256"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text().strip() == wanted:
        return
    refuse_old_python(sys.version_info[:2])
    make_venv(venv)
    sys.stdout.write(f"Installing the packages of {lock.name} into {venv} (once; about a minute).\n")
    sys.stdout.flush()
    run([*installer(venv), "--require-hashes", "-r", str(lock)])
    stamp.write_text(wanted + "\n")


def refuse_old_python(version: "tuple[int, ...]") -> None:
    if version < OLDEST_PYTHON:
        raise CannotInstall(
            "Spark Control needs Python 3.11 or newer, and this is {}.{}. Install a newer one, then say which: "
            "make run PYTHON=python3.12".format(*version)
        )


def make_venv(venv: Path) -> None:
    if (venv / "bin" / "python").exists():
        return
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if made.returncode:
        shutil.rmtree(venv, ignore_errors=True)  # a half-made one would look finished next time
        raise CannotInstall(missing_venv(made.stdout + made.stderr))


def missing_venv(said: str) -> str:
    """Debian and Ubuntu ship venv apart from Python; its own message is long and easy to miss."""
    if "ensurepip" in said or "No module named venv" in said:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        return f"Python's venv module is missing. Install it with: sudo apt-get install python3-venv (or {package})"
    return f"The virtual environment could not be made: {said.strip()}"


def installer(venv: Path) -> "list[str]":
    """uv when it is around (seconds instead of a minute), else the environment's own pip."""
    python = str(venv / "bin" / "python")
    own = venv / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    return [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]


def run(argv: "list[str]") -> None:
    done = subprocess.run(argv, check=False)
    if done.returncode:
        raise CannotInstall(
            "The packages could not be installed; the lines above say why. Then run the same command again."
        )


if __name__ == "__main__":
    sys.exit(main())
