"""Templates that work: the value, its type, and the messages when they do not."""

from typing import Any

import pytest

from alicia_scheduler.core.templates import TemplateError, check_template, contains_template, render_value

CONTEXT: dict[str, Any] = {
    "x": 5,
    "f": 2.5,
    "s": "Hello",
    "n": None,
    "yes": True,
    "list": [3, 1, 2],
    "words": ["b", "A", "b", "c"],
    "object": {"a": 1, "items": [1], "b": {"c": "deep"}},
    "rows": [{"k": "p", "v": 2, "d": {"e": 1}}, {"k": "q", "v": 1}, {"k": "r", "v": 2}],
    "epoch": 1767250800.0,
    "empty": [],
}

RESULTS: list[tuple[str, Any]] = [
    ("no template", "no template"),
    ("a single { brace } and 50%", "a single { brace } and 50%"),
    ("{{ x }}", 5),
    ("{{ f }}", 2.5),
    ("{{ yes }}", True),
    ("{{ n }}", None),
    ("{{ object }}", CONTEXT["object"]),
    ("{{x}}{{x}}", "55"),
    (" {{ x }}", " 5"),
    ("{{ x }}\n", "5\n"),
    ("{{ x }}{# a comment #}", 5),
    ("{# nothing #}", ""),
    ("a {# b #} c", "a  c"),
    ("{{ s }} {{ n }} {{ yes }} {{ f }}", "Hello None True 2.5"),
    ("v={{ object.b }}", 'v={"c": "deep"}'),
    ("{{ object.b.c }}", "deep"),
    ("{{ object['b']['c'] }}", "deep"),
    ("{{ object.items }}", [1]),
    ("{{ list.0 }}", 3),
    ("{{ list[-1] }}", 2),
    ("{{ s[1:3] }}", "el"),
    ("{{ list[::-1] }}", [2, 1, 3]),
    ("{{ {1: 'one', 2: 'two'}[2] }}", "two"),
    ("{{ (1, 'a') }}", [1, "a"]),
    ("{{ [x, {'k': f}] }}", [5, {"k": 2.5}]),
    ("{{ x + 1 }}", 6),
    ("{{ x / 2 }}", 2.5),
    ("{{ x // 2 }}", 2),
    ("{{ x % 3 }}", 2),
    ("{{ 2 ** 10 }}", 1024),
    ("{{ -x }}", -5),
    ("{{ +x }}", 5),
    ("{{ s + '!' }}", "Hello!"),
    ("{{ list + [4] }}", [3, 1, 2, 4]),
    ("{{ x ~ '/' ~ f ~ n }}", "5/2.5None"),
    ("{{ 1 < x <= 5 }}", True),
    ("{{ 1 < x < 5 }}", False),
    ("{{ x == 5.0 and s != 'x' }}", True),
    ("{{ x in list or 'a' not in object }}", False),
    ("{{ 'ell' in s }}", True),
    ("{{ [1] in object }}", False),
    ("{{ not yes }}", False),
    ("{{ 'a' if x > 3 else 'b' }}", "a"),
    ("{{ 'a' if x < 3 }}", ""),
    ("{{ y | default('z') }}", "z"),
    ("{{ object.zz | d(1) }}", 1),
    ("{{ list[9] | default(0) }}", 0),
    ("{{ empty | first | default('none') }}", "none"),
    ("{{ empty | last | default('none') }}", "none"),
    ("{{ empty | min | default(0) }}", 0),
    ("{{ empty | max | default(0) }}", 0),
    ("{{ '' | default('z', true) }}", "z"),
    ("{{ '12' | int }}", 12),
    ("{{ '12.7' | int }}", 12),
    ("{{ 'ff' | int(base=16) }}", 255),
    ("{{ 'x' | int(7) }}", 7),
    ("{{ 'x' | int(default=7) }}", 7),
    ("{{ ('9' ~ s) | float(1.5) }}", 1.5),
    ("{{ '1e3' | float }}", 1000.0),
    ("{{ n | default(1) | string }}", "None"),
    ("{{ -2.5 | abs }}", 2.5),
    ("{{ (-2.5) | abs }}", 2.5),
    ("{{ 2.345 | round(2) }}", 2.35),
    ("{{ 2.1 | round(0, 'ceil') }}", 3.0),
    ("{{ 2.19 | round(1, 'floor') }}", 2.1),
    ("{{ 1250 | round(-2, 'floor') }}", 1200.0),
    ("{{ s | lower }}{{ s | upper }}", "helloHELLO"),
    ("{{ 'a b' | title }}{{ 'a b' | capitalize }}", "A BA b"),
    ("{{ '  a ' | trim }}", "a"),
    ("{{ '--a-' | trim('-') }}", "a"),
    ("{{ s | replace('l', 'L') }}", "HeLLo"),
    ("{{ s | replace('l', 'L', 1) }}", "HeLlo"),
    ("{{ 'a b  c' | split }}", ["a", "b", "c"]),
    ("{{ 'a,b' | split(',') }}", ["a", "b"]),
    ("{{ object | tojson }}", '{"a": 1, "items": [1], "b": {"c": "deep"}}'),
    ("{{ s | length }}", 5),
    ("{{ object | count }}", 3),
    ("{{ list | first }}", 3),
    ("{{ s | last }}", "o"),
    ("{{ list | join('-') }}", "3-1-2"),
    ("{{ rows | join('', attribute='k') }}", "pqr"),
    ("{{ list | sum }}", 6),
    ("{{ rows | sum('v', 10) }}", 15),
    ("{{ list | sort }}", [1, 2, 3]),
    ("{{ list | sort(reverse=true) }}", [3, 2, 1]),
    ("{{ words | sort }}", ["A", "b", "b", "c"]),
    ("{{ rows | sort(attribute='v') | map(attribute='k') }}", ["q", "p", "r"]),
    ("{{ words | unique }}", ["b", "A", "c"]),
    ("{{ ['a', 'A'] | unique(true) }}", ["a", "A"]),
    ("{{ rows | unique(attribute='v') | map(attribute='k') }}", ["p", "q"]),
    ("{{ [[1], [1], {}] | unique }}", [[1], {}]),
    ("{{ list | min }}{{ list | max }}", "13"),
    ("{{ (rows | min(attribute='v')).k }}", "q"),
    ("{{ rows | map(attribute='d.e', default=0) }}", [1, 0, 0]),
    ("{{ list | select('odd') }}", [3, 1]),
    ("{{ list | reject('gt', 1) }}", [1]),
    ("{{ [0, 1, ''] | select }}", [1]),
    ("{{ rows | selectattr('d', 'defined') | map(attribute='k') }}", ["p"]),
    ("{{ rows | rejectattr('v', 'eq', 2) | map(attribute='k') }}", ["q"]),
    ("{{ object.b | items }}", [["c", "deep"]]),
    ("{{ 'abc' | list }}", ["a", "b", "c"]),
    ("{{ object | list }}", ["a", "items", "b"]),
    ("{{ 'abc' | reverse }}", "cba"),
    ("{{ list | reverse }}", [2, 1, 3]),
    ("{{ epoch | iso }}", "2026-01-01T07:00:00+00:00"),
    ("{{ 0.25 | iso }}", "1970-01-01T00:00:00.250000+00:00"),
    ("{{ epoch | format_time('%d.%m.%Y %H:%M %%', 'Asia/Kolkata') }}", "01.01.2026 12:30 %"),
    ("{{ x is number and s is string and n is none and f is float and x is integer }}", True),
    ("{{ yes is boolean and yes is true and yes is not false }}", True),
    ("{{ object is mapping and list is sequence }}", True),
    ("{{ x is odd and 4 is even and 9 is divisibleby 3 and x is in [5] }}", True),
    ("{{ y is undefined and x is defined }}", True),
    ("{% if x > 9 %}a{% elif x > 4 %}b{% else %}c{% endif %}", "b"),
    ("{% set y = x + 1 %}{{ y }}", "6"),
    ("{% set a, b = 1, 2 %}{{ a + b }}", "3"),
    ("{% for i in list %}{{ i }}{% endfor %}", "312"),
    ("{% for i in list if i > 1 %}{{ i }}{% endfor %}", "32"),
    ("{% for i in [] %}{{ i }}{% else %}none{% endfor %}", "none"),
    ("{% for k, v in object.b | items %}{{ k }}={{ v }}{% endfor %}", "c=deep"),
    ("{% for k in object %}{{ k }},{% endfor %}", "a,items,b,"),
    ("{% for i in list %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/3 2/3 3/3 "),
    ("{% for i in list %}{{ loop.index0 }}{{ loop.revindex }}{{ ' ' if loop.first else '' }}{% endfor %}", "03 1221"),
    ("{% for i in [1, 2] %}{% for j in [1, 2] %}{{ i * j }}{% endfor %}{% endfor %}", "1224"),
    ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ("a  {%- if yes -%}  b  {%- endif %}", "ab"),
    ("äöü {{ 'é' }} 🙂", "äöü é 🙂"),
]


