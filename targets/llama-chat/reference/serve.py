"""The reference server: Hugging Face Transformers, one request at a time, OpenAI streaming over HTTP.

Usage: python serve.py --port PORT --model DIR --dtype float32
It is the definition of correct, not of fast. The contract is written out in ../OBJECTIVE.md.
"""

from front import serve
from generation import Generator

if __name__ == "__main__":
    serve(__doc__, Generator)
