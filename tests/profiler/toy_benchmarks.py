"""Benchmarks that write a figure at once, so that the protocol around them can be tested in seconds."""

from toy.fixtures import HERE
from vibeserve.core.evidence import candidate_record

ENGINES = HERE / "engines"
INSTANT = """command = ["{python}", "-I", "-c", "import json,random,sys; json.dump(dict(headline=dict(\
tokens_per_s=random.uniform(90, 110))), open(sys.argv[1], 'w'))", "{out}"]"""
EQUAL = INSTANT.replace("random.uniform(90, 110)", "100")
BENCHMARK = """command = ["{python}", "-I", "{target}/benchmark/benchmark.py", "--url", "{url}", "--model", \
"{model}", "--seed", "{seed}", "--load", "{target}/benchmark/load_{preset}.json", "--out", "{out}"]"""

HONEST = (ENGINES / "honest.py").read_text()
# Says 7 for every token, by which a benchmark can tell the candidate from the reference.
SEVEN = """
class Engine:
    def __init__(self, model):
        pass

    async def generate(self, prompt, limit, _stops):
        for _ in range(limit):
            yield 7
"""


def sided(on_candidate: str, on_reference: str) -> tuple[str, str]:
    """A benchmark that evaluates one expression against SEVEN and another one against the reference."""
    code = (
        "import json,sys,time,urllib.request as u; body = json.dumps(dict(prompt='a', max_tokens=1)).encode(); "
        "said = u.urlopen(u.Request(sys.argv[2] + '/v1/completions', body)).read(); "
        f"{on_candidate} if b'[7]' in said else {on_reference}"
    )
    return BENCHMARK, f'command = ["{{python}}", "-I", "-c", "{code}", "{{out}}", "{{url}}"]'


def instant_with(code: str) -> tuple[str, str]:
    return BENCHMARK, f'command = ["{{python}}", "-I", "-c", "{code}", "{{out}}"]'


def records(run, kind):
    return [record.body for record in run.ledger.records(kind)]


def tree_of(run, candidate):
    return candidate_record(run.ledger, candidate).body["tree"]
