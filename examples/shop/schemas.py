"""What a product and an order of the shop are (JSON Schema, draft 2020-12)."""

PRODUCT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 64},
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "price": {"type": "number", "minimum": 0, "multipleOf": 0.01},
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
