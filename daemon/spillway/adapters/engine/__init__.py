"""Engines that carry out the program: Pulumi's CLI with a plugin or a stand-in provider, or one inside this process."""
