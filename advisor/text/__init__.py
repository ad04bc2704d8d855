"""Results as text for people: terminal, Markdown, decision record."""
