"""The gcp plugin's place in a real CLI, for machines without it: an executable that serves the stand-in provider.

Unlike the attached provider of `standin_cli` it is a process of its own that the CLI starts, so it can be killed and can
be left behind.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(home: Path) -> None:
    """Put it where the CLI looks below PULUMI_HOME."""
    from spillway.adapters.engine.pulumi_cli.installation import plugin_folder

    folder = plugin_folder(home)
    folder.mkdir(parents=True)
    program = folder / "pulumi-resource-gcp"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'daemon')!r}]\n"
        "from tests.engine.plugin import main\nmain()\n"
    )
    program.chmod(0o755)


def main() -> None:
    """Serve until the CLI ends it."""
    from urllib.parse import urlsplit

    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc
    from tests.engine.standin_cli import _Servicer

    from spillway.adapters.engine.provider.cloud import Cloud
    from spillway.adapters.engine.provider.standin import StandInProvider
    from spillway.adapters.engine.pulumi_cli.installation import plugin_version

    endpoint = urlsplit(os.environ["GOOGLE_COMPUTE_CUSTOM_ENDPOINT"])
    provider = StandInProvider(Cloud.sandbox(f"{endpoint.scheme}://{endpoint.netloc}"))
    server = grpc.server(ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(
        _Servicer(provider, plugin_version(), 60.0), server
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    threading.Event().wait()
