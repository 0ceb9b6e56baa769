"""The shop's own functions: what is the shop's alone, and no pattern could know."""
