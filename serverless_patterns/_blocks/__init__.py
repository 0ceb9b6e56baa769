"""Building blocks: what two or more patterns need. Private; patterns export what users need of it."""
