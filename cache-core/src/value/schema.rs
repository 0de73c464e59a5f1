//! What a type asks of a deserializer: the shape of its encoding, found by reading placeholders.
