"""Tokens: training a tokenizer, splitting documents, writing token shards."""
