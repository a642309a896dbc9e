"""Templates: text with ``{{ expressions }}`` in an action, rendered once, in bounded time and memory.

Written for users in ``docs/templates.md``. The way of a template: ``rendering`` finds it in a value, ``grammar``
refuses what is not on the allow-list, ``rewriting`` replaces the operators that can grow, ``sandbox`` compiles and runs
it, and ``limits`` holds the meter that all of it pays to.
"""

from alicia_scheduler.core.templates.limits import LIMITS, TemplateError, TemplateLimits
from alicia_scheduler.core.templates.rendering import check_template, check_value, contains_template, render_value

__all__ = [
    "LIMITS",
    "TemplateError",
    "TemplateLimits",
    "check_template",
    "check_value",
    "contains_template",
    "render_value",
]
