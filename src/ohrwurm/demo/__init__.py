"""The demonstration: a small rendered collection whose answers are known, asked in words, by sound and by version, and
listened to.

`plan` says what is played, `rendering` plays it, `questions` asks, `judging` compares with what was played,
`understanding` compares beats, chords and key that are heard, `narrowed` searches by them, `tables` and `heard_tables`
print; `run.run` does all of it.
"""
