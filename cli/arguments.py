"""Reading the command line."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:  # it is generic for the type checker alone
    Commands = argparse._SubParsersAction["Parser"]

USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """Complains on standard error, and where `--json` is among the arguments as JSON on standard output."""

    _as_json = False

    def parse_known_args(  # type: ignore[override]  # the three ways in which it can be called, in one
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """What is known among the arguments, and the rest."""
        self._as_json = "--json" in (sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Ends the process with 2."""
        if not self._as_json:
            super().error(message)
        print(json.dumps({"error": "usage", "message": message}))
        self.exit(USAGE_ERROR)
