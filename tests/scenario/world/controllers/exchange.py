"""Stands for a controller; only its name is looked up."""
