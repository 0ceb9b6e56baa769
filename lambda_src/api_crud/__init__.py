"""The handler of the pattern ApiCrud: a validated CRUD API for one resource."""
