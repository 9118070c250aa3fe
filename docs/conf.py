"""Sphinx's configuration: `make docs` builds `build/docs`, with every warning an error."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime_fsm import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "realtime-fsm"
release = __version__
copyright = "realtime-fsm contributors"  # noqa: A001 - Sphinx names it so

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# Docstrings write names in single backticks; what is not a name of ours stays as it is written.
default_role = "py:obj"

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "realtime-fsm"
html_static_path = ["_static", "../diagrams/turn-overview-narrow.svg"]
html_css_files = ["project.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "footer_icons": [],
    "light_css_variables": {"font-stack": "system-ui, sans-serif"},
}


def setup(app: Sphinx) -> None:
    """Pictures, the sample call and its page are files beside these pages. They open in the
    browser, which Sphinx's links to files tell it not to do."""

    def opens(
        _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: Any
    ) -> None:
        context["body"] = context.get("body", "").replace(' download=""', "")

    def make_sample(_app: Sphinx, failed: Exception | None) -> None:
        if failed is None and app.builder.name == "html":
            made = runpy.run_path(str(Path(app.srcdir, "sample", "make.py")))["html"]()
            Path(app.outdir, "sample").mkdir(exist_ok=True)
            Path(app.outdir, "sample", "call.html").write_text(made, "utf-8")

    app.connect("html-page-context", opens)
    app.connect("build-finished", make_sample)
