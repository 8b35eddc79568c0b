"""The engine inside this process: Pulumi's runtime evaluates the program, the stand-in provider carries it out."""
