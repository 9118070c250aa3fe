"""Sphinx's configuration: `make docs` builds `build/docs`, with every warning an error."""

from __future__ import annotations

from realtime_fsm import __version__

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
