"""`make demo`: starts everything in a directory of its own, reads the samples, shows what was found, and stops."""

import tempfile
import time
from pathlib import Path

from cli.background import NO_LIMITS, background_stack
from cli.submit import Submission, submit

_SAMPLES = Path(__file__).parent.parent / "samples"
_FILES = ("quarterly-report.pdf", "scanned-letter.pdf")


def main() -> int:
    """Returns 0 when every sample was read and analysed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pagemesh-demo-") as directory:
        with background_stack(Path(directory), NO_LIMITS) as stack:
            files = [_SAMPLES / name for name in _FILES]
            code = submit(Submission(files, {"analysis_type": "financial_analysis"}), stack.layout, None, None)
        print(f"\nThe whole demonstration took {time.monotonic() - started:.1f} s.")
        print("`make run` keeps everything up. New organizations get the tier free there; PAGEMESH_DEFAULT_TIER=pro or")
        print("enterprise raises its limits, and `pagemesh admin set-tier` those of one organization.")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
