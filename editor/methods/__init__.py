"""Ways of editing a picture, each in a folder of its own: what it is in `method.py` (`base.Method`), its torch half in `model/`."""
