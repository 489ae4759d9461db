"""Scenarios for the tests beside this folder, which run them themselves."""

collect_ignore_glob = ["*"]
