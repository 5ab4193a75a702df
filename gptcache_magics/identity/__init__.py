"""What makes two calls the same: the key of a call, and the parts that it is made of."""
