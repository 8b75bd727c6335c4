"""Batches: their endpoints, their input files, and running their lines."""
