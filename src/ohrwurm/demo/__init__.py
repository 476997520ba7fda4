"""The demonstration: a small rendered collection whose answers are known, asked in words, by sound and by version.

`plan` says what is played, `rendering` plays it, `questions` asks, `judging` compares with what was played, `tables`
prints; `run.run` does all of it.
"""
