"""AWS CDK constructs for event-driven systems: one construct for each pattern."""
