"""The reported stories: a table of them made by a run, and what each rests on."""
