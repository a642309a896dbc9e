"""A crash at any boundary, and the replay after it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicia_scheduler.core.instructions.course import Broke, Ended
from alicia_scheduler.core.instructions.steps import HEADER
from tests.unit.instructions.driving import Home, without_repeats


def publish(n: int = 0) -> dict[str, Any]:
    return {"action": "mqtt_publish", "topic": f"home/{n}", "message": n}


COUNT = {"action": "set_var", "var_name": "n", "value": "{{ vars.n | default(0) + 1 }}"}
THROW = {"action": "throw_event", "key": "k", "payload": "{{ vars.n | default(0) }}"}
CONDITION = st.sampled_from(["vars.n | default(0) > 3", "(vars.n | default(0)) % 2 == 0", "true", "false"])
LEAF = st.one_of(
    st.builds(publish, st.integers(0, 9)),
    st.sampled_from([
        COUNT,
        THROW,
        {"action": "log", "message": "{{ vars.n | default('none') }}"},
        {"action": "wait", "duration": 30},
        {"action": "wait_for_event", "key": "never", "timeout": 10, "on_timeout": "continue"},
        {"action": "random_choice", "var": "drawn", "choices": [1, 2, 3]},
        {"action": "set_var", "var_name": "bad", "value": "{{ vars.nothing }}", "on_error": "continue"},
        {"action": "terminate", "scope": "block"},
    ]),
)  # fmt: skip


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    block = st.lists(inner, min_size=0, max_size=4)
    return st.one_of(
        st.builds(lambda c, a, b: {"action": "if", "condition": c, "then": a, "else": b}, CONDITION, block, block),
        st.builds(lambda n, b: {"action": "repeat", "count": n, "do": b}, st.integers(0, 4), block),
        st.builds(lambda b: {"action": "repeat", "for_each": [1, 2], "do": b}, block),
        st.builds(
            lambda b: {"action": "repeat", "while": "vars.n | default(0) < 3", "max_passes": 5, "do": [COUNT, *b],
                       "on_error": "continue"}, block,
        ),
        st.builds(lambda b: {"action": "repeat", "until": "repeat.index >= 2", "max_passes": 3, "do": b}, block),
        st.builds(
            lambda c, a, b: {"action": "choose", "options": [{"condition": c, "then": a}], "default": b},
            CONDITION, block, block,
        ),
        st.builds(
            lambda a, b: {"action": "random_choice", "options": [{"instructions_block": a}, {"instructions_block": b}]},
            block, block,
        ),
    )  # fmt: skip


PROGRAMS = st.lists(st.recursive(LEAF, containers, max_leaves=12), min_size=1, max_size=6)


@settings(max_examples=400, deadline=None)
@given(block=PROGRAMS, data=st.data())
def test_a_crash_at_any_boundary_gives_the_same_effects_in_order_with_at_most_the_step_under_way_repeated(
    block: list[Any], data: st.DataObject
) -> None:
    unharmed = Home(block)
    ending = unharmed.to_end()
    crashes = data.draw(st.frozensets(st.integers(1, max(1, 2 * unharmed.boundary)), max_size=12))
    harmed = Home(block, crashes)
    assert harmed.to_end() == ending
    assert list(without_repeats(harmed.effects)) == list(without_repeats(unharmed.effects))
    repeated = len(harmed.effects) - len(unharmed.effects)
    assert 0 <= repeated <= harmed.attempt - 1
    assert harmed.variables == unharmed.variables
    assert harmed.thrown == unharmed.thrown
    assert [path for path in harmed.steps if path != HEADER] == [path for path in unharmed.steps if path != HEADER]


def test_a_crash_at_every_single_boundary_of_a_program_repeats_at_most_one_effect() -> None:
    block = [publish(1), COUNT, THROW, {"action": "repeat", "count": 3, "do": [publish(2), COUNT, THROW]}, publish(3)]
    unharmed = Home(block)
    unharmed.to_end()
    for boundary in range(1, unharmed.boundary + 1):
        harmed = Home(block, frozenset({boundary}))
        harmed.to_end()
        assert list(without_repeats(harmed.effects)) == unharmed.effects
        assert len(harmed.effects) <= len(unharmed.effects) + 1
        assert (harmed.variables, harmed.thrown) == (unharmed.variables, [1, 2, 3, 4])


@settings(max_examples=150, deadline=None)
@given(branches=st.lists(st.lists(LEAF, max_size=4), min_size=1, max_size=4), data=st.data())
def test_in_a_parallel_every_branch_keeps_its_own_order_over_crashes(branches: list[Any], data: st.DataObject) -> None:
    block = [{"action": "parallel", "branches": branches}, publish()]
    unharmed = Home(block)
    unharmed.to_end()
    crashes = data.draw(st.frozensets(st.integers(1, max(1, 2 * unharmed.boundary)), max_size=8))
    harmed = Home(block, crashes)
    harmed.to_end()
    for number in range(len(branches)):
        mark = f"[0].branches[{number}]"
        kept = [path for path in harmed.effects if path.startswith(mark)]
        assert list(without_repeats(kept)) == [path for path in unharmed.effects if path.startswith(mark)]
    assert harmed.effects[-1] == "[1]"


@settings(max_examples=150, deadline=None)
@given(block=PROGRAMS)
def test_a_course_laid_out_again_from_the_records_stands_where_the_first_one_did(block: list[Any]) -> None:
    home = Home(block)
    ending = home.to_end()
    again = Home(block, steps=home.steps, mark=home.mark, variables=home.variables)
    assert again.to_end() == ending
    assert again.effects == []


def test_a_random_choice_takes_the_same_way_after_a_crash() -> None:
    ways = [{"instructions_block": [publish(n)]} for n in range(10)]
    block = [{"action": "repeat", "count": 10, "do": [{"action": "random_choice", "options": ways}]}]
    unharmed = Home(block)
    unharmed.to_end()
    harmed = Home(block, frozenset(range(1, 200, 3)))
    harmed.to_end()
    assert list(without_repeats(harmed.effects)) == unharmed.effects
    assert len({effect.rpartition(".options")[2][:3] for effect in unharmed.effects}) > 3


def test_a_failure_that_something_around_forgives_stays_a_failure_in_every_later_attempt() -> None:
    inner = {"action": "if", "condition": True, "then": [publish(1), publish(2)], "on_error": "continue"}
    home = Home([inner, publish(3)], frozenset({8, 10}), fails=frozenset({"[0].then[0]"}))
    home.to_end()
    assert list(without_repeats(home.effects)) == ["[0].then[0]", "[1]"]


def test_a_failure_ends_the_program_and_names_its_path() -> None:
    home = Home([publish(1), publish(2)], fails=frozenset({"[0]"}))
    assert home.to_end() == Broke("[0]", "it broke", "broken")


@pytest.mark.parametrize("boundary", range(1, 9))
def test_a_stop_with_a_result_gives_the_same_result_after_a_crash(boundary: int) -> None:
    block = [COUNT, publish(), {"action": "stop", "result": "{{ vars.n }}"}]
    assert Home(block, frozenset({boundary})).to_end() == Ended(1)
