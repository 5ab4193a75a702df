"""Words for people: masking, differences, amounts, messages."""
