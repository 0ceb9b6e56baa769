"""Corrections to the emulator: one module for each fault that would make a promise of a pattern untrue on this machine.

Each module's docstring says what AWS does, with its page, and what the emulator does instead. Its ``check`` fails when the
fault is gone or can no longer be found, so that a correction never outlives its reason; its ``apply`` mends it.

This folder runs inside the emulator's own environment (``python -m corrections``, see ``__main__``): besides the standard
library it may import the emulator, and nothing else of this package.
"""
