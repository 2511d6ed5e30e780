"""Anything that scores: the contract and the scorers that need no weights."""
