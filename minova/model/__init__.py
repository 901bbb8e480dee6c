"""What travels and is stored: dataclasses, states, tables. No I/O."""
