"""Self-contained HTML pages: no address outside, no script; readable on a phone, on paper and in the dark."""

import base64
import copy
import functools
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent / "templates"


def notebook_page(notebook: NotebookNode, title: str, kicker: str) -> str:
    """Return an executed notebook as a page. Its first line, a heading, gives way to `title`.

    Args:
        notebook: As papermill left it.
        title: Of the page.
        kicker: The line above the heading: dataset, seed.
    """
    from nbconvert import HTMLExporter  # costs a second
    from traitlets.config import Config

    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = {"parameters"}  # the injected cell says what was used
    exporter = HTMLExporter(
        config=config,
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    exporter.register_preprocessor("nbconvert.preprocessors.TagRemovePreprocessor", enabled=True)
    notebook = copy.deepcopy(notebook)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if markdown := output.get("data", {}).get("text/markdown"):  # a sentence about data, whose names are no HTML
            output["data"]["text/markdown"] = markdown.replace("<", "&lt;")
    first = notebook.cells[0]
    first.source = first.source.removeprefix(first.source.splitlines()[0])  # its heading; the page's own names the data
    body, _ = exporter.from_notebook_node(notebook)
    return render("notebook.html", title=title, kicker=kicker, body=Markup(body))


def render(template: str, **values: Any) -> str:
    """Return a page with the style sheet inside; values are escaped unless they are Markup."""
    css = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))
    return fragment(template, css=css, **values)


def fragment(template: str, **values: Any) -> Markup:
    """Return a part of a page; values are escaped unless they are Markup."""
    return Markup(_environment().get_template(template).render(**values).rstrip() + "\n")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = mark_code
    environment.filters["whole"] = keep_whole
    return environment


def mark_code(text: str) -> Markup:
    """Escape a text and set what stands `in backticks` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def keep_whole(text: object) -> Markup:
    """Escape a measured number and let no line break inside its interval or its `n = 5`."""
    return Markup(re.sub(r"\[[^]]*\]|n = \d+", r'<span class="whole">\g<0></span>', str(escape(str(text)))))


def data_uri(png: bytes) -> str:
    """Return a PNG as an address inside the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
