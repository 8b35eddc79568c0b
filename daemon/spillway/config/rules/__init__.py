"""What must hold between the parts of a configuration, in small modules by subject.

Each module has `check(draft)`: it reports all it finds through the draft, which drops whatever rests on a part that is
broken already. Rules read files only where the configuration names one that must exist.
"""
