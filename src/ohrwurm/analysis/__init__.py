"""One recording → what is in it: beats and downbeats, tempo, chords, key, sections.

A model's heads say for every frame how likely each class is: *activations* `(frames, classes)` at `frame_rate` frames a
second, frame i standing at `i / frame_rate` seconds. This room stitches the activations of overlapping windows
(`overlap`) and decodes them into the values of `ohrwurm.events` (`beats`, `bar_pointer`, `tempo`, `chords`, `keys`,
`sections`); `targets` goes the other way, from annotations to what a head is trained with.

Whatever comes in (silence, noise, five seconds, three hours) has a defined result with a confidence.
"""
