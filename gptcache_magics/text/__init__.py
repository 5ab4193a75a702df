"""Write and read text for people: masking, differences, amounts, messages."""
