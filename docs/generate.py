"""Writes the references that are made from the code: run `make docs` after a change to settings or topics."""

from __future__ import annotations

from pathlib import Path

from alicia_scheduler.settings import settings_markdown
from alicia_scheduler.wire.schema import refreshed_page

HERE = Path(__file__).resolve().parent


def pages() -> dict[str, str]:
    """File name and text of every page that is made from the code, wholly or between its marks."""
    return {
        "settings.md": settings_markdown(),
        "topics.md": refreshed_page((HERE / "topics.md").read_text(encoding="utf-8")),
    }


def main() -> None:
    """Every generated page is as the code says."""
    for name, text in pages().items():
        page = HERE / name
        changed = not page.is_file() or page.read_text(encoding="utf-8") != text
        page.write_text(text, encoding="utf-8")
        print(f"docs/{name}: {'written' if changed else 'was up to date'}")


if __name__ == "__main__":
    main()
