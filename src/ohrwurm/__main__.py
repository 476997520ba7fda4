"""Entry point: answers `--version` before anything heavy is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from ohrwurm import __version__

        print(f"ohrwurm {__version__}")
        return
    from ohrwurm.cli import app

    app()


if __name__ == "__main__":
    main()
