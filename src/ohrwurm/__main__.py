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
    from ohrwurm.errors import OhrwurmError

    try:
        app()
    except OhrwurmError as error:
        print(f"ohrwurm: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
