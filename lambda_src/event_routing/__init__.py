"""The handler of a route of EventRouting: the events that a rule of the bus put into its queue, each with one effect."""
