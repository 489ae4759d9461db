"""Tool x policy: every cell a sealed run, many at a time, told as they come."""
