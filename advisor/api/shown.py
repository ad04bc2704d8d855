"""How a result shows itself: in a notebook as tables, elsewhere as the command's text."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self


class Shown:
    """Adds what a notebook asks for to a result, which is a dataclass. A subclass says how it is worded."""

    @classmethod
    def showing(cls, found: Any) -> Self:
        """The same result, able to show itself."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def to_markdown(self) -> str:
        """The result as a Markdown document."""
        raise NotImplementedError

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        from advisor.text.html import html

        return html(self.to_markdown())
