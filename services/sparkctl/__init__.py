"""sparkctl, the client for a shell: these modules, handed out at /sparkctl as one file (assembling.py).

What is in it may use the standard library of Python 3.9 alone, and imports at the top only what starts fast.
"""
