"""The command lines of a node's daemons."""

from __future__ import annotations

from pathlib import Path

from .layout import Layout

ETCD = "http://127.0.0.1:2379"  # in the node's own network namespace; no pod gets there


def first(layout: Layout, kubernetes: Path) -> dict[str, list[str]]:
    """What the API needs and what needs no API: name → command line."""
    pki = layout.pki
    return {
        "etcd": [
            str(kubernetes),
            "etcd",
            f"--data-dir={layout.folder}/etcd",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        ],
        "containerd": ["containerd", f"--config={layout.folder}/config/containerd.toml"],
        "kube-apiserver": [
            str(kubernetes),
            "kube-apiserver",
            f"--advertise-address={layout.addresses.node}",
            "--allow-privileged",
            "--authorization-mode=Node,RBAC",
            f"--client-ca-file={pki}/ca.crt",
            "--enable-admission-plugins=NodeRestriction",
            f"--etcd-servers={ETCD}",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-accounts.pub",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            f"--service-cluster-ip-range={layout.addresses.services}",
            f"--tls-cert-file={pki}/kube-apiserver.crt",
            f"--tls-private-key-file={pki}/kube-apiserver.key",
        ],
    }


def second(layout: Layout, kubernetes: Path) -> dict[str, list[str]]:
    """The clients of the API: name → command line."""

    def kubeconfig(part: str) -> str:
        return f"--kubeconfig={layout.folder}/{part}.kubeconfig"

    pki = layout.pki
    return {
        "kubelet": [
            str(kubernetes),
            "kubelet",
            f"--config={layout.folder}/config/kubelet.yaml",
            kubeconfig("kubelet"),
            f"--hostname-override={layout.node_name}",
            f"--node-ip={layout.addresses.node}",
        ],
        "kube-controller-manager": [
            str(kubernetes),
            "kube-controller-manager",
            kubeconfig("kube-controller-manager"),
            "--leader-elect=false",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/service-accounts.key",
            f"--flex-volume-plugin-dir={layout.folder}/volume-plugins",
        ],
        "kube-scheduler": [
            str(kubernetes),
            "kube-scheduler",
            kubeconfig("kube-scheduler"),
            "--leader-elect=false",
        ],
        "kube-proxy": [
            str(kubernetes),
            "kube-proxy",
            kubeconfig("kube-proxy"),
            "--proxy-mode=nftables",
            f"--cluster-cidr={layout.addresses.pods}",
            f"--hostname-override={layout.node_name}",
            # Zero leaves the machine's own connection tracking as it is.
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
            "--conntrack-tcp-timeout-close-wait=0",
            "--conntrack-tcp-timeout-established=0",
        ],
        "coredns": [str(kubernetes), "coredns", f"-conf={layout.folder}/config/Corefile"],
    }
