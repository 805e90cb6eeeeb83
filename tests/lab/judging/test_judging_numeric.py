import pytest
from judged import answer, score

from vibeserve.core.errors import InfrastructureFailed
from vibeserve.lab.judging import Stage, numeric, read_scores, score_input
from vibeserve.lab.judging.diagnosis import overlaps

LIMIT = 1e-3


def judged(answers, scores, **options) -> Stage:
    return numeric.judge(answers, scores, max_gap=LIMIT, **options)


def test_honest_answers_pass_with_their_numbers():
    stage = judged([answer(), answer(endpoint="chat")], [score(), score(0, 2e-5, 0, 0)])
    assert (stage.status, stage.feedback, stage.evidence) == ("passed", "", "")
    assert stage.measured["max_gap"] == pytest.approx(2e-5)
    assert stage.measured["agreement"] == pytest.approx(7 / 8)
    assert stage.measured["wrong_tokens"] == 0
    assert stage.threshold == {"max_gap": LIMIT}


def test_a_gap_at_the_limit_passes_and_one_above_it_fails():
    assert judged([answer()], [score(0, LIMIT, 0, 0)]).passed
    assert not judged([answer()], [score(0, LIMIT * 1.01, 0, 0)]).passed


def test_a_gap_that_is_not_a_number_fails():
    assert judged([answer()], [score(0, float("nan"), 0, 0)]).status == "failed"


def test_nothing_to_judge_is_inconclusive():
    assert judged([], []).status == "inconclusive"


def test_streams_that_do_not_complete_fail_and_are_counted_by_kind():
    broken = answer(error="http_5xx", token_ids=(), text="", finish_reason=None)
    stage = judged([answer(), broken], [score(), score(0.0, text="")])
    assert stage.status == "failed"
    assert "1 of 2 streams did not complete (1 http_5xx)" in stage.feedback


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"max_tokens": 5}, "says length without max_tokens ids"),
        ({"token_ids": (1, 2, 3, 99)}, "says length where its last id is a stop id"),
        ({"finish_reason": "stop"}, "says stop without a stop id at its end"),
        ({"token_ids": (1, 99, 3, 4)}, "continues after a stop id"),
        ({"token_ids": (1, 99, 3, 99), "finish_reason": "stop"}, "continues after a stop id"),
        ({"finish_reason": "content_filter"}, "a finish_reason other than length or stop"),
        ({"token_ids": (), "finish_reason": "stop"}, "says stop without a stop id at its end"),
    ],
)
def test_each_rule_of_length_says_no(changes, fault):
    stage = judged([answer(**changes)], [score()])
    assert stage.status == "failed"
    assert fault in stage.feedback


def test_answers_that_stop_early_on_a_stop_or_end_id_pass():
    stopped = answer(token_ids=(1, 99), finish_reason="stop", text="ab")
    ended = answer(token_ids=(1, 7), finish_reason="stop", text="ab")
    scores = [score(0.0, 0.0, text="ab")] * 2
    assert judged([stopped, ended], scores, eos_ids=frozenset({7})).passed
    assert not judged([stopped, ended], scores).passed


def test_an_end_id_is_an_ordinary_token_for_a_request_that_ignores_it():
    ignoring = answer(token_ids=(1, 7, 3, 4), ignore_eos=True)
    assert judged([ignoring], [score()], eos_ids=frozenset({7})).passed
    obeying = ignoring.model_copy(update={"ignore_eos": False})
    assert not judged([obeying], [score()], eos_ids=frozenset({7})).passed


def test_text_that_is_not_what_the_ids_decode_to_fails():
    stage = judged([answer(text="abc\ufffd")], [score()])
    assert stage.status == "failed"
    assert "not what their token_ids decode to" in stage.feedback


def test_feedback_says_that_only_requests_that_share_are_wrong():
    alone = answer(sent_s=0.0, finished_s=1.0)
    shared = [answer(sent_s=2.0 + place / 10, finished_s=3.0) for place in range(3)]
    scores = [score(), score(0, 5.0, 0, 0), score(), score(0, 0, 5.0, 0)]
    feedback = judged([alone, *shared], scores).feedback
    assert "Only requests admitted while others were running are wrong (2 of 3)" in feedback
    assert "requests that ran alone are right (1)" in feedback
    assert "output position 1 at the earliest" in feedback
    assert "look at decoding" in feedback


def test_feedback_says_that_only_chats_are_wrong_from_the_first_token():
    answers = [answer(), answer(endpoint="chat")]
    feedback = judged(answers, [score(), score(5.0, 0, 0, 0)]).feedback
    assert "Only chat requests are wrong" in feedback
    assert "look at the prompt's encoding and the prefill" in feedback


def test_feedback_and_evidence_reveal_no_prompt():
    wrong = answer(text="zzzz", finish_reason="stop")
    stage = judged([wrong, answer(error="reset")], [score(9.0, 9.0, 9.0, 9.0), score()])
    assert stage.status == "failed"
    for word in ("secret", "words", "abcd", "zzzz"):
        assert word not in stage.feedback + stage.evidence


def test_requests_overlap_only_when_both_are_in_flight():
    first, second = answer(sent_s=0.0, finished_s=1.0), answer(sent_s=0.5, finished_s=2.0)
    later, untimed = answer(sent_s=3.0, finished_s=4.0), answer(sent_s=None, finished_s=None)
    everyone = [first, second, later, untimed]
    assert [overlaps(one, everyone) for one in everyone] == [True, True, False, False]


def test_scores_come_back_in_the_order_in_which_answers_were_sent():
    asked = [answer(), answer(endpoint="chat", prompt=None, messages=({"role": "user", "content": "hi"},))]
    assert '"messages": [{"role": "user", "content": "hi"}]' in score_input(asked)
    document = '{"sequences": [%s, %s]}' % ((score().model_dump_json(),) * 2)
    assert len(read_scores(document, asked)) == 2


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "{}",
        '{"sequences": []}',
        '{"sequences": [{"gaps": [0, 0], "agreement": 1, "text": ""}]}',
        '{"sequences": [{"gaps": ["high"], "agreement": 1, "text": ""}]}',
    ],
)
def test_a_score_command_that_does_not_score_every_token_is_not_the_candidates_fault(document):
    with pytest.raises(InfrastructureFailed):
        read_scores(document, [answer()])


def test_ids_outside_the_vocabulary_fail_before_any_score():
    given = [answer(), answer(token_ids=(1, 2, 3, 10)), answer(token_ids=(), error="reset")]
    stage = numeric.judge_unscorable(given, vocabulary=10)
    assert stage is not None and stage.status == "failed"
    assert "1 of 3 answers hold token ids" in stage.feedback and "1 reset" in stage.feedback
    assert numeric.judge_unscorable(given, vocabulary=11) is None
