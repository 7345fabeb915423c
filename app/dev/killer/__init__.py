"""The kill test: the real program is killed at random moments while a script paints, runs and saves, and the next start must offer everything back.

Each child is the whole program, drawn offscreen, with one home folder after the other's death. It takes back what it is offered, goes on
working with real pointer and key events, and writes every step to a ledger at once: the digest of the document after it. After
each kill, what the next child is offered must be the last step of every document in the ledger, or the one before: the step that
was being written. Project files must always be one that was saved, whole.
"""
