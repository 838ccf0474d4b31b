"""A polite crawler: seeds in, WARC files out. It asks robots.txt first, waits between requests to a host, never
connects to a private address that it was led to, and goes on where it was stopped."""
