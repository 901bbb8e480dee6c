"""The image companion: a slim Glance v2 with a file store. README.md is its front page."""