@pytest.mark.parametrize(("template", "expected"), RESULTS)
def test_a_template_gives_its_value_with_its_type(template: str, expected: Any) -> None:
    check_template(template)
    result = render_value(template, CONTEXT)
    assert (result, type(result)) == (expected, type(expected))


MISTAKES = [
    ("{{ y }}", "'y' is undefined"),
    ("{{ y.z }}", "'y' is undefined"),
    ("{{ object.zz }}", "an object has no 'zz'"),
    ("{{ object.zz.yy }}", "an object has no 'zz'"),
    ("{{ list[7] }}", "a list has no item 7"),
    ("{{ n.a }}", "none has no 'a'"),
    ("{{ [y] }}", "'y' is undefined"),
    ("{{ y ~ 'a' }}", "'y' is undefined"),
    ("{{ y == 1 }}", "'y' is undefined"),
    ("{{ -y }}", "'y' is undefined"),
    ("{{ y | int(3) }}", "'y' is undefined"),
    ("{% if y %}{% endif %}", "'y' is undefined"),
    ("{{ 1 / 0 }}", "division by zero"),
    ("{{ 1 is divisibleby 0 }}", "division by zero"),
    ("{{ (-8) ** 0.5 }}", "the root of a negative number"),
    ("{{ s + 1 }}", "+ is for numbers, got text and a number; ~ joins text"),
    ("{{ s * 2 }}", "* is for numbers, got text and a number"),
    ("{{ '%d' % 2 }}", "% is for numbers"),
    ("{{ s < 1 }}", "text and a number have no order"),
    ("{{ 1 in 5 }}", "in needs a list"),
    ("{{ 1 in s }}", "only text can be in a text"),
    ("{{ 5[1:] }}", "only text and lists have parts"),
    ("{{ s['a'] }}", "text has no 'a'"),
    ("{{ object[[1]] }}", "an object has no item under a list"),
    ("{{ {1: 2} }}", "the keys of an object must be text"),
    ("{{ {[1]: 2} }}", "it cannot be rendered"),
    ("{{ n | int }}", "expected a whole number, got none; a default can be given"),
    ("{{ s | int }}", "expected a whole number, got text; a default can be given"),
    ("{{ s | abs }}", "expected a number, got text"),
    ("{{ 'nan' | float }}", "expected a number, got text"),
    ("{{ 1 | round(99) }}", "round: the precision"),
    ("{{ 1 | round(0, 'up') }}", "round: the method"),
    ("{{ 1 | round(1.5) }}", "expected a whole number"),
    ("{{ s | replace('', 'x') }}", "replace: the text to look for is empty"),
    ("{{ s | split('') }}", "split: the separator is empty"),
    ("{{ s | trim('abcdefghijklmnopqrstuvw') }}", "trim: more than"),
    ("{{ 5 | split }}", "expected text, got a number"),
    ("{{ 5 | length }}", "a number has no length"),
    ("{{ 5 | first }}", "expected a list, got a number"),
    ("{{ list | items }}", "items: expected an object"),
    ("{{ [1, 'a'] | sort }}", "numbers and text have no common order"),
    ("{{ rows | sort }}", "an object has no order; name an attribute"),
    ("{{ rows | map(attribute='d') }}", "an object has no 'd'"),
    ("{{ ['a'] | sum }}", "expected a number, got text"),
    ("{{ list | select('prime') }}", "there is no test 'prime'"),
    ("{{ list | select('gt') }}", "it cannot be rendered"),
    ("{{ empty | first }}", "first: there are no items"),
    ("{{ epoch | iso('Mars/Olympus') }}", "the time zone is not known"),
    ("{{ epoch | iso('../../etc/passwd') }}", "the time zone is not known"),
    ("{{ epoch | iso('Europe') }}", "the time zone is not known"),
    ("{{ 1e18 | iso }}", "the time is outside the years"),
    ("{{ true | iso }}", "expected epoch seconds"),
    ("{{ epoch | format_time('%Q') }}", "format_time: the pattern"),
    ("{% for i in s %}{% endfor %}", "expected a list, got text"),
]


