"""Answers questions of customers."""
