"""The functions of OrderWorkflow: the steps of an order, what undoes them, and what starts its execution."""
