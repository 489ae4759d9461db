"""What a flow is: one recogniser a file, each with its limits and its source."""
