"""Engines that carry out the program: the Pulumi CLI with Google's provider, or one inside this process with a stand-in.

`choose` makes the engine; `pulumi_cli` and `embedded` are the two; what both share stands beside them; `provider` is the
stand-in for the `gcp` resource provider, whose knowledge of the resources the CLI engine uses for recovery and words.
"""
