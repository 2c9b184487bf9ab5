"""How Sphinx makes the site of these pages: `make docs`, into build/site. Nothing is fetched.

Equations are Unicode text in indented blocks: the same in a terminal, on a git host, in a docstring and here,
with no script, no font and no network needed to show them.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
sys.path.insert(0, str(HERE.parent / "src"))

import unstir  # noqa: E402

project = "unstir"
author = "The unstir authors"
project_copyright = "the unstir authors, MIT licence"
release = version = unstir.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "outside",
    "others",
    "equations",
    "offline",
]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
highlight_language = "none"  # an indented block is an equation; code says its language

# Root files that are pages of the site too: the stub of that name is replaced by the file's text.
outside_pages = {
    "site/benchmarks": "benchmarks/README.md",
    "site/contributing": "CONTRIBUTING.md",
    "site/changelog": "CHANGELOG.md",
    "site/security": "SECURITY.md",
}
outside_links = {"README.md": "index"}

default_role = "code"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

exclude_patterns = ["_extensions", "_static"]
html_theme = "furo"
html_title = "unstir"
html_static_path = ["_static"]
html_css_files = ["unstir.css"]
html_favicon = "_static/favicon.svg"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {
        "font-stack": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif",
        "color-brand-primary": "#1d4ed8",
        "color-brand-content": "#1d4ed8",
        "color-brand-visited": "#4c3fa8",
    },
    "dark_css_variables": {
        "color-brand-primary": "#8ab4ff",
        "color-brand-content": "#8ab4ff",
        "color-brand-visited": "#b9a7f5",
    },
}
