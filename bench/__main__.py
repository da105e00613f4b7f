"""`python -m bench` lists and runs the measurements; `python -m bench NAME …` runs one."""

import importlib
import sys

#: What `python -m bench` without a name runs; those that follow are long and only run by name.
QUICK = ("pipeline", "memory", "journal", "rules", "otlp_encoding")
ALL = (*QUICK, "faults", "week")


def main() -> int:
    """Run the named measurement, or all quick ones."""
    names = sys.argv[1:2] or list(QUICK)
    codes = []
    for name in names:
        if name not in ALL:
            print(f"bench: no measurement {name!r}; there are {', '.join(ALL)}", file=sys.stderr)
            return 2
        print(f"== {name}")
        codes.append(importlib.import_module(f"bench.{name}").main(sys.argv[2:]))
    return max(codes)


sys.exit(main())
