"""A shop in which all eight patterns work together: a stack for each, and the story of ten orders that go through them."""
