"""The demonstration: a small rendered collection whose answers are known, asked in words, by sound and by version."""