@pytest.mark.parametrize(("template", "reason"), MISTAKES)
def test_a_mistake_is_named_when_it_is_rendered(template: str, reason: str) -> None:
    check_template(template)
    with pytest.raises(TemplateError) as caught:
        render_value(template, CONTEXT, "action")
    assert caught.value.reason.startswith(reason)
    assert str(caught.value) == f"action: {caught.value.reason}"
    assert caught.value.source == template


REFUSED = [
    ("{{ x", "unexpected end of template"),
    ("{{ }}", "Expected an expression"),
    ("{% if x %}", "Unexpected end of template"),
    ("line\n{% nothing %}", "Encountered unknown tag 'nothing'. (line 2)"),
    ("{{ x | regex_replace('a', 'b') }}", "there is no filter 'regex_replace'; there are abs,"),
    ("{{ x is prime }}", "there is no test 'prime'"),
    ("{{ x | replace('a') }}", "filter replace: missing a required argument: 'new'"),
    ("{{ x | map('upper') }}", "filter map: too many positional arguments"),
    ("{{ x | round(precise=1) }}", "filter round: got an unexpected keyword argument"),
    ("{{ x | round(*list) }}", "arguments with * or **"),
    ("{{ now() }}", "calling a function or method"),
    ("{{ s.upper() }}", "calling a function or method"),
    ("{% include 'a' %}", "{% include %} is not possible"),
    ("{% import 'a' as b %}", "{% import %} is not possible"),
    ("{% from 'a' import b %}", "{% from … import %} is not possible"),
    ("{% extends 'a' %}", "{% extends %} is not possible"),
    ("{% block a %}{% endblock %}", "{% block %} is not possible"),
    ("{% macro a() %}{% endmacro %}", "{% macro %} is not possible"),
    ("{% call a() %}{% endcall %}", "{% call %} is not possible"),
    ("{% filter upper %}a{% endfilter %}", "{% filter %} is not possible"),
    ("{% set a %}b{% endset %}", "{% set %} … {% endset %}"),
    ("{% with a = 1 %}{% endwith %}", "{% with %}"),
    ("{% autoescape true %}{% endautoescape %}", "{% autoescape %}"),
    ("{% set x.y = 1 %}", "assigning to an attribute"),
    ("{% for a in b recursive %}{% endfor %}", "a recursive loop"),
    ("{% for a in b %}{{ loop }}{% endfor %}", "loop can only be used as"),
    ("{% for a in b %}{{ loop['index'] }}{% endfor %}", "loop can only be used as"),
    ("{% for a in b %}{{ loop.cycle }}{% endfor %}", "loop has no 'cycle'"),
    ("{% set loop = 1 %}", "loop can only be used as"),
    ("{{ self }}", "the name self"),
    ("{{ '\\ud800' }}", "a text has half of a surrogate pair"),
    ("\ud800{{ x }}", "it has text in it that is not Unicode"),
    ("{{ 1e999 }}", "a number is too large"),
    ("{{ 99999999999999999999 }}", "a whole number is larger"),
]


