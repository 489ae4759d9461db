"""What a topology lets each exchange see, worked out without building anything."""
