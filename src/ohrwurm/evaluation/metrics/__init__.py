"""One task a file, each in the shape of mir_eval: what it measures, `validate`, `evaluate`, `chance` where it has one.

Figures that cannot be computed (no query, nothing relevant, a label without positives) are NaN, never a made-up 0, and
scores that are not finite are refused.

What asks for something: `retrieval`, `versions` (with `ranking`). What is told of a track: `tagging` (with `curves`),
`classification`, `key`, `regression`, and `ensembles` for songs made of clips. What is told of its time: `pitch`, and
by mir_eval (extra `evaluation`) `beat`, `chord`, `segment` (with `sections`), whose means over tracks are `corpus`;
`marble` counts beats and chords over clips as that benchmark does.
"""