@pytest.mark.parametrize(("template", "reason"), REFUSED)
def test_what_cannot_work_is_refused_before_it_is_rendered(template: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_template(template)
    assert caught.value.reason.startswith(reason)
    with pytest.raises(TemplateError) as again:
        render_value(template, CONTEXT)
    assert again.value.reason == caught.value.reason


def test_the_path_of_an_error_leads_to_the_string() -> None:
    value = {"message": {"list": ["a", {"state": "{{ nothing }}" + " " * 200}]}}
    with pytest.raises(TemplateError) as caught:
        render_value(value, {}, "action")
    assert caught.value.path == "action.message.list[1].state"
    assert str(caught.value) == "action.message.list[1].state: 'nothing' is undefined"
    assert len(caught.value.source) == 81


def test_keys_are_not_rendered() -> None:
    assert render_value({"{{ x }}": "{{ x }}"}, CONTEXT) == {"{{ x }}": 5}


def test_a_template_anywhere_in_the_values_is_found() -> None:
    assert contains_template({"a": [{"b": "x{% if %}"}]})
    assert contains_template("{#")
    assert not contains_template({"{{ a }}": ["{", 5, None, "}}"]})


def test_text_without_a_template_needs_no_check_whatever_its_length() -> None:
    check_template("a" * 100_000)
