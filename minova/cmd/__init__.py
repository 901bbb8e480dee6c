"""One entry point per process, and `minova`, the operator's command."""
