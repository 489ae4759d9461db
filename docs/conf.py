"""How Sphinx makes the site; nothing in it asks the network for anything.

`./lab docs` builds it into site/. The pages in reference/ and policies/ are made from
the lab's schema and content each time, and are not kept in the repository.
"""

from pathlib import Path

from filterlab.reference.site import write

project = "FilterLab"
author = "the FilterLab authors"
extensions = ["myst_parser"]
exclude_patterns = ["keys"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = "FilterLab"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
# Furo's own font is the system's; pictures lie beside the pages.
html_theme_options = {"navigation_with_keys": True}

write(Path(__file__).parent)
