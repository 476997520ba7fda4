"""Makes `servers.py` importable; one thread a process, as `make test` has it, for whoever runs pytest plainly."""

import os
import sys
from pathlib import Path

# Before torch is imported, and for the processes that tests start: sums over several threads round otherwise, and
# threads of two processes on two cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))
