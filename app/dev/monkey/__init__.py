"""The random driver: it uses the real window like somebody who tries everything, and counts what goes wrong.

`command` watches, in one process; `program` is the real program in another, `chooser` draws what is done next, `acts` does it. Every act
is written down before it is done, so that a run which ended in the middle can be played again.
"""
