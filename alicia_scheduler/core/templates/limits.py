"""What a template may cost, and the meter that stops it while it renders.

Jinja's sandbox stops escapes, not bombs. Time is no input of the core, so cost is counted instead: every operation pays
in steps for the data that it is about to touch, before it touches it. The worst template that stays within these limits
ends well below 100 ms and 50 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

CHARS_PER_STEP = 16
"""Characters that are copied in about the time of one step."""


class TemplateError(ValueError):
    """A template was refused or failed; the message is for the person who wrote it.

    Attributes:
        reason: What is wrong, without the place.
        path: Where the template stands, such as ``action.message.state``; empty if the caller did not say.
        source: The template's text, shortened.
    """

    def __init__(self, reason: str, path: str = "", source: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path
        self.source = source

    def within(self, key: str) -> TemplateError:
        """The same error one level further out, in the value that stands under ``key``."""
        if not key:
            return self
        joint = "." if self.path and not self.path.startswith("[") else ""
        return TemplateError(self.reason, f"{key}{joint}{self.path}", self.source)


@dataclass(frozen=True, slots=True)
class TemplateLimits:
    """Upper bounds; the first group is for one template, the second for all templates of one value together.

    Attributes:
        source_chars: Length of the text.
        nodes: Parts (names, constants, operators, filters, tags) that the text parses into.
        depth: Nesting of those parts.
        brackets: Nesting of brackets and of unary operators in the text.
        loop_depth: Loops inside loops.
        value_chars: Length of any text made on the way.
        total_nodes: Parts of all templates, ``template_nodes`` added for each.
        template_nodes: The fixed cost of one more template, in parts.
        output_chars: Everything that comes out.
        iterations: Loop passes, counted over all nesting.
        steps: Work, of at most half a microsecond each.
    """

    source_chars: int = 4096
    nodes: int = 250
    depth: int = 60
    brackets: int = 20
    loop_depth: int = 4
    value_chars: int = 65_536
    total_nodes: int = 600
    template_nodes: int = 10
    output_chars: int = 65_536
    iterations: int = 5_000
    steps: int = 60_000


LIMITS = TemplateLimits()
"""The limits that are in force."""


class Meter:
    """What one rendering may still cost; every method raises TemplateError once a limit is passed."""

    __slots__ = ("_iterations", "_nodes", "_output", "_steps")

    def __init__(self) -> None:
        self._steps = LIMITS.steps
        self._output = LIMITS.output_chars
        self._iterations = LIMITS.iterations
        self._nodes = LIMITS.total_nodes

    def spend(self, steps: int) -> None:
        """Pays for work that is about to be done."""
        self._steps -= steps
        if self._steps < 0:
            raise TemplateError(f"it does too much work (limit {LIMITS.steps} steps)")

    def spend_text(self, chars: int) -> None:
        """Pays for text of that length."""
        self.spend(chars // CHARS_PER_STEP + 1)

    def emit(self, chars: int) -> None:
        """Pays for output of that length."""
        self._output -= chars
        if self._output < 0:
            raise TemplateError(f"the output is longer than {LIMITS.output_chars} characters")

    def iterate(self, nodes: int) -> None:
        """Pays for one more pass through a loop whose body has that many parts."""
        self._iterations -= 1
        if self._iterations < 0:
            raise TemplateError(f"its loops make more than {LIMITS.iterations} passes")
        self.spend(nodes)

    def enter(self, nodes: int) -> None:
        """Pays for one more template of that many parts."""
        self._nodes -= nodes + LIMITS.template_nodes
        if self._nodes < 0:
            raise TemplateError(f"the templates together are too large (limit {LIMITS.total_nodes} parts)")
        self.spend(nodes)


def checked_length(chars: int) -> int:
    """The length itself, if text of that length may be made."""
    if chars > LIMITS.value_chars:
        raise TemplateError(f"it makes a text longer than {LIMITS.value_chars} characters")
    return chars
