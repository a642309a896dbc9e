"""What holds for every template and every value."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alicia_scheduler.core.templates import TemplateError, check_template, contains_template, render_value, sandbox
from alicia_scheduler.core.templates.grammar import FILTERS
from alicia_scheduler.core.templates.limits import Meter
from alicia_scheduler.core.templates.predicates import PREDICATES

NAMES = ["a", "b", "loop", "_event"]
PIECES = [
    *[
        "{{ ",
        " }}",
        "{% if ",
        "{% for a in ",
        "{% set b = ",
        " %}",
        "{% endif %}",
        "{% endfor %}",
        "{% else %}",
        "{# ",
        " #}",
    ],
    *["(", ")", "[", "]", "{", "}", ",", ":", ".", "|", "~", "+", "-", "*", "/", "//", "%", "**", "==", "<", ">="],
    *[
        " in ",
        " is ",
        " not ",
        " and ",
        " or ",
        " if ",
        " else ",
        "'x'",
        "1",
        "2.5",
        "true",
        "none",
        "text",
        "\n",
        *NAMES,
    ],
    *FILTERS,
    *PREDICATES,
]
text = st.text(st.characters(codec="utf-8"), max_size=12)
braces = st.sampled_from(["{{ a }}", "{% if a %}", "{{ 9**9**9 }}", "{#", "}}", "{{ a.__class__ }}"])
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text
)
plain = st.recursive(
    scalars | braces,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
soup = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
operand = st.sampled_from(
    [*NAMES[:2], "_event.x", "1", "2.5", "'x'", "[1, 'y']", "{'k': 1}", "none", "a[0]", "a[1:]", "zz"]
)
expressions = st.recursive(
    operand,
    lambda inner: st.one_of(
        st.tuples(
            inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "<", "==", "in", "and"]), inner
        ).map(lambda parts: "({} {} {})".format(*parts)),
        st.tuples(inner, st.sampled_from(sorted(FILTERS))).map(lambda parts: "({}|{})".format(*parts)),
        st.tuples(inner, st.sampled_from(sorted(FILTERS)), inner).map(lambda parts: "({}|{}({}))".format(*parts)),
        st.tuples(inner, st.sampled_from(sorted(PREDICATES))).map(lambda parts: "({} is {})".format(*parts)),
        st.tuples(inner, inner, inner).map(lambda parts: "({} if {} else {})".format(*parts)),
    ),
    max_leaves=6,
)


def rendered(template: Any, context: dict[str, Any]) -> Any:
    try:
        return render_value(template, context)
    except TemplateError as error:
        return error


def checked(template: str) -> TemplateError | None:
    try:
        check_template(template)
    except TemplateError as error:
        return error
    return None


def scope() -> sandbox.Scope:
    made = sandbox.Scope(sandbox._sandbox, {}, None, {})
    made.meter, made.typed = Meter(), False
    return made


@given(soup, plain)
def test_a_heap_of_pieces_renders_or_is_refused_and_nothing_else(template: str, value: Any) -> None:
    result = rendered(template, {"a": value, "b": [value], "_event": {"x": value}})
    assert isinstance(result, TemplateError) or json.dumps(result, allow_nan=False)


@given(expressions, plain)
def test_an_expression_gives_json_or_is_refused_and_its_context_stays_as_it_was(expression: str, value: Any) -> None:
    context = {"a": value, "b": [value, 1], "_event": {"x": value}}
    before = copy.deepcopy(context)
    for template in (
        f"{{{{ {expression} }}}}",
        f"={{{{ {expression} }}}}",
        f"{{% for a in b %}}{{{{ {expression} }}}}{{% endfor %}}",
    ):
        result = rendered(template, context)
        assert isinstance(result, TemplateError) or json.dumps(result, allow_nan=False)
        assert context == before


@given(expressions)
def test_what_passes_the_check_compiles(expression: str) -> None:
    template = f"{{{{ {expression} }}}}"
    check = checked(template)
    if check is None:
        list(sandbox.prepared("{% if false %}" + template + "{% endif %}").write(scope()))
    else:
        assert rendered(template, {}).reason == check.reason


@given(plain)
def test_a_value_without_templates_comes_back_equal_and_new(value: Any) -> None:
    if contains_template(value):
        return
    result = render_value(value, {})
    assert result == value
    assert result is not value or not isinstance(value, (list, dict))


@given(plain, plain)
def test_rendering_leaves_the_value_and_the_context_as_they_were(value: Any, context: Any) -> None:
    names = {"a": context}
    before = copy.deepcopy((value, names))
    rendered(value, names)
    assert (value, names) == before


@given(plain)
def test_data_is_never_rendered(value: Any) -> None:
    assert render_value("{{ a }}", {"a": value}) == value
    assert render_value("{{ a }}{# #} {{ b }}", {"a": "{{ b }}", "b": "{% c %}"}) == "{{ b }} {% c %}"


@given(plain)
def test_the_result_shares_nothing_with_the_context(value: Any) -> None:
    context = {"a": [value]}
    result = render_value({"x": "{{ a }}"}, context)
    result["x"].append("more")
    assert context == {"a": [value]}


@given(text)
def test_a_text_in_data_is_put_into_text_as_it_is(value: str) -> None:
    assert render_value("<{{ a }}>", {"a": value}) == f"<{value}>"
