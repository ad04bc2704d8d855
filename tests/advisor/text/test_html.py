"""Our Markdown as HTML: what is understood, and that nothing else becomes an element."""

import random

from advisor.text.html import html
from advisor.text.markdown import code, escaped, table
from tests.advisor.test_api import OURS, Balanced


def body(markdown):
    """What is inside the `<div>`."""
    opening, *lines, closing = html(markdown).split("\n")
    assert (opening, closing) == ('<div class="tex2jax_ignore mathjax_ignore">', "</div>")
    return "\n".join(lines)


def test_headings_paragraphs_and_lists():
    assert body("# One\n\ntwo\nthree\n\n- a\n- b\n\n1. c\n2. d") == (
        "<h1>One</h1>\n<p>two three</p>\n<ul><li>a</li><li>b</li></ul>\n<ol><li>c</li><li>d</li></ol>"
    )


def test_a_table_has_a_head_if_a_rule_follows_its_first_line():
    assert body("| a | b |\n|---|---|\n| 1 | x\\|y |") == (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead>"
        "<tbody><tr><td>1</td><td>x|y</td></tr></tbody></table>"
    )
    assert "<thead>" not in body("| a | b |")
    assert "<td>lost?</td>" in body("| a | lost?")


def test_bold_code_and_escapes():
    assert body("**LoRA** with `a_b`, \\*not bold\\*") == (
        "<p><strong>LoRA</strong> with <code>a_b</code>, *not bold*</p>"
    )
    assert body("``a`b``") == "<p><code>a`b</code></p>"


def test_everything_is_escaped_in_every_place():
    hostile = "<img src=x onerror=alert(1)>&\"'"
    for place in ("{}", "# {}", "- {}", "| {} |", "`{}`", "**{}**"):
        assert "&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#x27;" in body(place.format(hostile))


def test_what_was_escaped_is_shown_as_it_was():
    """Also as a cell of a table and as code, whatever marks it has."""
    for words in ("a|b", "*x* _y_", "`<b>`", "1. not a list", "# not a heading", "- x", "\\", "a\\|b",
                  "[x](y)", "~~x~~", "= =", "`bench run`"):  # fmt: skip
        for shown in (escaped(words), "\n".join(table(["†"], [[words]])), code(words)):
            seen = "".join(Balanced(html(shown)).words).replace("†", "").strip()
            assert seen.replace("`", "") == words.replace("`", ""), (words, shown)


def test_any_text_gives_balanced_html_with_only_our_elements():
    rng = random.Random(0)
    pieces = ["<", ">", "&", "|", "`", "``", "**", "\\", "# ", "- ", "1. ", "\n", "\n\n", "|---|", "a",
              " ", '"', "</td>", "<script>", "<!--", "]]>", "\u2028", "\r", "\x00"]  # fmt: skip
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randrange(1, 30)))
        assert Balanced(html(text)).seen <= OURS | {"h3", "h4", "h5", "h6"}
