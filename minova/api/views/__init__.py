"""How what we know becomes what a client sees, per microversion."""
