# Spillway in a container, as it runs in production: with the Pulumi CLI and its Google plugin, without root, on a read-only root.
#   docker build --build-arg BASE=python:3.12-slim -t spillway .
#   docker run --read-only --tmpfs /tmp --stop-timeout 90 -v spillway-state:/var/lib/spillway \
#     -v /etc/spillway:/etc/spillway:ro -p 127.0.0.1:9464:9464 spillway
# Any Debian-like base with Python 3.11+ (and its venv module) will do. docs/operations.md has the rest: credentials, the address to
# listen on, Kubernetes. Without a way to Pulumi's downloads build with --build-arg WITH_ENGINE=0, and mount a folder that
# `spillway setup --home FOLDER` has filled: -v FOLDER:/opt/spillway/pulumi:ro.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ARG WITH_ENGINE=1
SHELL ["/bin/sh", "-eu", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
# Pulumi's installer fetches with curl, and a slim base has none.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --copies /opt/spillway
WORKDIR /src
# The lock first: its layer stays while only Spillway itself changes.
COPY requirements.lock ./
RUN /opt/spillway/bin/python -m pip install --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY daemon ./daemon
COPY config ./config
COPY docs ./docs
COPY systemd ./systemd
RUN /opt/spillway/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/spillway/bin/python -m compileall -q -x 'pulumi_gcp/(?!compute/|networkservices/|certificatemanager/|config/|[^/]*[.]py$)' /opt/spillway/lib \
    && mkdir -p /opt/spillway/pulumi
# A build that cannot fetch the engine fails, and says what to put where by hand.
RUN case "$WITH_ENGINE" in \
      1) PULUMI_HOME=/opt/spillway/pulumi /opt/spillway/bin/spillway setup ;; \
      0) echo "WITH_ENGINE=0: cloud: gcp needs an engine mounted at /opt/spillway/pulumi" ;; \
      *) echo "WITH_ENGINE is $WITH_ENGINE; write 1 or 0" >&2; exit 2 ;; \
    esac

FROM ${BASE} AS run
SHELL ["/bin/sh", "-eu", "-c"]
# An init as process 1 reaps the engine's plugins, which outlive their parent and would pile up as zombies.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates dumb-init \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 65532 spillway \
    && useradd --system --uid 65532 --gid spillway --no-create-home --home-dir /var/lib/spillway --shell /usr/sbin/nologin spillway \
    && install -d -o spillway -g spillway -m 0700 /var/lib/spillway
COPY --from=build /opt/spillway /opt/spillway
ENV PATH=/opt/spillway/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/spillway \
    PULUMI_HOME=/opt/spillway/pulumi \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /var/lib/spillway
VOLUME ["/var/lib/spillway"]
EXPOSE 9464
# SIGTERM finishes or abandons the running pass within daemon.stop_deadline (60 s): give `docker stop --time 90`.
STOPSIGNAL SIGTERM
# Asks /healthz at `daemon.listen` of the configuration: progress of the loop, not an open port. A first build may take 15 minutes.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20m --retries=3 \
    CMD ["/opt/spillway/bin/python", "-m", "spillway.cli.health"]
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/opt/spillway/bin/spillway"]
# Started again after every exit, a container stays up instead where that would change nothing, and says why on /readyz.
# Both take their configuration from $SPILLWAY_CONFIG, else from /etc/spillway/spillway.yaml.
CMD ["run", "--stay"]
