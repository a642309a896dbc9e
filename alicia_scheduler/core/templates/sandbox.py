"""The Jinja environment: plain data in, metered functions inside, nothing of Python within reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alicia_scheduler.core.templates import rewriting
from alicia_scheduler.core.templates.grammar import FILTERS, check_tree
from alicia_scheduler.core.templates.limits import LIMITS, Meter, TemplateError
from alicia_scheduler.core.templates.operations import BINARY, UNARY, calculated, compared, cut, joined, passes, signed
from alicia_scheduler.core.templates.predicates import PREDICATES
from alicia_scheduler.core.templates.values import bounded, copied, kind, measure, missing, number, text_of

FILTER_STEPS = 5
SHORT_SOURCE_CHARS = 256

Metered = Callable[..., Any]


class Scope(Context):
    """The names of one rendering, its meter, and the value of a template that is one expression."""

    meter: Meter
    typed: bool
    value: Any


@pass_context
def _written(scope: Scope, value: Any) -> str:
    """The text of an expression; that of a typed template is kept aside as the value it is."""
    kind(value)
    if scope.typed:
        scope.meter.emit(measure(scope.meter, value))
        scope.value = copied(value)
        return ""
    return text_of(scope.meter, value)


def _exposed(function: Metered) -> Metered:
    def call(scope: Scope, *arguments: Any, **named: Any) -> Any:
        scope.meter.spend(FILTER_STEPS)
        return bounded(scope.meter, function(scope.meter, *arguments, **named))

    return pass_context(call)


class Sandbox(ImmutableSandboxedEnvironment):
    """Looks names up in plain data only, and hands every operator to a checked function.

    The optimizer is off and every filter and test asks for the context, so nothing is computed while compiling.
    """

    intercepted_binops = BINARY
    intercepted_unops = UNARY
    context_class = Scope

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, optimized=False, cache_size=0, keep_trailing_newline=True)
        self.finalize = _written
        self.globals = {}
        inner: dict[str, Metered] = {
            rewriting.JOINED: joined,
            rewriting.COMPARED: compared,
            rewriting.CUT: cut,
            rewriting.PASSES: passes,
        }
        self.filters = {name: _exposed(function) for name, function in {**FILTERS, **inner}.items()}
        self.tests = {name: _exposed(function) for name, function in PREDICATES.items()}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What stands under the name in an object; never an attribute of the Python value."""
        if isinstance(obj, LoopContext):
            return getattr(obj, attribute)  # the grammar lets only harmless names of a loop through
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The item under a key or at a place, or an undefined value."""
        if isinstance(obj, dict) and isinstance(argument, (str, int, float)):
            if argument in obj:
                return obj[argument]
        elif isinstance(obj, (list, str)) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return missing(f"{kind(obj)} has no {_item_name(argument)}")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The checked result of a binary operator."""
        return calculated(_meter(context), operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """The checked result of a sign."""
        return signed(operator, arg)


def _item_name(argument: Any) -> str:
    if isinstance(argument, str):
        return repr(argument[:80])
    return f"item {number(argument)}" if isinstance(argument, int) else f"item under {kind(argument)}"


def _meter(context: Context) -> Meter:
    assert isinstance(context, Scope)
    return context.meter


_sandbox = Sandbox()


def parsed(source: str) -> tuple[nodes.Template, int]:
    """The checked tree of a template and the number of its parts; raises TemplateError."""
    if len(source) > LIMITS.source_chars:
        raise TemplateError(f"it is longer than {LIMITS.source_chars} characters")
    try:
        source.encode()
        _check_tokens(source)
        tree = _sandbox.parse(source)
        return tree, check_tree(tree)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(_syntax_reason(error)) from None
    except RecursionError:
        raise TemplateError("it is nested too deep") from None
    except UnicodeError:
        raise TemplateError("it has text in it that is not Unicode") from None
    except TemplateError:
        raise
    except (SyntaxError, ValueError):
        raise TemplateError("a number or a text in it cannot be read") from None


def _syntax_reason(error: jinja2.TemplateSyntaxError) -> str:
    place = f" (line {error.lineno})" if error.lineno > 1 else ""
    return f"{(error.message or 'it cannot be read')[:200]}{place}"


def _check_tokens(source: str) -> None:
    """Refuses towers of brackets and signs before the recursive parser sees them."""
    depth = tower = 0
    for _, sort, text in _sandbox.lexer.tokeniter(source, None):
        if sort == "whitespace":
            continue
        if sort == "operator":
            depth += (text in "([{") - (text in ")]}")
        tower = tower + 1 if text in ("-", "+", "not") else 0
        if max(depth, tower) > LIMITS.brackets:
            raise TemplateError(f"it is nested more than {LIMITS.brackets} deep")


class Prepared:
    """A parsed template: how large it is, and whether it is one expression and so keeps its type.

    It is compiled at the first use, so that what is too large is refused before that is paid for.
    """

    __slots__ = ("_tree", "_write", "size", "typed")

    def __init__(self, source: str) -> None:
        self._tree, self.size = parsed(source)
        self.typed = _is_expression(self._tree)
        self._write: Callable[[Context], Iterator[str]] | None = None

    def write(self, scope: Scope) -> Iterator[str]:
        """The pieces of the output, one after the other."""
        if self._write is None:
            code = _sandbox.compile(rewriting.metered(self._tree))
            self._write = jinja2.Template.from_code(_sandbox, code, {}).root_render_func
            self._tree = nodes.Template([])
        return self._write(scope)


_prepared_short = lru_cache(maxsize=2048)(Prepared)
_prepared_long = lru_cache(maxsize=128)(Prepared)


def prepared(source: str) -> Prepared:
    """The template ready to render, prepared once per text; few long texts are remembered, and many short ones."""
    return _prepared_short(source) if len(source) <= SHORT_SOURCE_CHARS else _prepared_long(source)


def _is_expression(tree: nodes.Template) -> bool:
    match tree.body:
        case [nodes.Output(nodes=[single])]:
            return not isinstance(single, nodes.TemplateData)
    return False


def rendered(source: str, context: dict[str, Any], meter: Meter) -> Any:
    """The template's value, or its text; raises TemplateError."""
    try:
        template = prepared(source)
        meter.enter(template.size)
        scope = Scope(_sandbox, context, None, {})
        scope.meter, scope.typed = meter, template.typed
        text = _collected(template, scope)
        return scope.value if template.typed else text
    except jinja2.TemplateError as error:
        raise TemplateError(error.message or "it cannot be rendered") from None
    except RecursionError:
        raise TemplateError("a value is nested too deep") from None
    except TemplateError:
        raise
    except (SyntaxError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise TemplateError(f"it cannot be rendered: {str(error)[:200]}") from None


def _collected(template: Prepared, scope: Scope) -> str:
    """The whole output; its length is checked while it grows."""
    pieces: list[str] = []
    for piece in template.write(scope):
        scope.meter.emit(len(piece))
        pieces.append(piece)
    return "".join(pieces)
