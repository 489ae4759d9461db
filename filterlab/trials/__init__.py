"""Real programs captured in the seal, and what each recogniser makes of them."""
