"""How many tokens a request has: the text, the demonstrations, and the prefix that can be cached."""

LEAST_CACHED_TOKENS = 1024
"""Shorter prefixes aren't cached (developers.openai.com/docs/guides/prompt-caching; others require at
least as many)."""


def request_tokens(values):
    """Tokens in a zero-shot request and its answer."""
    return values["prompt_tokens"] + values["completion_tokens"]


def demonstration_tokens(values):
    """Tokens that the demonstrations add to a prompt: each is a text and its answer, no instruction."""
    text = values["prompt_tokens"] * (1 - values["instruction_share"])
    return values["demonstrations"] * (text + values["completion_tokens"])


def prefix_tokens(values):
    """Tokens that every few-shot prompt starts with: the instruction and the demonstrations."""
    return values["prompt_tokens"] * values["instruction_share"] + demonstration_tokens(values)
