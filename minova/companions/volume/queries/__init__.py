"""All SQL of the volume service, one file per table. Each function is one transaction."""
