"""Evaluation: questions in, one record per question out, every average computed from the records."""
