# The image of the operator and of its runs. It builds with docker and with buildah:
#
#   docker build --tag report-operator .
#
# Behind a proxy with a certificate authority of its own, hand its certificate to the build:
#
#   docker build --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt \
#     --build-arg PIP_CERT=/run/ca/ca.crt --build-arg SSL_CERT_FILE=/run/ca/ca.crt …
ARG BASE=docker.io/library/debian:trixie-slim

FROM ${BASE} AS python
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3

# ---- what only the build needs ----
FROM python AS builder
ARG PIP_CERT
RUN apt-get install --yes --no-install-recommends binutils python3-pip
COPY requirements/uv.txt /build/
RUN --mount=type=secret,id=ca,target=/run/ca/ca.crt \
    pip install --break-system-packages --no-cache-dir --root-user-action ignore --require-hashes --no-deps \
      --requirement /build/uv.txt
ENV UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never

# ---- the dependencies, exactly as locked ----
FROM builder AS dependencies
ARG SSL_CERT_FILE
COPY requirements/run.txt /build/
RUN --mount=type=secret,id=ca,target=/run/ca/ca.crt \
    uv venv --python /usr/bin/python3 /opt/report-operator \
 && uv pip sync --python /opt/report-operator --require-hashes /build/run.txt
# What no code path of ours opens; the end-to-end tests run in what remains.
RUN cd /opt/report-operator/lib/python3.13/site-packages \
 # descriptions of the other 400 services of AWS
 && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts -exec rm -r {} + \
 # the synchronous client, which kopf and kubernetes.aio would only import and not use, and what only it needs
 && find kubernetes -mindepth 1 -maxdepth 1 ! -name aio -exec rm -r {} + \
 && rm -r oauthlib requests_oauthlib websocket \
 && touch kubernetes/__init__.py \
 # the asynchronous halves of the clouds' clients, and descriptions of Google's other services
 && rm -r azure/identity/aio azure/storage/blob/aio azure/storage/blob/_generated/aio google/_async_resumable_media \
      google/api google/cloud/_storage_v2 google/gapic google/logging google/longrunning google/type pyasn1_modules \
 && find azure google -name '*.pyi' -delete -o -name '*.proto' -delete \
 # AVIF pictures, the slow compressor of WOFF2 files, colours for source code, tests, other packages' commands
 && rm -r PIL/_avif.* pillow.libs/libavif-* zopfli* pygments sqlalchemy/testing \
 && find /opt/report-operator/bin -type f -delete \
 # C sources and symbols of what is compiled
 && find . -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' | xargs rm \
 && find . -name '*.cpython-*.so' -exec strip --strip-debug {} + \
 # Containers run with a read-only root: bytecode is made here or never. The generated client and the clouds'
 # libraries need no more than that, and no documentation in it (-o 2).
 && large='azure cryptography google kubernetes/aio/client/api kubernetes/aio/client/models msal pyasn1' \
 && python3 -m compileall -q -j 0 -b -o 2 $large \
 && find $large -name '*.py' -delete \
 && python3 -m compileall -q -j 0 -b sqlalchemy && find sqlalchemy -name '*.py' -delete \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash .

# ---- the project itself ----
FROM builder AS project
ARG SSL_CERT_FILE
WORKDIR /build
COPY requirements/dev.txt requirements/
COPY LICENSE README.md pyproject.toml ./
COPY operator operator
RUN --mount=type=secret,id=ca,target=/run/ca/ca.crt \
    uv venv --python /usr/bin/python3 /opt/report-operator \
 && uv pip install --python /opt/report-operator --no-deps --build-constraint requirements/dev.txt . \
 && find /opt/report-operator/bin -type f ! -name report-operator -delete \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/report-operator/lib

# ---- the system below: libraries, fonts, time zones, certificates ----
FROM python AS system
# Pango sets the PDF's text. Inter is the templates' family, in the weights that they use; DejaVu has what Inter lacks.
RUN apt-get install --yes --no-install-recommends \
      ca-certificates fonts-dejavu-core fonts-inter libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 tzdata \
 && find /usr/share/fonts -name 'Inter*' -type f ! -name 'Inter-Regular.*' ! -name 'Inter-Italic.*' \
      ! -name 'Inter-Medium.*' ! -name 'Inter-SemiBold.*' ! -name 'Inter-Bold.*' -delete \
 && echo 'report-operator:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'report-operator:x:65532:' >> /etc/group \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
 # Layers keep no fractions of a second, and fontconfig trusts no cache that is off by one.
 && find /usr/share/fonts /usr/local/share/fonts -type d -exec touch --date=@1 {} + \
 && fc-cache --force \
 # What installs software and what only Debian's own scripts need goes too; dpkg's list of the rest stays for scanners.
 && rm -r /usr/lib/*/gconv /usr/lib/python3.13/test /usr/lib/python3.13/pydoc_data \
 && dpkg --purge --force-all libpam-runtime libpam-modules libpam-modules-bin libpam0g login mount passwd \
 && dpkg --purge --force-all \
      apt bash bsdutils debconf diffutils dpkg findutils libapt-pkg7.0 libdb5.3t64 login.defs openssl perl-base \
      sqv tar util-linux

# ---- what runs ----
FROM scratch
COPY --from=system / /
COPY --from=dependencies /opt/report-operator /opt/report-operator
COPY --from=project /opt/report-operator /opt/report-operator
ENV PATH=/opt/report-operator/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["report-operator"]
