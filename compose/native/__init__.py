"""The real stack, started natively: what `compose/stack` is made of."""
