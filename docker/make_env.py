"""Writes .env with random secrets from .env.example. Never changes an .env that is there.

Runs on the host before anything is installed: standard library only.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

FERNET_KEY = "AIRFLOW_FERNET_KEY"


def main(repository: Path) -> int:
    """Writes `.env` of a checkout where it is missing and returns the exit code."""
    target = repository / ".env"
    if target.exists():
        return 0
    text = fill_secrets((repository / ".env.example").read_text(encoding="utf-8"))
    # Complete and private before it carries its name.
    part = repository / f".env.{os.getpid()}.part"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        os.link(part, target)
    finally:
        part.unlink(missing_ok=True)
    sys.stdout.write("Wrote .env with new random secrets.\n")
    return 0


def fill_secrets(example: str) -> str:
    """Puts a random secret of its own behind every name without a value."""
    return "".join(
        f"{line}{random_secret(line[:-1])}\n" if is_empty(line) else f"{line}\n"
        for line in example.splitlines()
    )


def is_empty(line: str) -> bool:
    """Tells whether a line names a variable and gives it no value."""
    return line.endswith("=") and not line.startswith("#")


def random_secret(name: str) -> str:
    """Makes 32 random bytes: hexadecimal, which is safe in a URL, or as a Fernet key."""
    if name == FERNET_KEY:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
