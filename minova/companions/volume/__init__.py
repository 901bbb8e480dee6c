"""The slim Cinder v3: volumes as files, exported over NBD. README.md has the page about it."""
