"""Attention control: look into and change the attention of a borrowed network, only while a `with` lasts.

`sites` says where a network attends, `operations` what can be done there, `control` switches it on and off, `label_grid` brings items to token grids.
"""
