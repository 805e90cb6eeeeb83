"""The strong baseline: Hugging Face Transformers in static batches, behind the same HTTP front as the reference.

Usage: python serve.py --port PORT --model DIR --dtype float32
It is what an honest effort with the library's own means gives. A batch takes all requests that wait, up to 32, and
runs until its last row ends; who comes meanwhile waits for the next one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "reference"))

from batching import Batcher
from front import serve

if __name__ == "__main__":
    serve(__doc__, Batcher)
