"""Stands for a topology; only its folder is looked up."""
