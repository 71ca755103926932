"""The command line: one file per command. This is the only room that prints or exits.

``layerprof.cli.main`` puts the commands together. They import what measures inside themselves, so help and version
answer at once and a stored sweep can be reported where there is no torch.
"""
