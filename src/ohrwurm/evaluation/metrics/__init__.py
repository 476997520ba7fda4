"""One task a file, each in the shape of mir_eval: what it measures, `validate`, `evaluate`, `chance`.

Figures that cannot be computed (no query, nothing relevant) are NaN, never a made-up 0.
"""
