"""The configuration: one YAML file or a directory of them, checked whole, with every problem named at once."""
