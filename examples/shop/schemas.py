"""What a product, an order, and a word on an order of the shop are (JSON Schema, draft 2020-12)."""

#: What src/shop/price_list.py takes, too: a test holds both together.
PRODUCT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 64},
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "price": {"type": "number", "minimum": 0, "maximum": 1_000_000, "multipleOf": 0.01},
    },
    "required": ["id", "name", "price"],
}

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
        "customer_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000, "multipleOf": 0.01},
        "currency": {"type": "string", "enum": ["EUR"]},
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 99,
            "items": {
                "type": "object",
                "properties": {
                    "sku": {"type": "string", "minLength": 1, "maxLength": 64},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
                },
                "required": ["sku", "quantity"],
                "additionalProperties": False,
            },
        },
        "ship_to": {
            "type": "object",
            "properties": {"country": {"type": "string", "pattern": "^[A-Z]{2}$"}},
            "required": ["country"],
            "additionalProperties": False,
        },
    },
    "required": ["customer_id", "amount", "currency", "items", "ship_to"],
}

#: The data of events about an order. The worker says amounts as numbers, and ``null`` of an order that it could not read; the
#: workflow says them as texts, and nothing of an order that it could not validate.
TOLD = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string", "minLength": 1},
        "state": {"type": "string", "minLength": 1},
        "amount": {"type": ["number", "string", "null"], "pattern": r"^[0-9]+(\.[0-9]+)?$"},
        "currency": {"type": ["string", "null"]},
        "reason": {"type": "string"},
    },
    "required": ["order_id", "state"],
}
