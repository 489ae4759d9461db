"""Runs one function of a test file in a fresh seal: FILE FUNCTION ARGUMENTS RESULT."""

import importlib.util
import json
import os
import sys
from pathlib import Path

from filterlab.lab.seal import prepare_seal


def main() -> None:
    file, function, arguments, result = sys.argv[1:]
    prepare_seal()
    # As pytest's own `pythonpath` has it: tests import what others of them share.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    found = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    answer = getattr(module, function)(*json.loads(arguments))
    Path(result).write_text(json.dumps(answer))
    # The seal ends with us; whatever still runs in it needs no farewell.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
