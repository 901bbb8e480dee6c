"""The launch X-ray: collects the spans of every process, shows a launch's seventeen steps."""
