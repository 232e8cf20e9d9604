"""How sphinx builds the site: python -m sphinx -W -b html doc doc/_build"""

import ast
import re
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import sklearn_onenn  # noqa: E402

project = "sklearn_onenn"
author = "The sklearn_onenn developers"
copyright = f"2026, {author}"
version = release = sklearn_onenn.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# Every reference to this package must lead somewhere.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!sklearn_onenn|OneHidden|RowBlocks).*"),
    (r"py:class", r"sklearn_onenn\.scores\.ScoreFunction"),  # of annotations
    (r"std:ref", r"r2_score|metadata_routing"),  # of scikit-learn, in methods that it documents
]

# Names of scikit-learn that the pages mention, in a file beside this one: a build needs no network, and
# the same sources give the same site.
intersphinx_mapping = {"sklearn": ("https://scikit-learn.org/stable", "sklearn_names.txt")}

autodoc_default_options = {
    "members": True,
    "exclude-members": "get_metadata_routing, set_fit_request, set_score_request, set_predict_request",
}
toc_object_entries_show_parents = "hide"  # short names in "On this page"
autodoc_typehints = "none"  # docstrings name the types, in words
autosummary_generate = True
numpydoc_show_class_members = False
plot_formats = [("svg", 100)]
plot_html_show_formats = plot_html_show_source_link = False
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["config.cache"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def can_run(example):
    """Whether all that an example imports is installed."""
    nodes = list(ast.walk(ast.parse(example.read_text())))
    names = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
    names += [n.module for n in nodes if isinstance(n, ast.ImportFrom)]
    return all(find_spec(name.split(".")[0]) for name in names)


runnable = [re.escape(path.name) for path in HERE.parent.glob("examples/plot_*.py") if can_run(path)]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # An example whose imports are not installed is shown without its output.
    "filename_pattern": f"/({'|'.join(runnable)})$",
    "ignore_pattern": r"/benchmarks/",
    "within_subsection_order": "gallery_order.sort_key",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_onenn",),
    "reference_url": {"sklearn_onenn": None},
    "image_srcset": ["2x"],
    "thumbnail_size": (800, 560),
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "write_computation_times": False,  # these pages would load scripts from elsewhere
}

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {version}"
# Nothing on a page is fetched from elsewhere. One file of the site draws formulas. It is of the Python
# package django-static-mathjax, which has no dependencies, and draws curves, so no fonts go with it. Its
# menu is off, since that would load further files.
MATHJAX = files("mathjax") / "static/mathjax/es5/tex-svg-full.js"
mathjax_path = MATHJAX.name
mathjax3_config = {"options": {"enableMenu": False}}
html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": f"{project} {version}"},
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["rights"],  # in _templates
    "footer_end": [],
    "pygments_light_style": "tango",
}
html_sidebars = {
    "index": [],
    "quick_start": [],
    "theory": [],
    "notation": [],
    "scale": [],
    "citing": [],
    "contributing": [],
    "changelog": [],
}


def defined_in(app, module, name):
    """Where a name stands that is known by the path of the package, for the link to its source."""
    member = getattr(sklearn_onenn, name.split(".")[0], None)
    function = member.__init__ if isinstance(member, type) else member
    return getattr(function, "__globals__", {}).get("__name__") if module == "sklearn_onenn" else None


def setup(app):
    app.connect("viewcode-follow-imported", defined_in)
